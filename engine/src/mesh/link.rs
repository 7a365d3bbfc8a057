//! A link: the codec's connection, the socket, and what waits for them. Anybody on the shard may encode into it (`output`);
//! reading is the business of its task (`driver`).

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};

use flatend_codec::{Connection, Millis, OpenError, PeerKind, Retirement, StreamId};

use super::core::Named;
use super::held::Held;
use super::streams::Streams;
use super::waits::StreamWaits;
use crate::error::Fault;
use crate::limits::{FIN_WAIT_MS, LANE_WORK_REQUESTS};
use crate::node::NodeLimits;
use crate::routing::{LinkRef, Open, Openness};
use crate::rt::{self, park, Socket, Timer, TurnEnd, WaitQueue};
use crate::shard::{Offered, Share};

/// Why a link ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CloseReason {
    /// The peer sent FIN.
    PeerLeft,
    /// The connection broke.
    Broken(String),
    /// It said nothing for too long.
    Silent(String),
    /// The peer broke the protocol; the sentence says how.
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
    /// Another link leads to the same instance.
    Superseded,
    /// It leads to another process than the one that it was made for.
    Elsewhere,
    /// The peer speaks HTTP, and this is no HTTP port.
    Http,
    /// The peer may not stay; the sentence says why.
    Unwelcome(String),
    /// The peer said goodbye, and has ended the link; the sentence says why.
    Goodbye(String),
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
    pub(super) corked: Cell<bool>,
    /// The socket takes no more at the moment.
    pub(crate) write_blocked: Cell<bool>,
    /// When it last took something.
    pub(super) taken_at: Cell<Millis>,
    pub(super) room: WaitQueue,
    /// Those who wait for the window of a stream, or for its other side to go.
    pub(crate) waits: StreamWaits,
    /// What windows do not admit yet.
    pub(super) held: Held,
    /// What the peer takes of our requests, for all shards.
    pub(super) open: Arc<Openness>,
    /// What the windows of its streams take of the shard's receive budget.
    share: Share,
    pub(crate) closing: RefCell<Option<Box<CloseReason>>>,
    pub(super) lost: Cell<bool>,
    /// The link ends with its last stream: nobody here asks over it any more.
    pub(super) leaving: Cell<bool>,
    /// What the peer said at its goodbye.
    pub(super) farewell: RefCell<Option<Box<str>>>,
    /// The services that the peer was shown; with `outdated` it must hear of others.
    pub(crate) shown: RefCell<Arc<Offered>>,
    pub(crate) outdated: Cell<bool>,
    /// A new list is on its way, and the peer's own comes back.
    pub(crate) announcing: Cell<bool>,
    /// When a link whose peer does not show what it is is made again.
    pub(crate) renewal: Timer,
    pub(crate) renewing: Cell<bool>,
    /// Requests of the peer are taken.
    pub(super) may_call: Cell<bool>,
    /// Whom the node takes has changed.
    pub(super) review: Cell<bool>,
    /// What the answer to a question has named so far.
    pub(super) named: Cell<Vec<Named>>,
    /// Another link leads to the same instance: this one ends with its last stream.
    pub(crate) superseded: Cell<bool>,
    /// Requests that were made over it, by either side; counted until they are as many as make it work.
    pub(super) requests: Cell<u32>,
}

impl Link {
    pub(crate) fn new(
        at: LinkRef,
        socket: Socket,
        conn: Connection,
        limits: &NodeLimits,
        share: Share,
        shown: Arc<Offered>,
        may_call: bool,
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
            taken_at: Cell::new(rt::now()),
            room: WaitQueue::default(),
            waits: StreamWaits::default(),
            held: Held::default(),
            share,
            closing: RefCell::new(None),
            lost: Cell::new(false),
            open: Arc::default(),
            leaving: Cell::new(false),
            farewell: RefCell::new(None),
            shown: RefCell::new(shown),
            outdated: Cell::new(false),
            announcing: Cell::new(false),
            renewal: Timer::new(),
            renewing: Cell::new(false),
            may_call: Cell::new(may_call),
            review: Cell::new(false),
            named: Cell::default(),
            superseded: Cell::new(false),
            requests: Cell::new(0),
        })
    }

    /// Whether requests of ours should go over another link.
    pub(super) fn is_retiring(&self) -> bool {
        self.leaving.get() || self.conn.borrow().retirement() != Retirement::Active
    }

    /// Whether the link ends as soon as no stream is open on it. A peer on flatend/2 that has said goodbye ends it itself: until its
    /// own work is done it asks on.
    pub(super) fn ends_when_idle(&self) -> bool {
        let retiring = self.conn.borrow().retirement() == Retirement::Retiring;
        self.leaving.get() || (retiring && !self.is_flatend2())
    }

    /// Tells all shards whether the peer takes another request.
    pub(super) fn note_open(&self) {
        let open = match self.conn.borrow().may_ask() {
            Ok(()) => Open::Yes,
            Err(OpenError::NotGranted | OpenError::IdsExhausted) => Open::Spent,
            Err(_) => Open::No,
        };
        self.open.note(open);
    }

    /// Wakes the link's task.
    pub(crate) fn poke(&self) {
        self.poked.set(true);
        if let Some(waker) = self.task.take() {
            waker.wake();
        }
    }

    /// Counts a request; the one that makes the link work has its task tell that.
    pub(super) fn note_request(&self) {
        let requests = self.requests.get();
        if requests < LANE_WORK_REQUESTS {
            self.requests.set(requests + 1);
            if requests + 1 == LANE_WORK_REQUESTS {
                self.poke();
            }
        }
    }

    /// Asks the link's task to end. The first reason stands.
    pub(crate) fn close(&self, reason: CloseReason) {
        let mut closing = self.closing.borrow_mut();
        closing.get_or_insert_with(|| Box::new(reason));
        drop(closing);
        self.poke();
    }

    /// Whether the peer speaks flatend/2: streams have windows, and can be cut.
    pub(crate) fn is_flatend2(&self) -> bool {
        self.conn.borrow().peer_kind() == PeerKind::Flatend2
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.lost.get()
    }

    /// Whether the peer takes nothing, and has not for a while: what waits for it will not leave.
    pub(super) fn takes_nothing(&self) -> bool {
        let idle_ms = rt::now().0.saturating_sub(self.taken_at.get().0);
        self.write_blocked.get() && idle_ms >= FIN_WAIT_MS
    }

    /// Sets the timer to the codec's next deadline.
    pub(crate) fn rearm(&self) {
        match self.conn.borrow().next_deadline() {
            Some(at) => self.deadline.set(at),
            None => self.deadline.clear(),
        }
    }

    /// Calls what may give the peer windows: the budget says how wide, and hears what came of it.
    pub(super) fn with_room<R>(&self, call: impl FnOnce(&mut Connection) -> R) -> R {
        let mut conn = self.conn.borrow_mut();
        conn.set_window_room(self.share.room());
        let result = call(&mut conn);
        self.share.set(conn.window_bytes());
        result
    }

    /// Streams may have ended: their windows go back.
    pub(super) fn settle(&self) {
        self.share.set(self.conn.borrow().window_bytes());
    }

    // ---- reading ------------------------------------------------------------------------------------------------

    /// The reader of a stream took `bytes`.
    pub(crate) fn taken(self: &Rc<Self>, stream: StreamId, bytes: usize) {
        let was_paused = self.streams.is_paused();
        self.streams.taken(stream, bytes, rt::now());
        self.credit(stream, bytes);
        if was_paused && !self.streams.is_paused() {
            self.poke();
        }
    }

    /// The link is at rest: gives back what the next request can make anew.
    pub(super) fn rest(&self) {
        self.streams.rest();
    }

    // ---- the end ------------------------------------------------------------------------------------------------

    /// Marks the link as lost and tells every reader and writer. What has left decides whether a request may be repeated, and
    /// whose fault it is.
    pub(crate) fn lose(&self, reason: &CloseReason) {
        self.lost.set(true);
        self.open.note(Open::No);
        let transmitted = self.conn.borrow().bytes_transmitted();
        for (recipient, mark) in self.streams.take_all() {
            recipient.fail(match reason {
                CloseReason::Fault(how) if transmitted > mark => Fault::LinkBroken(how.clone()),
                _ => Fault::LinkLost {
                    left: transmitted > mark,
                },
            });
        }
        self.conn.borrow_mut().forget_streams();
        self.settle();
        self.held.forget_all();
        self.room.wake_all();
        self.waits.wake_all();
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
        if self.leaving.get() && self.conn.borrow().queued_bytes() == 0 {
            // What a handler just said may have been the last: the link's task looks whether it is over.
            self.poke();
        }
    }
}

/// Parks the link's task.
pub(crate) fn park_task(link: &Link, cx: &Context<'_>) {
    park(&link.task, cx);
}
