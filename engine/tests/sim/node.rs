//! A node of ours in the simulation: the mesh core as it is, and around it a model of what the codec and the link's task do
//! (who is named once a minute and link, who is asked second, whose services are told again).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;

use flatend::discovery::{Config, Core, DialId, Process, Redial};
use flatend::kademlia::{distance, Key};
use flatend::Millis;

use super::net::{ConnId, To};

/// The other end of a link as a node sees it.
#[derive(Clone, Debug)]
pub(crate) struct LinkState {
    pub(crate) peer: Option<Key>,
    /// Where the peer says that it can be dialed.
    pub(crate) shown: Option<SocketAddr>,
    pub(crate) services: u32,
    pub(crate) ready: bool,
    /// The process that it leads to, on flatend/2.
    pub(crate) process: Option<Process>,
    /// When each key was named over it (rule N04).
    named: BTreeMap<Key, u64>,
    first: Option<(Key, usize)>,
}

impl LinkState {
    pub(crate) fn new(peer: Option<Key>, shown: Option<SocketAddr>, services: u32) -> LinkState {
        LinkState {
            peer,
            shown,
            services,
            ready: false,
            process: None,
            named: BTreeMap::new(),
            first: None,
        }
    }

    /// What `codec::legacy::lookup` answers, of `ids` with the closest first.
    fn answer(
        &mut self,
        now: u64,
        target: &Key,
        ids: impl Iterator<Item = (Key, SocketAddr)>,
    ) -> Vec<(Key, SocketAddr)> {
        const NODES_MAX: usize = 16;
        const FIRST_TARGET_MAX: usize = 64;
        const MEMORY_MS: u64 = 60_000;
        let (first, told) = *self.first.get_or_insert((*target, 0));
        let room = if first == *target {
            NODES_MAX.min(FIRST_TARGET_MAX - told)
        } else {
            NODES_MAX
        };
        let mut answer = Vec::new();
        for (key, addr) in ids {
            if answer.len() == room {
                break;
            }
            let fresh = |at: &u64| now - at < MEMORY_MS;
            if Some(key) == self.peer || self.named.get(&key).is_some_and(fresh) {
                continue;
            }
            self.named.insert(key, now);
            answer.push((key, addr));
        }
        if first == *target {
            self.first = Some((first, told + answer.len()));
        }
        answer
    }
}

/// A dial that the core has begun.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dialing {
    pub(crate) expected: Option<Key>,
    /// A further link to this process.
    pub(crate) lane: Option<(Process, u16)>,
}

/// A node of ours that runs.
pub(crate) struct Ours {
    pub(crate) core: Core,
    pub(crate) process: Process,
    own: Option<Key>,
    links: BTreeMap<(ConnId, To), LinkState>,
    /// How many links lead to each key, and where it can be dialed.
    by_key: BTreeMap<Key, (usize, Option<SocketAddr>)>,
    pub(crate) dials: BTreeMap<DialId, Dialing>,
    pub(crate) discovered: bool,
}

impl Ours {
    pub(crate) fn new(
        now: u64,
        own: Option<Key>,
        process: Process,
        shards: u16,
        addr: SocketAddr,
        bootstrap: usize,
        seed: u64,
    ) -> Ours {
        let config = Config {
            own,
            proved: process.key,
            instance: process.instance,
            shards: usize::from(shards),
            own_addrs: vec![addr],
            bootstrap,
            redial: Redial::default(),
            seed,
        };
        Ours {
            core: Core::new(Millis(now), config),
            process,
            own,
            links: BTreeMap::new(),
            by_key: BTreeMap::new(),
            dials: BTreeMap::new(),
            discovered: false,
        }
    }

    pub(crate) fn insert(&mut self, at: (ConnId, To), link: LinkState) {
        // Another process with our key is no peer.
        if let Some(key) = link.peer.filter(|key| Some(*key) != self.own) {
            let entry = self.by_key.entry(key).or_insert((0, link.shown));
            entry.0 += 1;
        }
        self.links.insert(at, link);
    }

    pub(crate) fn remove(&mut self, at: (ConnId, To)) -> Option<LinkState> {
        let link = self.links.remove(&at)?;
        if let Some(key) = link.peer {
            if let Some(entry) = self.by_key.get_mut(&key) {
                entry.0 -= 1;
                if entry.0 == 0 {
                    self.by_key.remove(&key);
                }
            }
        }
        Some(link)
    }

    pub(crate) fn link(&mut self, at: (ConnId, To)) -> Option<&mut LinkState> {
        self.links.get_mut(&at)
    }

    pub(crate) fn links(&self) -> impl Iterator<Item = (&(ConnId, To), &LinkState)> {
        self.links.iter()
    }

    pub(crate) fn is_linked(&self, key: &Key) -> bool {
        self.by_key.contains_key(key)
    }

    /// What this node answers over a link: its peers that can be dialed, the closest to `target` first.
    pub(crate) fn answer(
        &mut self,
        now: u64,
        at: (ConnId, To),
        target: &Key,
        takes_ipv6: bool,
    ) -> Vec<(Key, SocketAddr)> {
        let mut heap: BinaryHeap<Reverse<(Key, Key, SocketAddr)>> = self
            .by_key
            .iter()
            .filter(|(key, _)| *key != target)
            .filter_map(|(key, (_, addr))| Some((key, (*addr)?)))
            .filter(|(_, addr)| takes_ipv6 || addr.is_ipv4())
            .map(|(key, addr)| Reverse((distance(key, target), *key, addr)))
            .collect();
        let closest =
            std::iter::from_fn(move || heap.pop().map(|Reverse((_, key, addr))| (key, addr)));
        let Some(link) = self.links.get_mut(&at) else {
            return Vec::new();
        };
        link.answer(now, target, closest)
    }

    /// Keys with a link.
    pub(crate) fn linked(&self) -> impl Iterator<Item = &Key> {
        self.by_key.keys()
    }

    /// Whether a link leads to who offers at least version `services` of `key`'s list.
    pub(crate) fn knows(&self, key: &Key, services: u32) -> bool {
        let mut links = self.links.values();
        links.any(|link| link.peer == Some(*key) && link.services >= services)
    }
}
