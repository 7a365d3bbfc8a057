//! How long a provider takes to the head of a response: an average in which the newest count most, and which time forgets
//! by itself. Times are microseconds of the turn's clock. The invariant that a change is likeliest to break: a provider that
//! was slow and is asked no more must look better as time goes by, or it would never be asked again.

use crate::limits::{LATENCY_DECAY_MS, WARM_UP_HEADS};

/// The latency of one provider as one shard sees it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Latency {
    average_us: f64,
    /// When `average_us` was last brought up to date.
    at_us: u64,
    /// Samples, counted up to [`WARM_UP_HEADS`].
    heads: u32,
}

impl Latency {
    /// A head came `took_us` after its request began. The first [`WARM_UP_HEADS`] pay for connecting and compiling: the
    /// least of them is where the average begins.
    pub fn add(&mut self, now_us: u64, took_us: u64) {
        let took = took_us as f64;
        self.average_us = if self.heads == 0 {
            took
        } else if self.heads < WARM_UP_HEADS {
            self.average_us.min(took)
        } else {
            let kept = self.kept(now_us);
            self.average_us * kept + took * (1.0 - kept)
        };
        self.heads = (self.heads + 1).min(WARM_UP_HEADS);
        self.at_us = now_us;
    }

    /// A request was given up `waited_us` after its beginning, without a head: it would have taken at least that.
    pub fn add_at_least(&mut self, now_us: u64, waited_us: u64) {
        let is_news = |average| waited_us as f64 > average;
        if self.read(now_us).is_none_or(is_news) {
            self.add(now_us, waited_us);
        }
    }

    /// The average as of now; `None` while there are too few samples.
    pub fn read(&self, now_us: u64) -> Option<f64> {
        (self.heads >= WARM_UP_HEADS).then(|| self.average_us * self.kept(now_us))
    }

    /// The share of the average that time has left.
    fn kept(&self, now_us: u64) -> f64 {
        let passed_us = now_us.saturating_sub(self.at_us);
        (-(passed_us as f64) / (LATENCY_DECAY_MS as f64 * 1e3)).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn warm(took_us: u64) -> Latency {
        let mut latency = Latency::default();
        (0..WARM_UP_HEADS).for_each(|_| latency.add(SECOND, took_us));
        latency
    }

    #[test]
    fn it_is_unknown_until_it_is_warm_and_a_cold_start_does_not_count() {
        let mut latency = Latency::default();
        latency.add(SECOND, 900_000);
        latency.add(SECOND, 130);
        assert_eq!(latency.read(SECOND), None);
        latency.add(SECOND, 120);
        assert_eq!(latency.read(SECOND), Some(120.0));
    }

    #[test]
    fn after_the_time_constant_the_new_have_63_percent() {
        let mut latency = warm(1_000);
        for i in 1..=10_000 {
            latency.add(SECOND + i * 1_000, 11_000);
        }
        let read = latency.read(11 * SECOND).expect("it is warm");
        assert!((read - (1_000.0 + 10_000.0 * 0.632)).abs() < 20.0, "{read}");
    }

    #[test]
    fn time_alone_forgets() {
        let latency = warm(500_000);
        let read = |s: u64| latency.read(s * SECOND).expect("it is warm");
        assert!((read(11) - 500_000.0 * 0.3679).abs() < 50.0);
        assert!(read(80) < 200.0, "{}", read(80));
        // Then one sample says nearly all.
        let mut latency = latency;
        latency.add(80 * SECOND, 700);
        assert!((latency.read(80 * SECOND).expect("it is warm") - 700.0).abs() < 200.0);
    }

    #[test]
    fn a_request_that_was_given_up_counts_only_if_it_waited_long() {
        let mut latency = warm(1_000);
        latency.add_at_least(2 * SECOND, 5);
        assert!(latency.read(2 * SECOND).expect("warm") > 900.0);
        latency.add_at_least(2 * SECOND, 400_000);
        assert!(latency.read(2 * SECOND).expect("warm") > 30_000.0);
    }
}
