//! What each host does over time: how often it dials an address, how many questions of its wait for an answer. Bounds that one
//! event alone does not show.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use flatend::limits::{LOOKUP_PARALLEL, QUESTION_TIMEOUT_MS};
use flatend::routing::LinkRef;

const MINUTE: u64 = 60_000;

/// Dials of one address in a minute. A bootstrap address that is lost is dialed about twenty times in its first minute, a peer that
/// is lost eight times, one that is hearsay twice; and a link that comes up begins anew.
const DIALS_A_MINUTE: usize = 40;

/// A node that was given itself to dial, or was told of itself, learns so at the first one.
const OWN_DIALS_A_MINUTE: usize = 3;

/// What the hosts did lately.
#[derive(Default)]
pub(crate) struct Ledger {
    dials: BTreeMap<(usize, SocketAddr), VecDeque<u64>>,
    /// Questions of the core without an answer, and when they were asked.
    asked: BTreeMap<(usize, LinkRef), u64>,
}

impl Ledger {
    /// A host begins to dial; `own` is its address.
    pub(super) fn dial(&mut self, now: u64, host: usize, addr: SocketAddr, own: SocketAddr) {
        let times = self.dials.entry((host, addr)).or_default();
        times.push_back(now);
        while times.front().is_some_and(|at| at + MINUTE <= now) {
            times.pop_front();
        }
        let (most, whom) = match addr == own {
            true => (OWN_DIALS_A_MINUTE, "itself".to_owned()),
            false => (DIALS_A_MINUTE, addr.to_string()),
        };
        let count = times.len();
        assert!(
            count <= most,
            "host {host} dials {whom} {count} times within a minute, {most} are enough"
        );
    }

    /// When a host dialed an address within the last minute.
    pub(crate) fn dials_of(&self, host: usize, addr: SocketAddr) -> Vec<u64> {
        let times = self.dials.get(&(host, addr));
        times.into_iter().flatten().copied().collect()
    }

    /// A core asks over a link.
    pub(super) fn ask(&mut self, now: u64, host: usize, link: LinkRef) {
        self.asked
            .retain(|_, at| now < at.saturating_add(QUESTION_TIMEOUT_MS));
        self.asked.insert((host, link), now);
        let open = self
            .asked
            .range((host, LINK_MIN)..=(host, LINK_MAX))
            .count();
        assert!(
            open <= LOOKUP_PARALLEL,
            "host {host} asks {open} peers at once, {LOOKUP_PARALLEL} are allowed"
        );
    }

    /// An answer has come, or its link has ended.
    pub(super) fn answered(&mut self, host: usize, link: LinkRef) {
        self.asked.remove(&(host, link));
    }

    /// A host's node is no more.
    pub(super) fn forget(&mut self, host: usize) {
        self.asked.retain(|(asker, _), _| *asker != host);
        self.dials.retain(|(dialer, _), _| *dialer != host);
    }
}

const LINK_MIN: LinkRef = LinkRef { shard: 0, id: 0 };
const LINK_MAX: LinkRef = LinkRef {
    shard: usize::MAX,
    id: u64::MAX,
};
