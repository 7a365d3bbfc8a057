//! What is known of other nodes by key. A named ID is hearsay: it is dialed once, and only a handshake makes it a peer. What
//! others can make us remember is bounded, and so is what they can make us dial.

use std::net::{IpAddr, SocketAddr};

use flatend_codec::Millis;

use super::{Core, DialId, Named, Timer};
use crate::kademlia::{distance, Key};
use crate::limits::{HEARSAY_REST_MS, KNOWN_IDS_MAX, LIES_MAX};
use crate::routing::LinkRef;

/// What a key without a link waits for.
///
/// ```text
/// named ─▶ Ready ─dial─▶ Dialing ─handshake─▶ linked ─lost─▶ Later ─▶ Ready …
///                           └────failed────▶ Resting ─▶ forgotten
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// For nothing: it has a link, or its dial is under way.
    Nothing,
    /// For a dial, as soon as one may begin.
    Ready,
    /// For a dial at this address to end: one at a time.
    Blocked,
    /// For a dial at this time.
    Later(Millis),
    /// A dial has failed: named again it is no news until then.
    Resting(Millis),
}

/// One key.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) addr: Option<SocketAddr>,
    pub(super) links: usize,
    pub(super) dial: Option<DialId>,
    pub(super) wait: Wait,
    /// It was a peer and is lost: how many dials since have failed.
    pub(super) lost: Option<u32>,
    /// Who named it, as long as it is hearsay.
    pub(super) teller: Option<LinkRef>,
    /// A link that it has was dialed for its ID.
    pub(super) chosen: bool,
    /// It has proved its key, or signed where it is: nobody else is to answer there.
    pub(super) signed: bool,
}

impl Peer {
    pub(super) fn new(addr: Option<SocketAddr>) -> Peer {
        Peer {
            addr,
            links: 0,
            dial: None,
            wait: Wait::Nothing,
            lost: None,
            teller: None,
            chosen: false,
            signed: false,
        }
    }
}

impl Core {
    /// Takes one named ID; true if it is news.
    pub(super) fn take_hearsay(&mut self, named: Named, teller: LinkRef) -> bool {
        let Named { key, addr, signed } = named;
        self.counts.named += 1;
        if key == self.own {
            return false;
        }
        let found = self.found_at(&addr);
        let elsewhere = found.is_some_and(|found| found != Some(key));
        if !self.is_dialable(addr, teller) || elsewhere {
            self.counts.bad_addresses += 1;
            return false;
        }
        if let Some(peer) = self.peers.get_mut(&key) {
            let moved = peer.addr != Some(addr);
            // A peer that was lost keeps the address at which it was found: hearsay must not lead us away from it.
            if !moved || !matches!(peer.wait, Wait::Resting(_)) {
                return false;
            }
            peer.addr = Some(addr);
            peer.teller = Some(teller);
            peer.signed = signed;
            self.make_ready(&key);
        } else {
            if self.unlinked >= KNOWN_IDS_MAX {
                self.counts.forgotten += 1;
                return false;
            }
            let mut peer = Peer::new(Some(addr));
            peer.teller = Some(teller);
            peer.signed = signed;
            self.peers.insert(key, peer);
            self.unlinked += 1;
            self.make_ready(&key);
        }
        self.counts.discovered += 1;
        true
    }

    /// An address that hearsay may make us dial. Who is told of a loopback address by somebody elsewhere would meet itself, and
    /// private ones, told by somebody elsewhere to a node that is on no such network, would make it search somebody's network.
    fn is_dialable(&self, addr: SocketAddr, teller: LinkRef) -> bool {
        let ip = addr.ip().to_canonical();
        let from = self.links.get(&teller).and_then(|link| link.from);
        let from = from.map(|from| from.ip().to_canonical());
        let told_here = || from.is_none_or(|from| from.is_loopback());
        let near = || {
            let own = self.own_addrs.iter().map(|addr| addr.ip().to_canonical());
            from.is_none_or(is_private) || own.into_iter().any(is_private)
        };
        let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
        addr.port() != 0
            && !ip.is_unspecified()
            && !ip.is_multicast()
            && !broadcast
            && !self.own_addrs.contains(&addr)
            && (!ip.is_loopback() || told_here())
            && (!is_private(ip) || near())
    }

    /// Lets a peer wait for something else; keeps its timer and the list of those who are ready in step.
    pub(super) fn set_wait(&mut self, key: &Key, wait: Wait) {
        let place = (distance(&self.own, key), *key);
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        match std::mem::replace(&mut peer.wait, wait) {
            Wait::Later(at) | Wait::Resting(at) => {
                self.timers.remove(&(at, Timer::Peer(*key)));
            }
            Wait::Ready => {
                self.ready.remove(&place);
            }
            Wait::Blocked => {
                if let Some(waiting) = peer.addr.and_then(|addr| self.busy.get_mut(&addr)) {
                    waiting.retain(|other| other != key);
                }
            }
            Wait::Nothing => {}
        }
        match wait {
            Wait::Later(at) | Wait::Resting(at) => {
                self.timers.insert((at, Timer::Peer(*key)));
            }
            Wait::Ready => {
                self.ready.insert(place);
            }
            Wait::Blocked => {
                if let Some(waiting) = peer.addr.and_then(|addr| self.busy.get_mut(&addr)) {
                    waiting.push(*key);
                }
            }
            Wait::Nothing => {}
        }
    }

    pub(super) fn make_ready(&mut self, key: &Key) {
        self.set_wait(key, Wait::Ready);
    }

    /// A peer's time has come: it is dialed again, or forgotten.
    pub(super) fn peer_due(&mut self, key: &Key) {
        match self.peers.get(key).map(|peer| peer.wait) {
            Some(Wait::Later(_)) => self.make_ready(key),
            Some(Wait::Resting(_)) => self.forget(key),
            _ => {}
        }
    }

    /// Takes a key without a link out of everything.
    pub(super) fn forget(&mut self, key: &Key) {
        self.set_wait(key, Wait::Nothing);
        let unused = |peer: &Peer| peer.links == 0 && peer.dial.is_none();
        if self.peers.get(key).is_some_and(unused) {
            self.peers.remove(key);
            self.unlinked -= 1;
        }
    }

    /// Hearsay has been tried: who told it is believed more or less.
    pub(super) fn judge_teller(&mut self, key: &Key, was_true: bool) {
        let teller = self.peers.get_mut(key).and_then(|peer| peer.teller.take());
        if let Some(link) = teller.and_then(|teller| self.links.get_mut(&teller)) {
            link.lies = if was_true {
                link.lies.saturating_sub(1)
            } else {
                (link.lies + 1).min(2 * LIES_MAX)
            };
        }
    }

    /// A dial of a key failed for good: it is remembered for a while, so that hearsay of it is no news.
    pub(super) fn rest(&mut self, now: Millis, key: &Key) {
        self.table.failed(key);
        if self.unlinked > KNOWN_IDS_MAX {
            return self.forget(key);
        }
        if let Some(peer) = self.peers.get_mut(key) {
            peer.lost = None;
            self.set_wait(key, Wait::Resting(Millis(now.0 + HEARSAY_REST_MS)));
        }
    }
}

/// Addresses that mean another machine in each network: loopback, private (RFC 1918), link-local, unique local (RFC 4193).
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}
