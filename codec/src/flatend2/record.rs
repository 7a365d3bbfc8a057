//! Signed node records (flatend2.md 4, NODES): what a node says of itself for others to pass on. Whoever passes one on can neither
//! change it nor make one up. Times are seconds since 1970, given by the caller.

use std::net::SocketAddr;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use super::address::{put_addresses, take_address};
use crate::error::{IdentityFault, ProtocolError};
use crate::limits::{ADDRESSES_MAX, KEY_BYTES, RECORD_BYTES_MAX, SIGNATURE_BYTES};
use crate::wire::{put_u32, Reader};

const CONTEXT: &[u8] = b"flatend/2 record";
const TRUNCATED: ProtocolError = ProtocolError::Truncated { packet: "record" };

/// What a node says of itself.
///
/// On the wire: `[32] key, u8 n, n × (u8 kind, address, u16 port), u32 capabilities, u64 made_s, u32 lifetime_s, [64] signature`
/// over `"flatend/2 record"` and all before the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its Ed25519 key.
    pub public_key: [u8; KEY_BYTES],
    /// Where it can be dialed, 16 at most.
    pub addresses: Vec<SocketAddr>,
    /// As in HELLO.
    pub capabilities: u32,
    /// When it was made, in seconds since 1970.
    pub made_s: u64,
    /// How long it is good from then, in seconds.
    pub lifetime_s: u32,
}

impl Record {
    /// Signs what the node of `key` says: its public key is set here.
    #[must_use]
    pub fn sign(mut self, key: &SigningKey) -> Vec<u8> {
        self.public_key = key.verifying_key().to_bytes();
        let mut out = CONTEXT.to_vec();
        out.extend_from_slice(&self.public_key);
        out.push(u8::try_from(self.addresses.len().min(ADDRESSES_MAX)).unwrap_or(0));
        put_addresses(&mut out, &self.addresses);
        put_u32(&mut out, self.capabilities);
        out.extend_from_slice(&self.made_s.to_be_bytes());
        put_u32(&mut out, self.lifetime_s);
        let signature = key.sign(&out);
        out.drain(..CONTEXT.len());
        out.extend_from_slice(&signature.to_bytes());
        out
    }

    /// Reads a record and verifies its signature, strictly.
    ///
    /// # Errors
    /// Too few or too many bytes, an address that cannot be, a signature that does not verify.
    pub fn verify(bytes: &[u8]) -> Result<Record, ProtocolError> {
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(ProtocolError::Trailing {
                packet: "record",
                bytes: bytes.len() - RECORD_BYTES_MAX,
            });
        }
        let (said, signature) = bytes
            .len()
            .checked_sub(SIGNATURE_BYTES)
            .and_then(|at| bytes.split_at_checked(at))
            .ok_or(TRUNCATED)?;
        let record = Record::decode(said)?;
        let signature: [u8; SIGNATURE_BYTES] = signature.try_into().map_err(|_| TRUNCATED)?;
        let signed = [CONTEXT, said].concat();
        VerifyingKey::from_bytes(&record.public_key)
            .and_then(|key| key.verify_strict(&signed, &Signature::from_bytes(&signature)))
            .map_err(|_| ProtocolError::Identity(IdentityFault::Signature))?;
        Ok(record)
    }

    pub(crate) fn decode(said: &[u8]) -> Result<Record, ProtocolError> {
        let mut reader = Reader::new(said);
        let public_key = reader.array().ok_or(TRUNCATED)?;
        let count = usize::from(reader.u8().ok_or(TRUNCATED)?);
        if count > ADDRESSES_MAX {
            return Err(ProtocolError::Flood {
                what: "addresses in a record",
                max: ADDRESSES_MAX,
            });
        }
        let addresses = (0..count)
            .map(|_| take_address(&mut reader))
            .collect::<Result<_, _>>()?;
        let record = Record {
            public_key,
            addresses,
            capabilities: reader.u32().ok_or(TRUNCATED)?,
            made_s: reader.array().map(u64::from_be_bytes).ok_or(TRUNCATED)?,
            lifetime_s: reader.u32().ok_or(TRUNCATED)?,
        };
        if !reader.is_empty() {
            return Err(ProtocolError::Trailing {
                packet: "record",
                bytes: reader.rest().len(),
            });
        }
        Ok(record)
    }

    /// Whether it is still good at `now_s`. One from the future is: clocks differ.
    #[must_use]
    pub fn is_good_at(&self, now_s: u64) -> bool {
        now_s <= self.made_s.saturating_add(u64::from(self.lifetime_s))
    }
}

/// Records that a peer sent, bounds-checked and not verified yet: that is done when each is looked at.
#[derive(Copy, Clone, Debug)]
pub struct RecordsRef<'a> {
    count: u8,
    bytes: &'a [u8],
}

impl<'a> RecordsRef<'a> {
    /// `u8 n`, n × (`u16 len`, record).
    pub(crate) fn decode(reader: &mut Reader<'a>) -> Option<Self> {
        let count = reader.u8()?;
        let start = reader.rest();
        for _ in 0..count {
            reader.value()?;
        }
        let bytes = start.get(..start.len() - reader.rest().len())?;
        Some(Self { count, bytes })
    }

    /// How many.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    /// True if there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Each record as it came, for [`Record::verify`] and to be passed on.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> {
        let mut reader = Reader::new(self.bytes);
        std::iter::from_fn(move || reader.value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            public_key: [0; 32],
            addresses: vec![
                ([10, 0, 0, 1], 9000).into(),
                "[2001:db8::1]:9000".parse().unwrap(),
            ],
            capabilities: 5,
            made_s: 1_000,
            lifetime_s: 60,
        }
    }

    #[test]
    fn what_is_signed_verifies_and_no_byte_of_it_can_be_changed() {
        let key = SigningKey::from_bytes(&[4; 32]);
        let bytes = record().sign(&key);
        let back = Record::verify(&bytes).unwrap();
        assert_eq!(back.public_key, key.verifying_key().to_bytes());
        assert_eq!((back.addresses, back.made_s), (record().addresses, 1_000));
        for cut in 0..bytes.len() {
            assert!(Record::verify(&bytes[..cut]).is_err(), "cut {cut}");
        }
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            assert!(Record::verify(&altered).is_err(), "byte {at}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(Record::verify(&longer).is_err());
    }

    #[test]
    fn it_ends_with_its_lifetime_and_the_largest_one_fits() {
        assert!(record().is_good_at(1_060) && !record().is_good_at(1_061));
        assert!(record().is_good_at(0));
        let large = Record {
            addresses: vec!["[2001:db8::1]:9000".parse().unwrap(); ADDRESSES_MAX + 1],
            ..record()
        };
        let bytes = large.sign(&SigningKey::from_bytes(&[4; 32]));
        assert_eq!(bytes.len(), RECORD_BYTES_MAX);
        assert_eq!(
            Record::verify(&bytes).unwrap().addresses.len(),
            ADDRESSES_MAX
        );
    }
}
