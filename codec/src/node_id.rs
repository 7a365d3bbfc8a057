//! Who a node is and where it can be dialed (protocol.md 3, ID). Owns the wire form; keeps the bytes as received, since the
//! signature of a handshake covers them, and takes an IPv4-mapped address for IPv4.

use crate::error::{IdentityFault, ProtocolError};
use crate::limits::KEY_BYTES;
use crate::wire::Reader;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Kind, address, port, behind the key: 7 bytes with an IPv4 address, 19 with an IPv6 one.
const PLACE_BYTES_MAX: usize = 1 + 16 + 2;

/// A node's Ed25519 public key and the address that it shows.
#[derive(Clone)]
pub struct NodeId {
    /// Ed25519 public key.
    pub public_key: [u8; 32],
    /// Where it says it can be dialed; IPv4-mapped addresses are IPv4 here. May be unspecified: then the address of the link counts.
    pub address: SocketAddr,
    /// Behind the key on the wire, as received.
    place: [u8; PLACE_BYTES_MAX],
    place_len: u8,
}

impl NodeId {
    /// An id of our own making; its wire form is the shortest one (IPv4 as kind 0).
    #[must_use]
    pub fn new(public_key: [u8; 32], address: SocketAddr) -> Self {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        let mut place = [0u8; PLACE_BYTES_MAX];
        let mut len = 0;
        let mut put = |bytes: &[u8]| {
            for (slot, byte) in place.iter_mut().skip(len).zip(bytes) {
                *slot = *byte;
            }
            len += bytes.len();
        };
        match address.ip() {
            IpAddr::V4(ip) => {
                put(&[0]);
                put(&ip.octets());
            }
            IpAddr::V6(ip) => {
                put(&[1]);
                put(&ip.octets());
            }
        }
        put(&address.port().to_be_bytes());
        Self {
            public_key,
            address,
            place,
            place_len: u8::try_from(len).unwrap_or(u8::MAX),
        }
    }

    /// Reads an id off the front of `bytes`; gives it and the number of bytes it took.
    ///
    /// # Errors
    /// Too few bytes, a kind of address other than 0 and 1, port 0.
    pub fn decode(bytes: &[u8]) -> Result<(Self, usize), ProtocolError> {
        let mut reader = Reader::new(bytes);
        if let Some(kind) = bytes.get(KEY_BYTES).filter(|kind| **kind > 1) {
            return Err(ProtocolError::Identity(IdentityFault::AddressKind(*kind)));
        }
        let raw = Self::take_raw(&mut reader).ok_or(ProtocolError::Truncated { packet: "id" })?;
        Ok((Self::from_raw(raw)?, raw.len()))
    }

    /// Appends the wire form that we show to others: IPv4 as kind 0, however it was received.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&Self::new(self.public_key, self.address).raw());
    }

    /// The wire bytes as received (or as made): what a handshake's signature covers.
    #[must_use]
    pub fn raw(&self) -> Vec<u8> {
        let place = self.place.get(..usize::from(self.place_len));
        let mut raw = Vec::with_capacity(KEY_BYTES + PLACE_BYTES_MAX);
        raw.extend_from_slice(&self.public_key);
        raw.extend_from_slice(place.unwrap_or(&self.place));
        raw
    }

    /// Takes the bytes of one id if they are all there and the kind is known; says nothing about their value.
    pub(crate) fn take_raw<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
        let rest = reader.rest();
        let len = match rest.get(KEY_BYTES)? {
            0 => KEY_BYTES + 1 + 4 + 2,
            1 => KEY_BYTES + 1 + 16 + 2,
            _ => return None,
        };
        reader.take(len)
    }

    pub(crate) fn from_raw(bytes: &[u8]) -> Result<Self, ProtocolError> {
        let truncated = ProtocolError::Truncated { packet: "id" };
        let mut reader = Reader::new(bytes);
        let public_key = reader.array::<KEY_BYTES>().ok_or(truncated.clone())?;
        let ip = match reader.u8().ok_or(truncated.clone())? {
            0 => IpAddr::V4(Ipv4Addr::from(
                reader.array::<4>().ok_or(truncated.clone())?,
            )),
            1 => IpAddr::V6(Ipv6Addr::from(
                reader.array::<16>().ok_or(truncated.clone())?,
            ))
            .to_canonical(),
            kind => return Err(ProtocolError::Identity(IdentityFault::AddressKind(kind))),
        };
        let port = reader.u16().ok_or(truncated)?;
        if port == 0 {
            return Err(ProtocolError::Identity(IdentityFault::PortZero));
        }
        let behind_key = bytes.get(KEY_BYTES..).unwrap_or_default();
        let mut place = [0u8; PLACE_BYTES_MAX];
        for (slot, byte) in place.iter_mut().zip(behind_key) {
            *slot = *byte;
        }
        let place_len = behind_key.len().min(PLACE_BYTES_MAX);
        Ok(Self {
            public_key,
            address: SocketAddr::new(ip, port),
            place,
            place_len: u8::try_from(place_len).unwrap_or(u8::MAX),
        })
    }
}

/// Two ids are the same if key and address are; how the address was written does not count.
impl PartialEq for NodeId {
    fn eq(&self, other: &Self) -> bool {
        self.public_key == other.public_key && self.address == other.address
    }
}

impl Eq for NodeId {}

impl Hash for NodeId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.public_key.hash(state);
        self.address.hash(state);
    }
}

impl std::fmt::Debug for NodeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NodeId(")?;
        for byte in self.public_key.iter().take(4) {
            write!(f, "{byte:02x}")?;
        }
        write!(f, "…, {})", self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_is_39_bytes_of_kind_0_and_ipv6_51_of_kind_1() {
        let four = NodeId::new([7; 32], ([127, 0, 0, 1], 9000).into());
        assert_eq!(four.raw().len(), 39);
        assert_eq!(&four.raw()[32..], &[0, 127, 0, 0, 1, 0x23, 0x28]);
        let six = NodeId::new([7; 32], SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 1));
        assert_eq!(six.raw().len(), 51);
        for id in [four, six] {
            let mut bytes = Vec::new();
            id.encode(&mut bytes);
            bytes.push(99);
            let (back, taken) = NodeId::decode(&bytes).unwrap();
            assert_eq!((back, taken), (id, bytes.len() - 1));
        }
    }

    #[test]
    fn a_mapped_address_is_ipv4_and_keeps_its_bytes_for_the_signature() {
        let mut bytes = vec![7; 32];
        bytes.push(1);
        bytes.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 1, 2, 3, 0, 80]);
        let (id, taken) = NodeId::decode(&bytes).unwrap();
        assert_eq!(taken, 51);
        assert_eq!(id.address, ([10, 1, 2, 3], 80).into());
        assert_eq!(id.raw(), &bytes[..]);
        let mut shown = Vec::new();
        id.encode(&mut shown);
        assert_eq!(shown.len(), 39);
        assert_eq!(id, NodeId::new([7; 32], ([10, 1, 2, 3], 80).into()));
    }

    #[test]
    fn what_cannot_be_an_id_is_refused() {
        let mut bytes = Vec::new();
        NodeId::new([7; 32], ([127, 0, 0, 1], 1).into()).encode(&mut bytes);
        assert!(NodeId::decode(&bytes).is_ok());
        for cut in 0..bytes.len() {
            assert_eq!(
                NodeId::decode(&bytes[..cut]),
                Err(ProtocolError::Truncated { packet: "id" })
            );
        }
        bytes[38] = 0;
        assert_eq!(
            NodeId::decode(&bytes),
            Err(ProtocolError::Identity(IdentityFault::PortZero))
        );
        bytes[32] = 2;
        assert_eq!(
            NodeId::decode(&bytes),
            Err(ProtocolError::Identity(IdentityFault::AddressKind(2)))
        );
    }
}
