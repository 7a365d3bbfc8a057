//! FindNodeRequest: a 32-byte target. FindNodeResponse: `u8 n, n × ID`, the body of a reply.

use crate::error::ProtocolError;
use crate::limits::KEY_BYTES;
use crate::names::IdsRef;
use crate::wire::Reader;

pub(crate) fn decode_request(body: &[u8]) -> Result<[u8; KEY_BYTES], ProtocolError> {
    let mut reader = Reader::new(body);
    let target = reader.array().ok_or(ProtocolError::Truncated {
        packet: "find node",
    })?;
    if !reader.is_empty() {
        return Err(ProtocolError::Trailing {
            packet: "find node",
            bytes: reader.rest().len(),
        });
    }
    Ok(target)
}

pub(crate) fn decode_response(body: &[u8]) -> Result<IdsRef<'_>, ProtocolError> {
    let mut reader = Reader::new(body);
    let ids = IdsRef::decode(&mut reader).ok_or(ProtocolError::Truncated { packet: "nodes" })?;
    if !reader.is_empty() {
        return Err(ProtocolError::Trailing {
            packet: "nodes",
            bytes: reader.rest().len(),
        });
    }
    Ok(ids)
}
