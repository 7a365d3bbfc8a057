//! The way to a provider that is no peer of the mesh: a plain HTTP upstream, say. Choice, failover, replay, timeouts and the
//! limit in flight are the call's, as for peers; an outlet only carries one request and its response at a time each.
//! It lives on its shard and must not block. The invariant that a change is likeliest to break: a response always ends. A
//! [`ResponseSink`] that is dropped without an end is a lost connection to the caller, never a wait for ever.

use std::fmt;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use flatend_codec::HeaderBlock;

use super::BodyRefused;
use crate::error::{CallError, Fault};
use crate::limits::OUTLET_UNREAD_BYTES_MAX;
use crate::shard::{Inbound, Source};

/// A way to one provider that is no peer of the mesh. One a provider and shard; calls reach it through
/// [`Shard::outlet_set`](crate::Shard::outlet_set).
pub trait Outlet {
    /// Starts a request. Must not block: connecting goes on in a task of the outlet's own, and what goes wrong there is told
    /// with [`ResponseSink::fail`].
    ///
    /// # Errors
    /// Why the request cannot be sent there; nothing has left then, and another provider is tried.
    /// [`CallError::Unsendable`], [`CallError::HeadTooLarge`] and [`CallError::Broken`] say it best.
    fn open(
        &self,
        request: OutletRequest<'_>,
        response: ResponseSink,
    ) -> Result<Box<dyn OutletStream>, CallError>;

    /// Whether requests may be sent there now: a health check's word. Asked at each choice, so it must be cheap.
    fn is_well(&self) -> bool {
        true
    }
}

/// The head of a request for an [`Outlet`].
#[derive(Clone, Copy, Debug)]
pub struct OutletRequest<'a> {
    /// Headers that the provider must get.
    pub headers: &'a HeaderBlock,
    /// Headers that may be left out where both do not fit.
    pub extras: &'a HeaderBlock,
    /// The request ends with its head: neither [`OutletStream::send`] nor [`OutletStream::finish`] follows.
    pub end: bool,
    /// It may be sent again to the same provider although that may have seen it: a connection that was kept can die of age just
    /// then.
    pub repeatable: bool,
}

/// The request's side of an exchange with an [`Outlet`]. Dropping it before the response has ended gives the request up.
pub trait OutletStream {
    /// Whether bytes of the request may have left. Until then all that was sent is kept for another provider, so no more than
    /// [`REPLAY_BYTES_MAX`](crate::limits::REPLAY_BYTES_MAX) and one piece should be taken.
    fn is_open(&self) -> bool {
        true
    }

    /// Ready when a piece of the body may be sent, or the stream takes no more. One task asks; the outlet keeps its waker.
    fn poll_room(&self, cx: &Context<'_>) -> Poll<()>;

    /// Whether a piece of the body may be sent now, as [`OutletStream::poll_room`] would say.
    fn has_room(&self) -> bool;

    /// Takes a piece of the body.
    ///
    /// # Errors
    /// [`BodyRefused`]: no more is taken. The response tells why.
    fn send(&self, bytes: Bytes) -> Result<(), BodyRefused>;

    /// The body is complete.
    fn finish(&self);
}

/// Where an outlet's task puts the response. After an end, and after the caller has gone, what is put here is dropped.
pub struct ResponseSink {
    inbound: Rc<Inbound>,
}

impl ResponseSink {
    pub(super) fn new(inbound: &Rc<Inbound>) -> ResponseSink {
        inbound.set_source(Source::outlet());
        // Heads and bodies that come together are put in together.
        inbound.make_prompt();
        ResponseSink {
            inbound: inbound.clone(),
        }
    }

    /// The response's head, once, with its status as `:status`. The caller sees it at once.
    pub fn head(&self, headers: HeaderBlock) {
        if self.is_read() {
            self.inbound.set_head(headers);
        }
    }

    /// A piece of the body. Wait for [`ResponseSink::poll_room`] first: nothing else bounds what is kept here.
    pub fn data(&self, bytes: Bytes) {
        if self.is_read() && !bytes.is_empty() {
            self.inbound.push(bytes);
        }
    }

    /// The response is complete.
    pub fn finish(&self) {
        self.inbound.finish();
    }

    /// The response will not be complete. [`Fault::LinkLost`] with `left` false only if no byte of the request can have
    /// reached the provider (the connect failed): such a request is sent elsewhere whatever its method.
    pub fn fail(&self, fault: Fault) {
        self.inbound.fail(fault);
    }

    /// Ready while the caller has less than [`OUTLET_UNREAD_BYTES_MAX`] bytes unread, or has gone. One task asks.
    pub fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        self.inbound.poll_source_room(cx, OUTLET_UNREAD_BYTES_MAX)
    }

    /// Whether the caller has gone: stop, and close the connection. Who waits in [`ResponseSink::poll_room`] is woken then.
    pub fn is_abandoned(&self) -> bool {
        self.inbound.is_abandoned()
    }

    fn is_read(&self) -> bool {
        !self.inbound.has_ended() && !self.is_abandoned()
    }
}

impl Drop for ResponseSink {
    fn drop(&mut self) {
        // A task that ended early, by a panic even: the caller must not wait for ever.
        self.inbound.fail(Fault::LinkLost { left: true });
    }
}

impl fmt::Debug for ResponseSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseSink")
            .field("ended", &self.inbound.has_ended())
            .field("abandoned", &self.is_abandoned())
            .finish()
    }
}
