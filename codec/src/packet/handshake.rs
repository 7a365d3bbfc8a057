//! Handshake: `u8 has_id, ID, u8 n, names, 64-byte signature over ID and names without their lengths`. Both legacy decoders ignore
//! trailing bytes, and so do we.

use crate::error::{ApiMisuse, IdentityFault, ProtocolError};
use crate::limits::{GO_MESSAGE_BYTES_MAX, NAME_BYTES_MAX, SERVICES_MAX, SIGNATURE_BYTES};
use crate::names::NamesRef;
use crate::node_id::NodeId;
use crate::wire::{put_name, Reader};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use std::net::SocketAddr;

/// A verified handshake.
pub(crate) struct Handshake<'a> {
    pub(crate) id: Option<NodeId>,
    pub(crate) services: NamesRef<'a>,
    /// What follows: nothing, or the trailer of a peer that speaks flatend/2.
    pub(crate) trailing: &'a [u8],
}

const PACKET: &str = "handshake";
const TRUNCATED: ProtocolError = ProtocolError::Truncated { packet: PACKET };

impl<'a> Handshake<'a> {
    /// Decodes and verifies a body. Names have to be UTF-8, as Go demands.
    pub(crate) fn decode(body: &'a [u8]) -> Result<Self, ProtocolError> {
        let mut reader = Reader::new(body);
        let id = match reader.u8().ok_or(TRUNCATED)? {
            0 => None,
            1 => {
                let (id, taken) = NodeId::decode(reader.rest()).map_err(|error| match error {
                    ProtocolError::Truncated { .. } => TRUNCATED,
                    other => other,
                })?;
                reader.take(taken).ok_or(TRUNCATED)?;
                Some(id)
            }
            flag => return Err(ProtocolError::Identity(IdentityFault::Flag(flag))),
        };
        let services = NamesRef::decode(&mut reader).ok_or(TRUNCATED)?;
        if services
            .iter()
            .any(|name| std::str::from_utf8(name).is_err())
        {
            return Err(ProtocolError::Identity(IdentityFault::NameEncoding));
        }
        if let Some(id) = &id {
            let signature = reader.array::<SIGNATURE_BYTES>().ok_or(TRUNCATED)?;
            verify(id, services, &signature)?;
        }
        Ok(Self {
            id,
            services,
            trailing: reader.rest(),
        })
    }
}

/// Strict verification: a key of low order, for which anybody can sign, is nobody's identity.
fn verify(
    id: &NodeId,
    services: NamesRef<'_>,
    signature: &[u8; SIGNATURE_BYTES],
) -> Result<(), ProtocolError> {
    let fault = ProtocolError::Identity(IdentityFault::Signature);
    let key = VerifyingKey::from_bytes(&id.public_key).map_err(|_| fault.clone())?;
    let mut signed = id.raw();
    signed.reserve(NAME_BYTES_MAX);
    services
        .iter()
        .for_each(|name| signed.extend_from_slice(name));
    key.verify_strict(&signed, &Signature::from_bytes(signature))
        .map_err(|_| fault)
}

/// The body that we send, made and signed once a connection: it covers no fresh value (protocol.md 7). `trailer_bytes` will follow it.
pub(crate) fn encode(
    identity: Option<&(SigningKey, SocketAddr)>,
    services: &[String],
    trailer_bytes: usize,
) -> Result<Vec<u8>, ApiMisuse> {
    let count = u8::try_from(services.len())
        .ok()
        .filter(|count| usize::from(*count) <= SERVICES_MAX)
        .ok_or(ApiMisuse::ServiceCount {
            count: services.len(),
        })?;
    let mut body = Vec::new();
    let mut signed = Vec::new();
    match identity {
        None => body.push(0),
        Some((key, address)) => {
            if address.port() == 0 {
                return Err(ApiMisuse::PortZero);
            }
            body.push(1);
            NodeId::new(key.verifying_key().to_bytes(), *address).encode(&mut signed);
            body.extend_from_slice(&signed);
        }
    }
    body.push(count);
    for name in services {
        if name.is_empty() || !put_name(&mut body, name.as_bytes()) {
            return Err(ApiMisuse::ServiceName { bytes: name.len() });
        }
        signed.extend_from_slice(name.as_bytes());
    }
    if let Some((key, _)) = identity {
        body.extend_from_slice(&key.sign(&signed).to_bytes());
    }
    // The opcode counts too. Who will read this is not known yet, so it is measured as for Go (rule G01).
    let bytes = body.len() + trailer_bytes + 1;
    if bytes > GO_MESSAGE_BYTES_MAX {
        return Err(ApiMisuse::HandshakeTooLarge {
            bytes,
            max: GO_MESSAGE_BYTES_MAX,
        });
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[4; 32])
    }

    #[test]
    fn what_is_encoded_verifies_and_trailing_bytes_do_not_count() {
        let identity = (key(), ([127, 0, 0, 1], 9000).into());
        let mut body = encode(Some(&identity), &["a".into(), "bc".into()], 0).unwrap();
        body.extend_from_slice(b"FL2 and more");
        let handshake = Handshake::decode(&body).unwrap();
        assert_eq!(
            handshake.id.unwrap().public_key,
            key().verifying_key().to_bytes()
        );
        assert_eq!(
            handshake.services.iter().collect::<Vec<_>>(),
            [&b"a"[..], b"bc"]
        );
    }

    #[test]
    fn an_anonymous_handshake_needs_no_signature() {
        let body = encode(None, &["a".into()], 0).unwrap();
        assert_eq!(body, [0, 1, 1, b'a']);
        assert!(Handshake::decode(&body).unwrap().id.is_none());
    }

    #[test]
    fn each_cut_is_truncated_and_each_altered_byte_of_what_is_signed_is_found() {
        let identity = (key(), ([127, 0, 0, 1], 9000).into());
        let body = encode(Some(&identity), &["abc".into()], 0).unwrap();
        for cut in 0..body.len() {
            assert!(Handshake::decode(&body[..cut]).is_err(), "cut {cut}");
        }
        for at in 0..body.len() {
            let mut altered = body.clone();
            altered[at] ^= 1;
            assert!(Handshake::decode(&altered).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_low_order_key_is_nobody() {
        // The neutral element as key, neutral R and S = 0 satisfy the equation for every message, unless checked strictly.
        let mut body = vec![1, 1];
        body.extend_from_slice(&[0; 31]);
        body.extend_from_slice(&[0, 127, 0, 0, 1, 0, 80, 0]);
        body.push(1);
        body.extend_from_slice(&[0; 63]);
        let error = Handshake::decode(&body).err();
        assert_eq!(
            error,
            Some(ProtocolError::Identity(IdentityFault::Signature))
        );
    }

    #[test]
    fn g01_the_largest_handshake_fits_a_go_frame_and_the_next_is_refused() {
        // 4,076 = opcode 1 + has_id 1 + n 1 + 15 × 256 + (1 + 232)
        let mut names = vec!["n".repeat(255); 15];
        names.push("m".repeat(232));
        assert_eq!(encode(None, &names, 0).unwrap().len() + 1, 4_076);
        names.pop();
        names.push("m".repeat(233));
        assert_eq!(
            encode(None, &names, 0),
            Err(ApiMisuse::HandshakeTooLarge {
                bytes: 4_077,
                max: 4_076
            })
        );
    }
}
