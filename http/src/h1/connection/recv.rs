//! What comes from the client.

use super::{Connection, End, Recv, Send};
use crate::error::RequestError;
use crate::h1::body::{BodyDecoder, BodyStep};
use crate::h1::framing::BodyLength;
use crate::h1::head::{FieldScratch, RequestFacts, RequestHead};
use crate::h1::request::{parse_head, Parsed};
use crate::h1::trailers::Trailers;

impl Connection {
    /// Parses the head that the read buffer begins with. [`Parsed::Partial`] as long as it is
    /// not whole, and while a request is being answered: a piped request waits in the buffer.
    /// Does no work twice for bytes without a line end, so that a head in single bytes costs no
    /// more than a whole one a line.
    ///
    /// # Errors
    /// The fault; the connection then wants [`Next::Refuse`](super::Next::Refuse) answered.
    pub fn recv_head<'b, 's>(
        &mut self,
        buf: &'b [u8],
        scratch: &'s mut FieldScratch<'b>,
    ) -> Result<Parsed<'s>, RequestError>
    where
        'b: 's,
    {
        if !matches!(self.recv, Recv::Head) || self.end != End::Open || !self.is_worth(buf) {
            return Ok(Parsed::Partial);
        }
        match parse_head(buf, &self.limits, scratch) {
            Ok(Parsed::Head(head, consumed)) => {
                self.accept(&head)?;
                Ok(Parsed::Head(head, consumed))
            }
            Ok(Parsed::Partial) => {
                self.asks_head = begins_with_head(buf);
                self.parsed = buf.len();
                self.searched = buf.len();
                Ok(Parsed::Partial)
            }
            Err(error) => {
                self.asks_head = begins_with_head(buf);
                Err(self.refuse(error))
            }
        }
    }

    /// Whether parsing again can find more than it did: a line came to its end, the head is at
    /// its limit, or it is twice as long as it was.
    fn is_worth(&mut self, buf: &[u8]) -> bool {
        let fresh = buf.get(self.searched..).unwrap_or_default();
        if self.parsed == 0
            || buf.len() >= self.limits.head_bytes_max
            || buf.len() >= 2 * self.parsed
            || memchr::memchr(b'\n', fresh).is_some()
        {
            return !buf.is_empty();
        }
        self.searched = buf.len();
        false
    }

    fn accept(&mut self, head: &RequestHead<'_>) -> Result<(), RequestError> {
        self.facts = head.facts();
        self.parsed = 0;
        self.searched = 0;
        self.asks_head = false;
        self.keep_alive = self.facts.keep_alive;
        // Without a body there is nothing to wait for (RFC 9110 10.1.1).
        self.continue_owed = self.facts.expect_continue
            && !matches!(self.facts.body, BodyLength::None | BodyLength::Length(0));
        self.body_limited = false;
        self.trailers = Trailers::new();
        match BodyDecoder::new(self.facts.body, 0, u64::MAX) {
            Ok(body) if body.is_done() => self.recv = Recv::Done,
            Ok(body) => self.recv = Recv::Body(body),
            Err(error) => return Err(self.refuse(error)),
        }
        self.check_invariants();
        Ok(())
    }

    /// Holds the request body to the limits of its route; once, between the head and the first
    /// [`Connection::recv_body`], which else applies those of the listener. `bytes_min` counts
    /// for POST, PUT and PATCH, and for others if they have a body.
    ///
    /// # Errors
    /// 413 or 400 if the length is known and out of bounds; the connection then wants
    /// [`Next::Refuse`](super::Next::Refuse) answered.
    pub fn limit_body(&mut self, bytes_min: u64, bytes_max: u64) -> Result<(), RequestError> {
        self.body_limited = true;
        let has_body = matches!(self.recv, Recv::Body(_));
        let bytes_min = if has_body || self.facts.wants_body {
            bytes_min
        } else {
            0
        };
        match BodyDecoder::new(self.facts.body, bytes_min, bytes_max) {
            Ok(body) if has_body => {
                self.recv = Recv::Body(body);
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) => Err(self.refuse(error)),
        }
    }

    /// Decodes the body that the read buffer begins with. The caller uses or drops
    /// `step.data`, then takes `step.consumed` bytes off the buffer; a step that consumed nothing
    /// and is not done waits for bytes.
    ///
    /// # Errors
    /// The fault; the connection then wants [`Next::Refuse`](super::Next::Refuse) answered, or,
    /// if the response has begun, [`Connection::abort`]. No error while draining: the connection
    /// just ends.
    pub fn recv_body(&mut self, buf: &[u8]) -> Result<BodyStep, RequestError> {
        if !self.body_limited {
            self.limit_body(self.limits.body_bytes_min, self.limits.body_bytes_max)?;
        }
        let body = match &mut self.recv {
            Recv::Body(body) if self.end == End::Open => body,
            Recv::Refused(error) => return Err(*error),
            _ => {
                return Ok(BodyStep {
                    done: true,
                    ..BodyStep::default()
                })
            }
        };
        let is_drain = matches!(self.send, Send::Done);
        let step = match body.decode(buf) {
            Ok(step) => step,
            Err(_) if is_drain => {
                self.end = End::Linger;
                return Ok(BodyStep::default());
            }
            Err(error) => return Err(self.refuse(error)),
        };
        if step.consumed > 0 {
            self.continue_owed = false;
        }
        if is_drain {
            self.drained = self.drained.saturating_add(step.consumed as u64);
            if self.drained > self.limits.drain_body_bytes_max {
                self.end = End::Linger;
            }
        }
        if step.done {
            if let Recv::Body(body) = std::mem::replace(&mut self.recv, Recv::Done) {
                self.trailers = body.into_trailers();
            }
            self.settle();
        }
        Ok(step)
    }

    /// The trailer fields of the current request body; empty before its end.
    pub fn trailers(&self) -> &[(String, Vec<u8>)] {
        &self.trailers
    }

    /// Whether the client waits for [`CONTINUE`](crate::h1::CONTINUE) and is owed it: true once,
    /// when the handler first asks for a body of which nothing has come, before any response.
    pub fn take_continue(&mut self) -> bool {
        let owed = self.continue_owed && matches!(self.send, Send::Head) && self.end == End::Open;
        if owed {
            self.continue_owed = false;
        }
        owed
    }

    /// The client has ended its side; `buffered` is the number of bytes left in the read buffer.
    /// A client that only half-closed still gets the response that it is owed.
    ///
    /// # Errors
    /// 400 if a head or a body is incomplete; the connection then wants
    /// [`Next::Refuse`](super::Next::Refuse) answered.
    pub fn recv_end(&mut self, buffered: usize) -> Result<(), RequestError> {
        self.keep_alive = false;
        self.draining = true;
        if self.end != End::Open {
            if self.end == End::Linger {
                self.end = End::Close;
            }
            return Ok(());
        }
        match (&self.recv, &self.send) {
            (Recv::Head, _) if buffered == 0 => self.end = End::Close,
            (Recv::Body(_), Send::Done) => self.end = End::Close,
            (Recv::Head, _) => {
                return Err(self.refuse(RequestError::bad(
                    "The client ended the connection within the request head",
                )));
            }
            (Recv::Body(_), _) => {
                return Err(self.refuse(RequestError::bad(
                    "The client ended the connection within the request body",
                )));
            }
            (Recv::Done | Recv::Refused(_), _) => {}
        }
        Ok(())
    }

    /// The caller found a fault of its own, such as a timeout
    /// ([`RequestError::timeout`]): no more is parsed, and the answer closes the connection.
    pub fn refuse(&mut self, error: RequestError) -> RequestError {
        if matches!(self.recv, Recv::Head) {
            // Not even a refusal has a body for HEAD (RFC 9110 9.3.2).
            self.facts = RequestFacts {
                is_head: self.asks_head,
                ..RequestFacts::UNKNOWN
            };
        }
        self.keep_alive = false;
        self.continue_owed = false;
        self.recv = Recv::Refused(error);
        self.settle();
        error
    }
}

/// Whether the request line names the method HEAD, whatever follows.
fn begins_with_head(buf: &[u8]) -> bool {
    let empty_lines = buf.iter().take_while(|&&b| matches!(b, b'\r' | b'\n'));
    let line = buf.get(empty_lines.count()..).unwrap_or_default();
    line.starts_with(b"HEAD ")
}
