//! A link: the codec's connection, the socket, and what waits for them. Anybody on the shard may encode into it; what was
//! encoded in a turn leaves in one write at the turn's end. Reading is the business of its task (`driver`).

use std::cell::{Cell, RefCell};
use std::io::{ErrorKind, IoSlice};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use flatend_codec::{
    Connection, GoodbyeCode, HeaderBlock, OpenError, ResetCode, SendError, StreamId,
};

use super::streams::{Recipient, Streams};
use crate::error::Fault;
use crate::limits::{LINK_CORK_BYTES_MAX, LINK_QUEUE_BYTES_MAX};
use crate::node::NodeLimits;
use crate::routing::LinkRef;
use crate::rt::{self, park, Socket, Ticket, Timer, TurnEnd, WaitQueue};

/// Why a link ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CloseReason {
    /// The peer sent FIN.
    PeerLeft,
    /// The connection broke.
    Broken(String),
    /// The peer broke the protocol, or fell silent; the sentence says what.
    Fault(String),
    /// It gathered too many abandoned streams and is replaced.
    Retired,
    /// This node shuts down.
    Drained,
    /// Too many links wait for their handshake.
    Crowded,
    /// The shard has as many links as its limit allows.
    Full {
        /// The limit.
        links: usize,
    },
    /// The peer shows our own key: we dialed ourselves.
    Ourselves,
    /// What this node offers has changed, and only a new link tells this peer.
    Renewed,
}

/// One connection to a peer.
pub(crate) struct Link {
    pub(crate) at: LinkRef,
    pub(crate) socket: Socket,
    pub(crate) conn: RefCell<Connection>,
    pub(crate) streams: Streams,
    /// The link's task, woken when there is something for it to do.
    pub(crate) task: RefCell<Option<Waker>>,
    /// Somebody changed something that the task shall look at.
    pub(crate) poked: Cell<bool>,
    /// Bytes of the heads of the peer's requests whose handlers run.
    pub(crate) handler_head_bytes: Cell<usize>,
    /// The peer's requests whose handlers run.
    pub(crate) handlers: Cell<usize>,
    /// The codec's next deadline.
    pub(crate) deadline: Timer,
    corked: Cell<bool>,
    /// The socket takes no more at the moment.
    pub(crate) write_blocked: Cell<bool>,
    room: WaitQueue,
    /// Those who wait for the link's loss.
    waiting_for_loss: WaitQueue,
    pub(crate) closing: RefCell<Option<CloseReason>>,
    lost: Cell<bool>,
    /// We said goodbye: the link ends with its last stream.
    leaving: Cell<bool>,
    /// The services that the peer was shown; with `outdated` it must hear of others.
    pub(crate) shown_services: RefCell<Arc<Vec<String>>>,
    pub(crate) outdated: Cell<bool>,
    /// A new list is on its way, and the peer's own comes back.
    pub(crate) announcing: Cell<bool>,
    /// When a link whose peer does not show what it is is made again.
    pub(crate) renewal: Timer,
    pub(crate) renewing: Cell<bool>,
}

impl Link {
    pub(crate) fn new(
        at: LinkRef,
        socket: Socket,
        conn: Connection,
        limits: &NodeLimits,
        shown_services: Arc<Vec<String>>,
    ) -> Rc<Link> {
        Rc::new(Link {
            at,
            socket,
            conn: RefCell::new(conn),
            streams: Streams::new(limits.stream_unread_bytes, limits.link_unread_bytes),
            task: RefCell::new(None),
            poked: Cell::new(false),
            handler_head_bytes: Cell::new(0),
            handlers: Cell::new(0),
            deadline: Timer::new(),
            corked: Cell::new(false),
            write_blocked: Cell::new(false),
            room: WaitQueue::default(),
            waiting_for_loss: WaitQueue::default(),
            closing: RefCell::new(None),
            lost: Cell::new(false),
            leaving: Cell::new(false),
            shown_services: RefCell::new(shown_services),
            outdated: Cell::new(false),
            announcing: Cell::new(false),
            renewal: Timer::new(),
            renewing: Cell::new(false),
        })
    }

    /// Wakes the link's task.
    pub(crate) fn poke(&self) {
        self.poked.set(true);
        if let Some(waker) = self.task.take() {
            waker.wake();
        }
    }

    /// Asks the link's task to end. The first reason stands.
    pub(crate) fn close(&self, reason: CloseReason) {
        self.closing.borrow_mut().get_or_insert(reason);
        self.poke();
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.lost.get()
    }

    /// Waits until the link is lost.
    pub(crate) async fn gone(&self) {
        self.waiting_for_loss
            .until(|| self.lost.get().then_some(()))
            .await;
    }

    // ---- writing ------------------------------------------------------------------------------------------------

    /// Opens a stream whose response goes to `recipient`.
    ///
    /// # Errors
    /// As [`OpenError`] says; nothing was sent then.
    pub(crate) fn open_stream(
        self: &Rc<Self>,
        services: &[String],
        headers: &HeaderBlock,
        extras: &HeaderBlock,
        end: bool,
        recipient: Recipient,
    ) -> Result<StreamId, OpenError> {
        let mut conn = self.conn.borrow_mut();
        let mark = conn.bytes_queued();
        let stream = conn.open_stream(
            rt::now(),
            services.iter().map(String::as_str),
            headers,
            extras,
            end,
        )?;
        drop(conn);
        self.streams.insert(stream, recipient, mark);
        self.cork();
        Ok(stream)
    }

    /// Encodes a piece of a body. The caller has waited for room.
    pub(crate) fn send_data(
        self: &Rc<Self>,
        stream: StreamId,
        bytes: &[u8],
    ) -> Result<(), SendError> {
        let result = self.conn.borrow_mut().send_data(rt::now(), stream, bytes);
        self.cork();
        result
    }

    /// Ends our direction of a stream.
    pub(crate) fn send_end(self: &Rc<Self>, stream: StreamId) -> Result<(), SendError> {
        let result = self.conn.borrow_mut().send_end(rt::now(), stream);
        self.cork();
        result
    }

    /// Sends a response's head.
    pub(crate) fn respond(
        self: &Rc<Self>,
        stream: StreamId,
        headers: &HeaderBlock,
        end: bool,
    ) -> Result<(), SendError> {
        let result = self
            .conn
            .borrow_mut()
            .respond(rt::now(), stream, headers, end);
        self.cork();
        result
    }

    /// Says that we do not handle this request.
    pub(crate) fn refuse(self: &Rc<Self>, stream: StreamId) {
        self.conn.borrow_mut().refuse(rt::now(), stream);
        self.cork();
    }

    /// The reader of a stream has gone; what still arrives for it is thrown away.
    pub(crate) fn ignore(&self, stream: StreamId) {
        let was_paused = self.streams.is_paused();
        self.streams.ignore(stream);
        if was_paused && !self.streams.is_paused() {
            self.poke();
        }
    }

    /// Says that this node shuts down: no new requests, what runs is finished.
    pub(crate) fn goodbye(self: &Rc<Self>, code: GoodbyeCode) {
        if !self.lost.get() {
            self.conn
                .borrow_mut()
                .goodbye(rt::now(), code, "this node shuts down");
            self.leaving.set(true);
            self.cork();
            self.poke();
        }
    }

    /// Gives a stream up, both directions, and forgets its reader.
    pub(crate) fn reset(self: &Rc<Self>, stream: StreamId, code: ResetCode, reason: &str) {
        self.streams.remove(stream);
        if !self.lost.get() {
            self.conn
                .borrow_mut()
                .reset(rt::now(), stream, code, reason);
            self.cork();
            // The reset may retire the link, or free it for reading.
            self.poke();
        }
    }

    /// Ready when the output has room. After the link is lost it is always ready: the next send tells.
    pub(crate) fn poll_room(&self, cx: &Context<'_>, ticket: &Ticket) -> Poll<()> {
        if self.lost.get() || self.conn.borrow().queued_bytes() < LINK_QUEUE_BYTES_MAX {
            return Poll::Ready(());
        }
        self.room.park(cx, ticket);
        Poll::Pending
    }

    /// Whether the output has room now.
    pub(crate) fn has_room(&self) -> bool {
        self.conn.borrow().queued_bytes() < LINK_QUEUE_BYTES_MAX
    }

    /// Waits until the output has room.
    pub(crate) async fn room(&self) {
        let ticket = Ticket::default();
        std::future::poll_fn(|cx| self.poll_room(cx, &ticket)).await;
    }

    /// Something was encoded: it leaves at the end of the turn, or now if it is much.
    pub(crate) fn cork(self: &Rc<Self>) {
        if !self.corked.replace(true) {
            rt::at_turn_end(self.clone());
        }
        if self.conn.borrow().queued_bytes() >= LINK_CORK_BYTES_MAX {
            self.flush();
        }
    }

    /// The socket takes bytes again: the link's task says so.
    pub(crate) fn unblock(&self) {
        self.write_blocked.set(false);
        self.flush();
        if self.leaving.get() {
            self.poked.set(true);
        }
    }

    /// Writes what the socket takes. While it takes nothing, that is left to the link's task, which waits for it.
    pub(crate) fn flush(&self) {
        if self.lost.get() || self.write_blocked.get() {
            return;
        }
        let mut conn = self.conn.borrow_mut();
        while !conn.transmit().is_empty() {
            match self.socket.try_send(&[IoSlice::new(conn.transmit())]) {
                Ok(n) => conn.transmitted(n),
                Err(err) if err.kind() == ErrorKind::WouldBlock => {
                    self.write_blocked.set(true);
                    // The task waits for the socket from now on.
                    self.poke();
                    break;
                }
                Err(err) => {
                    drop(conn);
                    return self.close(CloseReason::Broken(err.to_string()));
                }
            }
        }
        let has_room = conn.queued_bytes() < LINK_QUEUE_BYTES_MAX / 2;
        drop(conn);
        if has_room {
            self.room.wake_all();
        }
    }

    /// Sets the timer to the codec's next deadline.
    pub(crate) fn rearm(&self) {
        match self.conn.borrow().next_deadline() {
            Some(at) => self.deadline.set(at),
            None => self.deadline.clear(),
        }
    }

    // ---- reading ------------------------------------------------------------------------------------------------

    /// The reader of a stream took `bytes`.
    pub(crate) fn taken(&self, stream: StreamId, bytes: usize) {
        let was_paused = self.streams.is_paused();
        self.streams.taken(stream, bytes, rt::now());
        if !self.lost.get() {
            self.conn.borrow_mut().credit(rt::now(), stream, bytes);
        }
        if was_paused && !self.streams.is_paused() {
            self.poke();
        }
    }

    // ---- the end ------------------------------------------------------------------------------------------------

    /// Marks the link as lost and tells every reader and writer. What has left decides whether a request may be repeated, and
    /// whose fault it is.
    pub(crate) fn lose(&self, reason: &CloseReason) {
        self.lost.set(true);
        let transmitted = self.conn.borrow().bytes_transmitted();
        for (recipient, mark) in self.streams.take_all() {
            recipient.fail(match reason {
                CloseReason::Fault(how) if transmitted > mark => Fault::LinkBroken(how.clone()),
                _ => Fault::LinkLost {
                    left: transmitted > mark,
                },
            });
        }
        self.room.wake_all();
        self.waiting_for_loss.wake_all();
        self.deadline.clear();
    }
}

impl TurnEnd for Link {
    fn turn_end(self: Rc<Self>) {
        self.corked.set(false);
        self.flush();
        if !self.lost.get() {
            self.rearm();
        }
        if self.leaving.get() && self.conn.borrow().transmit().is_empty() {
            // What a handler just said may have been the last: the link's task looks whether it is over.
            self.poke();
        }
    }
}

/// Parks the link's task.
pub(crate) fn park_task(link: &Link, cx: &Context<'_>) {
    park(&link.task, cx);
}
