//! Responses that fall silent right after their head (rules G04, B02). All wait equally long, so a queue in order of arrival is in
//! order of time: O(1) a response, nothing is searched. An entry whose stream has got Data or ended is stale; it leaves when it comes
//! to the front, or with all other stale ones once they are the greater part.

use crate::limits::SILENT_RESPONSE_MS;
use crate::stream::StreamTable;
use std::collections::VecDeque;

#[derive(Copy, Clone, Debug)]
struct Entry {
    stream: u32,
    /// In reading time.
    due: u64,
}

impl Entry {
    fn is_awaited(&self, streams: &StreamTable) -> bool {
        streams
            .get(self.stream)
            .is_some_and(|stream| stream.silent_due == Some(self.due))
    }
}

/// Entries that may be stale however few streams there are.
const STALE_SLACK: usize = 64;

#[derive(Debug, Default)]
pub(super) struct SilentQueue {
    entries: VecDeque<Entry>,
}

impl SilentQueue {
    /// A response head came at `now` of reading time; gives the time that the stream has to remember.
    pub(super) fn push(&mut self, now: u64, stream: u32, streams: &StreamTable) -> u64 {
        self.drop_stale(streams);
        // A front that stays while the socket is never empty must not let the queue grow without end. Linear in all: as many pushes
        // as are kept lie between two of these.
        if self.entries.len() >= 2 * streams.counts().ours + STALE_SLACK {
            self.entries.retain(|entry| entry.is_awaited(streams));
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Stream;

    #[test]
    fn stale_entries_behind_a_silent_one_do_not_pile_up() {
        let mut streams = StreamTable::new([1, 2]);
        let mut queue = SilentQueue::default();
        let add = |queue: &mut SilentQueue, streams: &mut StreamTable, id| {
            streams.insert(id, Stream::ours());
            let due = queue.push(u64::from(id), id, streams);
            streams.update(id, |stream| stream.silent_due = Some(due));
        };
        add(&mut queue, &mut streams, 1);
        for id in 2..10_000 {
            add(&mut queue, &mut streams, id);
            streams.remove(id);
            assert!(queue.entries.len() <= 2 * 2 + STALE_SLACK);
        }
        assert_eq!(queue.pop_due(20_000, &streams), Some(1));
        assert_eq!(queue.pop_due(20_000, &streams), None);
        assert_eq!(queue.next_due(), None);
    }
}
