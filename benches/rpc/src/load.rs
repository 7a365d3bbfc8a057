//! The closed loop that all systems are asked with: so many tasks, each with one call in flight, for a warm-up and a window.
//!
//! Owns what counts as a call: one whose answer came within the window and was the body that was sent. Refuses to go on after a
//! wrong answer or an error: a figure over such a run would be none.

use std::future::Future;
use std::time::{Duration, Instant};

use bytes::Bytes;
use flatend_loadtest::histogram::Histogram;

/// The part of a run that counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) from: Instant,
    pub(crate) until: Instant,
}

impl Window {
    /// After `warm_up`, `length` long.
    pub(crate) fn after(warm_up: Duration, length: Duration) -> Window {
        let from = Instant::now() + warm_up;
        let until = from + length;
        Window { from, until }
    }
}

/// Makes calls, one at a time.
pub(crate) trait Caller {
    /// Sends `body` and gives the body of the answer.
    ///
    /// # Errors
    /// There is none.
    fn call(&mut self, body: Bytes) -> impl Future<Output = Result<Bytes, String>>;
}

/// What a client asks: `in_flight` calls at a time, each with a body of `bytes`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    pub(crate) in_flight: u32,
    pub(crate) bytes: usize,
    pub(crate) window: Window,
}

impl Work {
    /// The body of the task with this number: no two are alike, so that an answer to another task's call is found out.
    pub(crate) fn body(&self, task: u32) -> Bytes {
        let mut state = u64::from(task) + 0x9e37_79b9_7f4a_7c15;
        let mut body = Vec::with_capacity(self.bytes + 8);
        while body.len() < self.bytes {
            // xorshift64: bytes that do not compress.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            body.extend_from_slice(&state.to_le_bytes());
        }
        body.truncate(self.bytes);
        body.into()
    }

    /// Calls again and again until the window is over; gives the latencies of the calls that ended within it.
    ///
    /// # Errors
    /// A call failed, or its answer was not its body.
    pub(crate) async fn ask(self, task: u32, mut caller: impl Caller) -> Result<Histogram, String> {
        let body = self.body(task);
        let mut latencies = Histogram::default();
        let mut begun = Instant::now();
        while begun < self.window.until {
            let answer = caller.call(body.clone()).await?;
            let ended = Instant::now();
            if answer != body {
                return Err(format!(
                    "an answer of {} bytes is not the body of {} bytes that was sent",
                    answer.len(),
                    body.len()
                ));
            }
            if ended >= self.window.from && ended < self.window.until {
                let passed = ended.duration_since(begun).as_nanos();
                latencies.record(u64::try_from(passed).unwrap_or(u64::MAX));
            }
            begun = ended;
        }
        Ok(latencies)
    }
}

/// One histogram of all tasks, or the first error.
///
/// # Errors
/// That of a task.
pub(crate) fn together(
    tasks: impl IntoIterator<Item = Result<Histogram, String>>,
) -> Result<Histogram, String> {
    let mut all = Histogram::default();
    for task in tasks {
        all.merge(&task?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;

    fn work(bytes: usize) -> Work {
        Work {
            in_flight: 2,
            bytes,
            window: Window::after(Duration::ZERO, Duration::from_millis(20)),
        }
    }

    #[test]
    fn bodies_have_their_length_and_differ() {
        for bytes in [0, 1, 64, 65, 65_536] {
            assert_eq!(work(bytes).body(3).len(), bytes);
        }
        assert_ne!(work(64).body(0), work(64).body(1));
    }

    /// Answers with what it makes of the body.
    struct Answering<F>(F);

    impl<F: FnMut(Bytes) -> Bytes> Caller for Answering<F> {
        async fn call(&mut self, body: Bytes) -> Result<Bytes, String> {
            Ok((self.0)(body))
        }
    }

    #[test]
    fn answers_count_and_a_wrong_one_ends_the_run() {
        let echoed = block_on(work(64).ask(0, Answering(|body| body)));
        assert!(echoed.unwrap().count() > 0);
        let other = work(64).body(1);
        let mixed_up = block_on(work(64).ask(0, Answering(|_| other.clone())));
        assert!(mixed_up.unwrap_err().contains("is not the body"));
        let cut = block_on(work(64).ask(0, Answering(|body: Bytes| body.slice(..63))));
        assert!(cut.unwrap_err().starts_with("an answer of 63 bytes"));
    }
}
