//! Outlets that are named by how they misbehave, and what was seen at each.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll};

use flatend::rt::{self, Ticket, WaitQueue};
use flatend::{
    BodyRefused, Bytes, CallError, CallRequest, Fault, HeaderBlock, Outlet, OutletRequest,
    OutletStream, ResponseSink, Shard,
};

use super::calls::{headers, request};

/// What an outlet does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Reads the body and sends it back with status 201.
    Echoing,
    /// Does not even open a stream.
    NotOpening,
    /// Nobody listens there: the connect fails after a moment.
    RefusingConnect,
    /// Declines after the connect.
    Refusing,
    /// Reads the body; the connection breaks before the head.
    BreakingBeforeHead,
    /// Sends head and half of the body, then the connection breaks.
    BreakingAfterHead,
    /// Its task ends without a word.
    Vanishing,
    /// Takes the request and never answers.
    Silent,
    /// Answers whole before it has read the body, and takes no more of it.
    AnsweringEarly,
    /// Sends as much as there is room for, without an end.
    Flooding,
    /// Answers with this status and no body.
    Status(u16),
}

/// What was seen at an outlet.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) behaviour: Cell<Option<Behaviour>>,
    pub(crate) unwell: Cell<bool>,
    pub(crate) opened: Cell<u32>,
    /// Requests that were given up before their response had ended.
    pub(crate) cancelled: Cell<u32>,
    /// Bytes of request bodies.
    pub(crate) received: Cell<usize>,
    /// Bytes of response bodies.
    pub(crate) sent: Cell<usize>,
}

struct Fake(Rc<Seen>);

/// An outlet; its behaviour may be changed in `Seen` later.
pub(crate) fn fake(behaviour: Behaviour) -> (Rc<dyn Outlet>, Rc<Seen>) {
    let seen = Rc::new(Seen::default());
    seen.behaviour.set(Some(behaviour));
    (Rc::new(Fake(seen.clone())), seen)
}

/// A request to any of `outlets`.
pub(crate) fn request_to<const N: usize>(
    shard: &Rc<Shard>,
    behaviours: [Behaviour; N],
) -> (CallRequest, [Rc<Seen>; N]) {
    let fakes = behaviours.map(fake);
    let seen = fakes.each_ref().map(|(_, seen)| seen.clone());
    let labelled = fakes.into_iter().enumerate();
    let labelled = labelled.map(|(i, (outlet, _))| (format!("fake {i}"), outlet));
    let request = CallRequest {
        services: shard.outlet_set(labelled.collect()),
        ..request(shard, "")
    };
    (request, seen)
}

/// The same request once more.
pub(crate) fn again(request: &CallRequest) -> CallRequest {
    CallRequest {
        services: request.services.clone(),
        headers: request.headers.clone(),
        extras: request.extras.clone(),
        ..*request
    }
}

#[derive(Default)]
struct Body {
    pieces: RefCell<VecDeque<Bytes>>,
    ended: Cell<bool>,
    refused: Cell<bool>,
    answered: Cell<bool>,
    changed: WaitQueue,
}

impl Body {
    /// The next piece; `None` at the end.
    async fn next(&self) -> Option<Bytes> {
        let next = self.changed.until(|| {
            let piece = self.pieces.borrow_mut().pop_front();
            match piece {
                Some(piece) => Some(Some(piece)),
                None => self.ended.get().then_some(None),
            }
        });
        let piece = next.await;
        self.changed.wake_all();
        piece
    }
}

struct Stream {
    body: Rc<Body>,
    seen: Rc<Seen>,
    ticket: Ticket,
}

/// Pieces that wait in a fake.
const PIECES_MAX: usize = 2;

impl OutletStream for Stream {
    fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        if self.has_room() {
            return Poll::Ready(());
        }
        self.body.changed.park(cx, &self.ticket);
        Poll::Pending
    }

    fn has_room(&self) -> bool {
        self.body.refused.get() || self.body.pieces.borrow().len() < PIECES_MAX
    }

    fn send(&self, bytes: Bytes) -> Result<(), BodyRefused> {
        if self.body.refused.get() {
            return Err(BodyRefused);
        }
        self.seen
            .received
            .set(self.seen.received.get() + bytes.len());
        self.body.pieces.borrow_mut().push_back(bytes);
        self.body.changed.wake_all();
        Ok(())
    }

    fn finish(&self) {
        self.body.ended.set(true);
        self.body.changed.wake_all();
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if !self.body.answered.get() {
            self.seen.cancelled.set(self.seen.cancelled.get() + 1);
        }
        self.body.ended.set(true);
        self.body.changed.wake_all();
    }
}

impl Outlet for Fake {
    fn open(
        &self,
        request: OutletRequest<'_>,
        response: ResponseSink,
    ) -> Result<Box<dyn OutletStream>, CallError> {
        let seen = self.0.clone();
        seen.opened.set(seen.opened.get() + 1);
        let behaviour = seen.behaviour.get().expect("it was given one");
        if behaviour == Behaviour::NotOpening {
            return Err(CallError::Broken(Fault::LinkLost { left: false }));
        }
        let body = Rc::new(Body::default());
        body.ended.set(request.end);
        let stream = Stream {
            body: body.clone(),
            seen: seen.clone(),
            ticket: Ticket::default(),
        };
        rt::spawn(async move { serve(behaviour, &seen, &body, &response).await });
        Ok(Box::new(stream))
    }

    fn is_well(&self) -> bool {
        !self.0.unwell.get()
    }
}

fn status(status: u16) -> HeaderBlock {
    headers(&[(":status", &status.to_string())])
}

async fn serve(behaviour: Behaviour, seen: &Seen, body: &Body, response: &ResponseSink) {
    match behaviour {
        Behaviour::NotOpening => unreachable!("it opens nothing"),
        Behaviour::Echoing => {
            let mut all = Vec::new();
            while let Some(piece) = body.next().await {
                all.extend_from_slice(&piece);
            }
            response.head(status(201));
            response.data(all.into());
            body.answered.set(true);
            response.finish();
        }
        Behaviour::RefusingConnect => {
            body.answered.set(true);
            response.fail(Fault::LinkLost { left: false });
        }
        Behaviour::Refusing => {
            body.answered.set(true);
            response.fail(Fault::Refused);
        }
        Behaviour::BreakingBeforeHead => {
            while body.next().await.is_some() {}
            body.answered.set(true);
            response.fail(Fault::LinkLost { left: true });
        }
        Behaviour::BreakingAfterHead => {
            response.head(status(200));
            response.data(Bytes::from_static(b"half of it"));
            body.answered.set(true);
            response.fail(Fault::LinkLost { left: true });
        }
        Behaviour::Vanishing => body.answered.set(true),
        // Its stream's drop ends the body; nothing else does, unless the body is whole.
        Behaviour::Silent => {
            while body.next().await.is_some() {}
            std::future::pending::<()>().await;
        }
        Behaviour::AnsweringEarly => {
            body.refused.set(true);
            response.head(status(200));
            response.data(Bytes::from_static(b"early"));
            body.answered.set(true);
            response.finish();
            body.changed.wake_all();
        }
        Behaviour::Flooding => {
            response.head(status(200));
            loop {
                std::future::poll_fn(|cx| response.poll_room(cx)).await;
                if response.is_abandoned() {
                    return;
                }
                response.data(vec![b'x'; 16 * 1024].into());
                seen.sent.set(seen.sent.get() + 16 * 1024);
            }
        }
        Behaviour::Status(code) => {
            response.head(status(code));
            body.answered.set(true);
            response.finish();
        }
    }
}
