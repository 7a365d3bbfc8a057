//! A request whose body is written piece by piece. A task of its own drives the call to the head of the response, so that
//! writer and reader may wait in any order, and in different tasks.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use flatend_codec::{HeaderBlock, Millis};
use futures_io::AsyncWrite;

use super::request::{Body, Request};
use super::written::Written;
use super::{Client, Response, ResponseHead};
use crate::call::{BodyRefused, Call};
use crate::error::{CallError, Fault};
use crate::limits::UPLOAD_PIECE_BYTES;
use crate::rt::{self, Ticket, Timer, WaitQueue};
use crate::shard::ServiceSet;

/// What writer, reader and task share.
struct Sides {
    /// `None`: it could not be made, or nobody reads its response any more.
    call: RefCell<Option<Rc<Call>>>,
    head: RefCell<Option<Result<HeaderBlock, CallError>>>,
    written: Cell<Written>,
    changed: WaitQueue,
}

impl Sides {
    /// The response's side has gone.
    fn give_up(&self) {
        self.call.take();
        self.changed.wake_all();
    }

    /// Waits for the head of the response, and tells whoever wants it.
    async fn drive(self: Rc<Sides>, call: Rc<Call>) {
        let mut answered = std::pin::pin!(call.response());
        let ticket = Ticket::default();
        let result = std::future::poll_fn(|cx| {
            if self.call.borrow().is_none() {
                return Poll::Ready(Err(CallError::Broken(Fault::BodyDropped)));
            }
            if self.written.get() == Written::Dropped {
                return Poll::Ready(Err(CallError::Broken(Fault::BodyDropped)));
            }
            let polled = answered.as_mut().poll(cx);
            if polled.is_pending() {
                self.changed.park(cx, &ticket);
            }
            polled
        })
        .await;
        *self.head.borrow_mut() = Some(result);
        self.changed.wake_all();
    }
}

/// Starts a request with a streamed body.
pub(super) fn start(
    client: &Client,
    mut request: Request,
    set: Rc<ServiceSet>,
) -> (
    BodyWriter,
    impl Future<Output = Result<Response, CallError>> + 'static,
) {
    request.refuse_body();
    let until = request.until();
    let made = client.start(request, set, Body::Streamed).map(Rc::new);
    let sides = Rc::new(Sides {
        call: RefCell::new(made.as_ref().ok().cloned()),
        head: RefCell::new(made.as_ref().err().cloned().map(Err)),
        written: Cell::new(Written::Open),
        changed: WaitQueue::default(),
    });
    if let Ok(call) = made {
        rt::spawn(sides.clone().drive(call));
    }
    let end = ResponseEnd {
        sides: sides.clone(),
        ticket: Ticket::default(),
    };
    let writer = BodyWriter {
        sides,
        ticket: Ticket::default(),
        until,
        timer: Timer::new(),
    };
    (writer, end.answered(until))
}

/// The response's side. Dropping it gives the request up.
pub(super) struct ResponseEnd {
    sides: Rc<Sides>,
    ticket: Ticket,
}

impl ResponseEnd {
    async fn answered(self, until: Option<Millis>) -> Result<Response, CallError> {
        let sides = &self.sides;
        let headers = sides
            .changed
            .until(|| sides.head.borrow_mut().take())
            .await?;
        let call = sides.call.borrow().clone();
        let Some(call) = call else {
            return Err(CallError::Broken(Fault::BodyDropped));
        };
        let head = ResponseHead::new(headers).inspect_err(|_| call.blame_provider())?;
        Ok(Response::of_stream(call, head, self, until))
    }

    /// Ready when the body was dropped before its end.
    pub(super) fn poll_body_dropped(&self, cx: &Context<'_>) -> Poll<()> {
        if self.sides.written.get() == Written::Dropped {
            return Poll::Ready(());
        }
        self.sides.changed.park(cx, &self.ticket);
        Poll::Pending
    }
}

impl Drop for ResponseEnd {
    fn drop(&mut self) {
        self.sides.give_up();
    }
}

/// Where the body of a streamed request goes. Dropping it before [`BodyWriter::finish`] gives the request up, unless the
/// provider had refused the rest: a body that was cut must not look whole. It is an [`AsyncWrite`] too, whose close is the end
/// of the body.
pub struct BodyWriter {
    sides: Rc<Sides>,
    ticket: Ticket,
    /// The request's deadline.
    until: Option<Millis>,
    timer: Timer,
}

impl BodyWriter {
    /// Sends a piece of the body; waits while the provider's link is full or no provider is chosen yet.
    ///
    /// # Errors
    /// [`BodyRefused`]: stop writing, for the provider takes no more or the deadline has passed. The response, if any, can still
    /// be read, and says why if there is none.
    pub async fn write(&mut self, bytes: impl Into<Bytes>) -> Result<(), BodyRefused> {
        let mut left = bytes.into();
        while !left.is_empty() {
            let call = std::future::poll_fn(|cx| self.poll_room(cx)).await?;
            let len = left.len().min(UPLOAD_PIECE_BYTES);
            self.push(&call, left.split_to(len))?;
        }
        Ok(())
    }

    /// Ends the body: it is complete.
    pub fn finish(self) {
        self.end(HeaderBlock::new());
    }

    /// As [`BodyWriter::finish`], with headers behind the body, [`TRAILERS_BYTES_MAX`](crate::limits::TRAILERS_BYTES_MAX) at most; their
    /// names should be in lower case. A provider on legacy does not get them.
    pub fn finish_with(self, trailers: HeaderBlock) {
        self.end(trailers);
    }

    fn end(&self, trailers: HeaderBlock) {
        if self.sides.written.get() == Written::Open {
            self.sides.written.set(Written::Ended);
            if let Some(call) = self.sides.call.borrow().as_ref() {
                call.finish_with(trailers);
            }
        }
    }

    /// The call, when it takes a piece.
    fn poll_room(&self, cx: &Context<'_>) -> Poll<Result<Rc<Call>, BodyRefused>> {
        let call = self.sides.call.borrow().clone();
        let Some(call) = call.filter(|_| self.sides.written.get() == Written::Open) else {
            return Poll::Ready(self.refused());
        };
        match call.poll_room(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(call)),
            Poll::Ready(Err(BodyRefused)) => Poll::Ready(self.refused()),
            Poll::Pending => {
                // The response may be dropped meanwhile.
                self.sides.changed.park(cx, &self.ticket);
                match self.until {
                    Some(until) if self.timer.is_due(until, cx) => Poll::Ready(self.refused()),
                    _ => Poll::Pending,
                }
            }
        }
    }

    fn push(&self, call: &Call, bytes: Bytes) -> Result<(), BodyRefused> {
        match call.push(bytes) {
            Ok(()) => Ok(()),
            Err(BodyRefused) => self.refused(),
        }
    }

    fn refused<T>(&self) -> Result<T, BodyRefused> {
        if self.sides.written.get() == Written::Open {
            self.sides.written.set(Written::Refused);
        }
        Err(BodyRefused)
    }
}

impl Drop for BodyWriter {
    fn drop(&mut self) {
        if self.sides.written.get() == Written::Open {
            self.sides.written.set(Written::Dropped);
            self.sides.changed.wake_all();
        }
    }
}

impl AsyncWrite for BodyWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let sent = std::task::ready!(self.poll_room(cx)).and_then(|call| {
            let len = bytes.len().min(UPLOAD_PIECE_BYTES);
            self.push(&call, Bytes::copy_from_slice(&bytes[..len]))
                .map(|()| len)
        });
        Poll::Ready(sent.map_err(|refused| io::Error::new(io::ErrorKind::BrokenPipe, refused)))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end(HeaderBlock::new());
        Poll::Ready(Ok(()))
    }
}
