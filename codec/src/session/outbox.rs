//! The one output buffer of a connection. Messages are encoded straight into it and sealed where they lie. Invariant: between calls
//! the buffer holds whole sealed frames, of which the socket may have taken a part, and behind them at most one frame that is still
//! being gathered ([`gather`](super::gather)).

use super::gather::Gathering;
use super::Seal;
use crate::limits::{
    LENGTH_BYTES, TAG_BYTES, TALKS_FROM_BYTES, TRANSMIT_KEEP_BYTES, TRANSMIT_SHRINK_BYTES,
};
use crate::wire::put_u32;

/// What the socket has taken is moved out of the way once it is this much and at least half of the buffer: linear in all.
const COMPACT_BYTES: usize = 64 * 1024;

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(super) bytes: Vec<u8>,
    taken: usize,
    pub(super) queued_total: u64,
    transmitted_total: u64,
    pub(super) gathering: Option<Gathering>,
}

/// Where an unfinished frame begins.
#[derive(Debug)]
#[must_use]
pub(crate) struct FrameStart(usize);

impl Outbox {
    /// Sealed bytes.
    pub(crate) fn waiting(&self) -> &[u8] {
        let sealed = self
            .gathering
            .as_ref()
            .map_or(self.bytes.len(), |gathering| gathering.frame_at);
        self.bytes.get(self.taken..sealed).unwrap_or_default()
    }

    /// Bytes that wait, those of a frame that is not sealed yet included.
    pub(crate) fn waiting_len(&self) -> usize {
        self.bytes.len() - self.taken
    }

    pub(crate) fn queued_total(&self) -> u64 {
        self.queued_total
    }

    pub(crate) fn transmitted_total(&self) -> u64 {
        self.transmitted_total
    }

    /// The socket took `count` bytes; more than wait counts as all of them.
    pub(crate) fn transmitted(&mut self, count: usize) {
        debug_assert!(
            count <= self.waiting().len(),
            "the socket cannot take more than was there"
        );
        let count = count.min(self.waiting().len());
        self.taken += count;
        self.transmitted_total += count as u64;
        if self.taken == self.bytes.len() {
            self.bytes.clear();
            self.taken = 0;
            if self.transmitted_total < TALKS_FROM_BYTES {
                // Many links say little more than who they are.
                self.bytes = Vec::new();
            } else if self.bytes.capacity() > TRANSMIT_SHRINK_BYTES {
                self.bytes.shrink_to(TRANSMIT_KEEP_BYTES);
            }
        } else if self.taken >= COMPACT_BYTES && self.taken >= self.bytes.len() / 2 {
            self.bytes.drain(..self.taken);
            if let Some(gathering) = &mut self.gathering {
                gathering.moved(self.taken);
            }
            self.taken = 0;
        }
    }

    /// Nothing has been said for a while: gives back what does not wait.
    pub(crate) fn rest(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = Vec::new();
        }
    }

    /// Bytes in the clear: the 32 of a session's start.
    pub(crate) fn put_plain(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.queued_total += bytes.len() as u64;
    }

    /// Begins a frame: room for the length, and the RPC number.
    pub(crate) fn begin(&mut self, seq: u32) -> FrameStart {
        let start = FrameStart(self.bytes.len());
        self.bytes.extend_from_slice(&[0; LENGTH_BYTES]);
        put_u32(&mut self.bytes, seq);
        start
    }

    /// Where the message of the frame that was begun is to be appended.
    pub(crate) fn message(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Bytes of the unfinished frame's message so far.
    pub(crate) fn message_len(&self, start: &FrameStart) -> usize {
        self.bytes.len() - start.0 - LENGTH_BYTES - crate::limits::SEQ_BYTES
    }

    /// Takes the unfinished frame back.
    pub(crate) fn cancel(&mut self, start: FrameStart) {
        self.bytes.truncate(start.0);
    }

    /// Seals the frame in place.
    pub(crate) fn finish(&mut self, start: FrameStart, sealer: &mut impl Seal) {
        let at = start.0;
        if self.seal_from(at, sealer) {
            self.queued_total += (self.bytes.len() - at) as u64;
        } else {
            self.cancel(start);
        }
    }

    /// Seals what stands behind the room for a length at `at`; false if that is no frame.
    pub(super) fn seal_from(&mut self, at: usize, sealer: &mut impl Seal) -> bool {
        let Some((length, plaintext)) = self
            .bytes
            .get_mut(at..)
            .and_then(|frame| frame.split_first_chunk_mut::<LENGTH_BYTES>())
        else {
            return false;
        };
        if let Ok(sealed) = u32::try_from(plaintext.len() + TAG_BYTES) {
            *length = sealed.to_be_bytes();
            if let Some(tag) = sealer.seal(*length, plaintext) {
                self.bytes.extend_from_slice(&tag);
                return true;
            }
        }
        // Frames are bounded far below both limits.
        debug_assert!(false, "a frame within the limits seals");
        false
    }

    pub(crate) fn check_invariants(&self) {
        debug_assert!(self.taken <= self.bytes.len());
        debug_assert_eq!(
            self.queued_total - self.transmitted_total,
            self.waiting_len() as u64
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{Opener, Sealer};

    #[test]
    fn frames_survive_being_taken_in_pieces_and_compacted() {
        let mut out = Outbox::default();
        let mut sealer = Sealer::new(&[9; 32]);
        let mut sent = Vec::new();
        for round in 0..200u32 {
            let start = out.begin(round);
            out.message().extend_from_slice(&vec![round as u8; 1_000]);
            assert_eq!(out.message_len(&start), 1_000);
            out.finish(start, &mut sealer);
            let piece = out.waiting_len().min(997);
            sent.extend_from_slice(&out.waiting()[..piece]);
            out.transmitted(piece);
            out.check_invariants();
        }
        sent.extend_from_slice(out.waiting());
        out.transmitted(out.waiting_len());
        assert_eq!(out.queued_total(), sent.len() as u64);
        let mut opener = Opener::new(&[9; 32]);
        let mut rest = &mut sent[..];
        for round in 0..200u32 {
            let (frame, behind) = rest.split_at_mut(4 + 4 + 1_000 + 16);
            let plain = opener.open(&mut frame[4..]).unwrap();
            assert_eq!(plain[..4], round.to_be_bytes());
            rest = behind;
        }
        assert!(rest.is_empty());
    }

    #[test]
    fn a_cancelled_frame_leaves_no_trace() {
        let mut out = Outbox::default();
        out.put_plain(&[1; 32]);
        let start = out.begin(7);
        out.message().push(1);
        out.cancel(start);
        assert_eq!(out.waiting(), &[1; 32]);
        out.check_invariants();
    }
}
