//! What the pure cores cost, each beside its floor: the same work done by the library underneath alone (ring, httparse, matchit) or by
//! a plain copy of the same bytes. And what a call costs from where a program makes it, which has no floor.
//!
//! Owns the bodies of the benches. The Criterion files measure them, and the tests run each once, so that a bench that no longer works
//! is a test that fails. Invariant: every body checks what it did, outside of the time that it reports.

pub mod calls;
pub mod data;
pub mod exchange;
pub mod flatend2;
pub mod floor;
pub mod head;
pub mod link;
pub mod mailbox;
pub mod request;
pub mod router;

use std::time::{Duration, Instant};

/// One thing to be measured.
pub trait Case {
    /// What it is called, `what/how`.
    fn name(&self) -> String;

    /// Bytes that one iteration handles, for the throughput; 0 if that says nothing.
    fn bytes(&self) -> u64 {
        0
    }

    /// Does it `iterations` times and gives the time that they took. Panics if the work went wrong.
    fn time(&mut self, iterations: u64) -> Duration;
}

/// All cases of the codec.
pub fn codec_cases() -> Vec<Box<dyn Case>> {
    let mut cases = data::cases();
    cases.extend(exchange::cases());
    cases
}

/// Times one call.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let begin = Instant::now();
    let value = std::hint::black_box(work());
    (begin.elapsed(), value)
}

/// Calls `batch` with the sizes of batches that make up `iterations`, and adds the times that it gives.
pub(crate) fn in_batches(
    iterations: u64,
    batch_max: u64,
    mut batch: impl FnMut(u64) -> Duration,
) -> Duration {
    let mut left = iterations;
    let mut total = Duration::ZERO;
    while left > 0 {
        let size = left.min(batch_max);
        total += batch(size);
        left -= size;
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_make_up_the_iterations() {
        let mut sizes = Vec::new();
        let total = in_batches(10, 4, |size| {
            sizes.push(size);
            Duration::from_secs(size)
        });
        assert_eq!(sizes, [4, 4, 2]);
        assert_eq!(total, Duration::from_secs(10));
    }
}
