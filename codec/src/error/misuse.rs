//! Our caller's faults.

use std::fmt;

/// Our own caller asked for what cannot be. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApiMisuse {
    /// A service name is empty or over 255 bytes.
    ServiceName {
        /// Its length.
        bytes: usize,
    },
    /// More than 255 service names, or none where one is needed.
    ServiceCount {
        /// How many.
        count: usize,
    },
    /// The handshake with all these names is larger than a Go peer takes (rule G01).
    HandshakeTooLarge {
        /// Whole message, opcode included.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// An acceptor that offers services needs an identity: a Go dialer ignores the services of an anonymous one (rule G06).
    ServicesWithoutIdentity,
    /// An address with port 0 cannot be shown.
    PortZero,
    /// A limit is below what the protocol needs.
    LimitTooLow {
        /// Which.
        limit: &'static str,
        /// The smallest possible.
        min: usize,
    },
    /// `respond` on a stream of ours, a second time, or data before it.
    ResponseOrder,
    /// A `:status` that is none: HTTP has 100 to 999.
    Status,
    /// Data or an end after the end of a direction.
    AfterEnd,
    /// A token that no FindNode of the peer carries, or one answered already.
    UnknownToken,
}

impl fmt::Display for ApiMisuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServiceName { bytes } => {
                write!(f, "a service name has {bytes} bytes, possible are 1 to 255")
            }
            Self::ServiceCount { count } => {
                write!(f, "{count} service names, possible are 1 to 255")
            }
            Self::HandshakeTooLarge { bytes, max } => {
                write!(f, "the handshake with these service names has {bytes} bytes, a Go peer takes {max}")
            }
            Self::ServicesWithoutIdentity => {
                write!(f, "who accepts links and offers services needs an identity")
            }
            Self::PortZero => write!(f, "an address with port 0 cannot be shown"),
            Self::LimitTooLow { limit, min } => write!(f, "limit {limit} is below {min}"),
            Self::ResponseOrder => write!(
                f,
                "one response head comes before data, on streams of the peer only"
            ),
            Self::Status => write!(f, "`:status` is no number from 100 to 999"),
            Self::AfterEnd => write!(f, "this direction of the stream has ended"),
            Self::UnknownToken => write!(f, "no FindNode with this token waits for an answer"),
        }
    }
}

impl std::error::Error for ApiMisuse {}

/// A header that the wire cannot carry (rule B01). Nothing was added.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum HeaderTooLarge {
    /// Possible are 1 to 255 bytes.
    Name {
        /// Its length.
        bytes: usize,
    },
    /// Possible are 0 to 65,535 bytes.
    Value {
        /// Its length.
        bytes: usize,
    },
    /// Possible are 65,535 headers.
    Count,
}

impl fmt::Display for HeaderTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { bytes } => {
                write!(f, "a header name has {bytes} bytes, possible are 1 to 255")
            }
            Self::Value { bytes } => {
                write!(f, "a header value has {bytes} bytes, possible are 65535")
            }
            Self::Count => write!(f, "more than 65535 headers"),
        }
    }
}

impl std::error::Error for HeaderTooLarge {}
