//! Who waits for something about one stream: for its window to open, or for its other side to go. Few do at any time, so that
//! streams carry nothing for it. Waking one stream wakes nobody else: a thousand stalled streams cost the others nothing.

use std::cell::{Cell, RefCell};
use std::task::Context;

use flatend_codec::StreamId;

use crate::idmap::IdMap;
use crate::limits::STREAM_WAITS_SWEEP_MIN;
use crate::rt::{Ticket, WaitQueue};

pub(crate) struct StreamWaits {
    queues: RefCell<IdMap<StreamId, WaitQueue>>,
    /// Queues left by those who went without being woken are thrown away when there are so many.
    sweep_at: Cell<usize>,
}

impl Default for StreamWaits {
    fn default() -> Self {
        StreamWaits {
            queues: RefCell::default(),
            sweep_at: Cell::new(STREAM_WAITS_SWEEP_MIN),
        }
    }
}

impl StreamWaits {
    pub(crate) fn park(&self, stream: StreamId, cx: &Context<'_>, ticket: &Ticket) {
        let mut queues = self.queues.borrow_mut();
        if queues.len() >= self.sweep_at.get() {
            queues.retain(|_, queue| !queue.is_idle());
            let left = 2 * queues.len();
            self.sweep_at.set(left.max(STREAM_WAITS_SWEEP_MIN));
        }
        queues.entry(stream).or_default().park(cx, ticket);
    }

    pub(crate) fn wake(&self, stream: StreamId) {
        let queue = self.queues.borrow_mut().remove(&stream);
        if let Some(queue) = queue {
            queue.wake_all();
        }
    }

    pub(crate) fn wake_all(&self) {
        for queue in self.queues.take().into_values() {
            queue.wake_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn those_who_went_without_being_woken_are_swept_out() {
        let waits = StreamWaits::default();
        let cx = Context::from_waker(Waker::noop());
        let kept = Ticket::default();
        waits.park(StreamId(0), &cx, &kept);
        for stream in 1..10_000 {
            waits.park(StreamId(stream), &cx, &Ticket::default());
            assert!(waits.queues.borrow().len() <= STREAM_WAITS_SWEEP_MIN);
        }
        assert!(waits.queues.borrow().contains_key(&StreamId(0)));
        waits.wake(StreamId(0));
        assert!(!waits.queues.borrow().contains_key(&StreamId(0)));
    }
}
