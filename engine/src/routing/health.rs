//! Which providers fail and are *set aside* for a while, and when a *trial* may bring them back. One a provider and shard;
//! times are microseconds of the turn's clock.
//!
//! ```text
//!         5 failures in a row, or 10 of the last 20
//!  Well ─────────────────────────────────────────────▶ Aside (1 s, then 2, 4 … 30 s)
//!    ▲                                                   │ pause over
//!    │ a request begun since then succeeds               ▼
//!    └────────────────────────────────────────────────  due for a trial ── it fails ──▶ Aside, longer
//! ```
//!
//! The invariant that a change is likeliest to break: what began before it was set aside says nothing about it since.

use std::fmt;

use crate::limits::{
    ASIDE_FIRST_MS, ASIDE_MAX_MS, FAILED_RESULTS_MAX, FAILURES_IN_A_ROW_MAX, HEALTHY_STRETCH_MS,
    RESULTS_KEPT,
};

/// How a provider failed a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The link or connection was lost, or could not be made.
    Lost,
    /// It declined the request.
    Refused,
    /// No head within the call's timeout.
    TimedOut,
    /// Its response could not be used.
    Malformed,
    /// It gave the stream up.
    GaveUp,
    /// It answered with 502, 503 or 504.
    Status(u16),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Lost => f.write_str("the connection was lost"),
            Failure::Refused => f.write_str("it refused"),
            Failure::TimedOut => f.write_str("no response in time"),
            Failure::Malformed => f.write_str("its response could not be used"),
            Failure::GaveUp => f.write_str("it gave up"),
            Failure::Status(status) => write!(f, "status {status}"),
        }
    }
}

/// Why a provider was set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// So many requests failed one after the other.
    InARow(u32, Failure),
    /// So many of the last [`RESULTS_KEPT`] failed.
    Share(u32, Failure),
    /// It was aside already, and failed again when its pause was over.
    Trial(Failure),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::InARow(failed, last) => {
                write!(f, "{failed} requests in a row failed, the last: {last}")
            }
            Cause::Share(failed, last) => write!(
                f,
                "{failed} of the last {RESULTS_KEPT} requests failed, the last: {last}"
            ),
            Cause::Trial(last) => write!(f, "a trial failed: {last}"),
        }
    }
}

/// What a result changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is set aside from now on.
    Aside {
        /// For so long.
        pause_ms: u64,
        /// Why.
        cause: Cause,
    },
    /// It is asked like others again.
    Back,
}

/// Whether a provider is to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Like any other.
    Well,
    /// Not while there is another.
    Aside,
    /// Its pause is over since so many microseconds: one request may try it.
    Due(u64),
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Well,
    Aside {
        since_us: u64,
        until_us: u64,
        /// A trial is under way, and until then no other begins. One that has no result by then, as a long poll may have none
        /// for hours, keeps nobody aside.
        trial_until_us: u64,
    },
}

/// The health of one provider as one shard sees it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Health {
    state: State,
    in_a_row: u32,
    /// The last results, the newest in bit 0; a set bit is a failure.
    results: u32,
    /// How many of `results` there are.
    seen: u32,
    /// Pauses since it was last well for [`HEALTHY_STRETCH_MS`].
    pauses: u32,
    well_since_us: u64,
}

impl Health {
    /// Whether it is to be asked now.
    pub fn standing(&self, now_us: u64) -> Standing {
        match self.state {
            State::Well => Standing::Well,
            State::Aside {
                until_us,
                trial_until_us,
                ..
            } => match now_us.checked_sub(until_us) {
                Some(late_us) if now_us >= trial_until_us => Standing::Due(late_us),
                _ => Standing::Aside,
            },
        }
    }

    /// A request that is a trial goes there. It has as long as the pause was.
    pub fn begin_trial(&mut self, now_us: u64) {
        if let State::Aside {
            since_us,
            until_us,
            trial_until_us,
        } = &mut self.state
        {
            *trial_until_us = now_us.saturating_add(until_us.saturating_sub(*since_us));
        }
    }

    /// The trial that began at `begun_us` is over. If it had no result, as when its client has gone, the next may begin.
    pub fn end_trial(&mut self, begun_us: u64) {
        if let State::Aside {
            since_us,
            trial_until_us,
            ..
        } = &mut self.state
        {
            if begun_us > *since_us {
                *trial_until_us = 0;
            }
        }
    }

    /// A request that began at `begun_us` was answered.
    pub fn succeeded(&mut self, begun_us: u64, now_us: u64) -> Option<Change> {
        match self.state {
            State::Well => {
                self.in_a_row = 0;
                self.keep(0);
                None
            }
            State::Aside { since_us, .. } if begun_us > since_us => Some(self.back(now_us)),
            State::Aside { .. } => None,
        }
    }

    /// A request that began at `begun_us` failed.
    pub fn failed(&mut self, begun_us: u64, now_us: u64, failure: Failure) -> Option<Change> {
        match self.state {
            State::Well => {
                self.in_a_row += 1;
                self.keep(1);
                let share = self.results.count_ones();
                if self.in_a_row >= FAILURES_IN_A_ROW_MAX {
                    Some(self.set_aside(now_us, Cause::InARow(self.in_a_row, failure)))
                } else if self.seen >= RESULTS_KEPT && share >= FAILED_RESULTS_MAX {
                    Some(self.set_aside(now_us, Cause::Share(share, failure)))
                } else {
                    None
                }
            }
            // The trial; or an ordinary request where nobody else was left to ask.
            State::Aside {
                since_us, until_us, ..
            } if begun_us > since_us && now_us >= until_us => {
                Some(self.set_aside(now_us, Cause::Trial(failure)))
            }
            // From before, or of those that were sent although it is aside: its pause is no longer for it.
            State::Aside { .. } => None,
        }
    }

    /// The provider is a new one, by new links: nothing is held against it, but the next pause is no shorter for it.
    pub fn renew(&mut self, now_us: u64) -> Option<Change> {
        let was_aside = matches!(self.state, State::Aside { .. });
        let back = self.back(now_us);
        was_aside.then_some(back)
    }

    fn keep(&mut self, failed: u32) {
        self.results = ((self.results << 1) | failed) & ((1 << RESULTS_KEPT) - 1);
        self.seen = (self.seen + 1).min(RESULTS_KEPT);
    }

    fn back(&mut self, now_us: u64) -> Change {
        if matches!(self.state, State::Aside { .. }) {
            self.well_since_us = now_us;
        }
        self.state = State::Well;
        (self.in_a_row, self.results, self.seen) = (0, 0, 0);
        Change::Back
    }

    fn set_aside(&mut self, now_us: u64, cause: Cause) -> Change {
        let was_well = matches!(self.state, State::Well);
        if was_well && now_us.saturating_sub(self.well_since_us) >= HEALTHY_STRETCH_MS * 1_000 {
            self.pauses = 0;
        }
        let pause_ms = (ASIDE_FIRST_MS << self.pauses.min(16)).min(ASIDE_MAX_MS);
        self.pauses = self.pauses.saturating_add(1);
        self.state = State::Aside {
            since_us: now_us,
            until_us: now_us.saturating_add(pause_ms * 1_000),
            trial_until_us: 0,
        };
        Change::Aside { pause_ms, cause }
    }
}
