//! Waiting for something that another task of the same shard does. No atomics: nothing here leaves the shard.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Tasks that wait for a change which [`WaitQueue::wake_all`] announces. Holds one waker a ticket that waits now, never
/// more: glommio counts wakers in 16 bits, and 32,768 of one task end the shard.
#[derive(Default)]
pub struct WaitQueue {
    /// Made when somebody waits for the first time: most queues of short lives never see that.
    waiting: OnceCell<Rc<Waiting>>,
}

struct Waiting {
    /// Rises with every wake; a ticket of the same round is parked.
    round: Cell<u64>,
    wakers: RefCell<Vec<Option<Waker>>>,
    vacant: RefCell<Vec<usize>>,
}

impl Default for Waiting {
    fn default() -> Self {
        Waiting {
            round: Cell::new(1),
            wakers: RefCell::default(),
            vacant: RefCell::default(),
        }
    }
}

/// A waiter's place in a queue: parking twice stores nothing, and dropping it takes its waker out. One ticket belongs to
/// one queue and one task at a time; parked in another queue it leaves the one before.
#[derive(Default)]
pub struct Ticket {
    round: Cell<u64>,
    at: Cell<usize>,
    queue: RefCell<Option<Rc<Waiting>>>,
}

impl Ticket {
    /// Gives its place up, if it has one.
    fn leave(&self) {
        if let Some(queue) = self.queue.take() {
            if queue.round.get() == self.round.get() {
                queue.wakers.borrow_mut()[self.at.get()] = None;
                queue.vacant.borrow_mut().push(self.at.get());
            }
        }
        // Rounds begin with 1.
        self.round.set(0);
    }

    fn is_of(&self, queue: &Rc<Waiting>) -> bool {
        let own = self.queue.borrow();
        own.as_ref().is_some_and(|own| Rc::ptr_eq(own, queue))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.leave();
    }
}

impl WaitQueue {
    /// Wakes everybody who waits now.
    pub fn wake_all(&self) {
        let Some(waiting) = self.waiting.get() else {
            return;
        };
        waiting.round.set(waiting.round.get() + 1);
        waiting.vacant.borrow_mut().clear();
        let mut wakers = std::mem::take(&mut *waiting.wakers.borrow_mut());
        for waker in wakers.drain(..).flatten() {
            waker.wake();
        }
        // Its memory serves the next round, unless somebody waits in that already.
        let mut next = waiting.wakers.borrow_mut();
        if next.capacity() == 0 {
            *next = wakers;
        }
    }

    /// Parks the task until the next [`WaitQueue::wake_all`], in place of the one that waited by this ticket; the caller looks at its condition again when polled.
    pub fn park(&self, cx: &Context<'_>, ticket: &Ticket) {
        let waiting = self.waiting.get_or_init(Rc::default);
        if !ticket.is_of(waiting) {
            ticket.leave();
        }
        let mut wakers = waiting.wakers.borrow_mut();
        if ticket.round.replace(waiting.round.get()) == waiting.round.get() {
            // Another task waits by it now, or the same one in another combination of futures.
            match &mut wakers[ticket.at.get()] {
                Some(waker) if waker.will_wake(cx.waker()) => {}
                place => *place = Some(cx.waker().clone()),
            }
            return;
        }
        let at = waiting.vacant.borrow_mut().pop().unwrap_or_else(|| {
            wakers.push(None);
            wakers.len() - 1
        });
        wakers[at] = Some(cx.waker().clone());
        ticket.at.set(at);
        ticket
            .queue
            .borrow_mut()
            .get_or_insert_with(|| waiting.clone());
    }

    /// Whether nobody waits.
    pub fn is_idle(&self) -> bool {
        self.waiting
            .get()
            .is_none_or(|waiting| waiting.wakers.borrow().iter().all(Option::is_none))
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::Arc;
    use std::task::Wake;

    #[derive(Default)]
    struct Counted(AtomicU32);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn who_waits_last_by_a_ticket_is_woken() {
        let (queue, ticket) = (WaitQueue::default(), Ticket::default());
        let tasks = [Arc::new(Counted::default()), Arc::new(Counted::default())];
        for task in &tasks {
            queue.park(&Context::from_waker(&task.clone().into()), &ticket);
        }
        queue.wake_all();
        let woken = tasks.map(|task| task.0.load(Ordering::Relaxed));
        assert_eq!(woken, [0, 1]);
    }

    #[test]
    fn a_ticket_that_is_parked_elsewhere_leaves_its_queue() {
        let (first, second, ticket) = <(WaitQueue, WaitQueue, Ticket)>::default();
        let task = Arc::new(Counted::default());
        let waker = task.clone().into();
        let cx = Context::from_waker(&waker);
        first.park(&cx, &ticket);
        second.park(&cx, &ticket);
        assert!(first.is_idle() && !second.is_idle());
        first.wake_all();
        assert_eq!(task.0.load(Ordering::Relaxed), 0);
        second.wake_all();
        assert_eq!(task.0.load(Ordering::Relaxed), 1);
        first.park(&cx, &ticket);
        drop(ticket);
        assert!(first.is_idle() && second.is_idle());
    }

    #[test]
    fn a_dropped_waiter_leaves_nothing_behind() {
        let (queue, waker) = (WaitQueue::default(), Waker::noop());
        let cx = Context::from_waker(waker);
        for _ in 0..100 {
            let ticket = Ticket::default();
            queue.park(&cx, &ticket);
            queue.park(&cx, &ticket);
        }
        assert_eq!(
            queue
                .waiting
                .get()
                .expect("somebody waited")
                .wakers
                .borrow()
                .len(),
            1,
            "one place, used again and again"
        );
        let (early, late) = (Ticket::default(), Ticket::default());
        queue.park(&cx, &early);
        queue.wake_all();
        queue.park(&cx, &late);
        drop(early);
        assert!(
            queue
                .waiting
                .get()
                .expect("somebody waited")
                .wakers
                .borrow()[0]
                .is_some(),
            "a ticket of an earlier round takes nobody else out"
        );
    }
}
