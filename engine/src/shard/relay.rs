//! Calls whose caller and link live on different shards. The caller's side keeps a window of body bytes in flight; the
//! link's side feeds the link as it has room and gives the window back.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use flatend_codec::{HeaderBlock, ResetCode, SendError, StreamId};

use super::{CallId, Inbound, Message, Open, Relay, Shard, Source};
use crate::call::{not_opened, BodyRefused, CallRequest};
use crate::error::{CallError, Fault};
use crate::idmap::IdMap;
use crate::limits::{RELAY_WINDOW_BYTES, REPLAY_BYTES_MAX};
use crate::mesh::{Link, Recipient};
use crate::routing::LinkRef;
use crate::rt::{self, Ticket, WaitQueue};

/// The relayed calls of a shard, both sides.
#[derive(Default)]
pub(crate) struct Relays {
    next: Cell<u64>,
    /// Calls that this shard makes over other shards' links.
    made: RefCell<IdMap<u64, Made>>,
    /// Calls of other shards over this shard's links.
    served: RefCell<HashMap<CallId, Rc<Served>>>,
}

impl Relays {
    /// Calls made over other shards' links, since the start.
    pub(super) fn made_in_all(&self) -> u64 {
        self.next.get()
    }
}

/// The caller's side of a call.
#[derive(Clone)]
struct Made {
    inbound: Rc<Inbound>,
    window: Rc<Window>,
}

#[derive(Default)]
struct Window {
    in_flight: Cell<usize>,
    /// The link's shard has opened the stream; until then little is sent, since all of it must be kept.
    open: Cell<bool>,
    freed: WaitQueue,
}

struct Served {
    link: Rc<Link>,
    stream: StreamId,
    pending: RefCell<VecDeque<Bytes>>,
    ended: Cell<bool>,
    /// Headers behind the body.
    trailers: RefCell<HeaderBlock>,
    /// A task drains `pending` as the link has room.
    draining: Cell<bool>,
    closed: Cell<bool>,
}

/// The caller's end of a call over another shard's link.
pub(crate) struct RemoteCall {
    shard: Rc<Shard>,
    to: usize,
    id: CallId,
    window: Rc<Window>,
}

impl RemoteCall {
    fn tell(&self, relay: Relay) {
        self.shard.outbox(self.to).send(Message::Relay(relay));
    }

    /// Whether the stream is known to be open.
    pub(crate) fn is_open(&self) -> bool {
        self.window.open.get()
    }

    /// Whether the window has room.
    pub(crate) fn has_room(&self) -> bool {
        let room = if self.is_open() {
            RELAY_WINDOW_BYTES
        } else {
            REPLAY_BYTES_MAX
        };
        self.window.in_flight.get() < room
    }

    /// Ready when the window has room.
    pub(crate) fn poll_room(&self, cx: &Context<'_>, ticket: &Ticket) -> Poll<()> {
        if self.has_room() {
            return Poll::Ready(());
        }
        self.window.freed.park(cx, ticket);
        Poll::Pending
    }

    /// Sends a piece of the body.
    ///
    /// # Errors
    /// [`BodyRefused`]: the other shard has given the stream up.
    pub(crate) fn send(&self, bytes: Bytes) -> Result<(), BodyRefused> {
        if !self
            .shard
            .relays
            .made
            .borrow()
            .contains_key(&self.id.number)
        {
            return Err(BodyRefused);
        }
        self.window
            .in_flight
            .set(self.window.in_flight.get() + bytes.len());
        self.tell(Relay::Body {
            call: self.id,
            bytes,
        });
        Ok(())
    }

    pub(crate) fn finish(&self, trailers: HeaderBlock) {
        let call = self.id;
        self.tell(Relay::BodyEnd { call, trailers });
    }

    /// The caller is done with it, whatever its state. `answered`: the response was complete.
    pub(crate) fn close(&self, answered: bool) {
        self.shard.relays.made.borrow_mut().remove(&self.id.number);
        self.tell(Relay::Cancel {
            call: self.id,
            done: answered,
        });
    }
}

impl Shard {
    pub(crate) fn open_remote(
        self: &Rc<Self>,
        request: &CallRequest,
        link: LinkRef,
        end: bool,
        inbound: &Rc<Inbound>,
    ) -> RemoteCall {
        let number = self.relays.next.get();
        self.relays.next.set(number + 1);
        let id = CallId {
            shard: self.index,
            number,
        };
        let window = Rc::new(Window::default());
        inbound.set_source(Source::Relay(self.clone(), link.shard, id));
        self.relays.made.borrow_mut().insert(
            number,
            Made {
                inbound: inbound.clone(),
                window: window.clone(),
            },
        );
        let open = Open {
            call: id,
            link,
            services: request.services.names.clone(),
            headers: request.headers.clone(),
            extras: request.extras.clone(),
            deadline: request.deadline,
            end,
        };
        let call = RemoteCall {
            shard: self.clone(),
            to: link.shard,
            id,
            window,
        };
        call.tell(Relay::Open(Box::new(open)));
        call
    }

    /// A reader of this shard took bytes of a response that came from `shard`.
    pub(crate) fn relay_taken(&self, shard: usize, call: CallId, bytes: usize) {
        self.outbox(shard)
            .send(Message::Relay(Relay::Taken { call, bytes }));
    }

    pub(crate) fn relay(self: &Rc<Self>, relay: Relay) {
        match relay {
            Relay::Open(open) => self.serve_open(*open),
            Relay::Body { call, bytes } => self.serve_body(call, bytes),
            Relay::BodyEnd { call, trailers } => {
                if let Some(served) = self.served(call) {
                    served.ended.set(true);
                    *served.trailers.borrow_mut() = trailers;
                    if !served.draining.get() {
                        self.end_served(call, &served);
                    }
                }
            }
            Relay::Taken { call, bytes } => {
                if let Some(served) = self.served(call) {
                    served.link.taken(served.stream, bytes);
                }
            }
            Relay::Cancel { call, done } => {
                let served = self.relays.served.borrow_mut().remove(&call);
                if let Some(served) = served {
                    served.closed.set(true);
                    if !(done && served.ended.get()) {
                        let code = if done {
                            ResetCode::Done
                        } else {
                            ResetCode::Cancel
                        };
                        served
                            .link
                            .reset(served.stream, code, "the caller has gone");
                    } else {
                        // What the caller did not take of a complete response is nobody's any more.
                        served.link.ignore(served.stream, true);
                    }
                }
            }
            Relay::Opened { call } => self.made(call, |_, window| {
                window.open.set(true);
                window.freed.wake_all();
            }),
            Relay::Sent { call, bytes } => self.made(call, |_, window| {
                window
                    .in_flight
                    .set(window.in_flight.get().saturating_sub(bytes));
                window.freed.wake_all();
            }),
            Relay::NotOpened { call, error } => self.made(call, |inbound, window| {
                window.in_flight.set(0);
                window.freed.wake_all();
                inbound.fail(Fault::NotOpened(Box::new(error)));
            }),
            Relay::Head { call, headers } => {
                self.made(call, |inbound, _| inbound.set_head(headers))
            }
            Relay::Data { call, bytes } => self.made(call, |inbound, _| inbound.push(bytes)),
            Relay::Trailers { call, trailers } => {
                self.made(call, |inbound, _| inbound.set_trailers(trailers))
            }
            Relay::End { call } => self.made(call, |inbound, _| inbound.finish()),
            Relay::Failed { call, fault } => self.made(call, |inbound, window| {
                // Nobody gives the window back any more.
                window.in_flight.set(0);
                window.freed.wake_all();
                inbound.fail(fault);
            }),
        }
    }

    fn made(&self, call: CallId, f: impl FnOnce(&Rc<Inbound>, &Rc<Window>)) {
        let made = self.relays.made.borrow().get(&call.number).cloned();
        // A call that was closed meanwhile: its last messages find nobody.
        if let Some(Made { inbound, window }) = made {
            f(&inbound, &window);
        }
    }

    fn served(&self, call: CallId) -> Option<Rc<Served>> {
        self.relays.served.borrow().get(&call).cloned()
    }

    fn serve_open(self: &Rc<Self>, open: Open) {
        let outbox = self.outbox(open.call.shard).clone();
        let opened = match self.link(open.link) {
            None => Err(CallError::Broken(Fault::LinkLost { left: false })),
            Some(link) => link
                .open_stream(
                    &open.services,
                    &open.head(),
                    Recipient::Remote(open.call, outbox.clone()),
                )
                .map(|stream| (link, stream))
                .map_err(|err| not_opened(&err, &self.receive)),
        };
        match opened {
            Ok((link, stream)) => {
                if !open.end {
                    outbox.send(Message::Relay(Relay::Opened { call: open.call }));
                }
                let served = Served {
                    link,
                    stream,
                    pending: RefCell::default(),
                    ended: Cell::new(open.end),
                    trailers: RefCell::default(),
                    draining: Cell::new(false),
                    closed: Cell::new(false),
                };
                self.relays
                    .served
                    .borrow_mut()
                    .insert(open.call, Rc::new(served));
            }
            Err(error) => {
                if matches!(error, CallError::OverBudget { .. }) {
                    self.tell_over_budget(open.services.first().map(String::as_str));
                }
                outbox.send(Message::Relay(Relay::NotOpened {
                    call: open.call,
                    error,
                }));
            }
        }
    }

    fn serve_body(self: &Rc<Self>, call: CallId, bytes: Bytes) {
        let Some(served) = self.served(call) else {
            return;
        };
        if served.draining.get() || !served.link.has_room(served.stream) {
            served.pending.borrow_mut().push_back(bytes);
            if !served.draining.replace(true) {
                let shard = self.clone();
                rt::spawn(async move { shard.drain_served(call, &served).await });
            }
            return;
        }
        self.send_served(call, &served, &bytes);
    }

    fn send_served(&self, call: CallId, served: &Served, bytes: &Bytes) {
        // A stream that is gone swallows the rest: its reader has heard why.
        if !served.link.is_lost() {
            served.link.send_piece(served.stream, bytes).ok();
        }
        self.outbox(call.shard).send(Message::Relay(Relay::Sent {
            call,
            bytes: bytes.len(),
        }));
    }

    async fn drain_served(self: &Rc<Self>, call: CallId, served: &Rc<Served>) {
        loop {
            served.link.room(served.stream).await;
            let next = served.pending.borrow_mut().pop_front();
            match next {
                Some(_) if served.closed.get() => {}
                Some(bytes) => self.send_served(call, served, &bytes),
                None => break,
            }
        }
        served.draining.set(false);
        if served.ended.get() && !served.closed.get() {
            self.end_served(call, served);
        }
    }

    /// The body is complete. A stream that is gone needs no end.
    fn end_served(&self, call: CallId, served: &Served) {
        let sent = served
            .link
            .send_end(served.stream, &served.trailers.borrow());
        if let Err(error @ SendError::HeadTooLarge { .. }) = sent {
            let fault = Fault::RequestBroken(error.to_string());
            self.outbox(call.shard)
                .send(Message::Relay(Relay::Failed { call, fault }));
        }
    }
}
