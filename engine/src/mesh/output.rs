//! Writing to a link: requests, responses, bodies, resets, and when they leave. What was encoded in a turn leaves in one write at
//! the turn's end, or at once if it is much. A writer waits for two things: room in the link's output, which all streams share,
//! and the window of its own stream.

use std::io::{ErrorKind, IoSlice};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use flatend_codec::{
    Ask, GoodbyeCode, HeaderBlock, Millis, OpenError, ResetCode, SendError, StreamId,
};

use super::link::{CloseReason, Link};
use super::streams::Recipient;
use crate::limits::{LINK_CORK_BYTES_MAX, LINK_QUEUE_BYTES_MAX, TRAILERS_BYTES_MAX};
use crate::rt::{self, Ticket};

/// Why we say goodbye at the end.
const SHUTS_DOWN: &str = "this node shuts down";

/// The head of a request of ours.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    /// Headers that the service must get.
    pub(crate) headers: &'a HeaderBlock,
    /// Headers that are left out where the peer's frames cannot hold both.
    pub(crate) extras: &'a HeaderBlock,
    /// When the caller wants the response.
    pub(crate) deadline: Option<Millis>,
    /// No body follows.
    pub(crate) end: bool,
}

/// Milliseconds that are left; one that has passed leaves one, since none at all would mean no deadline.
fn left_ms(now: Millis, at: Millis) -> u32 {
    u32::try_from(at.0.saturating_sub(now.0).max(1)).unwrap_or(u32::MAX)
}

impl Link {
    /// Opens a stream whose response goes to `recipient`.
    ///
    /// # Errors
    /// As [`OpenError`] says; nothing was sent then.
    pub(crate) fn open_stream(
        self: &Rc<Self>,
        services: &[String],
        head: &Head<'_>,
        recipient: Recipient,
    ) -> Result<StreamId, OpenError> {
        let conn = self.conn.borrow();
        let (mark, now) = (conn.bytes_queued(), rt::now());
        let ask = Ask {
            headers: head.headers,
            extras: head.extras,
            deadline_ms: head.deadline.map(|at| left_ms(now, at)),
            end: head.end,
        };
        drop(conn);
        let names = services.iter().map(String::as_str);
        let asked = self.with_room(|conn| conn.ask(now, names, ask));
        self.note_open();
        let stream = asked?;
        self.note_request();
        self.streams.insert(stream, recipient, mark);
        self.cork();
        Ok(stream)
    }

    /// Encodes a piece of a body, of which no more than [`Link::capacity`]. The caller has waited for room.
    pub(crate) fn send_data(
        self: &Rc<Self>,
        stream: StreamId,
        bytes: &[u8],
    ) -> Result<(), SendError> {
        let result = self.conn.borrow_mut().send_data(rt::now(), stream, bytes);
        self.cork();
        result
    }

    /// Sends a piece of a body whole, what the window does not admit as soon as it does. The caller has waited for room.
    pub(crate) fn send_piece(
        self: &Rc<Self>,
        stream: StreamId,
        bytes: &Bytes,
    ) -> Result<(), SendError> {
        let mut conn = self.conn.borrow_mut();
        let result = self.held.send(&mut conn, rt::now(), stream, bytes);
        drop(conn);
        self.cork();
        result
    }

    /// Ends our direction of a stream, with headers behind its body if there are any; on legacy they are left out.
    pub(crate) fn send_end(
        self: &Rc<Self>,
        stream: StreamId,
        trailers: &HeaderBlock,
    ) -> Result<(), SendError> {
        if trailers.byte_len() > TRAILERS_BYTES_MAX {
            // Found before they are held behind a piece, where nobody could be told.
            return Err(SendError::HeadTooLarge {
                bytes: trailers.byte_len(),
                max: TRAILERS_BYTES_MAX,
            });
        }
        let mut conn = self.conn.borrow_mut();
        let result = self.held.end(&mut conn, rt::now(), stream, trailers);
        drop(conn);
        self.cork();
        result
    }

    /// Bytes that may be sent on a stream now.
    pub(crate) fn capacity(&self, stream: StreamId) -> usize {
        self.conn.borrow().send_capacity(stream)
    }

    /// The peer's reader took bytes of a stream of ours.
    pub(crate) fn admitted(self: &Rc<Self>, stream: StreamId) {
        if self.held.is_holding(stream) {
            let mut conn = self.conn.borrow_mut();
            self.held.flush(&mut conn, rt::now(), stream);
            drop(conn);
            self.cork();
        }
        if self.is_admitted(stream) {
            self.waits.wake(stream);
        }
    }

    /// The other side has given a stream up: who writes to it is told.
    pub(crate) fn cut(&self, stream: StreamId) {
        self.held.forget(stream);
        self.waits.wake(stream);
    }

    /// Bytes of a stream were taken by its reader, or thrown away.
    pub(crate) fn credit(self: &Rc<Self>, stream: StreamId, bytes: usize) {
        if self.lost.get() {
            return;
        }
        let said = self.with_room(|conn| {
            let before = conn.bytes_queued();
            conn.credit(rt::now(), stream, bytes);
            conn.bytes_queued() != before
        });
        if said {
            self.cork();
        }
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

    /// The reader of a stream has gone. A peer that can be told sends no more; what another still sends is thrown away.
    /// `answered`: our response is complete.
    pub(crate) fn ignore(self: &Rc<Self>, stream: StreamId, answered: bool) {
        if self.is_flatend2() {
            let code = if answered {
                ResetCode::Done
            } else {
                ResetCode::Cancel
            };
            return self.reset(stream, code, "");
        }
        let was_paused = self.streams.is_paused();
        self.streams.ignore(stream);
        if was_paused && !self.streams.is_paused() {
            self.poke();
        }
    }

    /// Ends the link with its last stream, for another leads to the same instance.
    pub(crate) fn supersede(self: &Rc<Self>) {
        if !self.lost.get() {
            self.superseded.set(true);
            self.leave_saying("another link leads to this node");
        }
    }

    /// Tells a peer that can be told that this node takes no new requests. Ours go on.
    pub(crate) fn goodbye(self: &Rc<Self>) {
        if !self.lost.get() && self.conn.borrow().hello().is_some() {
            self.say_goodbye(SHUTS_DOWN);
        }
    }

    /// Ends the link with its last stream, for this node shuts down and makes no requests any more.
    pub(crate) fn leave(self: &Rc<Self>) {
        if !self.lost.get() {
            self.leave_saying(SHUTS_DOWN);
        }
    }

    fn leave_saying(self: &Rc<Self>, reason: &str) {
        self.say_goodbye(reason);
        self.leaving.set(true);
        self.poke();
    }

    fn say_goodbye(self: &Rc<Self>, reason: &str) {
        let mut conn = self.conn.borrow_mut();
        conn.goodbye(rt::now(), GoodbyeCode::Drain, reason);
        drop(conn);
        self.cork();
    }

    /// Gives a stream up, both directions, and forgets its reader.
    pub(crate) fn reset(self: &Rc<Self>, stream: StreamId, code: ResetCode, reason: &str) {
        self.streams.remove(stream);
        self.cut(stream);
        if !self.lost.get() {
            self.conn
                .borrow_mut()
                .reset(rt::now(), stream, code, reason);
            self.cork();
            // The reset may retire the link, or free it for reading.
            self.poke();
        }
    }

    /// Ready when a piece of a stream's body may be sent. After the link is lost, or the stream, it is always ready: the next
    /// send tells.
    pub(crate) fn poll_room(
        &self,
        stream: StreamId,
        cx: &Context<'_>,
        ticket: &Ticket,
    ) -> Poll<()> {
        if self.lost.get() {
            return Poll::Ready(());
        }
        if !self.is_admitted(stream) {
            self.waits.park(stream, cx, ticket);
            return Poll::Pending;
        }
        if self.conn.borrow().queued_bytes() < LINK_QUEUE_BYTES_MAX {
            return Poll::Ready(());
        }
        self.room.park(cx, ticket);
        Poll::Pending
    }

    /// Whether a piece of a stream's body may be sent now.
    pub(crate) fn has_room(&self, stream: StreamId) -> bool {
        self.is_admitted(stream) && self.conn.borrow().queued_bytes() < LINK_QUEUE_BYTES_MAX
    }

    /// Whether the stream's window is open.
    fn is_admitted(&self, stream: StreamId) -> bool {
        !self.held.is_holding(stream) && self.capacity(stream) > 0
    }

    /// Waits until a piece of a stream's body may be sent.
    pub(crate) async fn room(&self, stream: StreamId) {
        let ticket = Ticket::default();
        std::future::poll_fn(|cx| self.poll_room(stream, cx, &ticket)).await;
    }

    /// Waits until the other side of a stream has gone, or the link. A legacy peer cannot say so.
    pub(crate) async fn stream_gone(&self, stream: StreamId) {
        let ticket = Ticket::default();
        std::future::poll_fn(|cx| {
            if self.lost.get() || self.conn.borrow().is_gone(stream) {
                return Poll::Ready(());
            }
            self.waits.park(stream, cx, &ticket);
            Poll::Pending
        })
        .await;
    }

    /// What has not left, all of it sealed.
    pub(super) fn unsent(&self) -> Vec<u8> {
        let mut conn = self.conn.borrow_mut();
        conn.seal();
        conn.transmit().to_vec()
    }

    /// Something was encoded: it leaves at the end of the turn, or now if it is much.
    pub(crate) fn cork(self: &Rc<Self>) {
        self.settle();
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
        conn.seal();
        while !conn.transmit().is_empty() {
            match self.socket.try_send(&[IoSlice::new(conn.transmit())]) {
                Ok(n) => {
                    conn.transmitted(n);
                    self.taken_at.set(rt::now());
                }
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
}
