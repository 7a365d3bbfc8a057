//! Waiting for a change of a node's state: blocking from a plain thread, or as a future of whatever runtime. Owns the wakers of
//! those who wait outside of the shards. The invariant that a change is likeliest to break: a waiter looks at the generation
//! under the lock that the publisher takes after it has risen, so that no change passes between look and wait.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::state::NodeState;
use crate::rt;
use crate::shard::Shared;

/// Who waits for the next snapshot outside of the shards.
#[derive(Default)]
pub(crate) struct Watchers {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    wakers: HashMap<u64, Waker>,
    next: u64,
    ended: bool,
}

impl Watchers {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics while it is held; a map is a map in any case.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new snapshot can be read.
    pub(crate) fn published(&self) {
        let wakers = std::mem::take(&mut self.lock().wakers);
        self.changed.notify_all();
        wakers.into_values().for_each(Waker::wake);
    }

    /// The node has ended: there will be no other snapshot.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.published();
    }
}

/// Why a wait ended without what was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchError {
    /// The time was over.
    TimedOut,
    /// The node has ended: its state will not change any more.
    Ended,
    /// This is a shard of a node, which must not wait for another thread: use [`Shard::state`](crate::Shard::state) and
    /// [`Shard::changed`](crate::Shard::changed).
    OnShard,
}

impl fmt::Display for WatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WatchError::TimedOut => "the node's state did not become what was waited for in time",
            WatchError::Ended => "the node has ended",
            WatchError::OnShard => {
                "a Watch waits on threads that are no shard; on a shard wait with Shard::changed"
            }
        })
    }
}

impl std::error::Error for WatchError {}

/// Waits for changes of a node's state ([`Node::watch`](crate::Node::watch)). Changes that come together are seen as one; the
/// last one is always seen.
pub struct Watch {
    shared: Arc<Shared>,
    id: u64,
    seen: u64,
}

impl Watch {
    pub(super) fn new(shared: Arc<Shared>) -> Watch {
        let mut waiting = shared.registry.watchers.lock();
        waiting.next += 1;
        let id = waiting.next;
        drop(waiting);
        let seen = shared.registry.generation();
        Watch { shared, id, seen }
    }

    /// The state now. It counts as seen.
    pub fn state(&mut self) -> NodeState {
        let state = self.shared.state();
        self.seen = state.generation();
        state
    }

    /// Blocks until the state is another than the one seen last, `timeout` at most.
    ///
    /// # Errors
    /// [`WatchError`].
    pub fn wait(&mut self, timeout: Duration) -> Result<NodeState, WatchError> {
        if rt::is_installed() {
            return Err(WatchError::OnShard);
        }
        let begun = Instant::now();
        let registry = &self.shared.registry;
        let mut waiting = registry.watchers.lock();
        loop {
            if registry.generation() != self.seen {
                break;
            }
            if waiting.ended {
                return Err(WatchError::Ended);
            }
            let left = timeout.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Err(WatchError::TimedOut);
            }
            let woken = registry.watchers.changed.wait_timeout(waiting, left);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(waiting);
        Ok(self.state())
    }

    /// Blocks until `condition` holds, now or after a change, `timeout` at most.
    ///
    /// # Errors
    /// [`WatchError`].
    pub fn wait_until(
        &mut self,
        timeout: Duration,
        condition: impl Fn(&NodeState) -> bool,
    ) -> Result<NodeState, WatchError> {
        let begun = Instant::now();
        let mut state = self.state();
        while !condition(&state) {
            state = self.wait(timeout.saturating_sub(begun.elapsed()))?;
        }
        Ok(state)
    }

    /// Ready when the state is another than the one seen last. `Send`; needs no runtime.
    ///
    /// # Errors
    /// [`WatchError::Ended`], [`WatchError::OnShard`].
    pub async fn changed(&mut self) -> Result<NodeState, WatchError> {
        std::future::poll_fn(|cx| self.poll_changed(cx)).await?;
        Ok(self.state())
    }

    /// Ready when `condition` holds, now or after a change.
    ///
    /// # Errors
    /// As [`Watch::changed`].
    pub async fn until(
        &mut self,
        condition: impl Fn(&NodeState) -> bool,
    ) -> Result<NodeState, WatchError> {
        let mut state = self.state();
        while !condition(&state) {
            state = self.changed().await?;
        }
        Ok(state)
    }

    fn poll_changed(&self, cx: &Context<'_>) -> Poll<Result<(), WatchError>> {
        if rt::is_installed() {
            return Poll::Ready(Err(WatchError::OnShard));
        }
        let mut waiting = self.shared.registry.watchers.lock();
        if self.shared.registry.generation() != self.seen {
            return Poll::Ready(Ok(()));
        }
        if waiting.ended {
            return Poll::Ready(Err(WatchError::Ended));
        }
        waiting.wakers.insert(self.id, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.registry.watchers.lock().wakers.remove(&self.id);
    }
}
