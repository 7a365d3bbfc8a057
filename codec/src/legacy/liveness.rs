//! Is the peer still reading (rule G10)? A silent service is not a dead link, so a FindNode asks, and only if nothing comes of that
//! is the link dead. All times are reading time.
//!
//! ```text
//! Quiet ──30 s without a byte while requests wait──▶ Asked ──10 s without byte or progress──▶ dead
//!   ▲─────────────answer, or nothing waits any more────┘
//! ```

use crate::limits::{PROBE_AFTER_MS, PROBE_TIMEOUT_MS};

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum State {
    Quiet,
    Asked {
        since: u64,
        /// Bytes that the socket had ever taken then: a peer that takes more still reads.
        transmitted: u64,
    },
}

#[derive(Debug)]
pub(super) struct Liveness {
    state: State,
    /// When requests began to wait.
    waiting_since: Option<u64>,
    created: u64,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Fine,
    Ask,
    Dead { for_ms: u64 },
}

impl Liveness {
    pub(super) const fn new(now: u64) -> Self {
        Self {
            state: State::Quiet,
            waiting_since: None,
            created: now,
        }
    }

    /// To be told after each change of the number of waiting requests.
    pub(super) fn note_waiting(&mut self, now: u64, waiting: bool) {
        if waiting {
            self.waiting_since.get_or_insert(now);
        } else {
            self.waiting_since = None;
            self.state = State::Quiet;
        }
    }

    pub(super) fn note_answer(&mut self) {
        self.state = State::Quiet;
    }

    pub(super) fn note_asked(&mut self, now: u64, transmitted: u64) {
        self.state = State::Asked {
            since: now,
            transmitted,
        };
    }

    /// `bytes_at`: when the last byte came in, in reading time.
    pub(super) fn next_due(&self, bytes_at: u64) -> Option<u64> {
        let waiting_since = self.waiting_since?;
        Some(match self.state {
            State::Quiet => waiting_since
                .max(bytes_at)
                .max(self.created)
                .saturating_add(PROBE_AFTER_MS),
            State::Asked { since, .. } => since.max(bytes_at).saturating_add(PROBE_TIMEOUT_MS),
        })
    }

    pub(super) fn judge(&mut self, now: u64, bytes_at: u64, transmitted_now: u64) -> Verdict {
        if self.next_due(bytes_at).is_none_or(|due| now < due) {
            return Verdict::Fine;
        }
        match self.state {
            State::Quiet => Verdict::Ask,
            State::Asked { transmitted, .. } if transmitted_now > transmitted => {
                self.state = State::Asked {
                    since: now,
                    transmitted: transmitted_now,
                };
                Verdict::Fine
            }
            State::Asked { .. } => Verdict::Dead {
                for_ms: now.saturating_sub(bytes_at),
            },
        }
    }
}
