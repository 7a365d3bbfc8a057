//! Data: `u32 stream, u16 len, bytes`; len 0 ends its direction of the stream.

use crate::error::ProtocolError;
use crate::wire::{put_u16, put_u32, Reader};

const PACKET: &str = "data";

pub(crate) fn decode(body: &[u8]) -> Result<(u32, &[u8]), ProtocolError> {
    let mut reader = Reader::new(body);
    let truncated = ProtocolError::Truncated { packet: PACKET };
    let stream = reader.u32().ok_or(truncated.clone())?;
    let bytes = reader.value().ok_or(truncated)?;
    if !reader.is_empty() {
        return Err(ProtocolError::Trailing {
            packet: PACKET,
            bytes: reader.rest().len(),
        });
    }
    Ok((stream, bytes))
}

/// Appends opcode and body. The caller has split what is too long; a length beyond 65,535 is cut, never wrapped.
pub(crate) fn encode(out: &mut Vec<u8>, stream: u32, bytes: &[u8]) {
    let len = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    debug_assert_eq!(usize::from(len), bytes.len(), "Data was split before");
    out.push(super::Opcode::Data as u8);
    put_u32(out, stream);
    put_u16(out, len);
    out.extend_from_slice(bytes.get(..usize::from(len)).unwrap_or(bytes));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_exact_in_length() {
        let mut message = Vec::new();
        encode(&mut message, 5, b"abc");
        assert_eq!(message[0], 3);
        let body = &message[1..];
        assert_eq!(decode(body), Ok((5, &b"abc"[..])));
        for cut in 0..body.len() {
            assert!(decode(&body[..cut]).is_err());
        }
        message.push(0);
        assert_eq!(
            decode(&message[1..]),
            Err(ProtocolError::Trailing {
                packet: "data",
                bytes: 1
            })
        );
    }
}
