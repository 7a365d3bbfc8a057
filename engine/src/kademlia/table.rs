//! The table of IDs by bucket. Remembers who was seen when, in order; the mesh core says who was seen and who failed. The
//! invariant: a key stands in one place only, in the bucket that its distance from `own` says.

use std::collections::BTreeMap;

use super::bucket::Bucket;
pub use super::bucket::Entry;
use super::{bucket_index, distance, Key};
use crate::limits::BUCKET_IDS;

/// What became of an ID that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is our own key: it has no place.
    Own,
    /// It was there, and is the most recently seen now.
    Again,
    /// It is new.
    Added,
    /// Its bucket is full of older ones: it waits for one of them to fail.
    Spare,
}

/// Up to 256 buckets of 16 IDs, as seen from one key.
#[derive(Clone, Debug)]
pub struct Table {
    own: Key,
    /// Those that are not empty: about log2 of the mesh's size.
    buckets: BTreeMap<usize, Bucket>,
}

impl Table {
    /// An empty table.
    pub fn new(own: Key) -> Table {
        Table {
            own,
            buckets: BTreeMap::new(),
        }
    }

    /// An ID has shown that it lives.
    pub fn seen(&mut self, entry: Entry) -> Seen {
        match bucket_index(&self.own, &entry.key) {
            None => Seen::Own,
            Some(index) => self.buckets.entry(index).or_default().seen(entry),
        }
    }

    /// A ping of an ID failed (on legacy: its link, its dial or its answer): it is put out, and a spare one takes its place.
    pub fn failed(&mut self, key: &Key) -> Option<Entry> {
        let index = bucket_index(&self.own, key)?;
        let bucket = self.buckets.get_mut(&index)?;
        let gone = bucket.failed(key);
        if bucket.is_empty() {
            self.buckets.remove(&index);
        }
        gone
    }

    /// The `n` IDs closest to `target`, the target itself left out.
    pub fn closest(&self, target: &Key, n: usize) -> Vec<Entry> {
        let mut found: Vec<Entry> = self.iter().filter(|entry| entry.key != *target).collect();
        found.sort_by_cached_key(|entry| distance(&entry.key, target));
        found.truncate(n);
        found
    }

    /// Every ID, bucket by bucket, the least recently seen of each first.
    pub fn iter(&self) -> impl Iterator<Item = Entry> + '_ {
        self.buckets.values().flat_map(Bucket::entries).copied()
    }

    /// The IDs of the first bucket from `from` on, wrapping, that has any; with its index. The least recently seen first.
    pub fn bucket_from(&self, from: usize) -> Option<(usize, Vec<Entry>)> {
        let later = self.buckets.range(from..);
        let (index, bucket) = later
            .chain(self.buckets.range(..from))
            .find(|(_, bucket)| !bucket.is_empty())?;
        Some((*index, bucket.entries().copied().collect()))
    }

    /// How many IDs, spare ones left out.
    pub fn len(&self) -> usize {
        self.buckets.values().map(Bucket::len).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Asserts in debug builds what must always hold.
    pub fn check_invariants(&self) {
        if cfg!(debug_assertions) {
            for (index, bucket) in &self.buckets {
                debug_assert!(!bucket.is_empty() && bucket.len() <= BUCKET_IDS);
                debug_assert!(bucket.spare_len() <= BUCKET_IDS);
                debug_assert!(bucket.spare_len() == 0 || bucket.len() == BUCKET_IDS);
                debug_assert!(bucket
                    .entries()
                    .all(|entry| bucket_index(&self.own, &entry.key) == Some(*index)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kademlia::ZERO;

    fn entry(first: u8, last: u8) -> Entry {
        let mut key = ZERO;
        key[0] = first;
        key[31] = last;
        Entry {
            key,
            addr: ([127, 0, 0, 1], 9000 + u16::from(last)).into(),
        }
    }

    #[test]
    fn own_key_has_no_place() {
        let mut table = Table::new([3; 32]);
        let own = Entry {
            key: [3; 32],
            ..entry(0, 0)
        };
        assert_eq!(table.seen(own), Seen::Own);
        assert!(table.is_empty() && table.failed(&[3; 32]).is_none());
    }

    #[test]
    fn a_bucket_holds_16_and_who_is_seen_again_goes_to_its_end() {
        let mut table = Table::new(ZERO);
        for last in 0..16 {
            assert_eq!(table.seen(entry(0x80, last)), Seen::Added);
        }
        assert_eq!(table.seen(entry(0x80, 16)), Seen::Spare);
        assert_eq!(table.seen(entry(0x80, 0)), Seen::Again);
        let (index, bucket) = table.bucket_from(0).expect("a bucket");
        assert_eq!((index, bucket.len()), (0, 16));
        assert_eq!((bucket[0], bucket[15]), (entry(0x80, 1), entry(0x80, 0)));
        table.check_invariants();
    }

    #[test]
    fn a_failed_ping_puts_out_and_the_newest_spare_comes_in() {
        let mut table = Table::new(ZERO);
        for last in 0..40 {
            table.seen(entry(0x80, last));
        }
        assert_eq!(table.failed(&entry(0x80, 3).key), Some(entry(0x80, 3)));
        let (_, bucket) = table.bucket_from(0).expect("a bucket");
        assert_eq!((bucket.len(), bucket[15]), (16, entry(0x80, 39)));
        assert!(!bucket.contains(&entry(0x80, 3)));
        // 16 to 23 were spare once and are forgotten: sixteen wait at most.
        assert_eq!(table.failed(&entry(0x80, 23).key), None);
        table.check_invariants();
        for entry in table.iter().collect::<Vec<_>>() {
            table.failed(&entry.key);
        }
        while let Some((_, bucket)) = table.bucket_from(0) {
            table.failed(&bucket[0].key);
        }
        assert!(table.is_empty());
    }

    #[test]
    fn a_new_address_of_a_known_key_replaces_the_old() {
        let mut table = Table::new(ZERO);
        table.seen(entry(0x80, 1));
        let moved = Entry {
            addr: ([10, 0, 0, 1], 1).into(),
            ..entry(0x80, 1)
        };
        assert_eq!(table.seen(moved), Seen::Again);
        assert_eq!(table.iter().collect::<Vec<_>>(), [moved]);
    }

    #[test]
    fn closest_sorts_over_all_buckets_and_buckets_are_found_from_any_place() {
        let mut table = Table::new(ZERO);
        for first in [0x80, 0x40, 0x41, 0x02] {
            table.seen(entry(first, 1));
        }
        let closest = table.closest(&entry(0x41, 1).key, 2);
        assert_eq!(closest, [entry(0x40, 1), entry(0x02, 1)]);
        assert_eq!(table.bucket_from(2).map(|(index, _)| index), Some(6));
        assert_eq!(table.bucket_from(7).map(|(index, _)| index), Some(0));
    }
}
