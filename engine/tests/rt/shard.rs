//! Running test code on a bare shard, under a watchdog.

use std::future::Future;
use std::sync::mpsc;
use std::time::Duration;

use flatend::rt::{self, ShardThread};

/// Long enough for a loaded machine; a shard that sleeps upon a runnable task never ends.
const WATCHDOG: Duration = Duration::from_secs(30);

/// A shard that runs test code.
pub(crate) struct OnShard<T> {
    thread: ShardThread,
    result: mpsc::Receiver<T>,
}

/// Starts a shard with `code` as its main future.
pub(crate) fn begin<T, F, Fut>(code: F) -> OnShard<T>
where
    T: Send + 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = T> + 'static,
{
    let (done, result) = mpsc::channel();
    let thread = rt::start_shard(
        None,
        "test",
        |_| {},
        move || async move {
            done.send(code().await).ok();
        },
    );
    OnShard {
        thread: thread.expect("a shard starts"),
        result,
    }
}

impl<T> OnShard<T> {
    /// The result, and the end of the shard.
    ///
    /// # Panics
    /// When the shard hangs or its code panicked.
    pub(crate) fn end(self) -> T {
        let value = self
            .result
            .recv_timeout(WATCHDOG)
            .expect("the shard hangs, or its code panicked");
        self.thread.join().expect("the shard ends well");
        value
    }
}

/// Runs `code` on a shard of its own.
pub(crate) fn run<T, F, Fut>(code: F) -> T
where
    T: Send + 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = T> + 'static,
{
    begin(code).end()
}
