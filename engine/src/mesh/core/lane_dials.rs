//! Further links to a process (flatend2.md 6): so many that each shard of both sides has one, as soon as requests pass between
//! the two, [`LANES_MAX`] at most and [`LANE_DIALS_MAX`] at a time. Only who dialed the first one makes more. A lane goes to that of
//! our shards which has the fewest of them; on which of its shards the peer has it is the peer's business.

use flatend_codec::Millis;

use super::lanes::Lanes;
use super::words::{Process, Target};
use super::{Core, Timer};
use crate::limits::{LANES_MAX, LANE_DIALS_MAX, MESH_DIALS_MAX};
use crate::routing::LinkRef;

impl Core {
    /// Requests pass over a link: its process gets a lane for each pair of shards.
    pub fn link_works(&mut self, now: Millis, link: LinkRef) {
        let process = self
            .links
            .get(&link)
            .and_then(|link| Some(link.lane?.process));
        if let Some((process, set)) =
            process.and_then(|process| Some((process, self.processes.get_mut(&process)?)))
        {
            set.works = true;
            self.lacks_lanes(process);
        }
        self.settle(now);
    }

    /// Has `dial_lanes` look at a process.
    pub(super) fn lacks_lanes(&mut self, process: Process) {
        let own = u16::try_from(self.shards).unwrap_or(u16::MAX);
        let set = self.processes.get(&process);
        // Nobody has more than one lane where both have one shard.
        if set.is_some_and(|set| set.works && set.ours && own.max(set.shards) > 1) {
            self.lacking.insert(process);
        }
    }

    /// Dials what lanes are missing, as far as dials may begin now.
    pub(super) fn dial_lanes(&mut self) {
        while self.dials.len() < MESH_DIALS_MAX {
            let Some(process) = self.lacking.first().copied() else {
                return;
            };
            match self.next_lane(process) {
                Some(target) => {
                    let attempt = self.processes.get(&process).map_or(0, |set| set.attempt);
                    self.begin(target, attempt);
                }
                None if self.even_out(process) => {}
                None => {
                    self.lacking.remove(&process);
                }
            }
        }
    }

    /// Lanes of a process that are dialed, and our shards that do.
    fn lanes_dialed(&self, process: Process) -> Vec<(u16, usize)> {
        let dialed = self.dials.values().filter_map(|target| match target {
            Target::Lane {
                process: of,
                lane,
                shard,
                ..
            } if *of == process => Some((*lane, *shard)),
            _ => None,
        });
        dialed.collect()
    }

    /// The lane to dial next.
    fn next_lane(&self, process: Process) -> Option<Target> {
        let set = self.processes.get(&process)?;
        let dialed = self.lanes_dialed(process);
        let at_once = if set.attempt > 0 { 1 } else { LANE_DIALS_MAX };
        if !set.may_dial() || dialed.len() >= at_once {
            return None;
        }
        let own = self.shards.max(1);
        let wanted = u16::try_from(own).unwrap_or(u16::MAX).max(set.shards);
        let is_there = |lane: &u16| {
            let mut dialed = dialed.iter().map(|(lane, _)| lane);
            dialed.any(|other| other == lane) || set.links.iter().any(|(_, other)| other == *lane)
        };
        let lane = (0..wanted.min(LANES_MAX)).find(|lane| !is_there(lane))?;
        let lanes_of = |shard: &usize| {
            let dialed = dialed.iter().filter(|(_, other)| other == shard);
            set.count_on(*shard) + dialed.count()
        };
        Some(Target::Lane {
            process,
            lane,
            addr: set.addr?,
            shard: (0..own).min_by_key(lanes_of)?,
        })
    }

    /// No lane is missing, but one of our shards has two more of them than another, as a dial of an address may leave it: one of them
    /// ends, and is dialed by the other. True if that is to be done.
    fn even_out(&mut self, process: Process) -> bool {
        let own = self.shards.max(1);
        let dials = !self.lanes_dialed(process).is_empty();
        let Some(set) = self.processes.get_mut(&process) else {
            return false;
        };
        if !set.may_dial() || dials {
            return false;
        }
        let counts = (0..own).map(|shard| set.count_on(shard));
        let least = counts.min().unwrap_or(0);
        let crowded = |link: &LinkRef| set.count_on(link.shard) >= least + 2;
        let found = set.links.iter().map(|(link, _)| link).rfind(crowded);
        let Some(link) = found else {
            return false;
        };
        set.links.remove(&link);
        self.supersede([link]);
        true
    }

    /// A lane is lost, or could not be made, while others live: it is dialed after a pause.
    pub(super) fn lane_lost(&mut self, now: Millis, process: Process) {
        let Some(set) = self.processes.get_mut(&process) else {
            return;
        };
        if !set.ours || set.rests.is_some() || self.stopped {
            return;
        }
        let at = Millis(now.0 + self.redial.pause_ms(set.attempt, &mut self.rng));
        set.attempt = set.attempt.saturating_add(1);
        set.rests = Some(at);
        self.timers.insert((at, Timer::Lanes(process)));
    }

    /// The pause of a process is over.
    pub(super) fn lanes_due(&mut self, process: Process) {
        if let Some(set) = self.processes.get_mut(&process) {
            set.rests = None;
            self.lacks_lanes(process);
        }
    }
}

impl Lanes {
    /// Whether lanes may be dialed now, if some are missing.
    fn may_dial(&self) -> bool {
        self.ours && self.works && self.rests.is_none()
    }

    /// Lanes that a shard of ours has.
    fn count_on(&self, shard: usize) -> usize {
        let links = self.links.iter().filter(|(link, _)| link.shard == shard);
        links.count()
    }
}
