//! Lists of addresses, in HELLO and in records: each `u8 kind, address, u16 port`, as in an ID of protocol.md 3.

use std::net::{IpAddr, SocketAddr};

use crate::error::{IdentityFault, ProtocolError};
use crate::limits::ADDRESSES_MAX;
use crate::wire::{put_u16, Reader};

const TRUNCATED: ProtocolError = ProtocolError::Truncated { packet: "address" };

/// All that a field holds.
pub(super) fn addresses(bytes: &[u8]) -> Result<Vec<SocketAddr>, ProtocolError> {
    let mut reader = Reader::new(bytes);
    let mut addresses = Vec::new();
    while !reader.is_empty() {
        let address = take_address(&mut reader)?;
        if addresses.len() == ADDRESSES_MAX {
            return Err(ProtocolError::Flood {
                what: "addresses in a hello",
                max: ADDRESSES_MAX,
            });
        }
        addresses.push(address);
    }
    // They are kept as long as the link.
    addresses.shrink_to_fit();
    Ok(addresses)
}

/// Appends the first 16 addresses, each `u8 kind, address, u16 port`.
pub(super) fn put_addresses(out: &mut Vec<u8>, addresses: &[SocketAddr]) {
    for address in addresses.iter().take(ADDRESSES_MAX) {
        match address.ip() {
            IpAddr::V4(ip) => {
                out.push(0);
                out.extend_from_slice(&ip.octets());
            }
            IpAddr::V6(ip) => {
                out.push(1);
                out.extend_from_slice(&ip.octets());
            }
        }
        put_u16(out, address.port());
    }
}

/// One address; an IPv4-mapped one is IPv4, and port 0 is none.
pub(super) fn take_address(reader: &mut Reader<'_>) -> Result<SocketAddr, ProtocolError> {
    let ip: IpAddr = match reader.u8().ok_or(TRUNCATED)? {
        0 => IpAddr::from(reader.array::<4>().ok_or(TRUNCATED)?),
        1 => IpAddr::from(reader.array::<16>().ok_or(TRUNCATED)?).to_canonical(),
        kind => return Err(ProtocolError::Identity(IdentityFault::AddressKind(kind))),
    };
    match reader.u16().ok_or(TRUNCATED)? {
        0 => Err(ProtocolError::Identity(IdentityFault::PortZero)),
        port => Ok(SocketAddr::new(ip, port)),
    }
}
