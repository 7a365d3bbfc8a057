//! Who waits for something about one stream: for its window to open, or for its other side to go. Few do at any time, so that
//! streams carry nothing for it. Waking one stream wakes nobody else: a thousand stalled streams cost the others nothing.

use std::cell::{Cell, OnceCell, RefCell};
use std::task::Context;

use flatend_codec::StreamId;

use crate::idmap::IdMap;
use crate::limits::STREAM_WAITS_SWEEP_MIN;
use crate::rt::{Ticket, WaitQueue};

/// Costs a word until somebody waits.
#[derive(Default)]
pub(crate) struct StreamWaits(OnceCell<Box<Queues>>);

struct Queues {
    queues: RefCell<IdMap<StreamId, WaitQueue>>,
    /// Queues left by those who went without being woken are thrown away when there are so many.
    sweep_at: Cell<usize>,
}

impl Default for Queues {
    fn default() -> Self {
        Queues {
            queues: RefCell::default(),
            sweep_at: Cell::new(STREAM_WAITS_SWEEP_MIN),
        }
    }
}

impl StreamWaits {
    pub(crate) fn park(&self, stream: StreamId, cx: &Context<'_>, ticket: &Ticket) {
        let waits = self.0.get_or_init(Box::default);
        let mut queues = waits.queues.borrow_mut();
        if queues.len() >= waits.sweep_at.get() {
            queues.retain(|_, queue| !queue.is_idle());
            let left = 2 * queues.len();
            waits.sweep_at.set(left.max(STREAM_WAITS_SWEEP_MIN));
        }
        queues.entry(stream).or_default().park(cx, ticket);
    }

    pub(crate) fn wake(&self, stream: StreamId) {
        let queue = self
            .0
            .get()
            .and_then(|waits| waits.queues.borrow_mut().remove(&stream));
        if let Some(queue) = queue {
            queue.wake_all();
        }
    }

    pub(crate) fn wake_all(&self) {
        let queues = self.0.get().map(|waits| waits.queues.take());
        for queue in queues.into_iter().flat_map(IdMap::into_values) {
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
        let queues = || waits.0.get().expect("somebody waits").queues.borrow();
        let cx = Context::from_waker(Waker::noop());
        let kept = Ticket::default();
        waits.park(StreamId(0), &cx, &kept);
        for stream in 1..10_000 {
            waits.park(StreamId(stream), &cx, &Ticket::default());
            assert!(queues().len() <= STREAM_WAITS_SWEEP_MIN);
        }
        assert!(queues().contains_key(&StreamId(0)));
        waits.wake(StreamId(0));
        assert!(!queues().contains_key(&StreamId(0)));
    }
}
