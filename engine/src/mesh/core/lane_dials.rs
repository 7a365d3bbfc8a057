//! Further links to a process (flatend2.md 6): so many that each shard of both sides has one, as soon as requests pass between
//! the two, [`LANES_MAX`] at most and [`LANE_DIALS_MAX`] at a time. Only who dialed the first one makes more. Lane n belongs to our
//! shard `base + n`; on which of its shards the peer has it is the peer's business.

use flatend_codec::Millis;

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
                None => {
                    self.lacking.remove(&process);
                }
            }
        }
    }

    /// The lane to dial next, noted as dialed.
    fn next_lane(&mut self, process: Process) -> Option<Target> {
        let own = self.shards.max(1);
        let set = self.processes.get_mut(&process)?;
        let at_once = if set.attempt > 0 { 1 } else { LANE_DIALS_MAX };
        if !set.ours || !set.works || set.rests.is_some() || set.dialing.len() >= at_once {
            return None;
        }
        let addr = set.addr?;
        let wanted = u16::try_from(own).unwrap_or(u16::MAX).max(set.shards);
        let is_there = |lane: &u16| {
            set.dialing.contains(lane) || set.links.values().any(|other| other == lane)
        };
        let lane = (0..wanted.min(LANES_MAX)).find(|lane| !is_there(lane))?;
        set.dialing.insert(lane);
        Some(Target::Lane {
            process,
            lane,
            addr,
            shard: (set.base + usize::from(lane)) % own,
        })
    }

    /// The dial of a lane has ended.
    pub(super) fn lane_dialed(&mut self, process: Process, lane: u16) {
        if let Some(set) = self.processes.get_mut(&process) {
            set.dialing.remove(&lane);
        }
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
