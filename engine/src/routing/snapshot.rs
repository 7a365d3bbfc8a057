//! The routing snapshot: services, their providers and the connected peers, as one immutable value with a generation.
//! Built whole from the list of links, swapped atomically, never changed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;

use flatend_codec::Millis;

use super::open::Openness;
use crate::kademlia::{distance, Key};

/// Where a link lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkRef {
    /// The shard that owns it.
    pub shard: usize,
    /// Its number, unique in the process.
    pub id: u64,
}

/// What makes two links lead to one provider: the same public key; an anonymous peer is its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProviderKey {
    /// The Ed25519 key that the peer showed (proved nothing on a legacy link: used for choice only).
    Public([u8; 32]),
    /// A process that has proved its key (flatend2.md 5): replicas may share one.
    Instance {
        /// The Ed25519 key.
        key: [u8; 32],
        /// The number of the process.
        instance: [u8; 16],
    },
    /// An anonymous peer.
    Anonymous(LinkRef),
    /// An outlet, by its number on its shard: no peer, never in a snapshot.
    Outlet(u64),
}

impl ProviderKey {
    /// The Ed25519 key that the peer showed.
    pub fn public_key(&self) -> Option<[u8; 32]> {
        match self {
            ProviderKey::Public(key) | ProviderKey::Instance { key, .. } => Some(*key),
            ProviderKey::Anonymous(_) | ProviderKey::Outlet(_) => None,
        }
    }
}

/// A link as its shard announced it.
#[derive(Clone, Debug)]
pub struct LinkInfo {
    /// Where it lives.
    pub link: LinkRef,
    /// Whom it leads to.
    pub provider: ProviderKey,
    /// Where the peer says that it can be dialed.
    pub addr: Option<SocketAddr>,
    /// What it has signed about itself for others, on flatend/2.
    pub record: Option<Arc<[u8]>>,
    /// Where its connection comes from.
    pub from: Option<SocketAddr>,
    /// The names that it offers.
    pub services: Arc<[String]>,
    /// The number of that list: the newest of a process counts on all its links. 0 on legacy.
    pub epoch: u64,
    /// Requests may be sent (see the codec's first-request rule).
    pub ready: bool,
    /// It is being given up: only used where no other link offers the service.
    pub retiring: bool,
    /// What its peer takes of our requests, from moment to moment.
    pub open: Arc<Openness>,
}

/// One that offers a service, once, however many links lead to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Who it is.
    pub key: ProviderKey,
    /// Where it says that it can be dialed.
    pub addr: Option<SocketAddr>,
    /// Where the first of its connections comes from.
    pub from: Option<SocketAddr>,
    /// The links that lead to it: at least one in a snapshot, none for an outlet.
    pub links: Vec<LinkRef>,
    /// All of its links are retiring.
    pub retiring: bool,
}

/// A connected peer that can be dialed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its Ed25519 key.
    pub public_key: [u8; 32],
    /// Its address.
    pub addr: SocketAddr,
    /// What it has signed about itself, if it speaks flatend/2.
    pub record: Option<Arc<[u8]>>,
}

/// The immutable view that every shard routes by.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Rises by one with every change.
    pub generation: u64,
    services: HashMap<String, Arc<[Provider]>>,
    /// When a name lost its last provider.
    missed: HashMap<String, Millis>,
    /// The first link of each key that can be dialed, in the order of the keys.
    peers: Vec<Arc<LinkInfo>>,
    /// In the order of their numbers.
    links: Vec<Arc<LinkInfo>>,
}

impl Snapshot {
    /// Builds the view of `links`.
    pub fn build(
        generation: u64,
        mut links: Vec<Arc<LinkInfo>>,
        missed: HashMap<String, Millis>,
    ) -> Snapshot {
        // Of several addresses that one peer shows, that of its first link stands.
        links.sort_unstable_by_key(|info| info.link);
        let newest = Newest::new(&links);
        let mut by_name: HashMap<&str, BTreeMap<ProviderKey, Provider>> = HashMap::new();
        for info in links.iter().filter(|info| info.ready) {
            let services = &newest.of(info).services;
            for name in services.iter() {
                let provider = by_name
                    .entry(name)
                    .or_default()
                    .entry(info.provider)
                    .or_insert_with(|| Provider {
                        key: info.provider,
                        addr: info.addr,
                        from: info.from,
                        links: Vec::new(),
                        retiring: true,
                    });
                if info.retiring == provider.retiring {
                    provider.links.push(info.link);
                } else if provider.retiring {
                    // The first link that is not retiring replaces those that are.
                    provider.links = vec![info.link];
                    provider.retiring = false;
                }
            }
        }
        let services = by_name
            .into_iter()
            .map(|(name, providers)| (name.to_owned(), providers.into_values().collect()))
            .collect();
        Snapshot {
            generation,
            services,
            missed,
            peers: dialable(&links),
            links,
        }
    }

    /// The providers of any of `names`, each once, in a stable order. Retiring ones only where there is no other.
    pub fn providers<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Vec<Provider> {
        let mut found = self.all_providers(names);
        if found.iter().any(|provider| !provider.retiring) {
            found.retain(|provider| !provider.retiring);
        }
        found
    }

    /// As [`Snapshot::providers`], with those that are retiring.
    pub fn all_providers<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Vec<Provider> {
        let mut seen = HashSet::new();
        let offered = names.into_iter().filter_map(|name| self.services.get(name));
        offered
            .flat_map(|providers| providers.iter())
            .filter(|provider| seen.insert(provider.key))
            .cloned()
            .collect()
    }

    /// What the peer of a link takes.
    pub fn openness(&self, link: LinkRef) -> Option<&Arc<Openness>> {
        let at = self.links.binary_search_by_key(&link, |info| info.link);
        Some(&self.links.get(at.ok()?)?.open)
    }

    /// Whether one of `names` had a provider at `since` or later, or has one now.
    pub fn was_offered_since<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
        since: Millis,
    ) -> bool {
        names.into_iter().any(|name| {
            self.services.contains_key(name) || self.missed.get(name).is_some_and(|at| *at >= since)
        })
    }

    /// The peers that can be dialed, each key once, in the order of the keys.
    pub fn peers(&self) -> impl ExactSizeIterator<Item = Peer> + '_ {
        self.peers.iter().map(|info| peer_of(info))
    }

    /// Every link after its handshake, in the order of their numbers.
    pub fn links(&self) -> &[Arc<LinkInfo>] {
        &self.links
    }

    /// The names on offer, sorted.
    pub fn service_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.services.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// The peers, those closest to `target` by XOR of the keys first (protocol.md 5), the target itself left out. Each costs
    /// what taking it out of a heap does: who wants sixteen of a thousand does not sort a thousand.
    pub fn closest(&self, target: &[u8; 32]) -> impl Iterator<Item = Peer> + '_ {
        let peers = self.peers.iter().enumerate();
        let mut heap: BinaryHeap<Reverse<(Key, usize)>> = peers
            .filter(|(_, info)| key_of(info) != *target)
            .map(|(at, info)| Reverse((distance(&key_of(info), target), at)))
            .collect();
        std::iter::from_fn(move || {
            let Reverse((_, at)) = heap.pop()?;
            self.peers.get(at).map(|info| peer_of(info))
        })
    }
}

/// The key that the peer of a link shows; zeros for none.
fn key_of(info: &LinkInfo) -> Key {
    info.provider.public_key().unwrap_or_default()
}

/// The peer of a link that can be dialed.
fn peer_of(info: &LinkInfo) -> Peer {
    Peer {
        public_key: key_of(info),
        // Only links with an address are asked for.
        addr: info.addr.unwrap_or_else(|| ([0; 4], 0).into()),
        record: info.record.clone(),
    }
}

/// The first link of each key that can be dialed. Lists of pointers are what a snapshot of many links can afford.
fn dialable(links: &[Arc<LinkInfo>]) -> Vec<Arc<LinkInfo>> {
    let shows_both =
        |info: &&Arc<LinkInfo>| info.addr.is_some() && info.provider.public_key().is_some();
    let mut found: Vec<&Arc<LinkInfo>> = links.iter().filter(shows_both).collect();
    found.sort_by_key(|info| key_of(info));
    found.dedup_by_key(|info| key_of(info));
    found.into_iter().cloned().collect()
}

/// Of each process the link that has its newest list, by process: of several links one hears of a change before another.
struct Newest<'a>(Vec<&'a LinkInfo>);

impl<'a> Newest<'a> {
    fn new(links: &'a [Arc<LinkInfo>]) -> Newest<'a> {
        let is_process = |info: &&LinkInfo| matches!(info.provider, ProviderKey::Instance { .. });
        let links = links.iter().map(|info| &**info);
        let mut newest: Vec<&LinkInfo> = links.filter(is_process).collect();
        newest.sort_by_key(|info| (info.provider, Reverse(info.epoch)));
        newest.dedup_by_key(|info| info.provider);
        Newest(newest)
    }

    /// The link whose list counts for `info`.
    fn of(&self, info: &'a LinkInfo) -> &'a LinkInfo {
        let found = self
            .0
            .binary_search_by_key(&info.provider, |it| it.provider);
        let found = found.ok().and_then(|at| self.0.get(at).copied());
        found.unwrap_or(info)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(id: u64, key: Option<u8>, services: &[&str]) -> LinkInfo {
        let link = LinkRef {
            shard: (id % 2) as usize,
            id,
        };
        LinkInfo {
            link,
            provider: key.map_or(ProviderKey::Anonymous(link), |byte| {
                ProviderKey::Public([byte; 32])
            }),
            addr: key.map(|byte| SocketAddr::from(([127, 0, 0, 1], u16::from(byte)))),
            record: None,
            from: None,
            services: services.iter().map(|name| (*name).to_owned()).collect(),
            epoch: 0,
            ready: true,
            retiring: false,
            open: Arc::default(),
        }
    }

    fn snapshot(links: impl IntoIterator<Item = LinkInfo>) -> Snapshot {
        let links = links.into_iter().map(Arc::new);
        Snapshot::build(1, links.collect(), HashMap::new())
    }

    #[test]
    fn a_provider_counts_once_for_several_names_and_links() {
        let links = [
            link(1, Some(7), &["a", "b"]),
            link(2, Some(7), &["a", "b"]),
            link(3, None, &["b"]),
        ];
        let snapshot = snapshot(links);
        let providers = snapshot.providers(["a", "b"]);
        assert_eq!(providers.len(), 2);
        assert_eq!(providers[0].links.len(), 2);
        assert_eq!(snapshot.peers().len(), 1);
    }

    #[test]
    fn a_retiring_link_is_used_only_when_it_is_the_only_one() {
        let mut old = link(1, Some(7), &["a"]);
        old.retiring = true;
        let only = snapshot([old.clone()]);
        assert_eq!(only.providers(["a"]).len(), 1);
        let fresh = link(2, Some(7), &["a"]);
        let both = snapshot([old.clone(), fresh.clone()]);
        assert_eq!(both.providers(["a"])[0].links, [fresh.link]);
        let other = snapshot([old, link(3, Some(9), &["a"])]);
        assert_eq!(other.providers(["a"]).len(), 1);
        assert_eq!(other.providers(["a"])[0].key, ProviderKey::Public([9; 32]));
    }

    #[test]
    fn the_newest_list_of_a_process_counts_on_all_its_links() {
        let of = |id, instance: u8, epoch, services: &[&str]| LinkInfo {
            provider: ProviderKey::Instance {
                key: [7; 32],
                instance: [instance; 16],
            },
            epoch,
            ..link(id, Some(7), services)
        };
        let links = [
            of(1, 1, 4, &["a", "gone"]),
            of(2, 1, 5, &["a", "new"]),
            // Another process of the same key.
            of(3, 2, 9, &["gone"]),
        ];
        let snapshot = snapshot(links);
        let leads = |name| -> Vec<usize> {
            let providers = snapshot.providers([name]);
            providers.iter().map(|one| one.links.len()).collect()
        };
        assert_eq!(leads("a"), [2]);
        assert_eq!(leads("new"), [2]);
        assert_eq!(leads("gone"), [1], "the other process alone");
    }

    #[test]
    fn a_link_that_is_not_ready_is_a_peer_but_no_provider() {
        let mut fresh = link(1, Some(7), &["a"]);
        fresh.ready = false;
        let snapshot = snapshot([fresh]);
        assert!(snapshot.providers(["a"]).is_empty());
        assert_eq!(snapshot.peers().len(), 1);
    }

    #[test]
    fn closest_sorts_by_xor_and_leaves_the_target_out() {
        let links = (1..=40).map(|byte| link(u64::from(byte), Some(byte), &[]));
        let snapshot = snapshot(links);
        let closest: Vec<Peer> = snapshot.closest(&[8; 32]).collect();
        assert_eq!(closest.len(), 39);
        assert!(closest.windows(2).all(|pair| {
            distance(&pair[0].public_key, &[8; 32]) < distance(&pair[1].public_key, &[8; 32])
        }));
        assert_eq!(closest[0].public_key, [9; 32]);
        assert!(closest.iter().all(|peer| peer.public_key != [8; 32]));
    }

    #[test]
    fn what_the_peer_of_a_link_takes_is_found_by_the_number_of_the_link() {
        let links: Vec<LinkInfo> = (1..=9).rev().map(|id| link(2 * id, None, &[])).collect();
        let snapshot = snapshot(links.iter().cloned());
        for info in &links {
            let open = snapshot.openness(info.link).expect("it is there");
            assert!(Arc::ptr_eq(open, &info.open));
        }
        for id in [1, 9, 20] {
            assert!(snapshot.openness(LinkRef { shard: 0, id }).is_none());
        }
    }
}
