//! HELLO (flatend2.md 5): who a peer is, signed for this link alone. Fields `u8 tag, u16 length, bytes` in rising order, duplicates
//! refused, unknown tags skipped, the signature last. Refuses to give anything of it out before the signature is verified.

mod fields;

use std::net::SocketAddr;
use std::sync::Arc;

use blake2::{Blake2b512, Digest};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use super::record::Record;
use crate::connection::Role;
use crate::error::{IdentityFault, ProtocolError};
use crate::limits::{KEY_BYTES, SIGNATURE_BYTES, SOFTWARE_BYTES_MAX};
use crate::wire::{put_u16, put_u32, Reader};

use super::address::put_addresses;
use fields::Fields;

/// The version that this page fixes.
const VERSION: u16 = 2;
const PACKET: &str = "hello";
const TRUNCATED: ProtocolError = ProtocolError::Truncated { packet: PACKET };

mod tag {
    pub(super) const VERSION: u8 = 1;
    pub(super) const CAPABILITIES: u8 = 2;
    /// `u8`: the largest plaintext is 64 KiB × 2^k.
    pub(super) const PLAINTEXT_LOG2: u8 = 3;
    pub(super) const PUBLIC_KEY: u8 = 4;
    /// Each `u8 kind, address, u16 port`, as in an ID of protocol.md 3.
    pub(super) const ADDRESSES: u8 = 5;
    pub(super) const INSTANCE: u8 = 6;
    /// `u16 shards, u16 lane`.
    pub(super) const LANES: u8 = 7;
    pub(super) const FIRST_GRANT: u8 = 8;
    pub(super) const SOFTWARE: u8 = 9;
    /// The sender's signed record, for the receiver to pass on.
    pub(super) const RECORD: u8 = 10;
    // 32 and 33 are reserved for an ML-KEM-768 key and its ciphertext.
    pub(super) const SIGNATURE: u8 = 255;
}

/// What a HELLO says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Bits that nothing is said about yet; unknown ones are ignored.
    pub capabilities: u32,
    /// The largest plaintext that its sender takes is 64 KiB × 2^k, k at most 8.
    pub plaintext_log2: u8,
    /// The Ed25519 key.
    pub public_key: [u8; KEY_BYTES],
    /// Where its sender can be dialed; none is anonymous.
    pub addresses: Vec<SocketAddr>,
    /// Of the process: replicas may share a key.
    pub instance: [u8; 16],
    /// Shards of its sender.
    pub shards: u16,
    /// Which of the links between two instances this is, from 0.
    pub lane: u16,
    /// Requests that the other side may send before any CREDIT.
    pub first_grant: u32,
    /// Name and version, for logs.
    pub software: String,
    /// Its signed record, for NODES; one that does not verify, or is of another key, is left out.
    pub record: Option<Arc<[u8]>>,
}

fn put_field(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    // All fields are bounded far below: see the limits asserted there.
    put_u16(out, u16::try_from(bytes.len()).unwrap_or(u16::MAX));
    out.extend_from_slice(bytes);
}

/// `"flatend/2 identity" | u8 role | binding | BLAKE2b-512(all fields before the signature)`
fn signed(role: Role, binding: &[u8; KEY_BYTES], fields: &[u8]) -> Vec<u8> {
    let mut message = b"flatend/2 identity".to_vec();
    message.push(match role {
        Role::Dialer => 0,
        Role::Acceptor => 1,
    });
    message.extend_from_slice(binding);
    message.extend_from_slice(&Blake2b512::digest(fields));
    message
}

impl Hello {
    /// Without a record that is not its sender's: it would be passed on in vain.
    fn with_own_record(mut self) -> Hello {
        let key = self.public_key;
        let own = |bytes: &Arc<[u8]>| Record::verify(bytes).is_ok_and(|it| it.public_key == key);
        self.record = self.record.filter(own);
        self
    }

    /// The body of the HELLO that `role` sends.
    pub(crate) fn encode(
        &self,
        role: Role,
        binding: &[u8; KEY_BYTES],
        key: &SigningKey,
    ) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        put_field(&mut out, tag::VERSION, &VERSION.to_be_bytes());
        put_field(
            &mut out,
            tag::CAPABILITIES,
            &self.capabilities.to_be_bytes(),
        );
        put_field(&mut out, tag::PLAINTEXT_LOG2, &[self.plaintext_log2]);
        put_field(&mut out, tag::PUBLIC_KEY, &self.public_key);
        let mut addresses = Vec::new();
        put_addresses(&mut addresses, &self.addresses);
        put_field(&mut out, tag::ADDRESSES, &addresses);
        put_field(&mut out, tag::INSTANCE, &self.instance);
        let mut lanes = Vec::new();
        put_u16(&mut lanes, self.shards);
        put_u16(&mut lanes, self.lane);
        put_field(&mut out, tag::LANES, &lanes);
        let mut grant = Vec::new();
        put_u32(&mut grant, self.first_grant);
        put_field(&mut out, tag::FIRST_GRANT, &grant);
        let mut software = &*self.software;
        while software.len() > SOFTWARE_BYTES_MAX {
            // Cut between characters.
            let mut chars = software.chars();
            chars.next_back();
            software = chars.as_str();
        }
        put_field(&mut out, tag::SOFTWARE, software.as_bytes());
        if let Some(record) = &self.record {
            put_field(&mut out, tag::RECORD, record);
        }
        Self::sign_fields(out, role, binding, key)
    }

    /// Puts the signature behind all other fields.
    pub(crate) fn sign_fields(
        mut fields: Vec<u8>,
        role: Role,
        binding: &[u8; KEY_BYTES],
        key: &SigningKey,
    ) -> Vec<u8> {
        let signature = key.sign(&signed(role, binding, &fields));
        put_field(&mut fields, tag::SIGNATURE, &signature.to_bytes());
        fields
    }

    /// Decodes what `role` sent, and verifies it.
    ///
    /// # Errors
    /// Fields that are missing, repeated, out of order or of a wrong size; a signature that does not verify strictly.
    pub(crate) fn decode(
        body: &[u8],
        role: Role,
        binding: &[u8; KEY_BYTES],
    ) -> Result<Hello, ProtocolError> {
        let mut reader = Reader::new(body);
        let mut fields = Fields::default();
        let mut last = None;
        while !reader.is_empty() {
            let before = body.len() - reader.rest().len();
            let tag = reader.u8().ok_or(TRUNCATED)?;
            let bytes = reader.value().ok_or(TRUNCATED)?;
            if last.is_some_and(|last| tag <= last) {
                return Err(ProtocolError::Hello {
                    field: tag,
                    what: "repeated or out of order",
                });
            }
            last = Some(tag);
            if tag == tag::SIGNATURE {
                if !reader.is_empty() {
                    return Err(ProtocolError::Trailing {
                        packet: PACKET,
                        bytes: reader.rest().len(),
                    });
                }
                let covered = body.get(..before).ok_or(TRUNCATED)?;
                let hello = fields.finish()?;
                verify(
                    &hello.public_key,
                    &signed(role, binding, covered),
                    tag,
                    bytes,
                )?;
                return Ok(hello.with_own_record());
            }
            fields.take(tag, bytes)?;
        }
        Err(missing(tag::SIGNATURE))
    }
}

fn verify(
    key: &[u8; KEY_BYTES],
    message: &[u8],
    field: u8,
    signature: &[u8],
) -> Result<(), ProtocolError> {
    let signature: [u8; SIGNATURE_BYTES] = signature.try_into().map_err(|_| wrong_size(field))?;
    let fault = ProtocolError::Identity(IdentityFault::Signature);
    VerifyingKey::from_bytes(key)
        .and_then(|key| key.verify_strict(message, &Signature::from_bytes(&signature)))
        .map_err(|_| fault)
}

fn missing(field: u8) -> ProtocolError {
    ProtocolError::Hello {
        field,
        what: "missing",
    }
}

fn wrong_size(field: u8) -> ProtocolError {
    ProtocolError::Hello {
        field,
        what: "of a wrong size",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::RECORD_BYTES_MAX;

    const BINDING: [u8; 32] = [9; 32];

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[4; 32])
    }

    fn hello() -> Hello {
        Hello {
            capabilities: 0,
            plaintext_log2: 0,
            public_key: key().verifying_key().to_bytes(),
            addresses: vec![([127, 0, 0, 1], 9000).into(), "[::1]:9000".parse().unwrap()],
            instance: [5; 16],
            shards: 2,
            lane: 1,
            first_grant: 1_000,
            software: "flatend 0.1".to_owned(),
            record: None,
        }
    }

    #[test]
    fn what_is_encoded_is_decoded_and_each_cut_or_altered_byte_is_found() {
        let body = hello().encode(Role::Dialer, &BINDING, &key());
        assert_eq!(
            Hello::decode(&body, Role::Dialer, &BINDING).unwrap(),
            hello()
        );
        for cut in 0..body.len() {
            let error = Hello::decode(&body[..cut], Role::Dialer, &BINDING);
            assert!(error.is_err(), "cut {cut}");
        }
        for at in 0..body.len() {
            let mut altered = body.clone();
            altered[at] ^= 1;
            let error = Hello::decode(&altered, Role::Dialer, &BINDING);
            assert!(error.is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_hello_serves_for_its_link_and_its_role_alone() {
        let body = hello().encode(Role::Dialer, &BINDING, &key());
        let signature = Err(ProtocolError::Identity(IdentityFault::Signature));
        assert_eq!(Hello::decode(&body, Role::Acceptor, &BINDING), signature);
        assert_eq!(Hello::decode(&body, Role::Dialer, &[8; 32]), signature);
    }

    /// The same fields, changed by `change`, signed again.
    fn signed_again(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut body = hello().encode(Role::Dialer, &BINDING, &key());
        body.truncate(body.len() - 3 - SIGNATURE_BYTES);
        change(&mut body);
        Hello::sign_fields(body, Role::Dialer, &BINDING, &key())
    }

    #[test]
    fn a_record_is_kept_only_if_it_is_the_senders() {
        let record = |key: &SigningKey| {
            let record = Record {
                public_key: [0; 32],
                addresses: hello().addresses,
                capabilities: 0,
                made_s: 1,
                lifetime_s: 60,
            };
            record.sign(key)
        };
        let decoded = |record: Vec<u8>| {
            let hello = Hello {
                record: Some(record.into()),
                ..hello()
            };
            let body = hello.encode(Role::Dialer, &BINDING, &key());
            Hello::decode(&body, Role::Dialer, &BINDING).map(|hello| hello.record)
        };
        let own = record(&key());
        assert_eq!(decoded(own.clone()), Ok(Some(own.into())));
        assert_eq!(decoded(record(&SigningKey::from_bytes(&[5; 32]))), Ok(None));
        assert_eq!(decoded(vec![1, 2, 3]), Ok(None));
        let large = decoded(vec![0; RECORD_BYTES_MAX + 1]);
        assert_eq!(large, Err(wrong_size(tag::RECORD)));
    }

    #[test]
    fn unknown_fields_are_skipped_and_repeated_or_unordered_ones_refused() {
        let unknown = signed_again(|body| put_field(body, 200, b"later"));
        assert_eq!(
            Hello::decode(&unknown, Role::Dialer, &BINDING).unwrap(),
            hello()
        );
        for tag in [tag::SOFTWARE, tag::VERSION] {
            let body = signed_again(|body| put_field(body, tag, &[0, 2]));
            assert_eq!(
                Hello::decode(&body, Role::Dialer, &BINDING),
                Err(ProtocolError::Hello {
                    field: tag,
                    what: "repeated or out of order"
                })
            );
        }
    }

    #[test]
    fn a_field_that_is_missing_or_of_a_wrong_size_is_named() {
        let body = signed_again(|body| {
            // Without the last two fields: the software and the grant.
            body.truncate(body.len() - 3 - "flatend 0.1".len() - 3 - 4);
        });
        assert_eq!(
            Hello::decode(&body, Role::Dialer, &BINDING),
            Err(missing(tag::FIRST_GRANT))
        );
        let body = signed_again(|body| {
            body.clear();
            put_field(body, tag::VERSION, &[2]);
        });
        assert_eq!(
            Hello::decode(&body, Role::Dialer, &BINDING),
            Err(wrong_size(tag::VERSION))
        );
    }
}
