//! What a node knows of its mesh at one moment, for whoever runs it: an immutable view made of the routing snapshot.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use super::events::PeerName;
use crate::routing::{LinkInfo, Provider, ProviderKey, Snapshot};
use crate::shard::Offered;

/// A node's links, and what follows from them: who is connected and what is on offer. It does not change; a later one has a
/// higher [`NodeState::generation`].
#[derive(Clone, Debug)]
pub struct NodeState {
    snapshot: Arc<Snapshot>,
    offered: Arc<Offered>,
}

/// A node at the other end of one or more links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerState {
    /// Its Ed25519 key, if it showed one. On legacy links it proves nothing.
    pub public_key: Option<[u8; 32]>,
    /// How the log names it: the address by which it can be dialed, or `<anon>`.
    pub name: PeerName,
    /// Where its first link comes from.
    pub from: Option<SocketAddr>,
    /// What it offers, sorted, each name once.
    pub services: Vec<String>,
    /// How many links lead to it.
    pub links: usize,
    /// Requests may be sent to it. A link waits for its peer's next packet first, or 200 ms (protocol.md, G08).
    pub ready: bool,
}

impl NodeState {
    pub(crate) fn new(snapshot: Arc<Snapshot>, offered: Arc<Offered>) -> NodeState {
        NodeState { snapshot, offered }
    }

    /// Rises with every change of the links, of what peers offer or of what this node offers; 0 before the first.
    pub fn generation(&self) -> u64 {
        self.snapshot.generation
    }

    /// The services that this node itself offers, sorted.
    pub fn offered(&self) -> &[String] {
        &self.offered.names
    }

    /// The services that peers offer and that can be called now, sorted.
    pub fn services(&self) -> Vec<&str> {
        self.snapshot.service_names()
    }

    /// Who offers `service` and would be called now: of a peer whose links are all about to end, only if there is no other. A peer counts
    /// once, however many links lead to it. It is for looking; [`Handle::providers_for`](crate::Handle::providers_for) and
    /// [`Client::providers_for`](crate::Client::providers_for) give what can be called by itself, all that there are.
    pub fn providers(&self, service: &str) -> Vec<Provider> {
        self.snapshot.providers([service])
    }

    /// Every link after its handshake, in the order of their numbers.
    pub fn links(&self) -> impl ExactSizeIterator<Item = &LinkInfo> {
        self.snapshot.links().iter().map(|link| &**link)
    }

    /// Every peer, those with a key first, in the order of their keys.
    pub fn peers(&self) -> Vec<PeerState> {
        let mut peers: BTreeMap<ProviderKey, PeerState> = BTreeMap::new();
        for link in self.links() {
            let peer = peers.entry(link.provider).or_insert_with(|| PeerState {
                public_key: link.provider.public_key(),
                name: PeerName(link.addr),
                from: link.from,
                services: Vec::new(),
                links: 0,
                ready: false,
            });
            peer.links += 1;
            peer.ready |= link.ready;
            peer.services.extend(link.services.iter().cloned());
        }
        let mut peers: Vec<PeerState> = peers.into_values().collect();
        for peer in &mut peers {
            peer.services.sort_unstable();
            peer.services.dedup();
        }
        peers
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::routing::LinkRef;

    fn link(id: u64, key: Option<u8>, services: &[&str], ready: bool) -> Arc<LinkInfo> {
        let link = LinkRef { shard: 0, id };
        Arc::new(LinkInfo {
            link,
            provider: key.map_or(ProviderKey::Anonymous(link), |byte| {
                ProviderKey::Public([byte; 32])
            }),
            addr: key.map(|byte| SocketAddr::from(([127, 0, 0, 1], u16::from(byte)))),
            record: None,
            from: None,
            services: services.iter().map(|name| (*name).to_owned()).collect(),
            epoch: 0,
            ready,
            retiring: false,
            open: Default::default(),
        })
    }

    #[test]
    fn a_peer_with_two_links_is_one_peer_with_the_names_of_both() {
        let links = [
            link(1, None, &[], true),
            link(2, Some(7), &["b", "a"], false),
            link(3, Some(7), &["c", "a"], true),
        ];
        let snapshot = Arc::new(Snapshot::build(1, links.to_vec(), HashMap::new()));
        let state = NodeState::new(snapshot, Arc::default());
        let peers = state.peers();
        assert_eq!(state.links().len(), 3);
        assert_eq!(peers.len(), 2);
        assert_eq!(peers[0].public_key, Some([7; 32]));
        assert_eq!(peers[0].services, ["a", "b", "c"]);
        assert_eq!((peers[0].links, peers[0].ready), (2, true));
        assert_eq!(peers[1].name.to_string(), "<anon>");
    }
}
