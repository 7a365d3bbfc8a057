//! Dials: bootstrap addresses for ever, peers as long as it makes sense, each address one at a time, all of them bounded.

use std::net::SocketAddr;

use flatend_codec::Millis;

use super::book::Wait;
use super::redial::Allowance;
use super::{Action, Core, DialEnd, DialId, Process, Target, Timer};
use crate::kademlia::Key;
use crate::limits::{HEARSAY_REST_MS, KNOWN_IDS_MAX, MESH_DIALS_MAX, OWN_ADDRS_MAX};

/// A bootstrap address.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bootstrap {
    /// Dials in a row that failed.
    pub(super) attempt: u32,
    /// Links in a row that ended within [`BRIEF_LINK_MS`](crate::limits::BRIEF_LINK_MS).
    pub(super) brief: u32,
    /// It led to a process that another link leads to, and is not dialed while that lives.
    pub(super) awaits: Option<Process>,
}

impl Core {
    pub(super) fn begin(&mut self, target: Target, attempt: u32) -> DialId {
        let dial = DialId(self.next_dial);
        self.next_dial += 1;
        self.dials.insert(dial, target);
        self.counts.dials += 1;
        self.actions.push_back(Action::Dial {
            dial,
            target,
            attempt,
        });
        dial
    }

    pub(super) fn dial_bootstrap(&mut self, number: usize) {
        if let Some(bootstrap) = self.bootstraps.get(number) {
            self.begin(Target::Bootstrap(number), bootstrap.attempt);
        }
    }

    /// Waits, then dials a bootstrap address again.
    pub(super) fn pause_bootstrap(&mut self, now: Millis, number: usize) {
        let Some(bootstrap) = self.bootstraps.get_mut(number) else {
            return;
        };
        let attempt = bootstrap.attempt;
        if self.redial.attempts.is_some_and(|max| attempt >= max) {
            self.actions.push_back(Action::GaveUp {
                bootstrap: number,
                attempts: attempt,
            });
            return;
        }
        // One that is led to and shown the door again and again is dialed less and less often too.
        let steps = attempt.max(bootstrap.brief.saturating_sub(1));
        let pause_ms = self.redial.pause_ms(steps, &mut self.rng);
        bootstrap.attempt = attempt.saturating_add(1);
        self.timers
            .insert((Millis(now.0 + pause_ms), Timer::Bootstrap(number)));
        self.actions.push_back(Action::Pausing {
            bootstrap: number,
            pause_ms,
        });
    }

    /// Dials who is ready, the closest first.
    pub(super) fn dial_ready(&mut self, now: Millis) {
        while self.dials.len() < MESH_DIALS_MAX {
            let Some((_, key)) = self.ready.first().copied() else {
                return;
            };
            let Some((addr, lost, signed)) = self
                .peers
                .get(&key)
                .and_then(|peer| Some((peer.addr?, peer.lost, peer.signed)))
            else {
                self.forget(&key);
                continue;
            };
            if self.busy.contains_key(&addr) {
                self.set_wait(&key, Wait::Blocked);
                continue;
            }
            let known = self.found_at(&addr);
            let rests = self.resting.get(&addr).is_some_and(|until| *until > now);
            if known.is_some_and(|found| found != Some(key)) || (rests && lost.is_none()) {
                // Somebody else answers there, or nobody, as a dial has shown meanwhile.
                self.counts.bad_addresses += 1;
                self.judge_teller(&key, false);
                self.rest(now, &key);
                continue;
            }
            if lost.is_none() && !self.allowance.take(now) {
                let next = Allowance::next_at(now);
                if !self
                    .timers
                    .iter()
                    .any(|(_, timer)| *timer == Timer::Allowance)
                {
                    self.timers.insert((next, Timer::Allowance));
                }
                return;
            }
            self.set_wait(&key, Wait::Nothing);
            self.busy.insert(addr, Vec::new());
            let dial = self.begin(Target::Peer { key, addr, signed }, lost.unwrap_or(0));
            if let Some(peer) = self.peers.get_mut(&key) {
                peer.dial = Some(dial);
            }
        }
    }

    /// A dial has ended, with a link or without: its address is free again.
    pub(super) fn end_dial(&mut self, dial: DialId) -> Option<Target> {
        let target = self.dials.remove(&dial)?;
        match target {
            Target::Bootstrap(_) => {}
            Target::Lane { process, .. } => self.lacks_lanes(process),
            Target::Peer { key, addr, .. } => {
                if let Some(peer) = self.peers.get_mut(&key) {
                    peer.dial = None;
                }
                for waiting in self.busy.remove(&addr).unwrap_or_default() {
                    self.make_ready(&waiting);
                }
            }
        }
        Some(target)
    }

    /// A dial led to no link.
    pub fn dial_ended(&mut self, now: Millis, dial: DialId, end: DialEnd) {
        if self.stopped {
            return;
        }
        match self.end_dial(dial) {
            None => return,
            Some(Target::Bootstrap(number)) => {
                self.counts.dials_failed += 1;
                if end == DialEnd::Ourselves {
                    // No use to ask again soon, but the address may change hands.
                    if let Some(bootstrap) = self.bootstraps.get_mut(number) {
                        bootstrap.attempt = bootstrap.attempt.max(u32::MAX / 2);
                    }
                }
                self.pause_bootstrap(now, number);
            }
            Some(Target::Peer { key, addr, .. }) => {
                self.counts.dials_failed += 1;
                if end == DialEnd::Ourselves && self.own_addrs.len() < OWN_ADDRS_MAX {
                    self.own_addrs.push(addr);
                }
                self.judge_teller(&key, false);
                self.rest_address(now, addr);
                self.dial_failed(now, &key);
            }
            Some(Target::Lane { process, .. }) => {
                self.counts.dials_failed += 1;
                self.lane_lost(now, process);
            }
        }
        self.settle(now);
    }

    /// Nobody answers there: one dial for hearsay in so much time, whatever keys are named.
    fn rest_address(&mut self, now: Millis, addr: SocketAddr) {
        if self.resting.len() >= KNOWN_IDS_MAX {
            self.resting.retain(|_, until| *until > now);
        }
        if self.resting.len() < KNOWN_IDS_MAX {
            let until = Millis(now.0 + HEARSAY_REST_MS);
            self.resting.insert(addr, until);
        }
    }

    fn dial_failed(&mut self, now: Millis, key: &Key) {
        let fresh = self.redial.fresh_attempts;
        let Some(peer) = self.peers.get_mut(key).filter(|peer| peer.links == 0) else {
            return;
        };
        match peer.lost {
            Some(attempt) if attempt + 1 < fresh => {
                peer.lost = Some(attempt + 1);
                let pause_ms = self.redial.pause_ms(attempt + 1, &mut self.rng);
                self.set_wait(key, Wait::Later(Millis(now.0 + pause_ms)));
            }
            // Evicted: if it lives, a refresh finds it again.
            Some(_) => {
                self.rest(now, key);
                self.hurry_refresh(now);
            }
            None => self.rest(now, key),
        }
    }
}
