//! The floors of the codec: the AEAD alone on plaintexts of the same lengths, and a copy of as many bytes.

use std::time::Duration;

use ring::aead::{Aad, LessSafeKey, Nonce, UnboundKey, AES_256_GCM};

use crate::{in_batches, timed, Case};

/// Bytes of the tag behind each ciphertext.
pub(crate) const TAG_BYTES: usize = 16;

/// Iterations that are opened between two readings of the clock.
const OPEN_BATCH: usize = 16;

/// What a floor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Seals each plaintext in place.
    Seal,
    /// Opens each in place.
    Open,
    /// Copies each.
    Copy,
}

/// One floor: an iteration does its work once with each of the plaintexts.
pub struct Floor {
    what: String,
    work: Work,
    key: LessSafeKey,
    /// Frames of one iteration.
    per_iteration: usize,
    /// Plaintexts with room for their tags; of several iterations where a batch is opened.
    frames: Vec<Vec<u8>>,
    copies: Vec<Vec<u8>>,
    counter: u64,
}

impl Floor {
    /// The floor of `what`, whose frames hold plaintexts of `lengths`.
    pub fn new(what: &str, work: Work, lengths: &[usize]) -> Floor {
        let sets = if work == Work::Open { OPEN_BATCH } else { 1 };
        let frames = |byte| -> Vec<Vec<u8>> {
            let all = lengths.iter().cycle().take(sets * lengths.len());
            all.map(|length| vec![byte; length + TAG_BYTES]).collect()
        };
        Floor {
            what: what.to_owned(),
            work,
            key: key(),
            per_iteration: lengths.len(),
            frames: frames(1),
            copies: frames(2),
            counter: 0,
        }
    }

    fn seal(&mut self, count: usize) {
        for frame in self.frames.iter_mut().take(count) {
            let at = frame.len() - TAG_BYTES;
            let (plaintext, room) = frame.split_at_mut(at);
            let tag = self
                .key
                .seal_in_place_separate_tag(nonce(self.counter), Aad::empty(), plaintext)
                .expect("short enough");
            room.copy_from_slice(tag.as_ref());
            self.counter += 1;
        }
    }

    fn open(&mut self, count: usize) {
        self.counter -= count as u64;
        for frame in self.frames.iter_mut().take(count) {
            let plaintext = self
                .key
                .open_in_place(nonce(self.counter), Aad::empty(), frame)
                .expect("sealed before");
            std::hint::black_box(plaintext);
            self.counter += 1;
        }
    }

    fn copy_all(&mut self) {
        for (from, to) in self.frames.iter().zip(&mut self.copies) {
            std::hint::black_box(&mut *to).copy_from_slice(std::hint::black_box(from));
        }
    }
}

impl Case for Floor {
    fn name(&self) -> String {
        let how = match self.work {
            Work::Seal => "ring seal",
            Work::Open => "ring open",
            Work::Copy => "memcpy",
        };
        format!("{}/floor: {how}", self.what)
    }

    fn bytes(&self) -> u64 {
        let frames = self.frames.iter().take(self.per_iteration);
        let bytes: usize = frames.map(Vec::len).sum();
        bytes as u64
    }

    fn time(&mut self, iterations: u64) -> Duration {
        match self.work {
            Work::Seal => timed(|| (0..iterations).for_each(|_| self.seal(self.per_iteration))).0,
            Work::Copy => {
                let time = timed(|| (0..iterations).for_each(|_| self.copy_all())).0;
                assert_eq!(self.frames, self.copies);
                time
            }
            // Each opening needs a sealing, which is not counted.
            Work::Open => in_batches(iterations, OPEN_BATCH as u64, |size| {
                let count = size as usize * self.per_iteration;
                self.seal(count);
                timed(|| self.open(count)).0
            }),
        }
    }
}

/// Some key.
pub(crate) fn key() -> LessSafeKey {
    let key = UnboundKey::new(&AES_256_GCM, &[7; 32]);
    LessSafeKey::new(key.expect("a key of 32 bytes"))
}

pub(crate) fn nonce(counter: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&counter.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}
