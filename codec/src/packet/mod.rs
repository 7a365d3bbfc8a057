//! The packets of the legacy dialect, one file a kind (protocol.md 2 and 3). Owns opcodes and bodies; refuses nothing that a stream's
//! state would have to decide.

pub(crate) mod data;
pub(crate) mod handshake;
pub(crate) mod lookup;
pub(crate) mod request;
pub(crate) mod response;

/// The first byte of each message that is not a reply.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Opcode {
    Handshake = 0,
    ServiceRequest = 1,
    ServiceResponse = 2,
    Data = 3,
    FindNode = 4,
}

impl Opcode {
    pub(crate) const fn decode(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Handshake),
            1 => Some(Self::ServiceRequest),
            2 => Some(Self::ServiceResponse),
            3 => Some(Self::Data),
            4 => Some(Self::FindNode),
            // 5, FindNodeResponse, is never sent as an opcode.
            _ => None,
        }
    }
}
