//! The two bodies of a request behind the traits of futures-io, for parsers, compressors and copies that want them.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{ready, Context, Poll};

use bytes::{Buf, Bytes};
use futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};

use super::reply::Reply;
use crate::rt::Ticket;

/// Reads a request's body ([`Context::reader`](super::Context::reader)). A body that is cut is an error of the kind
/// `UnexpectedEof`, never an end; so is a read after the handler has ended.
pub struct RequestReader {
    reply: Rc<Reply>,
    /// What of the piece at the front is left.
    piece: Bytes,
}

impl RequestReader {
    pub(super) fn new(reply: Rc<Reply>) -> RequestReader {
        RequestReader {
            reply,
            piece: Bytes::new(),
        }
    }
}

impl AsyncBufRead for RequestReader {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.piece.is_empty() {
            if let Some(piece) = ready!(this.reply.poll_read(cx))? {
                this.piece = piece;
            }
        }
        Poll::Ready(Ok(&this.piece))
    }

    fn consume(mut self: Pin<&mut Self>, bytes: usize) {
        let bytes = bytes.min(self.piece.len());
        self.piece.advance(bytes);
    }
}

impl AsyncRead for RequestReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let piece = ready!(self.as_mut().poll_fill_buf(cx))?;
        let len = piece.len().min(buffer.len());
        buffer[..len].copy_from_slice(&piece[..len]);
        self.consume(len);
        Poll::Ready(Ok(len))
    }
}

/// Writes a response's body ([`Context::writer`](super::Context::writer)). Waits while the link is full. A caller that has gone
/// is an error of the kind `BrokenPipe`; so is a write after the response has ended.
pub struct ResponseWriter {
    reply: Rc<Reply>,
    ticket: Ticket,
}

impl ResponseWriter {
    pub(super) fn new(reply: Rc<Reply>) -> ResponseWriter {
        ResponseWriter {
            reply,
            ticket: Ticket::default(),
        }
    }
}

impl AsyncWrite for ResponseWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.reply.poll_write(cx, &self.ticket, bytes);
        written.map_err(io::Error::from)
    }

    /// Does nothing: what was written leaves at the end of the shard's turn.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.reply.finish().map_err(io::Error::from))
    }
}
