//! Responses that fall silent right after their head (rules G04, B02). All wait equally long, so a queue in order of arrival is in
//! order of time: O(1) a response, nothing is searched. An entry whose stream has got Data or ended is stale; it leaves when it comes
//! to the front.

use crate::limits::SILENT_RESPONSE_MS;
use crate::stream::StreamTable;
use std::collections::VecDeque;

#[derive(Copy, Clone, Debug)]
struct Entry {
    stream: u32,
    /// In reading time.
    due: u64,
}

#[derive(Debug, Default)]
pub(super) struct SilentQueue {
    entries: VecDeque<Entry>,
}

impl SilentQueue {
    /// A response head came at `now` of reading time; gives the time that the stream has to remember.
    pub(super) fn push(&mut self, now: u64, stream: u32, streams: &StreamTable) -> u64 {
        self.drop_stale(streams);
        let due = now.saturating_add(SILENT_RESPONSE_MS);
        debug_assert!(
            self.entries.back().is_none_or(|last| last.due <= due),
            "reading time never goes back"
        );
        self.entries.push_back(Entry { stream, due });
        due
    }

    /// Forgets stale entries at the front.
    pub(super) fn drop_stale(&mut self, streams: &StreamTable) {
        while let Some(front) = self.entries.front() {
            if streams
                .get(front.stream)
                .is_some_and(|stream| stream.silent_due == Some(front.due))
            {
                break;
            }
            self.entries.pop_front();
        }
    }

    /// The next stream whose time is over.
    pub(super) fn pop_due(&mut self, now: u64, streams: &StreamTable) -> Option<u32> {
        self.drop_stale(streams);
        let due = self.entries.front().is_some_and(|front| front.due <= now);
        due.then(|| self.entries.pop_front())
            .flatten()
            .map(|entry| entry.stream)
    }

    /// In reading time. May be early by stale entries, never late.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.entries.front().map(|entry| entry.due)
    }
}
