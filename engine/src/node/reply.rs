//! The response side of a request, shared by its [`Context`](super::Context) and the task that runs the handler. The invariant
//! that a change is likeliest to break: a response that failed after its head is cut, never ended as if it were whole.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bytes::Bytes;
use flatend_codec::{HeaderBlock, ResetCode, StreamId};

use super::context::{HandlerError, ReadError, WriteError};
use crate::json::json_string;
use crate::mesh::Link;
use crate::shard::Inbound;

/// Bytes encoded between two looks at the link's room.
const WRITE_PIECE_BYTES: usize = 64 * 1024;

/// The response side.
pub(crate) struct Reply {
    link: Rc<Link>,
    stream: StreamId,
    pub(super) headers: RefCell<HeaderBlock>,
    pub(super) head_sent: Cell<bool>,
    done: Cell<bool>,
    body: Rc<Inbound>,
}

impl Reply {
    pub(super) fn new(link: Rc<Link>, stream: StreamId, body: Rc<Inbound>) -> Reply {
        Reply {
            link,
            stream,
            headers: RefCell::default(),
            head_sent: Cell::new(false),
            done: Cell::new(false),
            body,
        }
    }

    fn send_head(&self, end: bool) -> Result<(), WriteError> {
        if self.head_sent.replace(true) {
            return Ok(());
        }
        let headers = self.headers.take();
        self.link
            .respond(self.stream, &headers, end)
            .map_err(|err| match err {
                flatend_codec::SendError::HeadTooLarge { .. } => WriteError::HeadTooLarge,
                _ => WriteError::Gone,
            })
    }

    pub(super) async fn read(&self) -> Result<Option<Bytes>, ReadError> {
        std::future::poll_fn(|cx| self.body.poll_chunk(cx))
            .await
            .map_err(ReadError::Cut)
    }

    pub(super) fn is_body_finished(&self) -> bool {
        self.body.is_finished()
    }

    pub(super) fn set_headers(&self, headers: HeaderBlock) -> Result<(), WriteError> {
        if self.head_sent.get() {
            return Err(WriteError::HeadSent);
        }
        *self.headers.borrow_mut() = headers;
        Ok(())
    }

    /// Declines the request: another may be asked.
    pub(super) fn refuse(&self) {
        if !self.head_sent.replace(true) {
            self.done.set(true);
            self.link.reset(self.stream, ResetCode::Refused, "");
        }
    }

    pub(super) async fn caller_gone(&self) {
        self.link.gone().await;
    }

    pub(super) async fn write(&self, bytes: &[u8]) -> Result<(), WriteError> {
        if self.done.get() || self.link.is_lost() {
            return Err(WriteError::Gone);
        }
        self.send_head(false)?;
        // A large piece is encoded as the link has room, so that one writer does not fill memory.
        for piece in bytes.chunks(WRITE_PIECE_BYTES) {
            self.link.room().await;
            if self.link.is_lost() {
                return Err(WriteError::Gone);
            }
            self.link
                .send_data(self.stream, piece)
                .map_err(|_| WriteError::Gone)?;
        }
        Ok(())
    }

    pub(super) fn finish(&self) -> Result<(), WriteError> {
        if self.done.replace(true) {
            return Ok(());
        }
        if self.link.is_lost() {
            return Err(WriteError::Gone);
        }
        if !self.head_sent.get() {
            return self.send_head(true);
        }
        self.link
            .send_end(self.stream)
            .map_err(|_| WriteError::Gone)
    }

    /// The handler has ended: whatever it left open is closed honestly. A response that was begun and failed is cut, never
    /// ended as if it were whole.
    pub(crate) async fn conclude(&self, result: Result<(), HandlerError>) {
        let sent = match result {
            Ok(()) => self.finish(),
            Err(_) if self.done.get() => Ok(()),
            Err(error) if !self.head_sent.get() => self.send_error(&error).await,
            Err(error) => {
                self.link
                    .reset(self.stream, ResetCode::Internal, &error.message);
                self.done.set(true);
                Ok(())
            }
        };
        match sent {
            // The caller has gone: nobody is left to tell.
            Ok(()) | Err(WriteError::Gone) => {}
            Err(_) if !self.link.is_lost() => {
                self.head_sent.set(true);
                self.link.reset(
                    self.stream,
                    ResetCode::Internal,
                    "the response's headers do not fit",
                );
            }
            Err(_) => {}
        }
        // What of the body was not read is thrown away as it comes, and no longer holds the link up.
        self.body.abandon();
        if !self.body.has_ended() {
            self.link.ignore(self.stream);
        }
    }

    async fn send_error(&self, error: &HandlerError) -> Result<(), WriteError> {
        let body = format!("{{\"error\":{}}}", json_string(&error.message));
        {
            let mut headers = self.headers.borrow_mut();
            headers.clear();
            headers.push(b":status", error.status.to_string().as_bytes())?;
            headers.push(b"content-type", b"application/json")?;
        }
        self.write(body.as_bytes()).await?;
        self.finish()
    }
}
