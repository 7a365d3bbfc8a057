//! What must hold after every input. Free in release builds.

use super::book::Wait;
use super::links::Dialed;
use super::{Core, Target, Timer};
use crate::kademlia::distance;
use crate::limits::{KNOWN_IDS_MAX, LANE_LINKS_MAX, MESH_DIALS_MAX};

impl Core {
    /// Asserts in debug builds what must always hold.
    pub fn check_invariants(&self) {
        if cfg!(debug_assertions) {
            self.table.check_invariants();
            self.check_peers();
            self.check_dials();
            self.check_lanes();
        }
    }

    fn check_peers(&self) {
        debug_assert!(
            !self.peers.contains_key(&self.own),
            "we are no peer of ours"
        );
        let mut unlinked = 0;
        for (key, peer) in &self.peers {
            unlinked += usize::from(peer.links == 0);
            let place = (distance(&self.own, key), *key);
            debug_assert_eq!(peer.wait == Wait::Ready, self.ready.contains(&place));
            let timed = match peer.wait {
                Wait::Later(at) | Wait::Resting(at) => {
                    self.timers.contains(&(at, Timer::Peer(*key)))
                }
                _ => true,
            };
            debug_assert!(timed, "who waits for a time has a timer");
            let idle = peer.wait == Wait::Nothing;
            debug_assert!(peer.links == 0 || idle, "who is linked waits for nothing");
            debug_assert!(peer.dial.is_none() || idle, "one dial a key");
            debug_assert!(
                peer.links > 0 || peer.dial.is_some() || !idle,
                "a key without a purpose is forgotten"
            );
        }
        debug_assert_eq!(unlinked, self.unlinked);
        // Peers that were lost are kept beside the hearsay; they were links once.
        let lost = self
            .peers
            .values()
            .filter(|peer| peer.lost.is_some())
            .count();
        debug_assert!(unlinked <= KNOWN_IDS_MAX + MESH_DIALS_MAX + lost);
        let linked: usize = self.peers.values().map(|peer| peer.links).sum();
        let named = self
            .links
            .values()
            // Another process with our key is linked and is no peer of ours.
            .filter(|link| link.key.is_some_and(|key| key != self.own))
            .count();
        debug_assert_eq!(linked, named);
    }

    fn check_lanes(&self) {
        for (process, set) in &self.processes {
            debug_assert!(
                !set.links.is_empty(),
                "a process without a link is forgotten"
            );
            for (link, lane) in set.links.iter() {
                let state = self.links.get(&link);
                let there = state.and_then(|state| state.lane);
                debug_assert!(there.is_some_and(|at| at.process == *process && at.lane == lane));
                let ours = state.is_some_and(|state| state.dialed != Dialed::Them);
                debug_assert_eq!(set.ours, ours, "links of both sides are kept");
            }
            let mut lanes: Vec<u16> = set.links.iter().map(|(_, lane)| lane).collect();
            lanes.sort_unstable();
            let of_each = if set.ours { 1 } else { LANE_LINKS_MAX };
            let most = lanes.chunk_by(|a, b| a == b).map(<[u16]>::len).max();
            debug_assert!(most <= Some(of_each), "too many links of one lane");
            debug_assert!(set
                .rests
                .is_none_or(|at| self.timers.contains(&(at, Timer::Lanes(*process)))));
        }
    }

    fn check_dials(&self) {
        let mut peers = 0;
        for (dial, target) in &self.dials {
            if let Target::Peer { key, addr, .. } = target {
                peers += 1;
                debug_assert!(self.busy.contains_key(addr));
                debug_assert_eq!(self.peers.get(key).and_then(|peer| peer.dial), Some(*dial));
            }
        }
        debug_assert_eq!(peers, self.busy.len(), "one dial an address");
        debug_assert!(peers <= MESH_DIALS_MAX);
    }
}
