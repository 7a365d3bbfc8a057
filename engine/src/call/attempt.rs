//! One try of a call: a stream on a link of this shard, or of another through its mailbox, or through an outlet. Dropping it
//! before both directions are complete gives the stream up.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use flatend_codec::{HeaderBlock, OpenError, ResetCode, SendError, StreamId};

use super::outlet::{OutletRequest, OutletStream, ResponseSink};
use super::pick::{Chosen, Through};
use super::verdict::Verdict;
use super::{BodyRefused, CallRequest};
use crate::error::{CallError, Fault};
use crate::mesh::{Head, Link, Recipient};
use crate::routing::{Begun, LinkRef, ProviderKey};
use crate::rt::{self, Ticket};
use crate::shard::{Inbound, ProviderState, ReceiveBudget, RemoteCall, Shard, Source};

enum Way {
    Local(Rc<Link>, StreamId),
    Remote(RemoteCall),
    Outlet(Box<dyn OutletStream>),
}

/// A request on its way to one provider.
pub(super) struct Attempt {
    pub(super) inbound: Rc<Inbound>,
    /// What is known of the provider, with this request counted as outstanding.
    pub(super) state: Rc<ProviderState>,
    /// The link that it goes over, unless it goes through an outlet.
    pub(super) link: Option<LinkRef>,
    pub(super) begun: Begun,
    pub(super) verdict: Cell<Verdict>,
    way: Way,
    body_done: Cell<bool>,
    ticket: Ticket,
}

impl Attempt {
    /// Opens a stream at the chosen provider.
    ///
    /// # Errors
    /// Why not; nothing was sent then.
    pub(super) fn open(
        shard: &Rc<Shard>,
        request: &CallRequest,
        chosen: &Chosen,
        end: bool,
    ) -> Result<Attempt, CallError> {
        let budget = match chosen.key {
            ProviderKey::Instance { .. } => Some(shard.receive.clone()),
            _ => None,
        };
        let prompt = budget.is_some();
        let inbound = Inbound::new(budget);
        if prompt {
            inbound.make_prompt();
        }
        let way = match &chosen.through {
            Through::Link(at) if at.shard == shard.index => {
                let link = shard
                    .link(*at)
                    .ok_or(CallError::Broken(Fault::LinkLost { left: false }))?;
                let recipient = Recipient::Local(inbound.clone());
                let head = Head {
                    headers: &request.headers,
                    extras: &request.extras,
                    deadline: request.deadline,
                    end,
                };
                let stream = link
                    .open_stream(&request.services.names, &head, recipient)
                    .map_err(|err| not_opened(&err, &shard.receive))?;
                inbound.set_source(Source::Link(link.clone(), stream));
                Way::Local(link, stream)
            }
            Through::Link(at) => Way::Remote(shard.open_remote(request, *at, end, &inbound)),
            Through::Outlet(outlet) => {
                let head = OutletRequest {
                    headers: &request.headers,
                    extras: &request.extras,
                    end,
                    repeatable: request.repeatable,
                };
                Way::Outlet(outlet.open(head, ResponseSink::new(&inbound))?)
            }
        };
        let (state, begun) = (chosen.state.clone(), chosen.begun);
        state.repute.borrow_mut().begin(begun);
        Ok(Attempt {
            inbound,
            state,
            link: chosen.through.link(),
            begun,
            verdict: Cell::new(Verdict::Open),
            way,
            body_done: Cell::new(end),
            ticket: Ticket::default(),
        })
    }

    /// Whether bytes of the request may have left. Before that little of the body is taken: see [`Attempt::poll_room`].
    pub(super) fn is_open(&self) -> bool {
        match &self.way {
            Way::Local(..) => true,
            Way::Remote(call) => call.is_open(),
            Way::Outlet(stream) => stream.is_open(),
        }
    }

    /// Ready when a piece of the body may be sent.
    pub(super) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        match &self.way {
            Way::Local(link, stream) => link.poll_room(*stream, cx, &self.ticket),
            Way::Remote(call) => call.poll_room(cx, &self.ticket),
            Way::Outlet(stream) => stream.poll_room(cx),
        }
    }

    /// Whether a piece of the body may be sent now.
    pub(super) fn has_room(&self) -> bool {
        // Nobody is parked by it: who waits for room has a waker of its own there.
        match &self.way {
            Way::Local(link, stream) => link.has_room(*stream),
            Way::Remote(call) => call.has_room(),
            Way::Outlet(stream) => stream.has_room(),
        }
    }

    /// Sends a piece of the body.
    ///
    /// # Errors
    /// [`BodyRefused`]: the stream takes no more.
    pub(super) fn send(&self, bytes: Bytes) -> Result<(), BodyRefused> {
        match &self.way {
            Way::Local(link, _) if link.is_lost() => Err(BodyRefused),
            Way::Local(link, stream) => link.send_piece(*stream, &bytes).map_err(|_| BodyRefused),
            Way::Remote(call) => call.send(bytes),
            Way::Outlet(stream) => stream.send(bytes),
        }
    }

    /// Ends the body, with headers behind it if there are any. An outlet does not take them.
    pub(super) fn finish(&self, trailers: &HeaderBlock) {
        self.body_done.set(true);
        match &self.way {
            Way::Local(link, stream) => {
                // A stream that is gone needs no end; its reader hears why.
                let sent = link.send_end(*stream, trailers);
                if let Err(error @ SendError::HeadTooLarge { .. }) = sent {
                    self.body_done.set(false);
                    self.inbound.fail(Fault::RequestBroken(error.to_string()));
                }
            }
            Way::Remote(call) => call.finish(trailers.clone()),
            Way::Outlet(stream) => stream.finish(),
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let undecided = self.verdict.get() == Verdict::Open;
        let mut repute = self.state.repute.borrow_mut();
        repute.ended(self.begun, rt::now_us(), undecided);
        drop(repute);
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
            // Dropped with the attempt, which is what tells it.
            Way::Outlet(_) => {}
        }
        Inbound::give_back(&self.inbound);
    }
}

/// What the codec's refusal to open a stream means for the call.
pub(crate) fn not_opened(err: &OpenError, budget: &ReceiveBudget) -> CallError {
    match err {
        OpenError::HeadTooLarge { bytes, max } => CallError::HeadTooLarge {
            bytes: *bytes,
            max_bytes: *max,
        },
        OpenError::OverBudget => CallError::OverBudget {
            bytes_max: budget.max(),
        },
        OpenError::IdsExhausted | OpenError::Full | OpenError::NotGranted => CallError::Saturated,
        OpenError::Anonymous => CallError::Unsendable {
            status: 500,
            why: "this node shows no identity, and the provider may be of a kind that a request from somebody unknown kills; \
                  give this node an address to listen at (`NodeBuilder::bind`), and it has an identity"
                .to_owned(),
        },
        // The link cannot take it, another may: nothing has left.
        _ => CallError::Broken(Fault::LinkLost { left: false }),
    }
}
