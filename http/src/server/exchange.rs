//! One request and its response as a handler sees them. Reading the body and sending the response may go on at once from
//! one task: join the two futures.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;

use bytes::{Buf, Bytes};
use flatend::rt;

use super::io::{with_date, Io, UPLOAD_BUFFER_BYTES};
use super::record::Notes;
use super::OwnAnswer;
use crate::error::{RequestError, ResponseError};
use crate::h1::{RequestFacts, ResponseHead, Trailers, CONTINUE};
use crate::limits::{HALF_CLOSED_WAIT_MS, SLICE_BYTES_MIN};

/// Output that a handler may queue before it must flush.
const QUEUE_BYTES_MAX: usize = 256 * 1024;

/// A request's body cannot be read on.
#[derive(Clone, Debug)]
pub enum BodyError {
    /// The client broke a rule or a limit; if no response has begun the server answers with it by itself.
    Refused(RequestError),
    /// The connection is gone.
    Gone,
}

/// A response cannot be sent on.
#[derive(Clone, Debug)]
pub enum SendError {
    /// The client is gone or takes nothing.
    Gone,
    /// The response breaks a rule; nothing of it was sent by this call.
    Invalid(ResponseError),
}

/// A request being answered.
pub struct Exchange<'a> {
    io: &'a Rc<Io>,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(io: &'a Rc<Io>) -> Exchange<'a> {
        Exchange { io }
    }

    pub(super) fn io(&self) -> &'a Rc<Io> {
        self.io
    }

    /// The client's address.
    pub fn client(&self) -> SocketAddr {
        self.io.client.addr
    }

    /// What is known of the request.
    pub fn facts(&self) -> RequestFacts {
        *self.io.http.borrow().facts()
    }

    /// Adds to the notes of this request, if the handler wants records.
    pub fn note(&self, f: impl FnOnce(&mut Notes)) {
        self.io.note(f);
    }

    /// Whether the request's body has been read to its end (or there is none).
    pub fn is_body_done(&self) -> bool {
        self.io.http.borrow().is_body_done()
    }

    /// Whether a response's head was sent or queued.
    pub fn is_response_begun(&self) -> bool {
        self.io.http.borrow().is_response_begun()
    }

    /// The next piece of the request's body; `None` at its end. Sends `100 Continue` if the client waits for it.
    ///
    /// # Errors
    /// [`BodyError`]; the body is not whole then.
    pub async fn recv_body(&self) -> Result<Option<Bytes>, BodyError> {
        let io = self.io;
        // A client whose body is here did not wait for the word (RFC 9110 10.1.1).
        if io.input.borrow().is_empty() && io.http.borrow_mut().take_continue() {
            io.output.borrow_mut().push(CONTINUE);
            io.flush().await.map_err(|()| BodyError::Gone)?;
        }
        loop {
            // Only here: between a step of the decoder and taking its bytes off the buffer this future must not be left.
            if io.is_turn_spent() {
                rt::yield_now().await;
            }
            let step = {
                let input = io.input.borrow();
                io.http
                    .borrow_mut()
                    .recv_body(&input)
                    .map_err(BodyError::Refused)?
            };
            io.spend(step.consumed);
            io.pace.came(step.data.len());
            if !step.data.is_empty() {
                io.note(|notes| notes.request_bytes += step.data.len() as u64);
                let mut input = io.input.borrow_mut();
                if step.data.len() < SLICE_BYTES_MIN {
                    let bytes = Bytes::copy_from_slice(&input[step.data.clone()]);
                    input.advance(step.consumed);
                    return Ok(Some(bytes));
                }
                return Ok(Some(
                    input.split_to(step.consumed).freeze().slice(step.data),
                ));
            }
            io.input.borrow_mut().advance(step.consumed);
            if step.done {
                return Ok(None);
            }
            if step.consumed == 0 {
                self.fill().await?;
            }
        }
    }

    async fn fill(&self) -> Result<(), BodyError> {
        let io = self.io;
        match io.fill_body(UPLOAD_BUFFER_BYTES).await {
            Ok(Ok(0)) => {
                let buffered = io.input.borrow().len();
                match io.http.borrow_mut().recv_end(buffered) {
                    Ok(()) => Ok(()),
                    Err(error) => Err(BodyError::Refused(error)),
                }
            }
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => {
                io.broken.set(true);
                Err(BodyError::Gone)
            }
            Err(error) => Err(BodyError::Refused(io.http.borrow_mut().refuse(error))),
        }
    }

    /// Queues the response's head.
    ///
    /// # Errors
    /// [`SendError::Invalid`]: nothing was queued, another head may be sent.
    pub fn send_head<'f, I>(
        &self,
        status: u16,
        body_bytes: Option<u64>,
        request_id: &str,
        fields: I,
    ) -> Result<(), SendError>
    where
        I: IntoIterator<Item = (&'f [u8], &'f [u8])>,
        I::IntoIter: Clone,
    {
        let mut output = self.io.output.borrow_mut();
        let before = output.tail().len();
        let result = with_date(|date| {
            let head = ResponseHead {
                status,
                body_bytes,
                date,
                request_id: Some(request_id),
            };
            self.io
                .http
                .borrow_mut()
                .send_head(output.tail(), &head, fields)
        });
        output.appended(before);
        if result.is_ok() {
            self.io.note(|notes| {
                notes.request_id(request_id);
                notes.status = Some(status);
            });
        }
        result.map_err(SendError::Invalid)
    }

    /// Queues a piece of the response's body. Flush when [`Exchange::wants_flush`] says so.
    ///
    /// # Errors
    /// [`SendError::Invalid`]: the body is longer than its content-length; the connection will be cut.
    pub fn queue_data(&self, bytes: Bytes) -> Result<(), SendError> {
        let piece = self
            .io
            .http
            .borrow_mut()
            .send_data(bytes.len())
            .map_err(SendError::Invalid)?;
        if piece.carries_data() {
            self.io
                .note(|notes| notes.response_bytes += bytes.len() as u64);
            let mut output = self.io.output.borrow_mut();
            output.push(piece.prefix());
            output.push_slice(bytes);
            output.push(piece.suffix());
        }
        Ok(())
    }

    /// Whether enough is queued for a flush.
    pub fn wants_flush(&self) -> bool {
        self.io.output.borrow().len() >= QUEUE_BYTES_MAX
    }

    /// Sends what is queued; waits for the client.
    ///
    /// # Errors
    /// [`SendError::Gone`]: the client is gone, or took nothing within the write timeout.
    pub async fn flush(&self) -> Result<(), SendError> {
        self.io.flush().await.map_err(|()| SendError::Gone)
    }

    /// Queues the end of the response.
    ///
    /// # Errors
    /// [`SendError::Invalid`]: the body is shorter than its content-length; the connection will be cut.
    pub fn finish(&self) -> Result<(), SendError> {
        let last = self
            .io
            .http
            .borrow_mut()
            .send_end()
            .map_err(SendError::Invalid)?;
        self.io.output.borrow_mut().push(last);
        self.io.note(|notes| notes.is_finished = true);
        Ok(())
    }

    /// As [`Exchange::finish`], with trailer fields where the body is chunked. Only for a client that takes them.
    ///
    /// # Errors
    /// As [`Exchange::finish`].
    pub fn finish_with<'f>(
        &self,
        trailers: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
    ) -> Result<(), SendError> {
        let mut output = self.io.output.borrow_mut();
        let before = output.tail().len();
        let result = self
            .io
            .http
            .borrow_mut()
            .send_trailers(output.tail(), trailers);
        output.appended(before);
        result.map_err(SendError::Invalid)?;
        self.io.note(|notes| notes.is_finished = true);
        Ok(())
    }

    /// The trailer fields of the request's body, after its end: names in lower case, without those that must not be trailers.
    pub fn trailers(&self) -> Trailers {
        self.io.http.borrow().trailers().to_vec()
    }

    /// Whether the response is complete and the rest of the body is still wanted from the client.
    pub fn is_draining(&self) -> bool {
        self.io.http.borrow().next() == crate::h1::Next::Drain
    }

    /// Cuts the response: the client must not take it for whole.
    pub fn abort(&self) {
        self.io.http.borrow_mut().abort();
    }

    /// Queues an answer of the server's own; cuts the response if one has begun.
    pub fn answer(&self, answer: &OwnAnswer) {
        self.io.queue_answer(answer);
    }

    /// Waits until the client is gone while nothing else would notice. A client that only ended its own side is still
    /// served, but a service that then sends nothing for [`HALF_CLOSED_WAIT_MS`] answers nobody: most such clients are gone.
    pub async fn left(&self) {
        let mut patience: Option<rt::Timer> = None;
        std::future::poll_fn(|cx| {
            if self.io.socket.poll_gone(cx).is_ready() {
                return Poll::Ready(());
            }
            if !self.io.socket.hung_up() {
                return Poll::Pending;
            }
            let timer = patience.get_or_insert_with(|| {
                let timer = rt::Timer::new();
                timer.set_after(HALF_CLOSED_WAIT_MS);
                timer
            });
            timer.poll(cx)
        })
        .await;
        self.io.client_left.set(true);
    }
}

impl From<SendError> for io::Error {
    fn from(err: SendError) -> io::Error {
        match err {
            SendError::Gone => io::ErrorKind::ConnectionReset.into(),
            SendError::Invalid(err) => io::Error::other(err.to_string()),
        }
    }
}
