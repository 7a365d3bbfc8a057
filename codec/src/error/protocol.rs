//! The peer's faults.

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
    /// The peer speaks legacy alone, and we do not take that.
    LegacyRefused,
    /// The first frame of a peer of flatend/2 does not open: it has another network key, or somebody stands in between.
    FirstFrame,
    /// A message of the link on a stream, or the reverse (flatend2.md 3).
    Misplaced {
        /// Its kind.
        kind: u8,
        /// As sent.
        stream: u64,
    },
    /// More of a body than its stream's window allows (flatend2.md 4).
    WindowExceeded {
        /// Of which stream.
        stream: StreamId,
        /// Bytes beyond it.
        bytes: u64,
    },
    /// A field of a HELLO that is not as flatend2.md 5 says.
    Hello {
        /// Its tag.
        field: u8,
        /// What it is.
        what: &'static str,
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
    /// Another key than the one that was expected at this address.
    Unexpected,
    /// Both sides speak flatend/2, and somebody in between made this a legacy session (flatend2.md 1).
    Downgraded,
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
            Self::LegacyRefused => write!(
                f,
                "the peer does not speak flatend/2, and nothing else is taken here"
            ),
            Self::FirstFrame => write!(
                f,
                "the first frame does not open: the peer has another network key, or none"
            ),
            Self::Misplaced { kind, stream } => {
                write!(f, "message: kind {kind} cannot stand on stream {stream}")
            }
            Self::WindowExceeded { stream, bytes } => {
                write!(f, "stream {}: {bytes} bytes beyond its window", stream.0)
            }
            Self::Hello { field, what } => write!(f, "hello: field {field} is {what}"),
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
            Self::Unexpected => write!(f, "the key is not the expected one"),
            Self::Downgraded => write!(
                f,
                "both sides speak flatend/2, but somebody in between made this a legacy session"
            ),
            Self::Changed => write!(f, "the identity is not the one of the first handshake"),
        }
    }
}
