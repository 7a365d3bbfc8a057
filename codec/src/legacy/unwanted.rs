//! Answers that nobody wants any more and that go on all the same. Legacy cannot cancel (protocol.md 4), so an event stream whose
//! reader has left runs for ever at the peer; when a link has gathered some, its end is the only word that reaches them. A service that
//! never answers does not count: ending the link would not help it, and would cost the others.
//!
//! Each waits equally long, so a queue in order of their beginning is in order of time, as for silent responses. An entry whose
//! answer has ended is stale.

use std::collections::VecDeque;

use crate::connection::Retirement;
use crate::limits::{UNWANTED_AFTER_MS, UNWANTED_DEAD, UNWANTED_RETIRE};
use crate::stream::{Recv, Stream, StreamTable};

#[derive(Copy, Clone, Debug)]
struct Entry {
    stream: u32,
    /// In reading time: what we do not read cannot end.
    due: u64,
}

/// Entries that may be stale however few streams there are.
const STALE_SLACK: usize = 64;

#[derive(Debug)]
pub(super) struct Unwanted {
    entries: VecDeque<Entry>,
    retirement: Retirement,
}

impl Default for Unwanted {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            retirement: Retirement::Active,
        }
    }
}

/// Whether the answer goes on, and is not counted yet. The abandoned are counted as such.
fn runs_on(stream: &Stream) -> bool {
    stream.ours
        && stream.discard
        && !stream.abandoned
        && !stream.unwanted
        && stream.recv == Recv::Body
}

impl Unwanted {
    /// Looks at a stream that was given up, or whose answer has just begun.
    pub(super) fn note(&mut self, now: u64, id: u32, streams: &StreamTable) {
        if !streams.get(id).is_some_and(runs_on) {
            return;
        }
        self.drop_stale(streams);
        if self.entries.len() >= 2 * streams.counts().ours + STALE_SLACK {
            self.entries
                .retain(|entry| streams.get(entry.stream).is_some_and(runs_on));
        }
        self.entries.push_back(Entry {
            stream: id,
            due: now.saturating_add(UNWANTED_AFTER_MS),
        });
    }

    /// Forgets stale entries at the front.
    pub(super) fn drop_stale(&mut self, streams: &StreamTable) {
        while let Some(front) = self.entries.front() {
            if streams.get(front.stream).is_some_and(runs_on) {
                break;
            }
            self.entries.pop_front();
        }
    }

    /// In reading time. May be early by stale entries, never late.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.entries.front().map(|entry| entry.due)
    }

    /// Counts those whose time is over.
    pub(super) fn handle_timeout(&mut self, now: u64, streams: &mut StreamTable) {
        while let Some(front) = self.entries.front().filter(|front| front.due <= now) {
            if streams.get(front.stream).is_some_and(runs_on) {
                streams.update(front.stream, |stream| stream.unwanted = true);
            }
            self.entries.pop_front();
        }
        let count = streams.counts().unwanted;
        if count >= UNWANTED_DEAD {
            self.retirement = Retirement::Dead;
        } else if count >= UNWANTED_RETIRE && self.retirement == Retirement::Active {
            self.retirement = Retirement::Retiring;
        }
        self.drop_stale(streams);
    }

    pub(super) const fn retirement(&self) -> Retirement {
        self.retirement
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_entries_behind_one_that_runs_on_do_not_pile_up() {
        let mut streams = StreamTable::new([1, 2]);
        let mut unwanted = Unwanted::default();
        for id in 1..10_000 {
            streams.insert(id, Stream::ours());
            streams.update(id, |stream| {
                stream.discard = true;
                stream.recv = Recv::Body;
            });
            unwanted.note(u64::from(id), id, &streams);
            if id > 1 {
                streams.remove(id);
            }
            assert!(unwanted.entries.len() <= 2 * 2 + STALE_SLACK);
        }
        assert_eq!(unwanted.next_due(), Some(1 + UNWANTED_AFTER_MS));
        streams.remove(1);
        unwanted.drop_stale(&streams);
        assert_eq!(unwanted.next_due(), None);
    }
}
