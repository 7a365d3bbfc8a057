//! One link a process and lane (flatend2.md 5 and 6). Of two that the two sides dialed, the one is kept that the smaller key dialed:
//! both decide the same. Of two that one side dialed, that side keeps the older. A bootstrap address that led to a process which
//! another link leads to is left alone as long as that one lives.

use flatend_codec::Millis;

use super::links::{Dialed, Link};
use super::{Action, Core, Lane};
use crate::routing::LinkRef;

impl Core {
    /// A link is there: it is the one of its lane, or one of the two ends.
    pub(super) fn enter_lane(&mut self, link: LinkRef) {
        let Some((lane, dialed)) = self
            .links
            .get(&link)
            .and_then(|up| Some((up.lane?, up.dialed)))
        else {
            return;
        };
        let Some((kept, before)) = self.lanes.get(&lane).and_then(|kept| {
            let state = self.links.get(kept)?;
            Some((*kept, state.dialed))
        }) else {
            self.lanes.insert(lane, link);
            return;
        };
        let ours = |dialed: Dialed| dialed != Dialed::Them;
        let ends = match (ours(before), ours(dialed)) {
            (true, true) => link,
            // Its dialer knows which of them lives.
            (false, false) => {
                self.lanes.insert(lane, link);
                return;
            }
            (ours_before, _) => {
                let keeps_ours = self.proved < lane.key;
                if keeps_ours == ours_before {
                    link
                } else {
                    kept
                }
            }
        };
        if ends == kept {
            self.lanes.insert(lane, link);
        }
        self.counts.superseded += 1;
        self.actions.push_back(Action::Supersede { link: ends });
    }

    /// A link has ended; gives the lane in which another one goes on.
    pub(super) fn leave_lane(&mut self, link: LinkRef, state: &Link) -> Option<Lane> {
        let lane = state.lane?;
        if self.lanes.get(&lane) != Some(&link) {
            return Some(lane);
        }
        self.lanes.remove(&lane);
        // Of two that the peer dialed the older may be left.
        let mut others = self.links.iter();
        let (other, _) = others.find(|(_, other)| other.lane == Some(lane))?;
        self.lanes.insert(lane, *other);
        Some(lane)
    }

    /// A bootstrap address leads to where another link leads.
    pub(super) fn await_lane(&mut self, number: usize, lane: Option<Lane>) {
        if let Some(bootstrap) = self.bootstraps.get_mut(number) {
            bootstrap.awaits = lane;
        }
    }

    /// The last link of a lane is gone: the bootstrap addresses that led there are dialed again.
    pub(super) fn lane_lost(&mut self, now: Millis, state: &Link) {
        let Some(lane) = state.lane else {
            return;
        };
        if self.stopped || self.lanes.contains_key(&lane) {
            return;
        }
        for number in 0..self.bootstraps.len() {
            let awaits = |bootstrap: &mut super::Bootstrap| {
                bootstrap.awaits.take_if(|awaited| *awaited == lane)
            };
            if self.bootstraps.get_mut(number).and_then(awaits).is_some() {
                self.pause_bootstrap(now, number);
            }
        }
    }
}
