//! Work that blocks, on a thread of its own; the shard is told through an eventfd of its readiness set.

use std::sync::mpsc;
use std::sync::Arc;
use std::task::Poll;

use rustix::event::EventfdFlags;

use super::reactor;

/// Runs `work` on a new thread and waits for its result without holding the shard up.
///
/// # Errors
/// A sentence, when the thread could not be started or `work` panicked.
///
/// # Panics
/// On a thread that is no shard.
pub async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    let bell = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
        .map_err(|err| err.to_string())?;
    let bell = Arc::new(bell);
    let (key, slot) = reactor::register(&*bell).map_err(|err| err.to_string())?;
    let registered = Registered(key);
    let (done, result) = mpsc::channel();
    let ringer = bell.clone();
    std::thread::Builder::new()
        .name("blocking".to_owned())
        .spawn(move || {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            // The receiver is gone when nobody waits any more.
            done.send(outcome).ok();
            rustix::io::write(&*ringer, &1u64.to_ne_bytes()).ok();
        })
        .map_err(|err| format!("cannot start a thread: {err}"))?;
    let outcome = std::future::poll_fn(|cx| match result.try_recv() {
        Ok(outcome) => Poll::Ready(Some(outcome)),
        Err(mpsc::TryRecvError::Disconnected) => Poll::Ready(None),
        Err(mpsc::TryRecvError::Empty) => {
            slot.reader.park(cx);
            Poll::Pending
        }
    })
    .await;
    drop(registered);
    match outcome {
        Some(Ok(value)) => Ok(value),
        Some(Err(_)) | None => Err("the work panicked".to_owned()),
    }
}

/// Forgets the bell when the wait is over or given up; the descriptor itself closes with its last owner.
struct Registered(usize);

impl Drop for Registered {
    fn drop(&mut self) {
        reactor::deregister(self.0);
    }
}
