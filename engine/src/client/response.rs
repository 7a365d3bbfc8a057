//! A response as a shard reads it: its head at once, its body as it comes. What the request still has to send goes on while it
//! is read.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use flatend_codec::{HeaderBlock, Millis};
use futures_io::AsyncRead;
use serde::de::DeserializeOwned;

use super::head::ResponseHead;
use super::stream::ResponseEnd;
use super::upload::Upload;
use super::ProviderInfo;
use crate::call::Call;
use crate::error::Fault;
use crate::rt::Timer;

/// A response's body could not be read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseError {
    /// It broke, or its deadline passed: what was read is not the whole.
    Cut(Fault),
    /// It is larger than the limit that the reader gave.
    TooLarge {
        /// The limit in bytes.
        limit_bytes: usize,
    },
    /// It is whole, and no JSON of the form that was asked for; the text says where and why.
    Json(String),
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResponseError::Cut(fault) => write!(f, "the response was cut: {fault}"),
            ResponseError::TooLarge { limit_bytes } => write!(
                f,
                "the response is larger than the limit of {limit_bytes} bytes that its reader set"
            ),
            ResponseError::Json(why) => {
                write!(f, "the response is not the JSON that was asked for: {why}")
            }
        }
    }
}

impl std::error::Error for ResponseError {}

impl ResponseError {
    pub(crate) fn into_io(self) -> io::Error {
        let kind = match &self {
            ResponseError::Cut(Fault::DeadlinePassed) => io::ErrorKind::TimedOut,
            _ => io::ErrorKind::ConnectionAborted,
        };
        io::Error::new(kind, self)
    }
}

/// The response to a request. Dropping it before its end gives the request up. It is an [`AsyncRead`] of its body too.
pub struct Response {
    call: Rc<Call>,
    head: ResponseHead,
    upload: Upload,
    /// Its request's body is written by somebody else.
    stream: Option<ResponseEnd>,
    until: Option<Millis>,
    timer: Timer,
    /// Of a piece that a reader took in part.
    rest: Bytes,
}

impl Response {
    pub(super) fn new(
        call: Rc<Call>,
        head: ResponseHead,
        upload: Upload,
        until: Option<Millis>,
    ) -> Response {
        Response {
            call,
            head,
            upload,
            stream: None,
            until,
            timer: Timer::new(),
            rest: Bytes::new(),
        }
    }

    pub(super) fn of_stream(
        call: Rc<Call>,
        head: ResponseHead,
        stream: ResponseEnd,
        until: Option<Millis>,
    ) -> Response {
        Response {
            stream: Some(stream),
            ..Response::new(call, head, Upload::new(Bytes::new()), until)
        }
    }

    /// The status, 200 where the service set none.
    pub fn status(&self) -> u16 {
        self.head.status()
    }

    /// All headers in order.
    pub fn headers(&self) -> &HeaderBlock {
        self.head.headers()
    }

    /// The first header of that name in any case, if it is UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// Status and headers.
    pub fn head(&self) -> &ResponseHead {
        &self.head
    }

    /// Who answered.
    pub fn provider(&self) -> Option<ProviderInfo> {
        self.call.provider_info()
    }

    /// How many providers were asked, the one that answered included.
    pub fn tries(&self) -> u32 {
        self.call.tries()
    }

    /// The next piece of the body; `None` at its clean end.
    ///
    /// # Errors
    /// [`ResponseError::Cut`]: the rest will not come.
    pub async fn read(&mut self) -> Result<Option<Bytes>, ResponseError> {
        std::future::poll_fn(|cx| self.poll_data(cx)).await
    }

    /// The headers behind the body, once it was read to its end. None from a provider on legacy.
    pub fn trailers(&self) -> HeaderBlock {
        self.call.trailers()
    }

    /// The whole body, up to `limit_bytes`.
    ///
    /// # Errors
    /// [`ResponseError::Cut`] and [`ResponseError::TooLarge`].
    pub async fn read_all(&mut self, limit_bytes: usize) -> Result<Bytes, ResponseError> {
        let mut all = Gathered::new(limit_bytes);
        while let Some(bytes) = self.read().await? {
            all.add(bytes)?;
        }
        Ok(all.whole())
    }

    /// The whole body, up to `limit_bytes`, as a value in JSON.
    ///
    /// # Errors
    /// [`ResponseError`].
    pub async fn json<T: DeserializeOwned>(
        &mut self,
        limit_bytes: usize,
    ) -> Result<T, ResponseError> {
        parse_json(&self.read_all(limit_bytes).await?)
    }

    /// The body as an [`AsyncRead`].
    pub fn reader(&mut self) -> &mut (impl AsyncRead + Unpin) {
        self
    }

    pub(super) fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, ResponseError>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Ok(Some(std::mem::take(&mut self.rest))));
        }
        self.upload.poll(&self.call, cx);
        if !self.call.has_ended() {
            if let Some(fault) = self.poll_fault(cx) {
                return Poll::Ready(Err(ResponseError::Cut(fault)));
            }
        }
        self.call.poll_data(cx).map_err(ResponseError::Cut)
    }

    /// What ends it on our own side.
    fn poll_fault(&mut self, cx: &mut Context<'_>) -> Option<Fault> {
        if let Some(until) = self.until {
            if self.timer.is_due(until, cx) {
                return Some(Fault::DeadlinePassed);
            }
        }
        let stream = self.stream.as_ref()?;
        stream
            .poll_body_dropped(cx)
            .is_ready()
            .then_some(Fault::BodyDropped)
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

impl AsyncRead for Response {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match std::task::ready!(self.poll_data(cx)) {
            Ok(Some(bytes)) => Poll::Ready(Ok(take_part(bytes, out, &mut self.rest))),
            Ok(None) => Poll::Ready(Ok(0)),
            Err(error) => Poll::Ready(Err(error.into_io())),
        }
    }
}

/// Fills `out` from `bytes` and keeps what does not fit.
pub(crate) fn take_part(mut bytes: Bytes, out: &mut [u8], rest: &mut Bytes) -> usize {
    let len = bytes.len().min(out.len());
    bytes.copy_to_slice(&mut out[..len]);
    *rest = bytes;
    len
}

/// A value in JSON.
pub(crate) fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ResponseError> {
    serde_json::from_slice(body).map_err(|error| ResponseError::Json(error.to_string()))
}

/// Pieces of a body as one; a single piece is not copied.
pub(crate) struct Gathered {
    first: Bytes,
    all: BytesMut,
    limit_bytes: usize,
}

impl Gathered {
    pub(crate) fn new(limit_bytes: usize) -> Gathered {
        Gathered {
            first: Bytes::new(),
            all: BytesMut::new(),
            limit_bytes,
        }
    }

    pub(crate) fn add(&mut self, bytes: Bytes) -> Result<(), ResponseError> {
        let have = self.first.len() + self.all.len();
        if have + bytes.len() > self.limit_bytes {
            return Err(ResponseError::TooLarge {
                limit_bytes: self.limit_bytes,
            });
        }
        if have == 0 {
            self.first = bytes;
        } else {
            self.all.extend_from_slice(&std::mem::take(&mut self.first));
            self.all.extend_from_slice(&bytes);
        }
        Ok(())
    }

    pub(crate) fn whole(self) -> Bytes {
        if self.all.is_empty() {
            self.first
        } else {
            self.all.freeze()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_of_one_piece_is_not_copied_and_the_limit_is_exact() {
        let piece = Bytes::from(vec![1; 10]);
        let mut one = Gathered::new(10);
        one.add(piece.clone()).expect("it fits");
        assert_eq!(one.whole().as_ptr(), piece.as_ptr());
        let mut three = Gathered::new(30);
        for _ in 0..3 {
            three.add(piece.clone()).expect("it fits");
        }
        let too_large = three.add(Bytes::from_static(b"x"));
        assert_eq!(too_large, Err(ResponseError::TooLarge { limit_bytes: 30 }));
        assert_eq!(three.whole(), vec![1; 30]);
    }

    #[test]
    fn a_small_reader_gets_a_piece_in_parts() {
        let mut rest = Bytes::new();
        let mut out = [0; 4];
        let read = take_part(Bytes::from_static(b"abcdef"), &mut out, &mut rest);
        assert_eq!((read, &out, &rest[..]), (4, b"abcd", &b"ef"[..]));
        let read = take_part(rest.clone(), &mut out, &mut rest);
        assert_eq!((read, &out[..2], rest.len()), (2, &b"ef"[..], 0));
    }
}
