//! The receive budget of a shard (flatend2.md, Memory): what peers on flatend/2 may send before anybody here reads it, over all links. Owns
//! the count and the line of requests that wait for room. The invariant that a change is likeliest to break: whoever takes gives back
//! exactly once, so that an idle shard has its whole budget.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Poll, Waker};

use flatend_codec::limits::STREAM_WINDOW_BYTES;
use flatend_codec::WindowRoom;

use crate::rt::{park, wake};

/// The budget of one shard.
pub(crate) struct ReceiveBudget {
    max: u64,
    used: Cell<u64>,
    /// Requests of ours that wait for room, the oldest first.
    line: RefCell<VecDeque<Rc<Place>>>,
    /// Those of them that were called and have not come: their room is nobody else's.
    called: Cell<u64>,
    /// It was said that there is no room, and half of it has not been free since.
    told: Cell<bool>,
}

/// A place in the line.
#[derive(Default)]
struct Place {
    state: Cell<Turn>,
    waker: RefCell<Option<Waker>>,
}

/// ```text
/// InLine ──there is room──▶ Called ──its task goes on──▶ Come
/// ```
#[derive(Copy, Clone, Default, PartialEq, Eq)]
enum Turn {
    #[default]
    InLine,
    Called,
    Come,
}

impl ReceiveBudget {
    pub(crate) fn new(max: u64) -> Rc<ReceiveBudget> {
        Rc::new(ReceiveBudget {
            max,
            used: Cell::new(0),
            line: RefCell::default(),
            called: Cell::new(0),
            told: Cell::new(false),
        })
    }

    pub(crate) fn max(&self) -> u64 {
        self.max
    }

    /// What is left for those who were not called.
    fn free(&self) -> u64 {
        let taken = self.used.get() + self.called.get() * STREAM_WINDOW_BYTES;
        self.max.saturating_sub(taken)
    }

    /// What is promised, or here, counts.
    pub(crate) fn charge(&self, bytes: u64) {
        self.used.set(self.used.get() + bytes);
    }

    pub(crate) fn give_back(&self, bytes: u64) {
        debug_assert!(bytes <= self.used.get(), "given back more than taken");
        self.used.set(self.used.get().saturating_sub(bytes));
        if self.used.get() <= self.max / 2 {
            self.told.set(false);
        }
        if !self.line.borrow().is_empty() {
            self.call_next();
        }
    }

    /// Whether the operator is to be told that a request found no room: once until half of the budget has been free again.
    pub(crate) fn is_news(&self) -> bool {
        !self.told.replace(true)
    }

    /// Waits in line until another stream may begin. It has to be tried before the caller waits for anything else, and what is
    /// given back goes after that: whoever took nothing (the stream is of another shard's link, or cannot be opened) makes room
    /// for the next.
    pub(crate) async fn room_for_one(&self) -> Room<'_> {
        if self.free() >= STREAM_WINDOW_BYTES {
            return Room(self);
        }
        let place = Rc::new(Place::default());
        self.line.borrow_mut().push_back(place.clone());
        let waiting = Waiting {
            budget: self,
            place,
        };
        std::future::poll_fn(|cx| {
            if waiting.place.state.get() == Turn::Called {
                waiting.come();
                return Poll::Ready(Room(self));
            }
            park(&waiting.place.waker, cx);
            Poll::Pending
        })
        .await
    }

    /// Calls as many of the line as have room.
    fn call_next(&self) {
        while self.free() >= STREAM_WINDOW_BYTES {
            let Some(place) = self.line.borrow_mut().pop_front() else {
                return;
            };
            self.called.set(self.called.get() + 1);
            place.state.set(Turn::Called);
            wake(&place.waker);
        }
    }
}

/// Room for a stream that is about to begin; when it goes, what was not taken of it is the next one's.
pub(crate) struct Room<'a>(&'a ReceiveBudget);

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.0.call_next();
    }
}

/// Leaves the line; who was called and goes without coming lets the next one in.
struct Waiting<'a> {
    budget: &'a ReceiveBudget,
    place: Rc<Place>,
}

impl Waiting<'_> {
    fn come(&self) {
        self.place.state.set(Turn::Come);
        self.budget.called.set(self.budget.called.get() - 1);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        match self.place.state.get() {
            Turn::InLine => {
                let mut line = self.budget.line.borrow_mut();
                line.retain(|place| !Rc::ptr_eq(place, &self.place));
            }
            Turn::Called => {
                self.come();
                self.budget.call_next();
            }
            Turn::Come => {}
        }
    }
}

/// What the windows of one link take of its shard's budget, as it is known to the books; nothing any more once it is dropped.
pub(crate) struct Share {
    budget: Rc<ReceiveBudget>,
    taken: Cell<u64>,
}

impl Share {
    pub(crate) fn new(budget: Rc<ReceiveBudget>) -> Share {
        Share {
            budget,
            taken: Cell::new(0),
        }
    }

    /// What the link may promise beyond what it has.
    pub(crate) fn room(&self) -> WindowRoom {
        let begin = self.budget.free();
        WindowRoom {
            begin,
            // The last quarter is for new streams alone: a few that carry much must not keep all others from beginning.
            widen: begin.saturating_sub(self.budget.max / 4),
        }
    }

    /// The link's windows take `bytes` now.
    pub(crate) fn set(&self, bytes: u64) {
        let before = self.taken.replace(bytes);
        if bytes > before {
            self.budget.charge(bytes - before);
        } else if bytes < before {
            self.budget.give_back(before - bytes);
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::Context;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn a_last_quarter_is_for_new_streams_alone() {
        let budget = ReceiveBudget::new(MIB);
        let [first, second] = [(), ()].map(|()| Share::new(budget.clone()));
        let room = |begin, widen| WindowRoom { begin, widen };
        assert_eq!(first.room(), room(MIB, MIB / 4 * 3));
        first.set(MIB / 2);
        second.set(MIB / 4 + 1);
        assert_eq!(first.room(), room(MIB / 4 - 1, 0));
        first.set(MIB / 4);
        assert_eq!(second.room(), room(MIB / 2 - 1, MIB / 4 - 1));
        drop(second);
        first.set(0);
        assert_eq!(budget.used.get(), 0);
    }

    #[test]
    fn no_room_is_news_once_until_half_of_it_was_free() {
        let budget = ReceiveBudget::new(2 * STREAM_WINDOW_BYTES);
        budget.charge(2 * STREAM_WINDOW_BYTES);
        assert_eq!([budget.is_news(), budget.is_news()], [true, false]);
        budget.give_back(STREAM_WINDOW_BYTES - 1);
        assert!(!budget.is_news());
        budget.give_back(1);
        assert!(budget.is_news());
    }

    #[test]
    fn the_line_is_called_in_its_order_as_room_comes() {
        let budget = ReceiveBudget::new(2 * STREAM_WINDOW_BYTES);
        let mut cx = Context::from_waker(Waker::noop());
        budget.charge(2 * STREAM_WINDOW_BYTES);
        let mut first = pin!(budget.room_for_one());
        let mut second = Box::pin(budget.room_for_one());
        let mut third = pin!(budget.room_for_one());
        assert!(first.as_mut().poll(&mut cx).is_pending());
        assert!(second.as_mut().poll(&mut cx).is_pending());
        assert!(third.as_mut().poll(&mut cx).is_pending());
        budget.give_back(STREAM_WINDOW_BYTES - 1);
        assert!(first.as_mut().poll(&mut cx).is_pending());
        budget.give_back(1);
        assert!(second.as_mut().poll(&mut cx).is_pending());
        assert_eq!(budget.free(), 0, "it is the first one's");
        let Poll::Ready(room) = first.as_mut().poll(&mut cx) else {
            panic!("it was called");
        };
        budget.charge(STREAM_WINDOW_BYTES);
        drop(room);
        assert!(second.as_mut().poll(&mut cx).is_pending());
        budget.give_back(STREAM_WINDOW_BYTES);
        // The second one is called and goes: its room is the third one's.
        drop(second);
        assert!(third.as_mut().poll(&mut cx).is_ready());
    }

    #[test]
    fn who_comes_and_takes_nothing_lets_the_next_one_in() {
        let budget = ReceiveBudget::new(STREAM_WINDOW_BYTES);
        let mut cx = Context::from_waker(Waker::noop());
        budget.charge(STREAM_WINDOW_BYTES);
        let mut first = pin!(budget.room_for_one());
        let mut second = pin!(budget.room_for_one());
        assert!(first.as_mut().poll(&mut cx).is_pending());
        assert!(second.as_mut().poll(&mut cx).is_pending());
        budget.give_back(STREAM_WINDOW_BYTES);
        let Poll::Ready(room) = first.as_mut().poll(&mut cx) else {
            panic!("it was called");
        };
        assert_eq!(budget.free(), STREAM_WINDOW_BYTES, "it may be taken");
        assert!(second.as_mut().poll(&mut cx).is_pending(), "but by one");
        drop(room);
        assert!(second.as_mut().poll(&mut cx).is_ready());
    }
}
