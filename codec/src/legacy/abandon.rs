//! Streams that can neither be used nor ended (protocol.md 4): legacy has no abort, and an empty Data would make a cut body a complete
//! one. They pile up at the peer, so a link that has gathered some retires. Retirement is never taken back.

use crate::connection::Retirement;
use crate::limits::{ABANDONED_DEAD, ABANDONED_RETIRE, ABANDONED_RETIRE_MS};
use crate::Millis;

#[derive(Debug)]
pub(super) struct Abandoned {
    count: u32,
    first: Option<Millis>,
    retirement: Retirement,
}

impl Default for Abandoned {
    fn default() -> Self {
        Self {
            count: 0,
            first: None,
            retirement: Retirement::Active,
        }
    }
}

impl Abandoned {
    pub(super) fn add(&mut self, now: Millis) {
        self.count = self.count.saturating_add(1);
        self.first.get_or_insert(now);
        if self.count >= ABANDONED_DEAD {
            self.retirement = Retirement::Dead;
        } else if self.count >= ABANDONED_RETIRE {
            self.retirement = Retirement::Retiring;
        }
    }

    /// One could be ended after all: its handler never ran, or is gone.
    pub(super) fn heal(&mut self) {
        self.count = self.count.saturating_sub(1);
        if self.count == 0 {
            self.first = None;
        }
    }

    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    pub(super) const fn retirement(&self) -> Retirement {
        self.retirement
    }

    pub(super) fn next_due(&self) -> Option<Millis> {
        match self.retirement {
            Retirement::Active => self.first.map(|first| first.after(ABANDONED_RETIRE_MS)),
            Retirement::Retiring | Retirement::Dead => None,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Millis) {
        if self.next_due().is_some_and(|due| now >= due) {
            self.retirement = Retirement::Retiring;
        }
    }
}
