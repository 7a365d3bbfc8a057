//! A bounded number of permits for tasks of one shard: who comes when there are none waits in line. Owns no work; a permit
//! goes back when it is dropped, straight to the one who waited longest, so that a crowd is not woken for one place.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::reactor;

/// A counted supply of permits.
#[derive(Clone)]
pub struct Permits {
    shared: Rc<Shared>,
}

struct Shared {
    free: Cell<usize>,
    line: RefCell<VecDeque<Rc<Place>>>,
}

/// Somebody's place in the line.
#[derive(Default)]
struct Place {
    granted: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// The right to do one thing; goes back on drop.
pub struct Permit {
    of: Rc<Shared>,
}

impl Permits {
    /// A supply of `count` permits.
    pub fn new(count: usize) -> Permits {
        Permits {
            shared: Rc::new(Shared {
                free: Cell::new(count),
                line: RefCell::default(),
            }),
        }
    }

    /// A permit at once, unless all are taken.
    pub fn try_take(&self) -> Option<Permit> {
        let free = self.shared.free.get().checked_sub(1)?;
        self.shared.free.set(free);
        Some(Permit {
            of: self.shared.clone(),
        })
    }

    /// Waits for a permit, in the order of asking.
    pub async fn take(&self) -> Permit {
        if let Some(permit) = self.try_take() {
            return permit;
        }
        let place = Rc::new(Place::default());
        self.shared.line.borrow_mut().push_back(place.clone());
        let waiting = Waiting {
            shared: &self.shared,
            place,
        };
        std::future::poll_fn(|cx| {
            if waiting.place.granted.get() {
                return Poll::Ready(());
            }
            reactor::park(&waiting.place.waker, cx);
            Poll::Pending
        })
        .await;
        // The permit is the caller's now; the place has nothing to give back any more.
        waiting.place.granted.set(false);
        Permit {
            of: self.shared.clone(),
        }
    }
}

/// Gives the place up, and a permit that was granted and not taken on to the next.
struct Waiting<'a> {
    shared: &'a Rc<Shared>,
    place: Rc<Place>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.place.granted.get() {
            self.shared.give_back();
        } else {
            let mut line = self.shared.line.borrow_mut();
            line.retain(|place| !Rc::ptr_eq(place, &self.place));
        }
    }
}

impl Shared {
    fn give_back(&self) {
        let next = self.line.borrow_mut().pop_front();
        match next {
            Some(place) => {
                place.granted.set(true);
                if let Some(waker) = place.waker.take() {
                    waker.wake();
                }
            }
            None => self.free.set(self.free.get() + 1),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.of.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::task::Context;

    #[test]
    fn permits_go_to_the_one_who_waited_longest_and_past_one_who_left() {
        let permits = Permits::new(1);
        let mut cx = Context::from_waker(Waker::noop());
        let first = permits.try_take().expect("one is free");
        let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(permits.take())).collect();
        for each in &mut waiting {
            assert!(each.as_mut().poll(&mut cx).is_pending());
        }
        let mut second = waiting.remove(1);
        drop(first);
        // Granted to the first in line, who leaves before it looks: the next one gets it.
        drop(waiting.remove(0));
        assert!(second.as_mut().poll(&mut cx).is_ready());
        drop(second);
        let last = waiting.remove(0).as_mut().poll(&mut cx);
        assert!(last.is_ready());
        drop(last);
        assert!(permits.try_take().is_some(), "nothing is left behind");
        assert!(permits.shared.line.borrow().is_empty());
    }
}
