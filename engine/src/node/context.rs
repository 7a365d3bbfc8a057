//! What a handler gets: the request's headers and body, and the way to answer. The head of the response travels with the
//! first write; nothing is copied but into the link's output.

use std::fmt;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use flatend_codec::{HeaderBlock, HeaderTooLarge, NodeId, StreamId};

use super::reply::Reply;
use crate::error::Fault;
use crate::mesh::Link;
use crate::shard::{Inbound, Shard};

/// An error of a handler: becomes a JSON response `{"error": …}` with the status, if nothing was sent yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerError {
    pub(super) status: u16,
    pub(super) message: String,
}

impl HandlerError {
    /// Status 500 with `message`, which the caller sees.
    pub fn new(message: impl Into<String>) -> HandlerError {
        HandlerError {
            status: 500,
            message: message.into(),
        }
    }

    /// `message` with an HTTP status of its own.
    pub fn with_status(status: u16, message: impl Into<String>) -> HandlerError {
        HandlerError {
            status,
            message: message.into(),
        }
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (status {})", self.message, self.status)
    }
}

impl<E: std::error::Error> From<E> for HandlerError {
    fn from(err: E) -> HandlerError {
        HandlerError::new(err.to_string())
    }
}

/// A body could not be read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// It broke: what was read is not the whole.
    Cut(Fault),
    /// It is larger than the limit given to [`Context::read_all`].
    TooLarge {
        /// The limit in bytes.
        limit_bytes: usize,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Cut(fault) => write!(f, "the body was cut: {fault}"),
            ReadError::TooLarge { limit_bytes } => write!(
                f,
                "the body is larger than the limit of {limit_bytes} bytes"
            ),
        }
    }
}

impl std::error::Error for ReadError {}

/// A response could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// The caller has gone, or its link.
    Gone,
    /// A header came after the first write of the body: heads travel first.
    HeadSent,
    /// A header's name or value does not fit its length field.
    HeaderTooLarge,
    /// The head does not fit the caller's frames.
    HeadTooLarge,
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WriteError::Gone => "the caller has gone",
            WriteError::HeadSent => {
                "a header was set after the first write: headers travel before the body"
            }
            WriteError::HeaderTooLarge => {
                "a header's name is over 255 bytes or its value over 65,535"
            }
            WriteError::HeadTooLarge => "the response's headers do not fit the caller's frames",
        })
    }
}

impl std::error::Error for WriteError {}

impl From<HeaderTooLarge> for WriteError {
    fn from(_: HeaderTooLarge) -> WriteError {
        WriteError::HeaderTooLarge
    }
}

/// One request and its response. Belongs to the shard that received it.
pub struct Context {
    shard: Rc<Shard>,
    headers: HeaderBlock,
    peer: Option<NodeId>,
    reply: Rc<Reply>,
}

impl Context {
    pub(crate) fn new(
        shard: Rc<Shard>,
        link: Rc<Link>,
        stream: StreamId,
        headers: HeaderBlock,
        body: Rc<Inbound>,
        peer: Option<NodeId>,
    ) -> Context {
        let reply = Reply::new(link, stream, body);
        Context {
            shard,
            headers,
            peer,
            reply: Rc::new(reply),
        }
    }

    pub(crate) fn reply(&self) -> Rc<Reply> {
        self.reply.clone()
    }

    pub(super) fn into_parts(self) -> (HeaderBlock, Rc<Reply>) {
        (self.headers, self.reply)
    }

    /// The shard that runs this handler.
    pub fn shard(&self) -> &Rc<Shard> {
        &self.shard
    }

    /// The caller's ID, if it showed one. On a legacy link it proves nothing.
    pub fn caller(&self) -> Option<&NodeId> {
        self.peer.as_ref()
    }

    /// All request headers, names in lower case.
    pub fn headers(&self) -> &HeaderBlock {
        &self.headers
    }

    /// The first header of that name, if it is UTF-8. Query parameters are `query.NAME`, route parameters `params.NAME`.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(name.as_bytes())
            .and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The next piece of the request's body; `None` at its end.
    ///
    /// # Errors
    /// [`ReadError::Cut`]: the caller or its link went away; what was read is not the whole body.
    pub async fn read(&mut self) -> Result<Option<Bytes>, ReadError> {
        self.reply.read().await
    }

    /// The whole body, up to `limit_bytes`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn read_all(&mut self, limit_bytes: usize) -> Result<Bytes, ReadError> {
        let mut all = BytesMut::new();
        while let Some(bytes) = self.read().await? {
            if all.len() + bytes.len() > limit_bytes {
                return Err(ReadError::TooLarge { limit_bytes });
            }
            if all.is_empty() && self.reply.is_body_finished() {
                return Ok(bytes);
            }
            all.extend_from_slice(&bytes);
        }
        Ok(all.freeze())
    }

    /// Adds a response header. `:status` sets the HTTP status at a gateway.
    ///
    /// # Errors
    /// [`WriteError::HeadSent`] after the first write, [`WriteError::HeaderTooLarge`].
    pub fn set_header(&mut self, name: &str, value: &str) -> Result<(), WriteError> {
        if self.reply.head_sent.get() {
            return Err(WriteError::HeadSent);
        }
        Ok(self
            .reply
            .headers
            .borrow_mut()
            .push(name.to_ascii_lowercase().as_bytes(), value.as_bytes())?)
    }

    /// Sets the HTTP status that a gateway answers with; 200 if never set.
    ///
    /// # Errors
    /// As [`Context::set_header`].
    pub fn set_status(&mut self, status: u16) -> Result<(), WriteError> {
        self.set_header(":status", &status.to_string())
    }

    /// Writes a piece of the response's body; waits while the link is full.
    ///
    /// # Errors
    /// [`WriteError::Gone`] when the caller has gone: stop.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.reply.write(bytes).await
    }

    /// Writes the whole response and ends it.
    ///
    /// # Errors
    /// As [`Context::write`].
    pub async fn send(self, bytes: impl AsRef<[u8]>) -> Result<(), HandlerError> {
        let bytes = bytes.as_ref();
        if !self.reply.head_sent.get() {
            // The whole body is known: HTTP clients get its length instead of chunks.
            let mut headers = self.reply.headers.borrow_mut();
            if headers.get(b"content-length").is_none() {
                headers.push(b"content-length", bytes.len().to_string().as_bytes())?;
            }
        }
        if !bytes.is_empty() {
            self.reply.write(bytes).await?;
        }
        self.reply.finish()?;
        Ok(())
    }
}
