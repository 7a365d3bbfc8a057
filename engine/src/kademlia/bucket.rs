//! One bucket: up to 16 entries in the order in which they were last seen, and as many spare ones that take the place of
//! whoever fails. A long life counts: nobody who answers is put out by a newcomer.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::{Key, Seen};
use crate::limits::BUCKET_IDS;

/// An ID in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: Key,
    /// Where it can be dialed.
    pub addr: SocketAddr,
}

/// Least recently seen first.
#[derive(Clone, Debug, Default)]
pub(super) struct Bucket {
    entries: VecDeque<Entry>,
    /// The newest last; the oldest is forgotten when there are too many.
    spare: VecDeque<Entry>,
}

impl Bucket {
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn spare_len(&self) -> usize {
        self.spare.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.spare.is_empty()
    }

    pub(super) fn seen(&mut self, entry: Entry) -> Seen {
        if take(&mut self.entries, &entry.key).is_some() {
            self.entries.push_back(entry);
            return Seen::Again;
        }
        take(&mut self.spare, &entry.key);
        if self.entries.len() < BUCKET_IDS {
            self.entries.push_back(entry);
            return Seen::Added;
        }
        if self.spare.len() == BUCKET_IDS {
            self.spare.pop_front();
        }
        self.spare.push_back(entry);
        Seen::Spare
    }

    /// Puts a key out; the newest spare one takes its place, at the end: it was seen a moment ago.
    pub(super) fn failed(&mut self, key: &Key) -> Option<Entry> {
        let gone = take(&mut self.entries, key).or_else(|| take(&mut self.spare, key));
        if self.entries.len() < BUCKET_IDS {
            self.entries.extend(self.spare.pop_back());
        }
        gone
    }
}

fn take(list: &mut VecDeque<Entry>, key: &Key) -> Option<Entry> {
    let at = list.iter().position(|entry| entry.key == *key)?;
    list.remove(at)
}
