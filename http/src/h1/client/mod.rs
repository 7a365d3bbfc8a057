//! One HTTP/1.1 connection to an upstream, seen from the client's side (RFC 9112 6.3 and 9).
//!
//! Owns the order of events of one request and its response at a time; `request` and `response` hold the two directions.
//! Refuses to hold bytes: the read buffer and the output are the caller's; and refuses to pipe. Invariant: a connection takes a
//! next request only if both directions of the one before came to their clean end and **no byte is left over**. Bytes behind a
//! complete response would be taken for the answer to the next request, which is how a response of one client ends up with
//! another; so they end the connection.
//!
//! ```text
//!   Idle ──send_request──▶ Exchange ──response complete, request sent, kept alive, nothing left over──▶ Idle
//!                              │ a fault, an early answer, a body that the end of the connection ends, bytes left over
//!                              ▼
//!                            Close
//! ```

mod framing;
mod request;
mod response;

pub use request::{wants_chunks, RequestRefused};
pub use response::{parse_response, ParsedResponse, ResponseLength, UpstreamHead};

use super::body::{BodyDecoder, BodyStep};
use super::framing::BodyLength;
use super::head::FieldScratch;
use super::out_body::{OutBody, Piece};
use crate::error::{ResponseError, UpstreamError};
use crate::limits::INTERIM_RESPONSES_MAX;

/// What the connection is good for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientNext {
    /// It may take a request.
    Idle,
    /// A request is on its way, or its response.
    Exchange,
    /// Close it: nothing more can be asked here.
    Close,
}

#[derive(Debug)]
enum Send {
    Nothing,
    Body(OutBody),
    Done,
}

#[derive(Debug)]
enum Recv {
    Nothing,
    Head,
    Body(BodyDecoder),
    UntilClose,
    Done,
    Failed(UpstreamError),
}

/// The state of one connection to an upstream.
#[derive(Debug)]
pub struct ClientConnection {
    send: Send,
    recv: Recv,
    /// The request is HEAD: the response has no body.
    is_head: bool,
    /// The last response has no body by its kind alone.
    bodiless: bool,
    /// What the last response said.
    keep_alive: bool,
    keep_alive_s: Option<u64>,
    interims: u32,
    /// Bytes of the read buffer that were searched for a line end.
    searched: usize,
}

impl Default for ClientConnection {
    fn default() -> Self {
        ClientConnection::new()
    }
}

impl ClientConnection {
    /// A connection over which nothing was sent.
    pub fn new() -> Self {
        ClientConnection {
            send: Send::Nothing,
            recv: Recv::Nothing,
            is_head: false,
            bodiless: false,
            keep_alive: true,
            keep_alive_s: None,
            interims: 0,
            searched: 0,
        }
    }

    /// What it is good for; `buffered` is the number of bytes in the read buffer.
    pub fn next(&self, buffered: usize) -> ClientNext {
        match (&self.send, &self.recv) {
            (Send::Nothing, Recv::Nothing) | (Send::Done, Recv::Done)
                if self.keep_alive && buffered == 0 =>
            {
                ClientNext::Idle
            }
            (Send::Nothing, Recv::Nothing) | (_, Recv::Done | Recv::Failed(_)) => ClientNext::Close,
            _ => ClientNext::Exchange,
        }
    }

    /// How long the upstream keeps an idle connection, in seconds, if its last response said so.
    pub fn keep_alive_s(&self) -> Option<u64> {
        self.keep_alive_s
    }

    /// Whether the request was sent to its end.
    pub fn is_sent(&self) -> bool {
        matches!(self.send, Send::Done)
    }

    /// Whether the last response had no body by its kind alone (HEAD, 204, 304): a server that sends one all the same does so
    /// behind its end.
    pub fn is_bodiless(&self) -> bool {
        self.bodiless
    }

    /// Whether the response was received to its end.
    pub fn is_answered(&self) -> bool {
        matches!(self.recv, Recv::Done)
    }

    /// Appends the head of a request to `out`; see [`request::encode`] for what becomes of the fields. `has_body`: data
    /// follows with [`send_data`](Self::send_data) and [`send_end`](Self::send_end), otherwise the request is complete.
    ///
    /// # Errors
    /// [`RequestRefused`]: `out` and the connection are as they were.
    pub fn send_request<'f>(
        &mut self,
        out: &mut Vec<u8>,
        fields: impl Iterator<Item = (&'f [u8], &'f [u8])> + Clone,
        has_body: bool,
        authority: &str,
    ) -> Result<(), RequestRefused> {
        if self.next(0) != ClientNext::Idle {
            return Err(RequestRefused::Misuse(
                "a request on a connection that is not idle",
            ));
        }
        let start = out.len();
        let (body, is_head) =
            request::encode(out, fields, has_body, authority).inspect_err(|_| {
                out.truncate(start);
            })?;
        self.is_head = is_head;
        self.send = if has_body {
            Send::Body(body)
        } else {
            Send::Done
        };
        self.recv = Recv::Head;
        self.interims = 0;
        self.searched = 0;
        Ok(())
    }

    /// The request is to be sent again, over a fresh connection. Only for one without a body of which no answer came.
    pub fn repeat(&mut self) {
        debug_assert!(self.is_sent() && !self.is_answered());
        self.recv = Recv::Head;
        self.keep_alive = true;
        self.searched = 0;
    }

    /// Frames the next `bytes` of the request's body.
    ///
    /// # Errors
    /// [`ResponseError::BodyTooLong`]: the caller's content-length is broken; close the connection.
    pub fn send_data(&mut self, bytes: usize) -> Result<Piece, ResponseError> {
        match &mut self.send {
            Send::Body(body) => body.frame(bytes),
            Send::Nothing | Send::Done => Err(ResponseError::Misuse("a body without a request")),
        }
    }

    /// Ends the request's body; the bytes that go out last.
    ///
    /// # Errors
    /// [`ResponseError::BodyTooShort`]: close the connection, the upstream must not take the request for whole.
    pub fn send_end(&mut self) -> Result<&'static [u8], ResponseError> {
        let Send::Body(body) = &mut self.send else {
            return Err(ResponseError::Misuse("the end of a body without a request"));
        };
        let last = body.finish()?;
        self.send = Send::Done;
        Ok(last)
    }

    /// Parses the response head that the read buffer begins with. After [`ParsedResponse::Interim`] its bytes are taken off the
    /// buffer and it is called again.
    ///
    /// # Errors
    /// [`UpstreamError`]; the connection is over then.
    pub fn recv_head<'b, 's>(
        &mut self,
        buf: &'b [u8],
        scratch: &'s mut FieldScratch<'b>,
    ) -> Result<ParsedResponse<'s>, UpstreamError>
    where
        'b: 's,
    {
        match &self.recv {
            Recv::Head => {}
            Recv::Failed(error) => return Err(*error),
            Recv::Nothing => return Err(self.fail(UNASKED)),
            Recv::Body(_) | Recv::UntilClose | Recv::Done => return Ok(ParsedResponse::Partial),
        }
        let fresh = buf.get(self.searched..).unwrap_or_default();
        let whole = response::is_full(buf) || memchr::memchr(b'\n', fresh).is_some();
        self.searched = buf.len();
        // What cannot be the beginning of a response is refused with its first bytes, a head at the end of a line.
        if !whole && !response::is_foreign(buf) {
            return Ok(ParsedResponse::Partial);
        }
        match parse_response(buf, self.is_head, scratch) {
            Ok(ParsedResponse::Interim(bytes)) => {
                self.searched = 0;
                self.interims += 1;
                if self.interims > INTERIM_RESPONSES_MAX {
                    return Err(self.fail(UpstreamError::limit(
                        "it sent more interim responses than are taken",
                        "interim_responses_max",
                        u64::from(INTERIM_RESPONSES_MAX),
                    )));
                }
                Ok(ParsedResponse::Interim(bytes))
            }
            Ok(ParsedResponse::Head(head, bytes)) => {
                self.keep_alive = head.keep_alive;
                self.bodiless = matches!(head.body, ResponseLength::None);
                self.keep_alive_s = head.keep_alive_s;
                self.recv = match head.body {
                    ResponseLength::None | ResponseLength::Length(0) => Recv::Done,
                    ResponseLength::Length(bytes) => self.decoder(BodyLength::Length(bytes))?,
                    ResponseLength::Chunked => self.decoder(BodyLength::Chunked)?,
                    ResponseLength::UntilClose => Recv::UntilClose,
                };
                Ok(ParsedResponse::Head(head, bytes))
            }
            Ok(ParsedResponse::Partial) => Ok(ParsedResponse::Partial),
            Err(error) => Err(self.fail(error)),
        }
    }

    fn decoder(&mut self, length: BodyLength) -> Result<Recv, UpstreamError> {
        match BodyDecoder::new(length, 0, u64::MAX) {
            Ok(decoder) => Ok(Recv::Body(decoder)),
            Err(error) => Err(self.fail(error.into())),
        }
    }

    /// Decodes the response body that the read buffer begins with. The caller takes `step.consumed` bytes off the buffer; a step
    /// that consumed nothing and is not done waits for bytes.
    ///
    /// # Errors
    /// [`UpstreamError`]: the body is cut; the connection is over.
    pub fn recv_body(&mut self, buf: &[u8]) -> Result<BodyStep, UpstreamError> {
        match &mut self.recv {
            Recv::Body(body) => match body.decode(buf) {
                Ok(step) => {
                    if step.done {
                        self.recv = Recv::Done;
                    }
                    Ok(step)
                }
                Err(error) => Err(self.fail(error.into())),
            },
            Recv::UntilClose => Ok(BodyStep {
                consumed: buf.len(),
                data: 0..buf.len(),
                done: false,
            }),
            Recv::Done => Ok(BodyStep {
                done: true,
                ..BodyStep::default()
            }),
            Recv::Failed(error) => Err(*error),
            Recv::Nothing | Recv::Head => Ok(BodyStep::default()),
        }
    }

    /// The upstream has ended its side, and the read buffer was looked at to its end.
    ///
    /// # Errors
    /// [`UpstreamError`]: the response is not whole.
    pub fn recv_end(&mut self) -> Result<(), UpstreamError> {
        self.keep_alive = false;
        match &self.recv {
            Recv::UntilClose => self.recv = Recv::Done,
            Recv::Head => return Err(self.fail(NO_HEAD)),
            Recv::Body(_) => return Err(self.fail(CUT)),
            Recv::Failed(error) => return Err(*error),
            Recv::Nothing | Recv::Done => {}
        }
        Ok(())
    }

    fn fail(&mut self, error: UpstreamError) -> UpstreamError {
        self.recv = Recv::Failed(error);
        self.keep_alive = false;
        error
    }
}

const UNASKED: UpstreamError = UpstreamError::new("it sent bytes that nobody had asked for");
const NO_HEAD: UpstreamError =
    UpstreamError::new("it closed the connection before the end of the response's head");
const CUT: UpstreamError =
    UpstreamError::new("it closed the connection in the middle of the response's body");
