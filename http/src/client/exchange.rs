//! One request on its way: what the call's side and the connection's task both see. The call puts pieces of the body in, the
//! task takes them out; neither waits for the other but through the wakers here.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use flatend::limits::REPLAY_BYTES_MAX;
use flatend::rt::{self, park, wake};
use flatend::{BodyRefused, Bytes, Millis, OutletStream, ResponseSink};

use crate::h1::ClientConnection;
use crate::limits::{QUEUED_PIECE_BYTES, REQUEST_QUEUE_BYTES_MAX};
use crate::net::queue::OutQueue;

/// A request as its connection's task holds it.
pub(super) struct Job {
    pub(super) exchange: Rc<Exchange>,
    pub(super) response: ResponseSink,
    /// What waits for the upstream, the head at first. Kept here, so that a request of which nothing left goes to the next
    /// connection as it is.
    pub(super) output: OutQueue,
    /// The head once more, if the request is no more than that and may be repeated.
    pub(super) again: Option<Vec<u8>>,
    /// The protocol's state after what went into the output.
    pub(super) http: ClientConnection,
}

/// The request's body between its two sides.
#[derive(Default)]
pub(super) struct Exchange {
    pieces: RefCell<VecDeque<Bytes>>,
    /// Bytes of the pieces, and what the pieces cost.
    queued: Cell<usize>,
    /// The body is whole.
    finished: Cell<bool>,
    /// The call has given the request up.
    given_up: Cell<bool>,
    /// The connection takes no more of the body.
    closed: Cell<bool>,
    /// Bytes of the request have left.
    open: Cell<bool>,
    /// Another request needs the connection, and nothing moves on it.
    ousted: Cell<bool>,
    /// When bytes of the request or its response moved last.
    moved_at: Cell<Millis>,
    task: RefCell<Option<Waker>>,
    caller: RefCell<Option<Waker>>,
}

impl Exchange {
    pub(super) fn new(ends_with_head: bool) -> Rc<Exchange> {
        let exchange = Exchange::default();
        exchange.finished.set(ends_with_head);
        exchange.moved();
        Rc::new(exchange)
    }

    /// Parks the connection's task until the caller does something.
    pub(super) fn park_task(&self, cx: &Context<'_>) {
        park(&self.task, cx);
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.given_up.get()
    }

    /// Bytes moved.
    pub(super) fn moved(&self) {
        self.moved_at.set(rt::now());
    }

    /// For how long nothing has moved; `None` if it ends anyway.
    pub(super) fn silent_ms(&self) -> Option<u64> {
        let ends = self.given_up.get() || self.ousted.get();
        (!ends).then(|| rt::now().0.saturating_sub(self.moved_at.get().0))
    }

    /// Ends it for the sake of another request.
    pub(super) fn oust(&self) {
        self.ousted.set(true);
        wake(&self.task);
    }

    pub(super) fn is_ousted(&self) -> bool {
        self.ousted.get()
    }

    /// The next piece, if one is there.
    pub(super) fn take(&self) -> Option<Bytes> {
        let bytes = self.pieces.borrow_mut().pop_front()?;
        let before = self.queued.get();
        self.queued.set(before - cost(&bytes));
        if before >= self.room() && self.queued.get() < self.room() {
            wake(&self.caller);
        }
        Some(bytes)
    }

    /// Whether nothing is left to take and nothing will come.
    pub(super) fn is_drained(&self) -> bool {
        self.finished.get() && self.pieces.borrow().is_empty()
    }

    /// Bytes of the request have left.
    pub(super) fn open(&self) {
        if !self.open.replace(true) {
            wake(&self.caller);
        }
    }

    /// What may wait to be taken.
    fn room(&self) -> usize {
        if self.open.get() {
            REQUEST_QUEUE_BYTES_MAX
        } else {
            REPLAY_BYTES_MAX
        }
    }

    /// Takes no more of the body.
    pub(super) fn close(&self) {
        self.closed.set(true);
        self.pieces.borrow_mut().clear();
        self.queued.set(0);
        wake(&self.caller);
    }
}

/// What a piece counts for.
fn cost(piece: &Bytes) -> usize {
    piece.len() + QUEUED_PIECE_BYTES
}

/// The call's side.
pub(super) struct Stream(pub(super) Rc<Exchange>);

impl OutletStream for Stream {
    fn is_open(&self) -> bool {
        self.0.open.get()
    }

    fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        if self.has_room() {
            return Poll::Ready(());
        }
        park(&self.0.caller, cx);
        Poll::Pending
    }

    fn has_room(&self) -> bool {
        self.0.closed.get() || self.0.queued.get() < self.0.room()
    }

    fn send(&self, bytes: Bytes) -> Result<(), BodyRefused> {
        if self.0.closed.get() {
            return Err(BodyRefused);
        }
        self.0.queued.set(self.0.queued.get() + cost(&bytes));
        self.0.pieces.borrow_mut().push_back(bytes);
        wake(&self.0.task);
        Ok(())
    }

    fn finish(&self) {
        self.0.finished.set(true);
        wake(&self.0.task);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.given_up.set(true);
        wake(&self.0.task);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pieces of `bytes` bytes that go in before the caller must wait.
    fn pieces_until_full(bytes: usize, open: bool) -> usize {
        let stream = Stream(Exchange::new(false));
        if open {
            stream.0.open();
        }
        let cx = Context::from_waker(Waker::noop());
        let mut pieces = 0;
        while stream.poll_room(&cx).is_ready() {
            stream.send(vec![0; bytes].into()).unwrap();
            pieces += 1;
        }
        // All of it is given back as it is taken.
        while stream.0.take().is_some() {}
        assert_eq!(stream.0.queued.get(), 0);
        assert!(stream.poll_room(&cx).is_ready());
        pieces
    }

    #[test]
    fn small_pieces_count_for_the_memory_that_they_take() {
        for (open, room) in [(true, REQUEST_QUEUE_BYTES_MAX), (false, REPLAY_BYTES_MAX)] {
            assert_eq!(pieces_until_full(room, open), 1);
            let least = room / (1 + QUEUED_PIECE_BYTES);
            assert_eq!(pieces_until_full(1, open), least + 1);
        }
    }
}
