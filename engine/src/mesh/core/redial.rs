//! How long to wait before a lost address is dialed again, and how often in vain dials may be tried at all.

use flatend_codec::Millis;

use crate::limits::{
    FAILED_DIALS_BURST, FAILED_DIALS_PER_S, REDIAL_FIRST_MS, REDIAL_FRESH_ATTEMPTS,
    REDIAL_FRESH_MAX_MS, REDIAL_MAX_MS,
};
use crate::routing::Rng;

/// The pauses between the dials of an address.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Redial {
    /// Before the first one.
    pub first_ms: u64,
    /// Each is so much longer than the last.
    pub factor: f64,
    /// The longest of the fresh ones.
    pub fresh_max_ms: u64,
    /// How many attempts are fresh; a discovered peer is dialed no more after them.
    pub fresh_attempts: u32,
    /// The longest of all.
    pub max_ms: u64,
    /// Attempts in a row after which a bootstrap address is given up; `None`: never.
    pub attempts: Option<u32>,
}

impl Default for Redial {
    fn default() -> Self {
        Redial {
            first_ms: REDIAL_FIRST_MS,
            factor: 1.25,
            fresh_max_ms: REDIAL_FRESH_MAX_MS,
            fresh_attempts: REDIAL_FRESH_ATTEMPTS,
            max_ms: REDIAL_MAX_MS,
            attempts: None,
        }
    }
}

/// More steps change nothing: the longest pause is reached.
const GROWTH_STEPS_MAX: u32 = 200;

impl Redial {
    /// The pause before attempt `attempt` (from 0): 500 ms × 1.25 each up to 1 s while the loss is fresh, then on to 30 s; a
    /// jitter of up to a fifth, but for the first.
    pub fn pause_ms(&self, attempt: u32, rng: &mut Rng) -> u64 {
        let mut ms = self.first_ms as f64;
        for n in 0..attempt.min(GROWTH_STEPS_MAX) {
            let max = if n < self.fresh_attempts {
                self.fresh_max_ms
            } else {
                self.max_ms
            };
            ms = (ms * self.factor).min(max as f64);
        }
        let ms = ms as u64;
        if attempt == 0 {
            return ms;
        }
        ms + ms * rng.below(1_000) as u64 / 5_000
    }
}

/// Dials of IDs that are hearsay, and may be made up: as many at once as may fail, and so many a second. A dial that
/// succeeds costs nothing in the end.
#[derive(Clone, Debug)]
pub(super) struct Allowance {
    left: u64,
    counted_at: Millis,
}

impl Allowance {
    pub(super) fn new(now: Millis) -> Allowance {
        Allowance {
            left: FAILED_DIALS_BURST,
            counted_at: now,
        }
    }

    /// Takes one, if there is one.
    pub(super) fn take(&mut self, now: Millis) -> bool {
        let grown = now.0.saturating_sub(self.counted_at.0) * FAILED_DIALS_PER_S / 1_000;
        if grown > 0 {
            self.left = (self.left + grown).min(FAILED_DIALS_BURST);
            self.counted_at = now;
        }
        let taken = self.left > 0;
        self.left = self.left.saturating_sub(1);
        taken
    }

    pub(super) fn give_back(&mut self) {
        self.left = (self.left + 1).min(FAILED_DIALS_BURST);
    }

    /// When there is one again, at the latest.
    pub(super) fn next_at(now: Millis) -> Millis {
        Millis(now.0 + 1_000 / FAILED_DIALS_PER_S + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_one_second_then_to_thirty() {
        let redial = Redial::default();
        let pause = |attempt| redial.pause_ms(attempt, &mut Rng::new(1));
        assert_eq!(pause(0), 500);
        for attempt in 1..=REDIAL_FRESH_ATTEMPTS {
            assert!((625..=REDIAL_FRESH_MAX_MS * 6 / 5).contains(&pause(attempt)));
        }
        let mut rng = Rng::new(7);
        let later: Vec<u64> = (0..1_000)
            .map(|_| redial.pause_ms(u32::MAX, &mut rng))
            .collect();
        assert!(later
            .iter()
            .all(|ms| (REDIAL_MAX_MS..REDIAL_MAX_MS * 6 / 5).contains(ms)));
        assert!(later.iter().any(|ms| *ms > REDIAL_MAX_MS * 11 / 10));
    }

    #[test]
    fn failed_dials_are_bounded_at_once_and_in_time() {
        let mut allowance = Allowance::new(Millis(0));
        let now = Millis(5);
        assert!((0..FAILED_DIALS_BURST).all(|_| allowance.take(now)));
        assert!(!allowance.take(now));
        allowance.give_back();
        assert!(allowance.take(now) && !allowance.take(now));
        let next = Allowance::next_at(now);
        assert!(allowance.take(next) && !allowance.take(next));
        let later = Millis(next.0 + 10_000);
        let taken = (0..1_000).filter(|_| allowance.take(later)).count();
        assert_eq!(taken as u64, 10 * FAILED_DIALS_PER_S);
    }
}
