//! How fast a body comes, and how long its next bytes are waited for: the shorter of `http.timeout.read` and what
//! `http.min.rate` leaves.
//!
//! Owns the count of one body. Refuses to read a clock. The invariant that a change is likeliest to break: only time in which
//! we waited for the client counts, so that a slow service is never held against it.

use std::cell::Cell;

use super::Timeouts;
use crate::error::RequestError;
use crate::limits::BODY_RATE_GRACE_MS;

/// The pace of one request's body.
#[derive(Default)]
pub(super) struct Pace {
    bytes: Cell<u64>,
    waited_ms: Cell<u64>,
}

/// The longest wait for the next bytes, and what to say when it is over.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Patience {
    pub(super) ms: u64,
    pub(super) error: RequestError,
}

impl Pace {
    /// The next request's body begins.
    pub(super) fn restart(&self) {
        self.bytes.set(0);
        self.waited_ms.set(0);
    }

    /// `bytes` of the body came, without its framing.
    pub(super) fn came(&self, bytes: usize) {
        self.bytes
            .set(self.bytes.get().saturating_add(bytes as u64));
    }

    /// The client was waited for.
    pub(super) fn waited(&self, ms: u64) {
        self.waited_ms.set(self.waited_ms.get().saturating_add(ms));
    }

    /// What is left of our patience now.
    pub(super) fn patience(&self, timeouts: &Timeouts) -> Patience {
        let by_rate_ms = timeouts.body_rate_min.map(|rate| {
            let earned_ms = u128::from(self.bytes.get()) * 1000 / u128::from(rate.max(1));
            let earned_ms = u64::try_from(earned_ms).unwrap_or(u64::MAX);
            let left_ms = earned_ms
                .max(BODY_RATE_GRACE_MS)
                .saturating_sub(self.waited_ms.get());
            (left_ms, rate)
        });
        match by_rate_ms {
            Some((ms, rate)) if ms < timeouts.read_ms => Patience {
                ms,
                error: RequestError::limit(
                    408,
                    "The client sends its body more slowly than the server asks for, in bytes a second",
                    "http.min.rate",
                    rate,
                ),
            },
            _ => Patience {
                ms: timeouts.read_ms,
                error: RequestError::timeout("http.timeout.read", timeouts.read_ms),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u64 = 100;

    /// Patience after `bytes` in `waited_ms` of waiting, and whether the rate is what ends it.
    fn after(bytes: usize, waited_ms: u64, rate: Option<u64>) -> (u64, bool) {
        let timeouts = Timeouts {
            body_rate_min: rate,
            ..Timeouts::default()
        };
        let pace = Pace::default();
        pace.came(bytes);
        pace.waited(waited_ms);
        let patience = pace.patience(&timeouts);
        let by_rate = patience
            .error
            .to_string()
            .ends_with("(http.min.rate = 100).");
        assert_eq!(patience.error.status, 408);
        (patience.ms, by_rate)
    }

    #[test]
    fn without_a_rate_only_the_read_timeout_counts() {
        assert_eq!(after(0, 1_000_000, None), (10_000, false));
    }

    #[test]
    fn after_the_grace_the_average_counts() {
        assert_eq!(after(0, 0, Some(RATE)), (10_000, false), "the grace");
        assert_eq!(after(0, 1, Some(RATE)), (9_999, true));
        assert_eq!(after(0, 9_999, Some(RATE)), (1, true));
        assert_eq!(after(1_000, 10_000, Some(RATE)), (0, true));
        assert_eq!(after(1_001, 10_000, Some(RATE)), (10, true));
        // Far ahead of the rate: the read timeout is the shorter one.
        assert_eq!(after(10_000_000, 20_000, Some(RATE)), (10_000, false));
        assert_eq!(after(usize::MAX, u64::MAX, Some(1)).0, 0);
    }

    #[test]
    fn each_body_begins_anew() {
        let pace = Pace::default();
        pace.waited(60_000);
        pace.restart();
        let timeouts = Timeouts {
            body_rate_min: Some(RATE),
            ..Timeouts::default()
        };
        assert_eq!(pace.patience(&timeouts).ms, 10_000);
    }
}
