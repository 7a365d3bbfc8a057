//! A response as a thread that is no shard reads it, and the body of its request.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use flatend_codec::HeaderBlock;
use futures_io::{AsyncRead, AsyncWrite};
use serde::de::DeserializeOwned;

use super::super::head::ResponseHead;
use super::super::response::{parse_json, take_part, Gathered, ResponseError};
use super::super::ProviderInfo;
use super::exchange::{Answer, Exchange, Written};
use crate::call::BodyRefused;
use crate::error::CallError;
use crate::limits::UPLOAD_PIECE_BYTES;

/// The reader's end of an exchange. Dropping it gives the request up.
pub(super) struct ReaderEnd(pub(super) Arc<Exchange>);

impl ReaderEnd {
    pub(super) async fn answered(self) -> Result<HandleResponse, CallError> {
        let answer = std::future::poll_fn(|cx| self.0.poll_answer(cx)).await?;
        Ok(HandleResponse {
            end: self,
            answer,
            rest: Bytes::new(),
        })
    }
}

impl Drop for ReaderEnd {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// The response to a request of a [`Handle`](super::Handle): as [`Response`](crate::Response), but `Send`. Dropping it before
/// its end gives the request up. It is an [`AsyncRead`] of its body too.
pub struct HandleResponse {
    end: ReaderEnd,
    answer: Answer,
    rest: Bytes,
}

impl HandleResponse {
    /// The status, 200 where the service set none.
    pub fn status(&self) -> u16 {
        self.answer.head.status()
    }

    /// All headers in order.
    pub fn headers(&self) -> &HeaderBlock {
        self.answer.head.headers()
    }

    /// The first header of that name in any case, if it is UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.answer.head.header(name)
    }

    /// Status and headers.
    pub fn head(&self) -> &ResponseHead {
        &self.answer.head
    }

    /// Who answered.
    pub fn provider(&self) -> Option<ProviderInfo> {
        self.answer.provider.clone()
    }

    /// How many providers were asked, the one that answered included.
    pub fn tries(&self) -> u32 {
        self.answer.tries
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
        self.end.0.trailers()
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
    pub fn reader(&mut self) -> &mut (impl AsyncRead + Unpin + Send) {
        self
    }

    fn poll_data(&mut self, cx: &Context<'_>) -> Poll<Result<Option<Bytes>, ResponseError>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Ok(Some(std::mem::take(&mut self.rest))));
        }
        self.end.0.poll_data(cx).map_err(ResponseError::Cut)
    }
}

impl fmt::Debug for HandleResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandleResponse")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

impl AsyncRead for HandleResponse {
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

/// Where the body of a streamed request of a [`Handle`](super::Handle) goes: as [`BodyWriter`](crate::BodyWriter), but `Send`.
/// Dropping it before [`HandleBody::finish`] gives the request up, unless the provider had refused the rest.
pub struct HandleBody {
    pub(super) exchange: Arc<Exchange>,
}

impl HandleBody {
    /// Sends a piece of the body; waits while 256 KiB are on their way.
    ///
    /// # Errors
    /// [`BodyRefused`]: stop writing. The response, if any, can still be read, and says why if there is none.
    pub async fn write(&mut self, bytes: impl Into<Bytes>) -> Result<(), BodyRefused> {
        let mut left = bytes.into();
        while !left.is_empty() {
            std::future::poll_fn(|cx| self.exchange.poll_room(cx)).await?;
            let len = left.len().min(UPLOAD_PIECE_BYTES);
            self.exchange.write(left.split_to(len));
        }
        Ok(())
    }

    /// Ends the body: it is complete.
    pub fn finish(self) {
        self.exchange.end_body(Written::Ended);
    }

    /// As [`HandleBody::finish`], with headers behind the body, [`TRAILERS_BYTES_MAX`](crate::limits::TRAILERS_BYTES_MAX) at most; their
    /// names should be in lower case. A provider on legacy does not get them.
    pub fn finish_with(self, trailers: HeaderBlock) {
        self.exchange.set_body_trailers(trailers);
        self.exchange.end_body(Written::Ended);
    }
}

impl Drop for HandleBody {
    fn drop(&mut self) {
        self.exchange.end_body(Written::Dropped);
    }
}

impl AsyncWrite for HandleBody {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let room = std::task::ready!(self.exchange.poll_room(cx));
        Poll::Ready(match room {
            Ok(()) => {
                let len = bytes.len().min(UPLOAD_PIECE_BYTES);
                self.exchange.write(Bytes::copy_from_slice(&bytes[..len]));
                Ok(len)
            }
            Err(refused) => Err(io::Error::new(io::ErrorKind::BrokenPipe, refused)),
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.exchange.end_body(Written::Ended);
        Poll::Ready(Ok(()))
    }
}
