//! What arrives for one reader: a response at its caller, a request's body at its handler. Bounded by backpressure: what
//! is unread is charged to its link (or to the shard that owns it) and credited when the reader takes it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use flatend_codec::{HeaderBlock, StreamId};

use super::pieces::Pieces;
use super::{CallId, ReceiveBudget, Shard};
use crate::blocks::recycle;
use crate::error::Fault;
use crate::limits::{INBOUNDS_KEPT_MAX, INBOUND_PIECES_KEPT_MAX, OUTLET_UNREAD_BYTES_MAX};
use crate::mesh::Link;
use crate::rt::{park, wake};

/// Whom the reader's progress is told.
pub(crate) enum Source {
    /// A link of this shard.
    Link(Rc<Link>, StreamId),
    /// A link of the shard with this number.
    Relay(Rc<Shard>, usize, CallId),
    /// An outlet's task, which waits here for room.
    Outlet(RefCell<Option<Waker>>),
}

impl Source {
    pub(crate) fn outlet() -> Source {
        Source::Outlet(RefCell::new(None))
    }

    /// The reader took `bytes`; what is left holds `held` bytes of memory.
    fn taken(&self, bytes: usize, held: usize) {
        match self {
            Source::Link(link, stream) => link.taken(*stream, bytes),
            Source::Relay(shard, from, call) => shard.relay_taken(*from, *call, bytes),
            // Half of it empty, so that a reader of small pieces does not wake the writer for each.
            Source::Outlet(writer) if held <= OUTLET_UNREAD_BYTES_MAX / 2 => wake(writer),
            Source::Outlet(_) => {}
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    Open,
    Clean,
    Broken(Fault),
}

/// A queue with one writer (the link or the mailbox) and one reader.
pub(crate) struct Inbound {
    head: RefCell<Option<HeaderBlock>>,
    pieces: RefCell<Pieces>,
    unread: Cell<usize>,
    end: RefCell<End>,
    /// The head is handed on alone.
    prompt: Cell<bool>,
    /// Headers behind the body; there with its end.
    trailers: RefCell<HeaderBlock>,
    reader: RefCell<Option<Waker>>,
    source: RefCell<Option<Source>>,
    /// Where what is unread counts once the stream's window does not cover it any more, and how much of it does.
    budget: RefCell<Option<Rc<ReceiveBudget>>>,
    charged: Cell<usize>,
}

thread_local! {
    /// Those of requests that are over: a warm shard makes no new ones.
    static POOL: RefCell<Vec<Rc<Inbound>>> = const { RefCell::new(Vec::new()) };
}

impl Inbound {
    /// For a stream of flatend/2 with the budget of the reader's shard.
    pub(crate) fn new(budget: Option<Rc<ReceiveBudget>>) -> Rc<Inbound> {
        let inbound = POOL
            .with(|pool| pool.borrow_mut().pop())
            .unwrap_or_else(|| {
                Rc::new(Inbound {
                    head: RefCell::new(None),
                    pieces: RefCell::default(),
                    unread: Cell::new(0),
                    end: RefCell::new(End::Open),
                    prompt: Cell::new(false),
                    trailers: RefCell::default(),
                    reader: RefCell::new(None),
                    source: RefCell::new(None),
                    budget: RefCell::new(None),
                    charged: Cell::new(0),
                })
            });
        *inbound.budget.borrow_mut() = budget;
        inbound
    }

    /// Its last holder lets go of it: it serves another request, if it is small and nobody else holds it.
    pub(crate) fn give_back(inbound: &Rc<Inbound>) {
        let is_large = inbound.pieces.borrow().capacity() > INBOUND_PIECES_KEPT_MAX;
        if Rc::strong_count(inbound) != 1 || is_large {
            return;
        }
        inbound.pieces.borrow_mut().clear();
        inbound.unread.set(0);
        inbound.discharge(usize::MAX);
        inbound.budget.take();
        inbound.end.replace(End::Open);
        inbound.prompt.set(false);
        inbound.trailers.take();
        inbound.reader.take();
        inbound.source.take();
        if let Some(head) = inbound.head.take() {
            recycle(head);
        }
        // A thread that ends has no pool any more; it is just dropped then.
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.len() < INBOUNDS_KEPT_MAX {
                pool.push(inbound.clone());
            }
        });
    }

    pub(crate) fn set_source(&self, source: Source) {
        *self.source.borrow_mut() = Some(source);
    }

    /// The head does not wait for the body: whoever sends it says so by sending it alone.
    pub(crate) fn make_prompt(&self) {
        self.prompt.set(true);
    }

    fn wake(&self) {
        wake(&self.reader);
    }

    pub(crate) fn set_head(&self, headers: HeaderBlock) {
        *self.head.borrow_mut() = Some(headers);
        self.wake();
    }

    /// Headers behind the body: its end follows.
    pub(crate) fn set_trailers(&self, trailers: HeaderBlock) {
        *self.trailers.borrow_mut() = trailers;
    }

    /// Headers behind the body, once it has ended; none if there were none.
    pub(crate) fn trailers(&self) -> HeaderBlock {
        self.trailers.borrow().clone()
    }

    pub(crate) fn has_trailers(&self) -> bool {
        self.trailers.borrow().count() > 0
    }

    pub(crate) fn push(&self, bytes: Bytes) {
        self.unread.set(self.unread.get() + bytes.len());
        self.pieces.borrow_mut().push(bytes);
        self.wake();
    }

    pub(crate) fn finish(&self) {
        let mut end = self.end.borrow_mut();
        if *end == End::Open {
            *end = End::Clean;
            drop(end);
            self.charge();
            self.wake();
        }
    }

    /// Ends it uncleanly: what was received is still read first. A reader that stalled loses it, whole or not: the memory that
    /// it holds is why it is given up.
    pub(crate) fn fail(&self, fault: Fault) {
        if fault == Fault::Stalled {
            self.pieces.borrow_mut().clear();
            self.unread.set(0);
            self.discharge(usize::MAX);
        }
        let mut end = self.end.borrow_mut();
        if *end == End::Open || fault == Fault::Stalled {
            *end = End::Broken(fault);
            drop(end);
            self.charge();
            self.wake();
        }
    }

    /// The stream has given its window back; what is unread is still here.
    fn charge(&self) {
        let unread = self.unread.get();
        if let (Some(budget), 0, 1..) = (&*self.budget.borrow(), self.charged.get(), unread) {
            budget.charge(unread as u64);
            self.charged.set(unread);
        }
    }

    fn discharge(&self, bytes: usize) {
        let bytes = bytes.min(self.charged.get());
        if let (Some(budget), 1..) = (&*self.budget.borrow(), bytes) {
            self.charged.set(self.charged.get() - bytes);
            budget.give_back(bytes as u64);
        }
    }

    /// Ready when the end is there, whatever its kind, or more than `bytes_max` wait.
    pub(crate) fn poll_whole(&self, cx: &Context<'_>, bytes_max: usize) -> Poll<()> {
        if self.has_ended() || self.unread.get() > bytes_max {
            return Poll::Ready(());
        }
        park(&self.reader, cx);
        Poll::Pending
    }

    /// The fault that ended it, unless the end is clean or open.
    pub(crate) fn fault(&self) -> Option<Fault> {
        match &*self.end.borrow() {
            End::Broken(fault) => Some(fault.clone()),
            End::Open | End::Clean => None,
        }
    }

    /// The bytes that are left to read if they are all there.
    pub(crate) fn rest(&self) -> Option<usize> {
        (*self.end.borrow() == End::Clean).then(|| self.unread.get())
    }

    /// Whether no more will arrive.
    pub(crate) fn has_ended(&self) -> bool {
        *self.end.borrow() != End::Open
    }

    /// The head, once, as soon as a piece of the body or the end is there too: old peers send both from one call, and a provider
    /// that dies between them has not yet answered, so that the request may still go elsewhere. On flatend/2 both come in one
    /// frame; a head that comes alone has a body that is late, an event stream without an event say, and is not held back.
    pub(crate) fn poll_head(&self, cx: &Context<'_>) -> Poll<Result<HeaderBlock, Fault>> {
        let end = self.end.borrow();
        let is_begun = !self.pieces.borrow().is_empty() || *end == End::Clean;
        if is_begun || (self.prompt.get() && *end == End::Open) {
            if let Some(head) = self.head.borrow_mut().take() {
                return Poll::Ready(Ok(head));
            }
        }
        match &*end {
            End::Open => {}
            End::Clean => {
                return Poll::Ready(Err(Fault::Malformed(
                    "the stream ended before a response".to_owned(),
                )))
            }
            End::Broken(fault) => return Poll::Ready(Err(fault.clone())),
        }
        park(&self.reader, cx);
        Poll::Pending
    }

    /// The next piece; `None` at a clean end.
    pub(crate) fn poll_chunk(&self, cx: &Context<'_>) -> Poll<Result<Option<Bytes>, Fault>> {
        if let Some(bytes) = self.take_chunk() {
            return Poll::Ready(Ok(Some(bytes)));
        }
        match &*self.end.borrow() {
            End::Open => {}
            End::Clean => return Poll::Ready(Ok(None)),
            End::Broken(fault) => return Poll::Ready(Err(fault.clone())),
        }
        park(&self.reader, cx);
        Poll::Pending
    }

    /// The next piece if one is there.
    pub(crate) fn take_chunk(&self) -> Option<Bytes> {
        let bytes = self.pieces.borrow_mut().pop()?;
        self.unread.set(self.unread.get() - bytes.len());
        self.discharge(bytes.len());
        if let Some(source) = self.source.borrow().as_ref() {
            source.taken(bytes.len(), self.held());
        }
        Some(bytes)
    }

    /// Bytes that wait, and what their pieces cost.
    fn held(&self) -> usize {
        self.unread.get() + self.pieces.borrow().overhead()
    }

    /// Whether a clean end is all that is left to read.
    pub(crate) fn is_finished(&self) -> bool {
        self.pieces.borrow().is_empty() && *self.end.borrow() == End::Clean
    }

    /// The reader has gone: throws away what waits, and tells so whoever is charged for it.
    pub(crate) fn abandon(&self) {
        self.pieces.borrow_mut().clear();
        let unread = self.unread.replace(0);
        self.discharge(usize::MAX);
        match self.source.borrow_mut().take() {
            // Nobody reads any more: that is news for the writer, even if it waits with nothing unread.
            Some(Source::Outlet(writer)) => wake(&writer),
            Some(source) if unread > 0 => source.taken(unread, 0),
            _ => {}
        }
    }

    /// For an outlet's task: ready while what waits to be read holds less than `bytes_max`, or nobody reads any more.
    pub(crate) fn poll_source_room(&self, cx: &Context<'_>, bytes_max: usize) -> Poll<()> {
        match self.source.borrow().as_ref() {
            Some(Source::Outlet(writer)) if self.held() >= bytes_max => {
                park(writer, cx);
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }

    /// Whether the reader has gone. Only for an outlet's response, which has a source from its beginning.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.source.borrow().is_none()
    }
}

impl Drop for Inbound {
    fn drop(&mut self) {
        self.discharge(usize::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{QUEUED_PIECE_BYTES, SMALL_PIECE_BYTES};

    #[test]
    fn one_that_is_given_back_begins_anew_and_one_that_is_held_is_not_taken() {
        let inbound = Inbound::new(None);
        inbound.set_head(HeaderBlock::new());
        inbound.push(Bytes::from_static(b"a"));
        inbound.fail(Fault::Refused);
        let held = inbound.clone();
        Inbound::give_back(&inbound);
        assert!(!Rc::ptr_eq(&held, &Inbound::new(None)), "it is held");
        drop(held);
        Inbound::give_back(&inbound);
        let again = Inbound::new(None);
        assert!(Rc::ptr_eq(&inbound, &again));
        assert_eq!((again.held(), again.has_ended()), (0, false));
        assert!(again.head.borrow().is_none() && again.is_abandoned());
    }

    #[test]
    fn pieces_of_an_outlet_count_for_the_memory_that_they_take() {
        let inbound = Inbound::new(None);
        inbound.set_source(Source::outlet());
        let cx = Context::from_waker(Waker::noop());
        let mut pieces = 0;
        while inbound
            .poll_source_room(&cx, OUTLET_UNREAD_BYTES_MAX)
            .is_ready()
        {
            inbound.push(Bytes::from(vec![0; SMALL_PIECE_BYTES]));
            pieces += 1;
        }
        let least = OUTLET_UNREAD_BYTES_MAX / (SMALL_PIECE_BYTES + QUEUED_PIECE_BYTES);
        assert_eq!(pieces, least + 1);
        while inbound.take_chunk().is_some() {}
        assert_eq!(inbound.held(), 0);
        let room = inbound.poll_source_room(&cx, OUTLET_UNREAD_BYTES_MAX);
        assert!(room.is_ready());
    }
}
