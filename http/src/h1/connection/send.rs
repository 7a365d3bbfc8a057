//! What goes to the client.

use super::{Connection, End, Recv, Send};
use crate::error::ResponseError;
use crate::h1::answer::{encode_answer, Answer};
use crate::h1::out_body::Piece;
use crate::h1::response::{encode_response, encode_upgrade, write_field, ResponseHead};
use crate::headers;

/// The last chunk, before the trailers and the empty line.
const LAST_CHUNK_HEAD: &[u8] = b"0\r\n";
const NO_REQUEST: ResponseError = ResponseError::Misuse("a response without a request");
const TWO_HEADS: ResponseError = ResponseError::Misuse("a second response head");
const NO_HEAD: ResponseError = ResponseError::Misuse("a response body without a head");

impl Connection {
    /// Appends the response head to `out`. Names and values as for
    /// [`encode_response`](crate::h1::encode_response).
    ///
    /// # Errors
    /// As [`encode_response`](crate::h1::encode_response); nothing has changed then, and another
    /// head may be sent.
    pub fn send_head<'f, I>(
        &mut self,
        out: &mut Vec<u8>,
        head: &ResponseHead<'_>,
        fields: I,
    ) -> Result<(), ResponseError>
    where
        I: IntoIterator<Item = (&'f [u8], &'f [u8])>,
        I::IntoIter: Clone,
    {
        self.may_begin()?;
        let close = self.must_close(false);
        let (body, keep_alive) = encode_response(out, &self.facts, close, head, fields)?;
        self.keep_alive = keep_alive;
        self.continue_owed = false;
        self.send = Send::Body(body);
        Ok(())
    }

    /// Frames the next `bytes` of the response body, see [`Piece`].
    ///
    /// # Errors
    /// [`ResponseError::BodyTooLong`]: nothing of it may be sent; [`Connection::abort`].
    pub fn send_data(&mut self, bytes: usize) -> Result<Piece, ResponseError> {
        match &mut self.send {
            Send::Body(body) => body.frame(bytes),
            Send::Head | Send::Done => Err(NO_HEAD),
        }
    }

    /// Ends the response; the bytes that go out last.
    ///
    /// # Errors
    /// [`ResponseError::BodyTooShort`]: [`Connection::abort`].
    pub fn send_end(&mut self) -> Result<&'static [u8], ResponseError> {
        let Send::Body(body) = &mut self.send else {
            return Err(NO_HEAD);
        };
        let last = body.finish()?;
        self.send = Send::Done;
        self.settle();
        Ok(last)
    }

    /// As [`Connection::send_end`], appended to `out`, with trailer fields behind a chunked body (RFC 9112 7.1.2); behind another there
    /// are none. What must not be a trailer (RFC 9110 6.5.1), and what is no field, is left out.
    ///
    /// # Errors
    /// [`ResponseError::BodyTooShort`]: [`Connection::abort`].
    pub fn send_trailers<'f>(
        &mut self,
        out: &mut Vec<u8>,
        fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
    ) -> Result<(), ResponseError> {
        let chunked = matches!(&self.send, Send::Body(body) if body.takes_trailers());
        let last = self.send_end()?;
        if !chunked {
            out.extend_from_slice(last);
            return Ok(());
        }
        out.extend_from_slice(LAST_CHUNK_HEAD);
        for (name, value) in fields {
            if headers::is_trailer(name) {
                // What is no field changes nothing.
                write_field(out, name, value).ok();
            }
        }
        out.extend_from_slice(b"\r\n");
        Ok(())
    }

    /// Appends a whole answer of our own (error, redirect) and ends the response. The answer to
    /// a [`Next::Refuse`](super::Next::Refuse) too.
    ///
    /// # Errors
    /// [`ResponseError::Misuse`] if a response has begun; those of
    /// [`encode_answer`](crate::h1::encode_answer).
    pub fn send_answer(
        &mut self,
        out: &mut Vec<u8>,
        answer: &Answer<'_>,
    ) -> Result<(), ResponseError> {
        self.may_begin()?;
        let close = self.must_close(true);
        self.keep_alive = encode_answer(out, &self.facts, close, answer)?;
        self.continue_owed = false;
        self.send = Send::Done;
        self.settle();
        Ok(())
    }

    /// Appends 101 for `protocol`; the connection is [`Next::Upgraded`](super::Next::Upgraded).
    ///
    /// # Errors
    /// [`ResponseError::Misuse`] if a response has begun or the request has a body left; those of
    /// [`encode_upgrade`](crate::h1::encode_upgrade).
    pub fn send_upgrade<'f>(
        &mut self,
        out: &mut Vec<u8>,
        protocol: &'f [u8],
        fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
    ) -> Result<(), ResponseError> {
        self.may_begin()?;
        if !self.is_body_done() {
            return Err(ResponseError::Misuse(
                "an upgrade before the end of the request body",
            ));
        }
        encode_upgrade(out, protocol, fields)?;
        self.end = End::Upgraded;
        Ok(())
    }

    fn may_begin(&self) -> Result<(), ResponseError> {
        match (&self.recv, &self.send) {
            _ if self.end != End::Open => Err(NO_REQUEST),
            (Recv::Head, _) => Err(NO_REQUEST),
            (_, Send::Head) => Ok(()),
            (_, Send::Body(_) | Send::Done) => Err(TWO_HEADS),
        }
    }

    /// Whether the connection cannot outlive this response: the server stops, the request was
    /// refused, the client waits for a 100 that it will not get and may or may not send its body
    /// (RFC 9110 10.1.1), or the response is `whole` already and the body known to be more than
    /// is drained.
    fn must_close(&self, whole: bool) -> bool {
        let limit = self.limits.drain_body_bytes_max;
        self.draining
            || !self.keep_alive
            || self.continue_owed
            || match &self.recv {
                Recv::Body(body) => whole && body.bytes_left().is_some_and(|left| left > limit),
                Recv::Refused(_) => true,
                Recv::Head | Recv::Done => false,
            }
    }
}
