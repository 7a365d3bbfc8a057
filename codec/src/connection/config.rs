//! What a connection is made from, and the small answers about its peer.

use crate::dialect::PeerKind;
use crate::error::ApiMisuse;
use crate::flatend2::{Hello, Own};
use crate::header::HeaderBlock;
use crate::limits::{Limits, NAME_BYTES_MAX, SERVICES_MAX};
use crate::node_id::NodeId;
use ed25519_dalek::SigningKey;
use std::net::SocketAddr;

/// Which side opened the TCP connection.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Role {
    /// We did.
    Dialer,
    /// The peer did.
    Acceptor,
}

/// What [`Connection::new`](crate::Connection::new) needs.
pub struct Config<'a> {
    /// Who opened the link.
    pub role: Role,
    /// Fresh random bytes, once a connection.
    pub ephemeral_secret: [u8; 32],
    /// Our key and the address that we show on this very link (protocol.md 4); `None` is anonymous. Show an IPv6 address only on a
    /// link that itself runs over IPv6: npm nodes cannot parse one (rule N09).
    pub identity: Option<(SigningKey, SocketAddr)>,
    /// Names that we offer.
    pub services: &'a [String],
    /// Bounds.
    pub limits: Limits,
    /// What we say of ourselves on flatend/2; `None` speaks legacy alone.
    pub flatend2: Option<Flatend2<'a>>,
}

/// What a node says of itself on flatend/2 (flatend2.md 5), and whom it takes.
pub struct Flatend2<'a> {
    /// The node's key: always one, also for a node that shows no address.
    pub key: SigningKey,
    /// Where the node can be dialed: 16 at most, none is anonymous.
    pub addresses: &'a [SocketAddr],
    /// Random bytes of this process.
    pub instance: [u8; 16],
    /// Shards of the node, and which of the links between the same two instances this is.
    pub shards: u16,
    /// As above, from 0.
    pub lane: u16,
    /// Requests of the peer that may be in flight.
    pub requests_max: u32,
    /// Name and version, for the peer's log.
    pub software: &'a str,
    /// Our signed record ([`Record::sign`](crate::Record::sign)), for the peer to pass on; none is not named to others.
    pub record: Option<Vec<u8>>,
    /// The key that all nodes of the network share.
    pub network_key: Option<[u8; 32]>,
    /// The key that the peer must show.
    pub expected_key: Option<[u8; 32]>,
    /// Whether a peer that speaks legacy alone is taken.
    pub legacy: bool,
}

impl Flatend2<'_> {
    pub(crate) fn to_own(&self, services: &[String]) -> Result<Own, ApiMisuse> {
        check_names(services)?;
        if self.addresses.iter().any(|address| address.port() == 0) {
            return Err(ApiMisuse::PortZero);
        }
        if self.requests_max == 0 {
            return Err(ApiMisuse::LimitTooLow {
                limit: "requests_max",
                min: 1,
            });
        }
        Ok(Own {
            hello: Hello {
                capabilities: 0,
                plaintext_log2: 0,
                public_key: self.key.verifying_key().to_bytes(),
                addresses: self.addresses.to_vec(),
                instance: self.instance,
                shards: self.shards,
                lane: self.lane,
                first_grant: self.requests_max,
                software: self.software.to_owned(),
                record: self.record.as_deref().map(Into::into),
            },
            key: self.key.clone(),
            network_key: self.network_key,
            services: services.to_vec(),
            epoch: 0,
            expected_key: self.expected_key,
            legacy: self.legacy,
            binding: [0; 32],
        })
    }
}

/// Names of 1 to 255 bytes, 255 at most.
pub(crate) fn check_names(services: &[String]) -> Result<(), ApiMisuse> {
    if services.len() > SERVICES_MAX {
        return Err(ApiMisuse::ServiceCount {
            count: services.len(),
        });
    }
    match services
        .iter()
        .find(|name| name.is_empty() || name.len() > NAME_BYTES_MAX)
    {
        Some(name) => Err(ApiMisuse::ServiceName { bytes: name.len() }),
        None => Ok(()),
    }
}

/// The head of a request.
#[derive(Copy, Clone, Debug)]
pub struct Ask<'a> {
    /// Headers that the service must get.
    pub headers: &'a HeaderBlock,
    /// Headers that are left out where the peer's frames cannot hold both.
    pub extras: &'a HeaderBlock,
    /// What is left of the caller's time, in milliseconds; legacy peers cannot be told.
    pub deadline_ms: Option<u32>,
    /// No body follows.
    pub end: bool,
}

impl std::fmt::Debug for Config<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Secrets stay out.
        f.debug_struct("Config")
            .field("role", &self.role)
            .field("services", &self.services)
            .finish_non_exhaustive()
    }
}

/// Who the peer is and what it offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its verified identity; `None` is anonymous: nobody can dial it.
    pub id: Option<NodeId>,
    /// The names it announced last.
    pub services: Vec<String>,
    /// What it is, as far as it has shown.
    pub kind: PeerKind,
}

/// What a connection may promise its peer beyond what it has: bytes of windows, which are memory that the peer may use at any time.
/// Several connections of one caller share a budget this way. What is taken counts for both.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct WindowRoom {
    /// For first windows; a stream that finds less than one does not begin.
    pub begin: u64,
    /// For wider ones.
    pub widen: u64,
}

impl WindowRoom {
    /// The connection's own limits alone.
    pub const UNLIMITED: WindowRoom = WindowRoom {
        begin: u64::MAX,
        widen: u64::MAX,
    };
}

/// Whether a link should get new requests.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Retirement {
    /// Yes.
    Active,
    /// Only if no other link leads to the service; what is in flight finishes, then FIN. Requests are still taken unless we said
    /// goodbye ourselves. On flatend/2: none at all, for the peer has said goodbye; it may ask on, and the FIN is its own to send.
    Retiring,
    /// No: end it now.
    Dead,
}
