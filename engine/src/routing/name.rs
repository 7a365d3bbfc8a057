//! How log lines name a provider: as short as tells it from others, and without secrets.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use super::snapshot::Provider;

/// A provider's name for the log. Cloning it allocates nothing; text is made when it is displayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderName {
    /// Where the peer says that it can be dialed.
    Addr(SocketAddr),
    /// A peer that cannot be dialed: the first bytes of its public key, shown as eight hex digits.
    Key([u8; 4]),
    /// A peer that shows nothing of itself: where its connection comes from, shown as `anon@ADDR`.
    Anonymous(Option<SocketAddr>),
    /// An outlet, as its owner labelled it.
    Label(Arc<str>),
}

impl ProviderName {
    /// The name of a peer.
    pub fn of(provider: &Provider) -> ProviderName {
        match (provider.addr, provider.key.public_key()) {
            (Some(addr), _) => ProviderName::Addr(addr),
            (None, Some([a, b, c, d, ..])) => ProviderName::Key([a, b, c, d]),
            (None, None) => ProviderName::Anonymous(provider.from),
        }
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProviderName::Addr(addr) => addr.fmt(f),
            ProviderName::Key(bytes) => write!(f, "{:08x}", u32::from_be_bytes(*bytes)),
            ProviderName::Anonymous(Some(from)) => write!(f, "anon@{from}"),
            ProviderName::Anonymous(None) => f.write_str("<anon>"),
            ProviderName::Label(label) => f.write_str(label),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::snapshot::{LinkRef, ProviderKey};
    use super::*;

    #[test]
    fn the_address_then_the_key_then_nothing() {
        let mut peer = Provider {
            key: ProviderKey::Public([0x0a; 32]),
            addr: Some(SocketAddr::from(([10, 0, 0, 2], 9000))),
            from: Some(SocketAddr::from(([10, 0, 0, 9], 40_000))),
            links: Vec::new(),
            retiring: false,
        };
        assert_eq!(ProviderName::of(&peer).to_string(), "10.0.0.2:9000");
        peer.addr = None;
        assert_eq!(ProviderName::of(&peer).to_string(), "0a0a0a0a");
        peer.key = ProviderKey::Anonymous(LinkRef { shard: 0, id: 1 });
        assert_eq!(ProviderName::of(&peer).to_string(), "anon@10.0.0.9:40000");
        peer.from = None;
        assert_eq!(ProviderName::of(&peer).to_string(), "<anon>");
        let label = ProviderName::Label("http://10.0.0.2:8080".into());
        assert_eq!(label.to_string(), "http://10.0.0.2:8080");
    }
}
