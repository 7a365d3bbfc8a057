//! One try of a call: a stream on a link of this shard, or of another through its mailbox. Dropping it before both
//! directions are complete gives the stream up.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use flatend_codec::{OpenError, ResetCode, StreamId};

use super::pick::Chosen;
use super::{BodyRefused, CallRequest};
use crate::error::{CallError, Fault};
use crate::mesh::{Link, Recipient};
use crate::routing::{LinkRef, ProviderKey};
use crate::rt::Ticket;
use crate::shard::{Inbound, RemoteCall, Shard, Source};

enum Way {
    Local(Rc<Link>, StreamId),
    Remote(RemoteCall),
}

/// A request on its way to one provider.
pub(super) struct Attempt {
    pub(super) inbound: Rc<Inbound>,
    pub(super) provider: ProviderKey,
    pub(super) link: LinkRef,
    way: Way,
    body_done: Cell<bool>,
    ticket: Ticket,
    _outstanding: Outstanding,
}

/// Counts a request as outstanding at its provider while it lives.
struct Outstanding(Rc<Cell<u32>>);

impl Outstanding {
    fn new(count: Rc<Cell<u32>>) -> Outstanding {
        count.set(count.get() + 1);
        Outstanding(count)
    }
}

impl Drop for Outstanding {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Attempt {
    /// Opens a stream on `link`.
    ///
    /// # Errors
    /// Why not; nothing was sent then.
    pub(super) fn open(
        shard: &Rc<Shard>,
        request: &CallRequest,
        chosen: Chosen,
        end: bool,
    ) -> Result<Attempt, CallError> {
        let at = chosen.link;
        let inbound = Inbound::new();
        let way = if at.shard == shard.index {
            let link = shard
                .link(at)
                .ok_or(CallError::Broken(Fault::LinkLost { left: false }))?;
            let recipient = Recipient::Local(inbound.clone());
            let stream = link
                .open_stream(
                    &request.services.names,
                    &request.headers,
                    &request.extras,
                    end,
                    recipient,
                )
                .map_err(|err| not_opened(&err))?;
            inbound.set_source(Source::Link(link.clone(), stream));
            Way::Local(link, stream)
        } else {
            Way::Remote(shard.open_remote(request, at, end, &inbound))
        };
        Ok(Attempt {
            inbound,
            provider: chosen.provider,
            link: at,
            way,
            body_done: Cell::new(end),
            ticket: Ticket::default(),
            _outstanding: Outstanding::new(chosen.outstanding),
        })
    }

    /// Ready when a piece of the body may be sent.
    pub(super) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        match &self.way {
            Way::Local(link, _) => link.poll_room(cx, &self.ticket),
            Way::Remote(call) => call.poll_room(cx, &self.ticket),
        }
    }

    /// Sends a piece of the body.
    ///
    /// # Errors
    /// [`BodyRefused`]: the stream takes no more.
    pub(super) fn send(&self, bytes: Bytes) -> Result<(), BodyRefused> {
        match &self.way {
            Way::Local(link, _) if link.is_lost() => Err(BodyRefused),
            Way::Local(link, stream) => link.send_data(*stream, &bytes).map_err(|_| BodyRefused),
            Way::Remote(call) => call.send(bytes),
        }
    }

    /// Ends the body.
    pub(super) fn finish(&self) {
        self.body_done.set(true);
        match &self.way {
            // A stream that is gone needs no end; its reader hears why.
            Way::Local(link, stream) => drop(link.send_end(*stream)),
            Way::Remote(call) => call.finish(),
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let answered = self.inbound.has_ended();
        self.inbound.abandon();
        let complete = answered && self.body_done.get();
        match &self.way {
            Way::Local(..) if complete => {}
            Way::Local(link, stream) => {
                let (code, reason) = if answered {
                    (ResetCode::Done, "")
                } else {
                    (ResetCode::Cancel, "the caller has gone")
                };
                link.reset(*stream, code, reason);
            }
            Way::Remote(call) => call.close(answered),
        }
    }
}

/// What the codec's refusal to open a stream means for the call.
pub(crate) fn not_opened(err: &OpenError) -> CallError {
    match err {
        OpenError::HeadTooLarge { bytes, max } => CallError::HeadTooLarge {
            bytes: *bytes,
            max_bytes: *max,
        },
        // The link cannot take it, another may: nothing has left.
        _ => CallError::Broken(Fault::LinkLost { left: false }),
    }
}
