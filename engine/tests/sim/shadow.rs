//! What must be true, said a second time and simply: from the links and dials that the world sees, not from the core's own books.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use flatend::discovery::Process;
use flatend::kademlia::Key;
use flatend::limits::{LANES_MAX, LANE_DIALS_MAX};

use super::kinds::{Conn, Running};
use super::net::{ConnId, To};
use super::old::{Fault, Old};
use super::world::World;

/// Dials of IDs at once (`limits::MESH_DIALS_MAX`).
const DIALS_MAX: usize = 64;
/// Beyond so many hosts the sets are compared now and then only.
const SMALL: usize = 64;

impl World {
    /// After each event that concerned `host`.
    pub(super) fn check(&self, host: usize) {
        let Some(Running::Ours(ours)) = &self.hosts[host].running else {
            return;
        };
        if self.hosts.len() > SMALL && self.totals.events % 4_096 != 0 {
            return;
        }
        let own = self.hosts[host].key;
        let seen: BTreeSet<&Key> = ours.linked().collect();
        let core: BTreeSet<&Key> = ours.core.linked().collect();
        assert_eq!(
            seen, core,
            "host {host}: the core's links are not those that there are"
        );
        assert!(
            own.is_none_or(|own| !seen.contains(&own)),
            "host {host} is linked with itself"
        );
        for entry in ours.core.table().iter() {
            assert_ne!(Some(entry.key), own, "host {host} stands in its own table");
        }
        assert!(ours.core.table().len() <= 256 * 16);
    }

    /// Before a dial begins.
    pub(super) fn check_dial(&self, host: usize, expected: Option<Key>, addr: SocketAddr) {
        let Some(ours) = self.ours(host) else {
            return;
        };
        let Some(key) = expected else {
            return;
        };
        assert_ne!(
            Some(key),
            self.hosts[host].key,
            "host {host} dials its own key"
        );
        assert_ne!(
            addr, self.hosts[host].addr,
            "host {host} dials its own address"
        );
        assert!(
            !ours.is_linked(&key),
            "host {host} dials a key that it has a link with"
        );
        assert!(
            !addr.ip().is_unspecified() && addr.port() != 0,
            "host {host} dials {addr}"
        );
        let ip = addr.ip();
        let of_many = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast()) || ip.is_multicast();
        // All hosts are elsewhere: a loopback address that one names is nobody's here.
        assert!(
            !of_many && !ip.is_loopback(),
            "host {host} dials {addr}, which a liar has named"
        );
        let mut others = ours.dials.values().filter_map(|dial| dial.expected);
        assert!(
            others.all(|other| other != key),
            "host {host} dials one key twice at once"
        );
        let peers = ours.dials.values().filter(|dial| dial.expected.is_some());
        assert!(
            peers.count() < DIALS_MAX,
            "host {host} dials too many at once"
        );
    }

    /// Before a further link to a process is dialed.
    pub(super) fn check_lane_dial(&self, host: usize, process: Process, lane: u16) {
        let Some(ours) = self.ours(host) else {
            return;
        };
        assert_ne!(process, ours.process, "host {host} dials lanes of its own");
        assert!(lane < LANES_MAX, "host {host} dials lane {lane}");
        let dialed = ours.dials.values().filter_map(|dial| dial.lane);
        let same: Vec<u16> = dialed
            .filter(|(of, _)| *of == process)
            .map(|(_, lane)| lane)
            .collect();
        assert!(
            same.len() < LANE_DIALS_MAX && !same.contains(&lane),
            "host {host} dials lane {lane} beside {same:?}"
        );
    }

    /// The first pair of nodes of ours between which there is not one link for each lane, as both see it, and why.
    pub(crate) fn odd_lanes(&self) -> Option<String> {
        let mut pairs: BTreeMap<(usize, usize), Vec<(ConnId, &Conn)>> = BTreeMap::new();
        for host in self.alive_hosts() {
            let Some(ours) = self.ours(host) else {
                continue;
            };
            for (conn, to) in ours.links().map(|(at, _)| *at) {
                let state = &self.conns[&conn];
                let peer = if to == To::Dialer {
                    state.acceptor
                } else {
                    state.dialer
                };
                if self.ours(peer).is_none() && self.is_alive(peer) {
                    continue;
                }
                if !state.alive {
                    return Some(format!("host {host} does not know yet that a link is dead"));
                }
                if to == To::Dialer && !state.leaving {
                    let pair = (host.min(peer), host.max(peer));
                    pairs.entry(pair).or_default().push((conn, state));
                }
            }
        }
        pairs
            .into_iter()
            .find_map(|((a, b), links)| self.odd_pair(a, b, &links))
    }

    fn odd_pair(&self, a: usize, b: usize, links: &[(ConnId, &Conn)]) -> Option<String> {
        let (shards_a, shards_b) = (self.hosts[a].shards, self.hosts[b].shards);
        let shards = shards_a.max(shards_b).min(LANES_MAX);
        let mut lanes: Vec<u16> = links.iter().map(|(_, conn)| conn.lane).collect();
        lanes.sort_unstable();
        if lanes != (0..shards).collect::<Vec<_>>() {
            return Some(format!(
                "hosts {a} and {b}: lanes {lanes:?} of {shards_a} and {shards_b} shards"
            ));
        }
        let dialers: BTreeSet<usize> = links.iter().map(|(_, conn)| conn.dialer).collect();
        if dialers.len() > 1 {
            return Some(format!("hosts {a} and {b}: both have dialed what is kept"));
        }
        // What ends for another is not counted.
        let accepted = |(id, conn): &(ConnId, &Conn)| {
            let links = self.ours(conn.acceptor).map(|ours| ours.links());
            links.is_some_and(|mut links| links.any(|(at, _)| *at == (*id, To::Acceptor)))
        };
        if !links.iter().all(accepted) {
            return Some(format!("hosts {a} and {b} do not agree on their links"));
        }
        // Each shard of both has its own as far as there are lanes.
        for of in [a, b] {
            let owners: BTreeSet<usize> = links
                .iter()
                .map(|(_, conn)| match conn.dialer == of {
                    true => conn.shards.0,
                    false => conn.shards.1,
                })
                .collect();
            let wanted = usize::from(self.hosts[of].shards.min(shards));
            if owners.len() != wanted {
                return Some(format!(
                    "hosts {a} and {b}: shards {owners:?} of {of} have a link, {wanted} could"
                ));
            }
        }
        None
    }

    /// Counts a dial, in runs that are small enough.
    pub(super) fn note_dial(&mut self, host: usize, addr: SocketAddr) {
        if self.hosts.len() <= SMALL {
            let own = self.hosts[host].addr;
            self.ledger.dial(self.now, host, addr, own);
        }
    }

    /// After an hour in which nothing happened: who stands in a table is alive, and linked.
    pub(crate) fn check_tables(&self) {
        let alive: BTreeSet<Key> = self
            .alive_hosts()
            .into_iter()
            .filter_map(|host| self.hosts[host].key)
            .collect();
        for host in self.alive_hosts() {
            let Some(ours) = self.ours(host) else {
                continue;
            };
            for entry in ours.core.table().iter() {
                assert!(
                    alive.contains(&entry.key) && ours.is_linked(&entry.key),
                    "host {host} keeps somebody in its table who is not there"
                );
            }
        }
    }

    /// The first pair of live nodes that could be linked and is not.
    pub(crate) fn unlinked_pair(&self) -> Option<(usize, usize)> {
        let alive = self.alive_hosts();
        for a in &alive {
            for b in alive.range(a + 1..) {
                if self.can_be_linked(*a, *b) && !self.are_linked(*a, *b) {
                    return Some((*a, *b));
                }
            }
        }
        None
    }

    fn can_be_linked(&self, a: usize, b: usize) -> bool {
        let (ours_a, ours_b) = (self.ours(a).is_some(), self.ours(b).is_some());
        // A node of ours dials whoever shows an address; an old one only whom it hears of at its start.
        let dialable = |host: usize| {
            self.hosts[host].key.is_some() && self.hosts[host].old != Some(Fault::ShowsIpv6)
        };
        // An npm node that found nobody gives up after eight tries, and nobody knows of it.
        let known = |host: usize| self.old(host).is_none_or(|old| self.knows_ours(old));
        self.net.reaches(a, b)
            && ((ours_a && dialable(b)) || (ours_b && dialable(a)))
            && known(a)
            && known(b)
    }

    /// Whether one of its links leads to a node of ours that others can ask: nobody asks an anonymous one.
    fn knows_ours(&self, old: &Old) -> bool {
        let mut conns = old
            .links
            .keys()
            .filter_map(|(conn, _)| self.conns.get(conn));
        conns.any(|conn| {
            let ours = |host: usize| self.ours(host).is_some() && self.hosts[host].key.is_some();
            conn.alive && (ours(conn.dialer) || ours(conn.acceptor))
        })
    }

    fn are_linked(&self, a: usize, b: usize) -> bool {
        let (key_a, key_b) = (self.hosts[a].key, self.hosts[b].key);
        let knows = |host: usize, key: Option<Key>| match (self.ours(host), key) {
            (Some(ours), Some(key)) => ours.is_linked(&key),
            // Old peers and anonymous ones are seen from the other side.
            _ => true,
        };
        knows(a, key_b) && knows(b, key_a)
    }

    /// Whether every live node of ours knows version `services` of a host's list.
    pub(crate) fn everybody_knows(&self, host: usize, services: u32) -> bool {
        let Some(key) = self.hosts[host].key else {
            return false;
        };
        self.alive_hosts()
            .into_iter()
            .filter(|other| *other != host && self.net.reaches(host, *other))
            .filter_map(|other| self.ours(other))
            .all(|ours| ours.knows(&key, services))
    }
}
