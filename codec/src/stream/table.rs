//! The streams of one link by number. Owns the counts that the link asks for at each turn, so that none is ever found by a scan;
//! every change of a stream goes through [`StreamTable::update`], which keeps them true.

use super::Stream;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

/// A keyed multiply-and-fold. The peer chooses numbers, so the keys come from a secret that it does not know.
#[derive(Clone, Debug)]
pub(crate) struct KeyedHash([u64; 2]);

impl KeyedHash {
    pub(crate) const fn new(seed: [u64; 2]) -> Self {
        Self(seed)
    }
}

#[derive(Debug)]
pub(crate) struct FoldHasher {
    state: u64,
    factor: u64,
}

impl BuildHasher for KeyedHash {
    type Hasher = FoldHasher;

    fn build_hasher(&self) -> FoldHasher {
        let [state, factor] = self.0;
        FoldHasher {
            state,
            factor: factor | 1,
        }
    }
}

impl Hasher for FoldHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        let product = u128::from(self.state ^ value) * u128::from(self.factor);
        // Both halves count: the table takes its index from the low bits and its tags from the high ones.
        self.state = (product >> 64) as u64 ^ product as u64;
    }

    fn finish(&self) -> u64 {
        self.state
    }
}

#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Streams of ours in the table, discarded ones included.
    pub(crate) ours: usize,
    pub(crate) theirs: usize,
    /// Streams about which somebody here still cares.
    pub(crate) live: usize,
    /// Requests of ours that wait for bytes.
    pub(crate) waiting: usize,
    /// Answers that nobody wants and that go on.
    pub(crate) unwanted: usize,
    /// Bytes kept back (rule G11).
    pub(crate) held_bytes: usize,
}

impl Counts {
    fn add(&mut self, stream: &Stream) {
        self.ours += usize::from(stream.ours);
        self.theirs += usize::from(!stream.ours);
        self.live += usize::from(stream.is_live());
        self.waiting += usize::from(stream.waits());
        self.unwanted += usize::from(stream.unwanted);
        self.held_bytes += stream.held.as_ref().map_or(0, |held| held.byte_len());
    }

    fn sub(&mut self, stream: &Stream) {
        self.ours -= usize::from(stream.ours);
        self.theirs -= usize::from(!stream.ours);
        self.live -= usize::from(stream.is_live());
        self.waiting -= usize::from(stream.waits());
        self.unwanted -= usize::from(stream.unwanted);
        self.held_bytes -= stream.held.as_ref().map_or(0, |held| held.byte_len());
    }
}

#[derive(Debug)]
pub(crate) struct StreamTable {
    streams: HashMap<u32, Stream, KeyedHash>,
    counts: Counts,
}

impl StreamTable {
    pub(crate) fn new(seed: [u64; 2]) -> Self {
        Self {
            streams: HashMap::with_hasher(KeyedHash(seed)),
            counts: Counts::default(),
        }
    }

    pub(crate) const fn counts(&self) -> Counts {
        self.counts
    }

    pub(crate) fn contains(&self, id: u32) -> bool {
        self.streams.contains_key(&id)
    }

    pub(crate) fn get(&self, id: u32) -> Option<&Stream> {
        self.streams.get(&id)
    }

    pub(crate) fn insert(&mut self, id: u32, stream: Stream) {
        self.counts.add(&stream);
        if let Some(previous) = self.streams.insert(id, stream) {
            debug_assert!(false, "a number is given to one stream at a time");
            self.counts.sub(&previous);
        }
    }

    /// Changes a stream and keeps the counts true; a stream that is over afterwards leaves the table.
    pub(crate) fn update<R>(
        &mut self,
        id: u32,
        change: impl FnOnce(&mut Stream) -> R,
    ) -> Option<R> {
        let stream = self.streams.get_mut(&id)?;
        self.counts.sub(stream);
        let result = change(stream);
        if stream.is_over() {
            self.streams.remove(&id);
        } else {
            self.counts.add(stream);
        }
        Some(result)
    }

    pub(crate) fn remove(&mut self, id: u32) -> Option<Stream> {
        let stream = self.streams.remove(&id)?;
        self.counts.sub(&stream);
        Some(stream)
    }

    /// Gives its memory back if nothing is in it.
    pub(crate) fn rest(&mut self) {
        if self.streams.is_empty() {
            self.streams.shrink_to_fit();
        }
    }

    /// Numbers of all streams with a response kept back. A scan; used once a link, when its peer turns out to be Node.
    pub(crate) fn held_ids(&self) -> Vec<u32> {
        self.streams
            .iter()
            .filter(|(_, stream)| stream.held.is_some())
            .map(|(id, _)| *id)
            .collect()
    }

    /// Compares the counts with the table, as long as that is cheap.
    pub(crate) fn check_invariants(&self) {
        if cfg!(debug_assertions) && self.streams.len() <= 64 {
            let mut counts = Counts::default();
            for stream in self.streams.values() {
                counts.add(stream);
                debug_assert!(
                    !stream.is_over(),
                    "a stream that is over has left the table"
                );
                debug_assert!(!stream.abandoned || (stream.ours && stream.discard));
                debug_assert!(
                    !stream.unwanted || (stream.ours && stream.discard && !stream.abandoned)
                );
                debug_assert!(stream.held.is_none() || !stream.ours);
            }
            debug_assert_eq!(counts, self.counts);
        }
    }
}
