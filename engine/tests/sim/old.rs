//! Old peers as Go and npm are, with their faults: they name the same 16 always, dead ones too, show addresses that nobody can
//! dial, forget, die, and never say what they are. One of them must never be sent what kills it; that is checked here.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use flatend::kademlia::{bucket_index, distance, Key};

use super::net::{ConnId, To};

/// How one misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does not, beyond what it is.
    None,
    /// It shows 0.0.0.0 as its address.
    ShowsUnspecified,
    /// It shows an IPv6 address that nobody reaches.
    ShowsIpv6,
    /// It never answers a lookup.
    Mute,
    /// Its answers name IDs that do not exist, addresses that are somebody else's, and such as nobody has.
    Liar,
    /// Its answers name thousands of IDs that do not exist.
    Flood,
}

/// An npm node: it dials at its start whoever it hears of, and then never again but for a lost link.
pub(crate) struct Old {
    pub(crate) fault: Fault,
    own: Key,
    /// 16 a bucket; a link's end takes its ID out.
    table: BTreeMap<usize, Vec<(Key, SocketAddr)>>,
    pub(crate) links: BTreeMap<(ConnId, To), Option<Key>>,
    /// Questions of its bootstrap, answers of ours to them, and links that it has dialed.
    pub(crate) asked: u64,
    pub(crate) answers: u64,
    pub(crate) clients_ever: u64,
    /// Who is being dialed or was, by address: it keeps one link for each.
    pub(crate) clients: BTreeMap<SocketAddr, ConnId>,
}

impl Old {
    pub(crate) fn new(own: Key, fault: Fault) -> Old {
        Old {
            fault,
            own,
            table: BTreeMap::new(),
            links: BTreeMap::new(),
            asked: 0,
            answers: 0,
            clients_ever: 0,
            clients: BTreeMap::new(),
        }
    }

    pub(crate) fn update(&mut self, key: Key, addr: SocketAddr) {
        let Some(index) = bucket_index(&self.own, &key) else {
            return;
        };
        let bucket = self.table.entry(index).or_default();
        if let Some(at) = bucket.iter().position(|(known, _)| *known == key) {
            bucket.remove(at);
        }
        if bucket.len() < 16 {
            bucket.insert(0, (key, addr));
        }
    }

    pub(crate) fn delete(&mut self, key: &Key) {
        if let Some(bucket) = bucket_index(&self.own, key).and_then(|at| self.table.get_mut(&at)) {
            bucket.retain(|(known, _)| known != key);
        }
    }

    /// The 16 closest of its table, always the same.
    pub(crate) fn closest(&self, target: &Key) -> Vec<(Key, SocketAddr)> {
        let mut all: Vec<_> = self.table.values().flatten().copied().collect();
        all.retain(|(key, _)| key != target);
        all.sort_by_cached_key(|(key, _)| distance(key, target));
        all.truncate(16);
        all
    }
}
