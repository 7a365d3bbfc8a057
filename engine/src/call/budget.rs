//! The retry budget: retries are a fifth of the requests at most, so that a struggling mesh is not asked three times as
//! much. A reserve lets a quiet gateway repeat what a killed provider lost.

use std::cell::Cell;

use crate::limits::{RETRY_RESERVE, RETRY_SHARE};

/// A bucket of retries: each request pours in a fifth of one, each retry takes one.
pub(crate) struct RetryBudget {
    /// In parts of a retry, [`RETRY_SHARE`] to one.
    parts: Cell<u32>,
}

const FULL: u32 = RETRY_RESERVE * RETRY_SHARE;

impl RetryBudget {
    pub(crate) fn new() -> RetryBudget {
        RetryBudget {
            parts: Cell::new(FULL),
        }
    }

    pub(crate) fn request(&self) {
        self.parts.set((self.parts.get() + 1).min(FULL));
    }

    /// Whether one more retry is allowed; takes it.
    pub(crate) fn retry(&self) -> bool {
        match self.parts.get().checked_sub(RETRY_SHARE) {
            Some(left) => {
                self.parts.set(left);
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_reserve_a_fifth_of_the_requests_may_be_repeated() {
        let budget = RetryBudget::new();
        assert_eq!(
            (0..10 * RETRY_RESERVE).filter(|_| budget.retry()).count(),
            RETRY_RESERVE as usize
        );
        let granted = (0..1_000)
            .filter(|_| {
                budget.request();
                budget.retry()
            })
            .count();
        assert_eq!(granted, 1_000 / RETRY_SHARE as usize);
    }
}
