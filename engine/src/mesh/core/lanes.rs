//! The links to one process (flatend2.md 5 and 6). They are dialed by one side: where both have dialed, those of the smaller key
//! stay, and of two with one key those of the smaller instance; both decide the same. Of two links of one lane their dialer keeps
//! the older; the other side lets it, up to [`LANE_LINKS_MAX`]. A bootstrap address that led to a process which another link leads
//! to is left alone as long as that one lives. Which lanes there are to be: [`super::lane_dials`].

use std::net::SocketAddr;

use flatend_codec::Millis;

use super::links::Dialed;
use super::words::{Action, Process};
use super::{Core, Timer};
use crate::limits::LANE_LINKS_MAX;
use crate::routing::LinkRef;

/// Links and their lanes, in the order of the links. Most processes have one, which a map would give room for eleven.
#[derive(Clone, Debug, Default)]
pub(super) struct Members(Vec<(LinkRef, u16)>);

impl Members {
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (LinkRef, u16)> + '_ {
        self.0.iter().copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn insert(&mut self, link: LinkRef, lane: u16) {
        match self.0.binary_search_by_key(&link, |(link, _)| *link) {
            Ok(at) => self.0[at].1 = lane,
            Err(at) => {
                self.0.reserve_exact(1);
                self.0.insert(at, (link, lane));
            }
        }
    }

    /// Whether it was there.
    pub(super) fn remove(&mut self, link: &LinkRef) -> bool {
        let found = self.0.binary_search_by_key(link, |(link, _)| *link);
        if let Ok(at) = found {
            self.0.remove(at);
        }
        found.is_ok()
    }
}

/// The links to one process, and what is known for making more. There is one as long as a link of it is to stay.
#[derive(Clone, Debug)]
pub(super) struct Lanes {
    /// Its links and their lanes, those left out that end for another. All of them were dialed by one side.
    pub(super) links: Members,
    /// By us.
    pub(super) ours: bool,
    /// Its shards, as it says.
    pub(super) shards: u16,
    /// Requests pass.
    pub(super) works: bool,
    /// Where it was found.
    pub(super) addr: Option<SocketAddr>,
    /// Times in a row that a dial failed or a lane was lost.
    pub(super) attempt: u32,
    /// None is dialed until then.
    pub(super) rests: Option<Millis>,
}

impl Core {
    /// A link is there: it stays, or links end for others that lead to the same process.
    pub(super) fn enter_lane(&mut self, link: LinkRef, shards: u16) {
        let Some((lane, dialed, from)) = self
            .links
            .get(&link)
            .and_then(|up| Some((up.lane?, up.dialed, up.from)))
        else {
            return;
        };
        let (process, number) = (lane.process, lane.lane);
        let ours = dialed != Dialed::Them;
        let set = self.processes.entry(process).or_insert_with(|| Lanes {
            links: Members::default(),
            ours,
            shards,
            works: false,
            addr: None,
            attempt: 0,
            rests: None,
        });
        set.shards = shards;
        let mut ends: Vec<LinkRef> = Vec::new();
        if set.ours != ours {
            let keeps_ours = (self.proved, self.instance) < (process.key, process.instance);
            if ours != keeps_ours {
                return self.supersede([link]);
            }
            ends.extend(set.links.iter().map(|(link, _)| link));
            set.links = Members::default();
            set.ours = ours;
        }
        let same = |(_, lane): &(LinkRef, u16)| *lane == number;
        if !ours && set.links.iter().filter(same).count() >= LANE_LINKS_MAX {
            // Who dials a lane again has lost the one before.
            ends.extend(set.links.iter().find(same).map(|(link, _)| link));
        }
        if ours && set.links.iter().any(|at| same(&at)) {
            ends.push(link);
        } else {
            set.links.insert(link, number);
        }
        if ours {
            set.addr = from;
            set.attempt = 0;
        }
        for link in &ends {
            set.links.remove(link);
        }
        self.supersede(ends);
        self.lacks_lanes(process);
    }

    pub(super) fn supersede(&mut self, links: impl IntoIterator<Item = LinkRef>) {
        for link in links {
            self.counts.superseded += 1;
            self.actions.push_back(Action::Supersede { link });
        }
    }

    /// The peer takes no new requests over a link that it dialed: it has another one, or goes.
    pub fn link_leaves(&mut self, now: Millis, link: LinkRef) {
        let state = self.links.get(&link);
        let accepted = state.filter(|state| state.dialed == Dialed::Them);
        if let Some(lane) = accepted.and_then(|state| state.lane) {
            self.leave_lane(now, link, lane.process, false);
        }
        self.settle(now);
    }

    /// A link has ended, or is to. If it was the last one of its process, the bootstrap addresses that led there are dialed again: at
    /// once if the process or we said so (`again`).
    pub(super) fn leave_lane(&mut self, now: Millis, link: LinkRef, process: Process, again: bool) {
        let Some(set) = self.processes.get_mut(&process) else {
            return;
        };
        if !set.links.remove(&link) {
            return;
        }
        if !set.links.is_empty() {
            return self.lane_lost(now, process);
        }
        if let Some(at) = set.rests {
            self.timers.remove(&(at, Timer::Lanes(process)));
        }
        self.processes.remove(&process);
        self.lacking.remove(&process);
        if self.stopped {
            return;
        }
        for number in 0..self.bootstraps.len() {
            let awaits = |bootstrap: &mut super::Bootstrap| {
                bootstrap.awaits.take_if(|awaited| *awaited == process)
            };
            match self.bootstraps.get_mut(number).and_then(awaits) {
                Some(_) if again => self.dial_bootstrap(number),
                Some(_) => self.pause_bootstrap(now, number),
                None => {}
            }
        }
    }

    /// Whether a bootstrap address is to wait because another link leads to where it leads.
    pub(super) fn await_process(&mut self, number: usize, process: Option<Process>) -> bool {
        let lives = process.filter(|process| self.processes.contains_key(process));
        if let (Some(process), Some(bootstrap)) = (lives, self.bootstraps.get_mut(number)) {
            bootstrap.awaits = Some(process);
        }
        lives.is_some()
    }
}
