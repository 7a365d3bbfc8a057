//! The mesh core: which peers to dial, whom to ask, when. Pure: links, answers and failures come in with `now`; actions and the
//! next deadline come out. It owns what is known of other nodes; it refuses to know sockets, shards and services.
//!
//! # How to drive me
//!
//! Tell what happens ([`Core::link_up`], [`link_ready`](Core::link_ready), [`link_down`](Core::link_down),
//! [`link_works`](Core::link_works), [`link_leaves`](Core::link_leaves),
//! [`named`](Core::named), [`dial_ended`](Core::dial_ended)), call [`timeout`](Core::timeout) when
//! [`next_deadline`](Core::next_deadline) has passed, and after each of them do what [`poll_action`](Core::poll_action) says.
//! A dialer sends a lookup of its own key by itself (protocol.md 4), so a link that we dialed counts as asked.
//!
//! The invariant that a change is likeliest to break: of one key at most one dial is under way, and none where a link is.

mod asking;
mod book;
mod checks;
mod dials;
mod lane_dials;
mod lanes;
mod links;
mod redial;
mod words;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use flatend_codec::Millis;

pub use redial::Redial;
pub use words::{
    Action, Config, Counts, DialEnd, DialId, Down, Lane, LinkUp, Named, Process, Target,
};

use crate::kademlia::{Key, Lookup, Table, ZERO};
use crate::limits::REFRESH_FIRST_MS;
use crate::routing::{LinkRef, Rng};
use asking::Refresh;
use book::Peer;
use dials::Bootstrap;
use lanes::Lanes;
use links::Link;
use redial::Allowance;

/// What becomes due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// A bootstrap address is to be dialed again.
    Bootstrap(usize),
    /// A peer is to be dialed again, or to be forgotten.
    Peer(Key),
    /// A question has waited long enough.
    Question(LinkRef),
    /// Somebody is to be asked what is new.
    Refresh,
    /// Hearsay may be dialed again.
    Allowance,
    /// Lanes of a process may be dialed again.
    Lanes(Process),
}

/// The discovery of one node.
#[derive(Clone, Debug)]
pub struct Core {
    own: Key,
    /// As in [`Config`].
    proved: Key,
    instance: [u8; 16],
    shards: usize,
    own_addrs: Vec<SocketAddr>,
    redial: Redial,
    rng: Rng,
    table: Table,
    peers: BTreeMap<Key, Peer>,
    /// Entries of `peers` without a link.
    unlinked: usize,
    /// Numbers rise, which leaves the map half empty: it holds little more than them.
    links: BTreeMap<LinkRef, Box<Link>>,
    processes: BTreeMap<Process, Lanes>,
    /// Those of them of which lanes may be missing.
    lacking: BTreeSet<Process>,
    /// Addresses that lead to a key: found by dialing, as long as that link lives. What a peer says of itself proves nothing.
    verified: BTreeMap<SocketAddr, LinkRef>,
    bootstraps: Vec<Bootstrap>,
    dials: BTreeMap<DialId, Target>,
    next_dial: u64,
    /// Peers to dial, the closest first, as dials end.
    ready: BTreeSet<(Key, Key)>,
    /// Addresses of peers that are dialed now, and who waits for each.
    busy: BTreeMap<SocketAddr, Vec<Key>>,
    /// Addresses at which hearsay found nobody: not dialed for hearsay until then.
    resting: BTreeMap<SocketAddr, Millis>,
    allowance: Allowance,
    lookup: Lookup<LinkRef>,
    refresh: Refresh,
    timers: BTreeSet<(Millis, Timer)>,
    actions: VecDeque<Action>,
    counts: Counts,
    /// The first lookup has ended and was told.
    told: bool,
    stopped: bool,
}

impl Core {
    /// A core that knows nobody; it dials its bootstrap addresses at once.
    pub fn new(now: Millis, config: Config) -> Core {
        let own = config.own.unwrap_or(ZERO);
        let mut core = Core {
            own,
            proved: config.proved,
            instance: config.instance,
            shards: config.shards,
            own_addrs: config.own_addrs,
            redial: config.redial,
            rng: Rng::new(config.seed),
            table: Table::new(own),
            peers: BTreeMap::new(),
            unlinked: 0,
            links: BTreeMap::new(),
            processes: BTreeMap::new(),
            lacking: BTreeSet::new(),
            verified: BTreeMap::new(),
            bootstraps: vec![Bootstrap::default(); config.bootstrap],
            dials: BTreeMap::new(),
            next_dial: 1,
            ready: BTreeSet::new(),
            busy: BTreeMap::new(),
            resting: BTreeMap::new(),
            allowance: Allowance::new(now),
            lookup: Lookup::new(own),
            refresh: Refresh::new(REFRESH_FIRST_MS),
            timers: BTreeSet::new(),
            actions: VecDeque::new(),
            counts: Counts::default(),
            told: false,
            stopped: false,
        };
        for number in 0..core.bootstraps.len() {
            core.dial_bootstrap(number);
        }
        core
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Core::timeout`] is to be called next; may change with every other call.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Does what is due.
    pub fn timeout(&mut self, now: Millis) {
        while let Some((at, timer)) = self.timers.first().copied() {
            if at > now {
                break;
            }
            self.timers.pop_first();
            match timer {
                Timer::Bootstrap(number) => self.dial_bootstrap(number),
                Timer::Peer(key) => self.peer_due(&key),
                Timer::Question(link) => self.unanswered(now, link),
                Timer::Refresh => self.start_refresh(now),
                Timer::Allowance => {}
                Timer::Lanes(process) => self.lanes_due(process),
            }
        }
        self.settle(now);
    }

    /// The node shuts down: nothing more is dialed or asked.
    pub fn stop(&mut self) {
        self.stopped = true;
        self.timers.clear();
        self.actions.clear();
    }

    /// What was counted.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How many IDs without a link are remembered: hearsay, and peers that were lost.
    pub fn unlinked(&self) -> usize {
        self.unlinked
    }

    /// The keys with a link.
    pub fn linked(&self) -> impl Iterator<Item = &Key> {
        self.peers
            .iter()
            .filter(|(_, peer)| peer.links > 0)
            .map(|(key, _)| key)
    }

    /// Whether `key` has a link.
    pub fn is_linked(&self, key: &Key) -> bool {
        self.peers.get(key).is_some_and(|peer| peer.links > 0)
    }

    /// The IDs that lookups and refreshes begin with.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The key that was found at an address, if any was looked for there.
    fn found_at(&self, addr: &SocketAddr) -> Option<Option<Key>> {
        let link = self.verified.get(addr)?;
        Some(self.links.get(link)?.key)
    }

    /// After each input: what can begin begins.
    fn settle(&mut self, now: Millis) {
        if self.stopped {
            self.stop();
            return;
        }
        self.dial_ready(now);
        self.dial_lanes();
        self.ask_waiting(now);
        self.tell_first_lookup();
        self.check_invariants();
    }
}
