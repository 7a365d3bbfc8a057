//! Links that come and go, and what that says about who is behind them.

use std::net::SocketAddr;

use flatend_codec::Millis;

use super::asking::Question;
use super::book::{Peer, Wait};
use super::{Core, Down, Lane, LinkUp, Target, Timer};
use crate::kademlia::{Entry, Key};
use crate::limits::BRIEF_LINK_MS;
use crate::routing::LinkRef;

/// Who dialed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialed {
    /// The peer.
    Them,
    /// We, a bootstrap address: it is dialed again for ever.
    Bootstrap(usize),
    /// We, an ID: it is dialed again while its loss is fresh.
    Peer,
    /// We, for another link to the same process.
    Lane,
}

/// A link after its handshake.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) key: Option<Key>,
    pub(super) dialed: Dialed,
    pub(super) since: Millis,
    pub(super) from: Option<SocketAddr>,
    pub(super) lane: Option<Lane>,
    /// Questions may be sent.
    pub(super) ready: bool,
    pub(super) question: Question,
    /// IDs that it has named and that led nowhere, less those that led to a peer.
    pub(super) lies: u32,
}

impl Core {
    /// A handshake is done on a link. Links with our own key are none: they are told as the end of their dial.
    pub fn link_up(&mut self, now: Millis, up: LinkUp) {
        let target = up.dial.and_then(|dial| self.end_dial(dial));
        let dialed = match target {
            None => Dialed::Them,
            Some(Target::Bootstrap(number)) => {
                if let Some(bootstrap) = self.bootstraps.get_mut(number) {
                    bootstrap.attempt = 0;
                }
                Dialed::Bootstrap(number)
            }
            Some(Target::Peer { key, .. }) => {
                self.allowance.give_back();
                self.judge_teller(&key, up.key == Some(key));
                self.check_identity(now, &key, up.key);
                Dialed::Peer
            }
            Some(Target::Lane { .. }) => Dialed::Lane,
        };
        let found = !matches!(dialed, Dialed::Them | Dialed::Lane);
        if let (true, Some(from)) = (found, up.from) {
            self.verified.insert(from, up.link);
        }
        let first = up
            .key
            .is_some_and(|key| self.add_link(key, up.addr, up.lane.is_some(), dialed));
        let mut link = Box::new(Link {
            key: up.key,
            dialed,
            since: now,
            from: up.from,
            lane: up.lane,
            ready: dialed != Dialed::Them,
            question: Question::default(),
            lies: 0,
        });
        if dialed == Dialed::Them {
            // Who dialed us is asked once for each key; an anonymous one knows those that it dialed, and they know of us.
            link.question.wanted = first;
        } else if dialed != Dialed::Lane {
            // The codec has asked already. Of one whom it begins with a node learns everybody: its other links tell the same
            // again, and an answer without news must not end it.
            link.question
                .begin_sweep_if(matches!(dialed, Dialed::Bootstrap(_)));
            self.note_asked(now, up.link, &mut link);
        }
        self.links.insert(up.link, link);
        if let Some(lane) = up.lane {
            self.enter_lane(up.link, lane.shards);
        }
        self.arm_refresh(now, first);
        self.settle(now);
    }

    /// Questions may be sent over a link that the peer dialed: it has digested our handshake.
    pub fn link_ready(&mut self, now: Millis, link: LinkRef) {
        if let Some(state) = self.links.get_mut(&link) {
            state.ready = true;
            if let (true, Some(key)) = (std::mem::take(&mut state.question.wanted), state.key) {
                self.lookup.add(&key, link);
            }
        }
        self.settle(now);
    }

    /// A link has ended.
    pub fn link_down(&mut self, now: Millis, link: LinkRef, how: Down) {
        let Some(state) = self.links.remove(&link) else {
            return;
        };
        let again = how == Down::Renewed;
        if let Dialed::Bootstrap(number) = state.dialed {
            let is_brief = now.0.saturating_sub(state.since.0) < BRIEF_LINK_MS;
            if let Some(bootstrap) = self.bootstraps.get_mut(number) {
                bootstrap.brief = if is_brief { bootstrap.brief + 1 } else { 0 };
            }
        }
        self.clear_question(link, &state);
        if let Some(from) = state.from {
            if self.verified.get(&from) == Some(&link) {
                self.verified.remove(&from);
            }
        }
        let process = state.lane.map(|lane| lane.process);
        if let Some(process) = process {
            self.leave_lane(now, link, process, again);
        }
        match state.dialed {
            Dialed::Bootstrap(number) if self.await_process(number, process) => {}
            Dialed::Bootstrap(number) if again && !self.stopped => self.dial_bootstrap(number),
            Dialed::Bootstrap(number) if !self.stopped => self.pause_bootstrap(now, number),
            _ => {}
        }
        if let Some(key) = state.key {
            self.remove_link(now, &key, state.dialed, again);
        }
        self.settle(now);
    }

    /// Counts a link of `key`; true if it is the first.
    fn add_link(
        &mut self,
        key: Key,
        addr: Option<SocketAddr>,
        proved: bool,
        dialed: Dialed,
    ) -> bool {
        if key == self.own {
            return false;
        }
        let unlinked = &mut self.unlinked;
        self.peers.entry(key).or_insert_with(|| {
            *unlinked += 1;
            Peer::new(addr)
        });
        self.set_wait(&key, Wait::Nothing);
        let Some(peer) = self.peers.get_mut(&key) else {
            return false;
        };
        peer.lost = None;
        peer.chosen = dialed == Dialed::Peer || (peer.chosen && peer.links > 0);
        peer.signed = proved;
        peer.addr = addr.or(peer.addr);
        peer.links += 1;
        if let Some(addr) = peer.addr {
            self.table.seen(Entry { key, addr });
        }
        let first = peer.links == 1;
        if first {
            self.unlinked -= 1;
        }
        first
    }

    fn remove_link(&mut self, now: Millis, key: &Key, dialed: Dialed, again: bool) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        peer.links -= 1;
        if peer.links > 0 {
            return;
        }
        self.unlinked += 1;
        let chosen = dialed == Dialed::Peer || (dialed == Dialed::Lane && peer.chosen);
        if chosen && peer.addr.is_some() {
            peer.lost = Some(0);
            if peer.dial.is_none() {
                let pause_ms = self.redial.pause_ms(0, &mut self.rng);
                let at = Millis(now.0 + if again { 0 } else { pause_ms });
                self.set_wait(key, Wait::Later(at));
            }
        } else {
            // Who dialed us dials again; a bootstrap address is dialed by itself.
            self.table.failed(key);
            self.forget(key);
            self.hurry_refresh(now);
        }
    }

    /// Somebody else at an address ends the entry that said who is there.
    fn check_identity(&mut self, now: Millis, expected: &Key, found: Option<Key>) {
        if found == Some(*expected) {
            return;
        }
        self.counts.wrong_identities += 1;
        if self.peers.get(expected).is_some_and(|peer| peer.links == 0) {
            self.rest(now, expected);
        }
    }

    fn clear_question(&mut self, link: LinkRef, state: &Link) {
        self.lookup.done(link);
        if let Some(at) = state.question.due {
            self.timers.remove(&(at, Timer::Question(link)));
        }
    }
}
