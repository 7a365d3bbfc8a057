//! What a call cannot do in the state that the link or the stream is in.

use super::ApiMisuse;
use std::fmt;

/// A request could not be opened. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// The head without extras is larger than this peer takes (rule G01): 431 if no other provider takes it.
    HeadTooLarge {
        /// Whole message.
        bytes: usize,
        /// What this peer takes.
        max: usize,
    },
    /// The handshake is not done, or the first request has to wait (rule G08).
    NotReady,
    /// We said goodbye, or the link is dead.
    Retiring,
    /// All streams that one link may have are in flight.
    IdsExhausted,
    /// The peer announced none of the names, and asking it could stall the link (rule G10).
    NotOffered,
    /// We showed no identity, and a Go peer would die of the request (rule G05).
    Anonymous,
    /// Too many bytes wait for the socket.
    Full,
    /// The peer takes no further request at the moment (flatend/2's CREDIT).
    NotGranted,
    /// There is no room ([`WindowRoom`](crate::WindowRoom)) for what the response may bring.
    OverBudget,
    /// Our caller's fault.
    ApiMisuse(ApiMisuse),
}

impl OpenError {
    /// May the same request be tried at another provider? No byte of it has left.
    #[must_use]
    pub const fn try_elsewhere(&self) -> bool {
        !matches!(self, Self::ApiMisuse(_))
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeadTooLarge { bytes, max } => write!(
                f,
                "the request head has {bytes} bytes, the peer takes {max}"
            ),
            Self::NotReady => write!(f, "the link is not ready for requests yet"),
            Self::Retiring => write!(f, "the link takes no new requests"),
            Self::IdsExhausted => write!(f, "all streams of the link are in flight"),
            Self::NotOffered => write!(f, "the peer announced none of these services"),
            Self::Anonymous => write!(f, "an anonymous node must not call this peer"),
            Self::Full => write!(f, "too many bytes wait for the socket"),
            Self::NotGranted => write!(f, "the peer takes no further request at the moment"),
            Self::OverBudget => write!(
                f,
                "the memory for what peers may send is given to other streams"
            ),
            Self::ApiMisuse(misuse) => misuse.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {}

/// Something could not be sent. Nothing of it was.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The stream has ended on both sides, was reset, or was answered early: send nothing more.
    StreamGone,
    /// The dialect has no such thing.
    Unsupported,
    /// Too many bytes wait for the socket; the stream lives.
    Full,
    /// A response head larger than this peer takes (rule G01); the stream lives.
    HeadTooLarge {
        /// Whole message.
        bytes: usize,
        /// What this peer takes.
        max: usize,
    },
    /// The caller had not ended its body, and more response bytes came than are kept back: the stream was answered "not handled"
    /// and is gone (rule G11).
    HeldTooMuch {
        /// The limit.
        max: usize,
    },
    /// The handshake is not done, or too many lookups are pending.
    NotReady,
    /// Our caller's fault.
    ApiMisuse(ApiMisuse),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StreamGone => write!(f, "the stream is gone"),
            Self::Unsupported => write!(f, "this peer's dialect cannot say that"),
            Self::Full => write!(f, "too many bytes wait for the socket"),
            Self::HeadTooLarge { bytes, max } => {
                write!(
                    f,
                    "the response head has {bytes} bytes, the peer takes {max}"
                )
            }
            Self::HeldTooMuch { max } => {
                write!(f, "the caller reads nothing before its body has ended, and {max} bytes were kept back for it")
            }
            Self::NotReady => write!(f, "the link is not ready for this"),
            Self::ApiMisuse(misuse) => misuse.fmt(f),
        }
    }
}

impl std::error::Error for SendError {}
