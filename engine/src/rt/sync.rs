//! Waiting for something that another task of the same shard does. No atomics: nothing here leaves the shard.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::task::{Context, Poll, Waker};

/// Tasks that wait for a change which [`WaitQueue::wake_all`] announces.
pub struct WaitQueue {
    /// Rises with every wake; a ticket of the same round is parked already.
    round: Cell<u64>,
    waiting: RefCell<Vec<Waker>>,
}

/// A waiter's memory of the round in which it parked, so that parking twice costs nothing and stores nothing. One ticket
/// belongs to one queue and one task.
#[derive(Default)]
pub struct Ticket(Cell<u64>);

impl Default for WaitQueue {
    fn default() -> Self {
        WaitQueue {
            round: Cell::new(1),
            waiting: RefCell::default(),
        }
    }
}

impl WaitQueue {
    /// Wakes everybody who waits now.
    pub fn wake_all(&self) {
        self.round.set(self.round.get() + 1);
        for waker in std::mem::take(&mut *self.waiting.borrow_mut()) {
            waker.wake();
        }
    }

    /// Parks the task until the next [`WaitQueue::wake_all`]; the caller looks at its condition again when polled.
    pub fn park(&self, cx: &Context<'_>, ticket: &Ticket) {
        if ticket.0.replace(self.round.get()) != self.round.get() {
            self.waiting.borrow_mut().push(cx.waker().clone());
        }
    }

    /// Waits until `condition` gives a value; it is asked now and after every [`WaitQueue::wake_all`].
    pub fn until<'a, T: 'a>(
        &'a self,
        mut condition: impl FnMut() -> Option<T> + 'a,
    ) -> impl Future<Output = T> + 'a {
        let ticket = Ticket::default();
        std::future::poll_fn(move |cx| match condition() {
            Some(value) => Poll::Ready(value),
            None => {
                self.park(cx, &ticket);
                Poll::Pending
            }
        })
    }
}

/// Runs all futures in one task and waits for the last.
pub async fn join_all<F: Future<Output = ()>>(futures: Vec<F>) {
    let mut running: Vec<_> = futures.into_iter().map(Box::pin).collect();
    std::future::poll_fn(|cx| {
        running.retain_mut(|future| future.as_mut().poll(cx).is_pending());
        if running.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// A fact that becomes true once, and those who wait for it.
#[derive(Default)]
pub struct Flag {
    set: Cell<bool>,
    waiting: WaitQueue,
}

impl Flag {
    /// Makes it true; wakes everybody.
    pub fn set(&self) {
        self.set.set(true);
        self.waiting.wake_all();
    }

    /// Whether it is true.
    pub fn is_set(&self) -> bool {
        self.set.get()
    }

    /// Waits until it is true.
    pub async fn wait(&self) {
        self.waiting.until(|| self.set.get().then_some(())).await;
    }
}
