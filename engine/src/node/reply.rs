//! The response side of a request, shared by its [`Context`](super::Context) and the task that runs the handler. The invariant
//! that a change is likeliest to break: a response that failed after its head is cut, never ended as if it were whole.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{ready, Context, Poll};

use bytes::Bytes;
use flatend_codec::{HeaderBlock, ResetCode, SendError, StreamId};

use super::body_error::{ReadError, WriteError};
use super::body_length::BodyLength;
use super::handler_error::HandlerError;
use super::relaying::RELAY_ERROR;
use crate::error::Fault;
use crate::json::json_string;
use crate::limits::{LINK_TURN_BYTES_MAX, PIPE_PIECE_BYTES};
use crate::mesh::Link;
use crate::rt::Ticket;
use crate::shard::Inbound;

/// The response side.
pub(crate) struct Reply {
    link: Rc<Link>,
    stream: StreamId,
    headers: RefCell<HeaderBlock>,
    trailers: RefCell<HeaderBlock>,
    head_sent: Cell<bool>,
    done: Cell<bool>,
    /// The handler has ended: nobody may read or write any more.
    concluded: Cell<bool>,
    /// Bytes written since the shard's other tasks were last let in.
    burst: Cell<usize>,
    length: BodyLength,
    /// Headers were given whole: they are another provider's, and so is their length.
    carried: Cell<bool>,
    body: Rc<Inbound>,
}

impl Reply {
    pub(super) fn new(
        link: Rc<Link>,
        stream: StreamId,
        request: &HeaderBlock,
        body: Rc<Inbound>,
    ) -> Reply {
        Reply {
            link,
            stream,
            headers: RefCell::default(),
            trailers: RefCell::default(),
            head_sent: Cell::new(false),
            done: Cell::new(false),
            concluded: Cell::new(false),
            burst: Cell::new(0),
            length: BodyLength::new(request),
            carried: Cell::new(false),
            body,
        }
    }

    // ---- the request's body ---------------------------------------------------------------------------------------

    pub(super) fn poll_read(&self, cx: &Context<'_>) -> Poll<Result<Option<Bytes>, ReadError>> {
        if self.concluded.get() {
            return Poll::Ready(Err(ReadError::HandlerEnded));
        }
        self.body.poll_chunk(cx).map_err(ReadError::Cut)
    }

    pub(super) async fn read(&self) -> Result<Option<Bytes>, ReadError> {
        std::future::poll_fn(|cx| self.poll_read(cx)).await
    }

    /// Headers behind the request's body.
    pub(super) fn request_trailers(&self) -> HeaderBlock {
        self.body.trailers()
    }

    pub(super) fn is_body_finished(&self) -> bool {
        self.body.is_finished()
    }

    // ---- the head -------------------------------------------------------------------------------------------------

    pub(super) fn is_head_sent(&self) -> bool {
        self.head_sent.get()
    }

    pub(super) fn set_headers(&self, headers: HeaderBlock) -> Result<(), WriteError> {
        if self.head_sent.get() {
            return Err(WriteError::HeadSent);
        }
        *self.headers.borrow_mut() = headers;
        self.carried.set(true);
        Ok(())
    }

    pub(super) fn add_header(&self, name: &str, value: &str) -> Result<(), WriteError> {
        if self.head_sent.get() {
            return Err(WriteError::HeadSent);
        }
        let mut headers = self.headers.borrow_mut();
        Ok(headers.push(name.as_bytes(), value.as_bytes())?)
    }

    pub(super) fn set_header(&self, name: &str, value: &str) -> Result<(), WriteError> {
        if self.head_sent.get() || self.headers.borrow().get(name.as_bytes()).is_none() {
            return self.add_header(name, value);
        }
        let mut headers = self.headers.borrow_mut();
        let mut kept = HeaderBlock::with_room(headers.byte_len() + name.len() + value.len() + 3);
        for (have, value) in headers.iter().filter(|(have, _)| *have != name.as_bytes()) {
            kept.push(have, value)?;
        }
        kept.push(name.as_bytes(), value.as_bytes())?;
        *headers = kept;
        Ok(())
    }

    /// Sets a header unless there is one of that name.
    pub(super) fn suggest_header(
        &self,
        name: &str,
        value: impl FnOnce() -> String,
    ) -> Result<(), WriteError> {
        let is_set = self.headers.borrow().get(name.as_bytes()).is_some();
        if is_set {
            return Ok(());
        }
        self.add_header(name, &value())
    }

    /// Reads what the headers say of the body's length, as long as they may still change.
    fn announce(&self) -> Result<(), WriteError> {
        if self.head_sent.get() || self.carried.get() {
            return Ok(());
        }
        self.length.announce(&self.headers.borrow())
    }

    /// Whether `bytes` may be the whole body, as far as nothing was sent yet.
    pub(super) fn check_whole(&self, bytes: usize) -> Result<(), WriteError> {
        if self.head_sent.get() {
            return Ok(());
        }
        self.announce()?;
        self.length.is_all(bytes)
    }

    pub(super) fn add_trailer(&self, name: &str, value: &str) -> Result<(), WriteError> {
        if self.done.get() {
            return Err(WriteError::Gone);
        }
        let mut trailers = self.trailers.borrow_mut();
        Ok(trailers.push(name.as_bytes(), value.as_bytes())?)
    }

    pub(super) fn set_trailers(&self, trailers: HeaderBlock) {
        *self.trailers.borrow_mut() = trailers;
    }

    pub(super) fn has_trailers(&self) -> bool {
        self.trailers.borrow().count() > 0
    }

    fn send_end(&self) -> Result<(), WriteError> {
        self.done.set(true);
        let sent = self.link.send_end(self.stream, &self.trailers.borrow());
        sent.map_err(|error| match error {
            SendError::HeadTooLarge { bytes, max } => {
                // Nothing was sent: the response is cut with that as its reason.
                self.done.set(false);
                self.trailers.take();
                WriteError::HeadTooLarge {
                    bytes,
                    max_bytes: max,
                }
            }
            _ => WriteError::Gone,
        })
    }

    fn send_head(&self, end: bool) -> Result<(), WriteError> {
        let sent = self.link.respond(self.stream, &self.headers.borrow(), end);
        match sent {
            Ok(()) => {
                self.head_sent.set(true);
                self.headers.take();
                Ok(())
            }
            // The stream lives: an answer with a smaller head may still be given.
            Err(SendError::HeadTooLarge { bytes, max }) => Err(WriteError::HeadTooLarge {
                bytes,
                max_bytes: max,
            }),
            Err(_) => {
                self.head_sent.set(true);
                self.done.set(true);
                Err(WriteError::Gone)
            }
        }
    }

    /// Sends the head ahead of the body. Not on legacy, where silence behind a head is taken for an empty body.
    pub(super) fn start(&self) -> Result<(), WriteError> {
        if self.done.get() || self.link.is_lost() {
            return Err(WriteError::Gone);
        }
        if self.head_sent.get() || !self.link.is_flatend2() {
            return Ok(());
        }
        self.announce()?;
        self.send_head(false)
    }

    // ---- the response's body --------------------------------------------------------------------------------------

    /// Takes up to [`PIPE_PIECE_BYTES`] of a body's piece as soon as the link has room.
    pub(super) fn poll_write(
        &self,
        cx: &Context<'_>,
        ticket: &Ticket,
        bytes: &[u8],
    ) -> Poll<Result<usize, WriteError>> {
        if self.done.get() || self.link.is_lost() {
            return Poll::Ready(Err(WriteError::Gone));
        }
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.announce()?;
        self.length.has_room(bytes.len())?;
        if self.burst.get() >= LINK_TURN_BYTES_MAX {
            // A link that is as fast as the handler never makes it wait; others want their turn.
            self.burst.set(0);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        ready!(self.link.poll_room(self.stream, cx, ticket));
        if self.link.is_lost() {
            return Poll::Ready(Err(WriteError::Gone));
        }
        if !self.head_sent.get() {
            self.send_head(false)?;
        }
        let admitted = self.link.capacity(self.stream).min(PIPE_PIECE_BYTES);
        let piece = &bytes[..bytes.len().min(admitted)];
        self.burst.set(self.burst.get() + piece.len());
        self.length.note_written(piece.len());
        let sent = self.link.send_data(self.stream, piece);
        Poll::Ready(sent.map(|()| piece.len()).map_err(|_| WriteError::Gone))
    }

    pub(super) async fn write(&self, mut bytes: &[u8]) -> Result<(), WriteError> {
        let ticket = Ticket::default();
        while !bytes.is_empty() {
            let taken = std::future::poll_fn(|cx| self.poll_write(cx, &ticket, bytes)).await?;
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    pub(super) fn finish(&self) -> Result<(), WriteError> {
        if self.done.get() {
            return Ok(());
        }
        if self.link.is_lost() {
            self.done.set(true);
            return Err(WriteError::Gone);
        }
        self.announce()?;
        self.length.is_whole()?;
        if self.head_sent.get() {
            return self.send_end();
        }
        if self.has_trailers() {
            self.send_head(false)?;
            return self.send_end();
        }
        self.send_head(true)?;
        self.done.set(true);
        Ok(())
    }

    // ---- the end --------------------------------------------------------------------------------------------------

    /// Declines the request: another may be asked.
    pub(super) fn refuse(&self) {
        if !self.head_sent.replace(true) {
            self.done.set(true);
            self.link.reset(self.stream, ResetCode::Refused, "");
            // The stream is gone: whoever reads its body gets no more of it.
            self.body.abandon();
            self.body.fail(Fault::Refused);
        }
    }

    pub(super) async fn caller_gone(&self) {
        self.link.stream_gone(self.stream).await;
    }

    /// The handler has ended: whatever it left open is closed honestly. A response that was begun and failed is cut, never
    /// ended as if it were whole. Gives what its operator should know.
    pub(crate) async fn conclude(&self, result: Result<(), HandlerError>) -> Option<String> {
        let trouble = self.answer(result).await;
        self.done.set(true);
        self.concluded.set(true);
        // What of the body was not read is thrown away as it comes, and no longer holds the link up.
        self.body.abandon();
        if !self.body.has_ended() {
            self.link.ignore(self.stream, true);
        }
        trouble
    }

    async fn answer(&self, result: Result<(), HandlerError>) -> Option<String> {
        // Headers that do not fit are found when they are sent: the caller is told so in a head that does.
        let result = result.and_then(|()| Ok(self.finish()?));
        let broken = self.length.was_broken();
        let trouble = match &result {
            Err(error) if broken => Some(error.message().to_owned()),
            Ok(()) if broken => Some("more was written than its content-length says".to_owned()),
            _ => None,
        };
        let Err(error) = result else { return trouble };
        if self.done.get() || self.link.is_lost() {
            return trouble;
        }
        if self.head_sent.get() || self.send_error(&error).await.is_err() {
            self.link
                .reset(self.stream, ResetCode::Internal, error.message());
        }
        trouble
    }

    async fn send_error(&self, error: &HandlerError) -> Result<(), WriteError> {
        let body = format!("{{\"error\":{}}}", json_string(error.message()));
        self.headers.borrow_mut().clear();
        self.trailers.take();
        self.add_header(":status", &error.status().to_string())?;
        self.add_header("content-type", "application/json")?;
        self.add_header("content-length", &body.len().to_string())?;
        if error.is_of_relay() {
            // A peer's words may be in it.
            let said: String = error.message().chars().map(printed).collect();
            self.add_header(RELAY_ERROR, &said)?;
        }
        self.write(body.as_bytes()).await?;
        self.finish()
    }
}

fn printed(c: char) -> char {
    if c.is_control() {
        ' '
    } else {
        c
    }
}
