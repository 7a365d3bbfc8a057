//! Whom to ask, for what, how long. The lookup of our own key goes on through every new ID; then a refresh asks one peer now and
//! then, the least recently seen of each bucket in turn, more and more rarely while nothing new comes.
//!
//! A link is asked on as long as its answers bring news. Nodes of this project name each ID once a minute and link, so asking
//! again brings the next 16; Go and npm name the 16 closest to the target each time, so the target walks through the buckets
//! of who is asked. A *sweep* asks until nothing comes that it has not brought, known to us or not: it finds those again that
//! were evicted while others kept them.

use std::collections::BTreeSet;

use flatend_codec::Millis;

use super::links::{Dialed, Link};
use super::{Action, Core, Named, Timer};
use crate::kademlia::{target_in_bucket, Entry, Key, ZERO};
use crate::limits::{
    LIES_MAX, QUESTION_TIMEOUT_MS, REFRESH_FIRST_MS, REFRESH_MAX_MS, SWEEP_BARREN_MAX,
    SWEEP_FROM_MS, SWEEP_QUESTIONS_MAX,
};
use crate::routing::LinkRef;

/// Buckets that questions walk through: the first sixteen hold all but the nearest of a million nodes.
const BUCKETS_ASKED: u32 = 16;

/// What is asked over one link.
#[derive(Clone, Debug, Default)]
pub(super) struct Question {
    /// It is to be asked once it is ready.
    pub(super) wanted: bool,
    /// A question waits for its answer until then.
    pub(super) due: Option<Millis>,
    /// Questions so far, the codec's own left out: the next one's target.
    asked: u32,
    sweep: Option<Box<Sweep>>,
}

impl Question {
    /// Asks on until the peer has named all that it knows.
    pub(super) fn begin_sweep_if(&mut self, wanted: bool) {
        if wanted {
            self.sweep = Some(Box::default());
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Sweep {
    seen: BTreeSet<Key>,
    questions: u32,
    /// Answers in a row that brought nothing.
    barren: u32,
}

/// When somebody is asked next.
#[derive(Clone, Debug)]
pub(super) struct Refresh {
    pause_ms: u64,
    due: Option<Millis>,
    bucket: usize,
}

impl Refresh {
    pub(super) fn new(pause_ms: u64) -> Refresh {
        Refresh {
            pause_ms,
            due: None,
            bucket: 0,
        }
    }
}

impl Core {
    /// A question is on its way over `link`.
    pub(super) fn note_asked(&mut self, now: Millis, link: LinkRef, state: &mut Link) {
        let due = Millis(now.0 + QUESTION_TIMEOUT_MS);
        state.question.due = Some(due);
        self.timers.insert((due, Timer::Question(link)));
    }

    /// Asks whom the lookup names next.
    pub(super) fn ask_waiting(&mut self, now: Millis) {
        while let Some(link) = self.lookup.ask_next() {
            self.ask(now, link);
        }
    }

    fn ask(&mut self, now: Millis, link: LinkRef) {
        let Some(mut state) = self.links.remove(&link) else {
            return self.lookup.done(link);
        };
        if state.question.due.is_none() {
            let target = self.next_target(&mut state);
            self.note_asked(now, link, &mut state);
            self.counts.questions += 1;
            self.actions.push_back(Action::Ask { link, target });
        }
        self.links.insert(link, state);
    }

    /// Our own key first where the codec has not asked for it, then the peer's buckets in turn.
    fn next_target(&self, state: &mut Link) -> Key {
        let number = state.question.asked;
        state.question.asked += 1;
        match (state.dialed, number) {
            (Dialed::Them, 0) => self.own,
            (_, number) => {
                let bucket = number % BUCKETS_ASKED;
                target_in_bucket(&state.key.unwrap_or(ZERO), bucket as usize)
            }
        }
    }

    /// A peer has answered a question.
    pub fn named(&mut self, now: Millis, link: LinkRef, ids: &[Named]) {
        let mut news = 0;
        for named in ids {
            news += usize::from(self.take_hearsay(*named, link));
        }
        let Some(mut state) = self.links.remove(&link) else {
            return self.settle(now);
        };
        if let Some(due) = state.question.due.take() {
            self.timers.remove(&(due, Timer::Question(link)));
        }
        if let Some(entry) = state.key.and_then(|key| self.entry(key)) {
            self.table.seen(entry);
        }
        let sweeping = state
            .question
            .sweep
            .as_mut()
            .is_some_and(|sweep| sweep.goes_on(ids));
        if !sweeping {
            state.question.sweep = None;
        }
        let place = state.key.unwrap_or(self.own);
        // Who names IDs that lead nowhere is asked when his turn comes, and no more.
        let pursued = news > 0 && state.lies < LIES_MAX;
        self.links.insert(link, state);
        if !pursued && !sweeping {
            self.lookup.done(link);
        } else if self.lookup.is_asked(link) {
            self.ask(now, link);
        } else {
            // The codec's own question: from now on the lookup asks.
            self.lookup.add(&place, link);
        }
        self.settle(now);
    }

    fn entry(&self, key: Key) -> Option<Entry> {
        let addr = self.peers.get(&key)?.addr?;
        Some(Entry { key, addr })
    }

    /// A question could not be sent, or has no answer: a ping that failed. The link is left to its own keeper.
    pub(super) fn unanswered(&mut self, now: Millis, link: LinkRef) {
        self.lookup.done(link);
        if let Some(state) = self.links.get_mut(&link) {
            self.counts.unanswered += 1;
            state.question.sweep = None;
            state.question.due = None;
            if let Some(key) = state.key {
                self.table.failed(&key);
            }
        }
        self.settle(now);
    }

    /// A peer has come: the refresh runs, and soon again if it is a new one.
    pub(super) fn arm_refresh(&mut self, now: Millis, new: bool) {
        if new {
            self.hurry_refresh(now);
        } else if self.refresh.due.is_none() {
            self.schedule_refresh(now);
        }
    }

    /// Something has changed: what follows from it is soon asked for.
    pub(super) fn hurry_refresh(&mut self, now: Millis) {
        if self.stopped {
            return;
        }
        self.refresh.pause_ms = REFRESH_FIRST_MS;
        let soon = Millis(now.0 + 2 * REFRESH_FIRST_MS);
        if self.refresh.due.is_none_or(|due| due > soon) {
            self.schedule_refresh(now);
        }
    }

    fn schedule_refresh(&mut self, now: Millis) {
        if let Some(due) = self.refresh.due.take() {
            self.timers.remove(&(due, Timer::Refresh));
        }
        let pause_ms = self.refresh.pause_ms;
        let jitter_ms = pause_ms * self.rng.below(1_000) as u64 / 5_000;
        let due = Millis(now.0 + pause_ms + jitter_ms);
        self.refresh.due = Some(due);
        self.timers.insert((due, Timer::Refresh));
    }

    /// Asks one peer what it knows.
    pub(super) fn start_refresh(&mut self, now: Millis) {
        self.refresh.due = None;
        if self.links.is_empty() {
            return;
        }
        self.counts.refreshes += 1;
        if let Some(link) = self.refresh_link() {
            let place = self.links.get_mut(&link).map_or(self.own, |state| {
                let full = self.refresh.pause_ms >= SWEEP_FROM_MS;
                state.question.begin_sweep_if(full);
                state.key.unwrap_or(self.own)
            });
            self.lookup.add(&place, link);
        }
        self.refresh.pause_ms = (self.refresh.pause_ms * 2).min(REFRESH_MAX_MS);
        self.schedule_refresh(now);
    }

    /// The least recently seen peer of the next bucket that has one with a link; else any link that answers.
    fn refresh_link(&mut self) -> Option<LinkRef> {
        let by_key = |core: &Core, key: &Key| {
            let mut links = core.links.iter();
            links
                .find_map(|(link, state)| (state.key == Some(*key) && state.ready).then_some(*link))
        };
        if let Some((bucket, entries)) = self.table.bucket_from(self.refresh.bucket) {
            self.refresh.bucket = bucket + 1;
            let linked = |entry: &&Entry| self.is_linked(&entry.key);
            if let Some(link) = entries
                .iter()
                .find(linked)
                .and_then(|entry| by_key(self, &entry.key))
            {
                return Some(link);
            }
        }
        let ready =
            |state: &Link| state.ready && (state.key.is_some() || state.dialed != Dialed::Them);
        let count = self.links.values().filter(|state| ready(state)).count();
        let chosen = self.rng.below(count);
        let mut links = self.links.iter().filter(|(_, state)| ready(state));
        links.nth(chosen).map(|(link, _)| *link)
    }

    /// The seed's line, once the first lookup has nobody left to ask and nobody to dial.
    pub(super) fn tell_first_lookup(&mut self) {
        let asked = |link: &Link| link.question.due.is_some() || link.question.wanted;
        if self.told
            || self.links.is_empty()
            || !self.lookup.is_idle()
            || !self.ready.is_empty()
            || !self.busy.is_empty()
            || self.links.values().any(|link| asked(link))
        {
            return;
        }
        self.told = true;
        self.actions.push_back(Action::Discovered {
            peers: self.counts.discovered as usize,
        });
    }
}

impl Sweep {
    /// Whether another question is worth it after this answer.
    fn goes_on(&mut self, ids: &[Named]) -> bool {
        let before = self.seen.len();
        self.seen.extend(ids.iter().map(|named| named.key));
        self.questions += 1;
        self.barren = if self.seen.len() > before {
            0
        } else {
            self.barren + 1
        };
        !ids.is_empty() && self.barren < SWEEP_BARREN_MAX && self.questions < SWEEP_QUESTIONS_MAX
    }
}
