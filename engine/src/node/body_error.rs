//! What can go wrong with the two bodies of a request, as a handler meets it.

use std::fmt;
use std::io;

use flatend_codec::HeaderTooLarge;

use crate::error::Fault;

/// A body could not be read to its end, or not as what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// It broke: what was read is not the whole. The caller or its link went away, say.
    Cut(Fault),
    /// The handler has returned, and what of the body was left was thrown away.
    HandlerEnded,
    /// It is larger than the limit that the handler gave. As a [`HandlerError`](super::HandlerError): status 413.
    TooLarge {
        /// The limit in bytes.
        limit_bytes: usize,
    },
    /// It is whole, and no JSON of the form that was asked for; the text says where and why. As a
    /// [`HandlerError`](super::HandlerError): status 400.
    Json(String),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A fault speaks of a provider; here the other side is the caller.
            ReadError::Cut(Fault::LinkLost { .. }) => {
                f.write_str("the body was cut: the link to the caller was lost")
            }
            ReadError::Cut(Fault::LinkBroken(how)) => write!(
                f,
                "the body was cut: the link to the caller ended, because the caller broke the protocol: {how}"
            ),
            ReadError::Cut(Fault::Malformed(what)) => {
                write!(
                    f,
                    "the body was cut: the caller sent what cannot be read: {what}"
                )
            }
            ReadError::Cut(Fault::Reset(why)) => {
                write!(f, "the body was cut: the caller gave the request up: {why}")
            }
            ReadError::Cut(fault) => write!(f, "the body was cut: {fault}"),
            ReadError::HandlerEnded => {
                f.write_str("the handler has ended, and the rest of the body was thrown away")
            }
            ReadError::TooLarge { limit_bytes } => write!(
                f,
                "the body is larger than the limit of {limit_bytes} bytes"
            ),
            ReadError::Json(why) => write!(f, "the body is not the JSON that is asked for: {why}"),
        }
    }
}

impl std::error::Error for ReadError {}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> io::Error {
        let kind = match error {
            ReadError::Cut(_) | ReadError::HandlerEnded => io::ErrorKind::UnexpectedEof,
            ReadError::TooLarge { .. } | ReadError::Json(_) => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, error)
    }
}

/// A response could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// The caller has gone, or its link, or the response has ended already. Stop.
    Gone,
    /// A header came after the first write of the body: heads travel first.
    HeadSent,
    /// A header cannot be said on the wire.
    Header(HeaderTooLarge),
    /// The head does not fit the caller's frames: 131,052 bytes with a node of this project or of npm, 4,076 with one of Go.
    HeadTooLarge {
        /// Bytes that the head takes.
        bytes: usize,
        /// Bytes that the caller takes at most.
        max_bytes: usize,
    },
    /// No status of a final HTTP response: 200 to 599 are.
    Status(u16),
    /// A header that HTTP cannot say, or that has a method of its own; the text says which and why.
    BadHeader(String),
    /// The response's body is not as long as its `content-length`. It is cut, or status 500 if nothing was sent yet.
    Length {
        /// What `content-length` says.
        announced: u64,
        /// How long the body is, as far as it was written.
        written: u64,
    },
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriteError::Gone => f.write_str("the caller has gone"),
            WriteError::HeadSent => f.write_str(
                "a header was set after the first write: set headers and status before the body",
            ),
            WriteError::Header(why) => write!(f, "the header cannot be sent: {why}"),
            WriteError::HeadTooLarge { bytes, max_bytes } => write!(
                f,
                "the response's headers take {bytes} bytes and the caller takes {max_bytes} at most"
            ),
            WriteError::Status(status) => {
                write!(f, "{status} is no status of a response: 200 to 599 are")
            }
            WriteError::BadHeader(why) => f.write_str(why),
            WriteError::Length { announced, written } => write!(
                f,
                "the response's content-length is {announced} and its body has {written} bytes"
            ),
        }
    }
}

impl std::error::Error for WriteError {}

impl From<HeaderTooLarge> for WriteError {
    fn from(why: HeaderTooLarge) -> WriteError {
        WriteError::Header(why)
    }
}

impl From<WriteError> for io::Error {
    fn from(error: WriteError) -> io::Error {
        let kind = match error {
            WriteError::Gone => io::ErrorKind::BrokenPipe,
            _ => io::ErrorKind::InvalidInput,
        };
        io::Error::new(kind, error)
    }
}
