//! What a connection is made from, and the small answers about its peer.

use crate::dialect::PeerKind;
use crate::limits::Limits;
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

/// Whether a link should get new requests.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Retirement {
    /// Yes.
    Active,
    /// Only if no other link leads to the service; what is in flight finishes, then FIN. Requests are still taken unless we said
    /// goodbye ourselves.
    Retiring,
    /// No: end it now.
    Dead,
}
