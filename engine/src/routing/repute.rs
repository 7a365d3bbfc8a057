//! What one shard knows of one provider, and what it makes of it when a request is to be placed. The invariant: each
//! [`Begun`] is given to [`Repute::ended`] once.

use super::balance::{Load, Look};
use super::health::{Change, Failure, Health, Standing};
use super::latency::Latency;
use crate::limits::TRIAL_ANY_AFTER_MS;

/// What is known of a provider.
#[derive(Clone, Copy, Debug, Default)]
pub struct Repute {
    outstanding: u32,
    latency: Latency,
    health: Health,
}

/// A request that is to be placed.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// The turn's clock, in microseconds.
    pub now_us: u64,
    /// Requests that one provider may have outstanding.
    pub max_in_flight: Option<u32>,
    /// It may be sent to another provider if this one fails: such are preferred as trials.
    pub repeatable: bool,
}

/// A request that was sent.
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    at_us: u64,
    trial: bool,
}

impl Begun {
    /// A request that begins now; `trial`: [`Look::Trial`] was chosen.
    pub fn new(now_us: u64, trial: bool) -> Begun {
        Begun {
            at_us: now_us,
            trial,
        }
    }
}

impl Repute {
    /// Whether the provider may take the request, and how loaded it is. `far`: no link of the asking shard leads to it.
    pub fn look(&self, ask: &Ask, far: bool) -> Look {
        let standing = self.health.standing(ask.now_us);
        if ask.max_in_flight.is_some_and(|max| self.outstanding >= max) {
            return Look::Full {
                aside: standing == Standing::Aside,
            };
        }
        let load = Load {
            outstanding: self.outstanding,
            latency: self.latency,
            far,
        };
        match standing {
            Standing::Well => Look::May(load),
            Standing::Due(late_us) if ask.repeatable || late_us >= TRIAL_ANY_AFTER_MS * 1_000 => {
                Look::Trial
            }
            Standing::Due(_) | Standing::Aside => Look::Aside(load),
        }
    }

    /// Counts a request that goes there.
    pub fn begin(&mut self, begun: Begun) {
        self.outstanding += 1;
        if begun.trial {
            self.health.begin_trial(begun.at_us);
        }
    }

    /// The head of its response came.
    pub fn head(&mut self, begun: Begun, now_us: u64) {
        self.latency.add(now_us, now_us.saturating_sub(begun.at_us));
    }

    /// It was answered well. A provider that is back by it is as good as a new one: what it took while it failed would keep
    /// requests away for long.
    pub fn succeeded(&mut self, begun: Begun, now_us: u64) -> Option<Change> {
        let change = self.health.succeeded(begun.at_us, now_us);
        if change.is_some() {
            self.latency = Latency::default();
        }
        change
    }

    /// It failed. That says nothing of latency: what fails fast is not quick, and what times out is set aside for it, from
    /// where it comes back sooner than a long latency is forgotten.
    pub fn failed(&mut self, begun: Begun, now_us: u64, failure: Failure) -> Option<Change> {
        self.health.failed(begun.at_us, now_us, failure)
    }

    /// It is over. `undecided`: without a head and without a failure, given up by its client, who waited at least so long.
    pub fn ended(&mut self, begun: Begun, now_us: u64, undecided: bool) {
        self.outstanding = self.outstanding.saturating_sub(1);
        if undecided {
            let waited_us = now_us.saturating_sub(begun.at_us);
            self.latency.add_at_least(now_us, waited_us);
        }
        if begun.trial {
            self.health.end_trial(begun.at_us);
        }
    }

    /// The provider came back with new links only: neither its latency nor its failures say anything about it now.
    pub fn renew(&mut self, now_us: u64) -> Option<Change> {
        self.latency = Latency::default();
        self.health.renew(now_us)
    }
}
