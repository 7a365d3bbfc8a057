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
    open: HashMap<LinkRef, Arc<Openness>>,
    /// The peers that can be dialed, each key once.
    pub peers: Vec<Peer>,
    links: Vec<LinkInfo>,
}

impl Snapshot {
    /// Builds the view of `links`.
    pub fn build(generation: u64, links: &[LinkInfo], missed: HashMap<String, Millis>) -> Snapshot {
        let newest = newest_lists(links);
        let mut by_name: HashMap<&str, BTreeMap<ProviderKey, Provider>> = HashMap::new();
        let mut peers = BTreeMap::new();
        for info in links {
            if let (Some(public_key), Some(addr)) = (info.provider.public_key(), info.addr) {
                peers.entry(public_key).or_insert_with(|| Peer {
                    public_key,
                    addr,
                    record: info.record.clone(),
                });
            }
            if !info.ready {
                continue;
            }
            let services = newest
                .get(&info.provider)
                .map_or(&info.services, |it| &it.services);
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
            open: links
                .iter()
                .map(|info| (info.link, info.open.clone()))
                .collect(),
            peers: peers.into_values().collect(),
            links: links.to_vec(),
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
        self.open.get(&link)
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

    /// Every link after its handshake, in no particular order.
    pub fn links(&self) -> &[LinkInfo] {
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
            .filter(|(_, peer)| peer.public_key != *target)
            .map(|(at, peer)| Reverse((distance(&peer.public_key, target), at)))
            .collect();
        std::iter::from_fn(move || {
            let Reverse((_, at)) = heap.pop()?;
            self.peers.get(at).cloned()
        })
    }
}

/// Of each process the link that has its newest list: of several links one hears of a change before another.
fn newest_lists(links: &[LinkInfo]) -> HashMap<ProviderKey, &LinkInfo> {
    let mut newest: HashMap<ProviderKey, &LinkInfo> = HashMap::new();
    for info in links {
        if let ProviderKey::Instance { .. } = info.provider {
            let known = newest.entry(info.provider).or_insert(info);
            if info.epoch > known.epoch {
                *known = info;
            }
        }
    }
    newest
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

    #[test]
    fn a_provider_counts_once_for_several_names_and_links() {
        let links = [
            link(1, Some(7), &["a", "b"]),
            link(2, Some(7), &["a", "b"]),
            link(3, None, &["b"]),
        ];
        let snapshot = Snapshot::build(1, &links, HashMap::new());
        let providers = snapshot.providers(["a", "b"]);
        assert_eq!(providers.len(), 2);
        assert_eq!(providers[0].links.len(), 2);
        assert_eq!(snapshot.peers.len(), 1);
    }

    #[test]
    fn a_retiring_link_is_used_only_when_it_is_the_only_one() {
        let mut old = link(1, Some(7), &["a"]);
        old.retiring = true;
        let only = Snapshot::build(1, std::slice::from_ref(&old), HashMap::new());
        assert_eq!(only.providers(["a"]).len(), 1);
        let fresh = link(2, Some(7), &["a"]);
        let both = Snapshot::build(2, &[old.clone(), fresh.clone()], HashMap::new());
        assert_eq!(both.providers(["a"])[0].links, [fresh.link]);
        let other = Snapshot::build(3, &[old, link(3, Some(9), &["a"])], HashMap::new());
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
        let snapshot = Snapshot::build(1, &links, HashMap::new());
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
        let snapshot = Snapshot::build(1, &[fresh], HashMap::new());
        assert!(snapshot.providers(["a"]).is_empty());
        assert_eq!(snapshot.peers.len(), 1);
    }

    #[test]
    fn closest_sorts_by_xor_and_leaves_the_target_out() {
        let links: Vec<LinkInfo> = (1..=40)
            .map(|byte| link(u64::from(byte), Some(byte), &[]))
            .collect();
        let snapshot = Snapshot::build(1, &links, HashMap::new());
        let closest: Vec<Peer> = snapshot.closest(&[8; 32]).collect();
        assert_eq!(closest.len(), 39);
        assert!(closest.windows(2).all(|pair| {
            distance(&pair[0].public_key, &[8; 32]) < distance(&pair[1].public_key, &[8; 32])
        }));
        assert_eq!(closest[0].public_key, [9; 32]);
        assert!(closest.iter().all(|peer| peer.public_key != [8; 32]));
    }
}
