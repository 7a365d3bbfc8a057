//! Who is at fault: the peer ([`ProtocolError`]), our caller ([`ApiMisuse`]), or the state of the link ([`OpenError`],
//! [`SendError`], which also say whether another provider may be tried).

use crate::StreamId;
use std::fmt;

/// The peer broke the protocol, or is dead. The link must end: flush nothing more, send FIN, read and discard (rule N05).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The X25519 shared secret is all zero: the peer sent a low-order point (protocol.md 1).
    LowOrderKey,
    /// A frame's length is outside of what is accepted at this stage.
    FrameLength {
        /// As sent.
        bytes: u32,
        /// Smallest accepted.
        min: usize,
        /// Largest accepted.
        max: usize,
    },
    /// The tag of a frame does not open.
    Tag {
        /// Number of the frame in its direction, from 0.
        frame: u64,
    },
    /// A packet ends before its fields do.
    Truncated {
        /// Which packet.
        packet: &'static str,
    },
    /// A packet goes on after its last field.
    Trailing {
        /// Which packet.
        packet: &'static str,
        /// Bytes too many.
        bytes: usize,
    },
    /// An opcode that the dialect does not know (5 is never sent as one).
    UnknownOpcode(u8),
    /// An RPC number that cannot be: zero where a reply is wanted, non-zero where none is.
    Sequence {
        /// As sent.
        seq: u32,
        /// Which packet.
        packet: &'static str,
    },
    /// A reply to a request that was never made or is answered already.
    UnknownReply {
        /// As sent.
        seq: u32,
    },
    /// A packet came before the handshake that has to be first.
    BeforeHandshake {
        /// Its opcode.
        opcode: u8,
    },
    /// What the handshake shows cannot be an identity.
    Identity(IdentityFault),
    /// A packet names a stream that neither side has used on this link.
    UnknownStream {
        /// As sent.
        stream: StreamId,
        /// Which packet.
        packet: &'static str,
    },
    /// A request uses the number of a stream that is open.
    StreamInUse {
        /// As sent.
        stream: StreamId,
    },
    /// A packet that the state of its stream excludes.
    StreamState {
        /// As sent.
        stream: StreamId,
        /// What was sent when.
        what: &'static str,
    },
    /// More of something than a peer may have pending.
    Flood {
        /// Of what.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// The peer asks without reading the answers.
    NotReading {
        /// Bytes that wait for its socket.
        queued: usize,
        /// The limit.
        max: usize,
    },
    /// The handshake was not done in time.
    HandshakeTimeout {
        /// The limit.
        after_ms: u64,
    },
    /// Requests wait, nothing came in, and a FindNode was not answered (rule G10).
    PeerSilent {
        /// Milliseconds without a byte.
        for_ms: u64,
    },
    /// The connection has failed before; nothing is read any more.
    Closed,
}

/// Why an identity is refused.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum IdentityFault {
    /// `has_id` is neither 0 nor 1.
    Flag(u8),
    /// The kind of address is neither 0 nor 1.
    AddressKind(u8),
    /// Port 0 is invalid (protocol.md 3).
    PortZero,
    /// The Ed25519 signature does not verify, or the key is none.
    Signature,
    /// A service name is not UTF-8.
    NameEncoding,
    /// A second handshake shows another key than the first.
    Changed,
}

impl ProtocolError {
    /// The row of protocol.md section 6 from which this stems, by its id in [`crate::dialect::RULES`].
    #[must_use]
    pub const fn rule(&self) -> Option<&'static str> {
        match self {
            Self::FrameLength { .. } => Some("B04"),
            Self::PeerSilent { .. } => Some("G10"),
            Self::NotReading { .. } => Some("B05"),
            _ => None,
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LowOrderKey => write!(f, "session: the peer's key is a low-order point"),
            Self::FrameLength { bytes, min, max } => {
                write!(
                    f,
                    "frame: length {bytes} is outside of {min} to {max} bytes"
                )
            }
            Self::Tag { frame } => write!(f, "frame {frame}: the tag does not open"),
            Self::Truncated { packet } => write!(f, "{packet}: ends before its fields do"),
            Self::Trailing { packet, bytes } => {
                write!(f, "{packet}: {bytes} bytes follow its last field")
            }
            Self::UnknownOpcode(opcode) => write!(f, "message: unknown opcode {opcode}"),
            Self::Sequence { seq, packet } => {
                write!(f, "{packet}: cannot carry sequence number {seq}")
            }
            Self::UnknownReply { seq } => write!(f, "reply {seq}: no such request is pending"),
            Self::BeforeHandshake { opcode } => {
                write!(f, "message: opcode {opcode} before the handshake")
            }
            Self::Identity(fault) => write!(f, "handshake: {fault}"),
            Self::UnknownStream { stream, packet } => {
                write!(
                    f,
                    "{packet}: stream {} was never used on this link",
                    stream.0
                )
            }
            Self::StreamInUse { stream } => {
                write!(f, "service request: stream {} is open already", stream.0)
            }
            Self::StreamState { stream, what } => write!(f, "stream {}: {what}", stream.0),
            Self::Flood { what, max } => write!(f, "more than {max} {what} pending"),
            Self::NotReading { queued, max } => {
                write!(
                    f,
                    "{queued} bytes wait for a peer that asks without reading, the limit is {max}"
                )
            }
            Self::HandshakeTimeout { after_ms } => write!(f, "no handshake within {after_ms} ms"),
            Self::PeerSilent { for_ms } => {
                write!(
                    f,
                    "requests wait, no byte came for {for_ms} ms and a probe was not answered"
                )
            }
            Self::Closed => write!(f, "the connection has failed before"),
        }
    }
}

impl std::error::Error for ProtocolError {}

impl fmt::Display for IdentityFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(byte) => write!(f, "has_id is {byte}, not 0 or 1"),
            Self::AddressKind(kind) => write!(f, "address kind {kind}, not 0 or 1"),
            Self::PortZero => write!(f, "port 0"),
            Self::Signature => write!(f, "the signature does not verify"),
            Self::NameEncoding => write!(f, "a service name is not UTF-8"),
            Self::Changed => write!(f, "the identity is not the one of the first handshake"),
        }
    }
}

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
            Self::AfterEnd => write!(f, "this direction of the stream has ended"),
            Self::UnknownToken => write!(f, "no FindNode with this token waits for an answer"),
        }
    }
}

impl std::error::Error for ApiMisuse {}

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
