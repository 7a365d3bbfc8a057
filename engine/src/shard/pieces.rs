//! The pieces of a body that wait for its reader. Owns the order of its bytes, and what they cost: small pieces that come while others
//! wait are joined, so that the memory of the queue is that of the bytes and not that of how they were cut.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::limits::{JOINED_PIECES_BYTES_MAX, QUEUED_PIECE_BYTES, SMALL_PIECE_BYTES};

/// A queue of bytes. Where `tail` has something `chunks` has too: what is there is found at the front.
#[derive(Default)]
pub(super) struct Pieces {
    chunks: VecDeque<Bytes>,
    /// Small pieces behind the last chunk.
    tail: BytesMut,
}

impl Pieces {
    pub(super) fn push(&mut self, bytes: Bytes) {
        if bytes.len() >= SMALL_PIECE_BYTES || self.chunks.is_empty() {
            self.close_tail();
            self.chunks.push_back(bytes);
            return;
        }
        if self.tail.len() + bytes.len() > JOINED_PIECES_BYTES_MAX {
            self.close_tail();
        }
        self.tail.extend_from_slice(&bytes);
    }

    pub(super) fn pop(&mut self) -> Option<Bytes> {
        let bytes = self.chunks.pop_front()?;
        if self.chunks.is_empty() {
            self.close_tail();
        }
        Some(bytes)
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            let tail = std::mem::take(&mut self.tail);
            self.chunks.push_back(tail.freeze());
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.chunks.clear();
        self.tail = BytesMut::new();
    }

    /// What the pieces cost beside their bytes.
    pub(super) fn overhead(&self) -> usize {
        let pieces = self.chunks.len() + usize::from(!self.tail.is_empty());
        QUEUED_PIECE_BYTES * pieces
    }

    /// Pieces for which there is room.
    pub(super) fn capacity(&self) -> usize {
        self.chunks.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(piece: usize, bytes: usize) -> Pieces {
        let mut pieces = Pieces::default();
        for _ in 0..bytes / piece {
            pieces.push(Bytes::from(vec![1; piece]));
        }
        pieces
    }

    #[test]
    fn what_waits_costs_its_bytes_however_it_was_cut() {
        const BYTES: usize = 64 * 1024;
        for piece in [1, 2, 13, SMALL_PIECE_BYTES - 1, SMALL_PIECE_BYTES] {
            let mut pieces = filled(piece, BYTES);
            assert!(pieces.overhead() <= BYTES / 8, "pieces of {piece}");
            assert!(pieces.capacity() * 32 <= BYTES / 8, "pieces of {piece}");
            let (mut read, mut kept) = (0, 0);
            while let Some(bytes) = pieces.pop() {
                read += bytes.len();
                // At most twice what it holds: memory grows by doubling.
                kept += bytes.try_into_mut().expect("its own").capacity();
            }
            assert_eq!(read, BYTES / piece * piece);
            assert!(kept <= 2 * BYTES, "{kept} for pieces of {piece}");
        }
    }

    #[test]
    fn a_piece_that_nothing_waits_before_is_handed_on_as_it_came() {
        let mut pieces = Pieces::default();
        for _ in 0..2 {
            let bytes = Bytes::from(vec![7; 10]);
            let at = bytes.as_ptr();
            pieces.push(bytes);
            assert_eq!(pieces.pop().map(|bytes| bytes.as_ptr()), Some(at));
            assert!(pieces.is_empty() && pieces.overhead() == 0);
        }
    }

    #[test]
    fn the_order_of_the_bytes_stays_whatever_is_joined() {
        let (mut pieces, mut sent, mut read) = (Pieces::default(), Vec::new(), Vec::new());
        let lens = [
            3,
            1,
            SMALL_PIECE_BYTES,
            2,
            5_000,
            1,
            1,
            SMALL_PIECE_BYTES - 1,
        ];
        for round in 0..100_usize {
            for len in lens {
                let piece: Vec<u8> = (0..len).map(|i| (i + round) as u8).collect();
                sent.extend_from_slice(&piece);
                pieces.push(piece.into());
            }
            for _ in 0..round % 7 {
                read.extend(pieces.pop().expect("more is there than was read"));
            }
        }
        while let Some(bytes) = pieces.pop() {
            read.extend(bytes);
        }
        assert!(sent == read && pieces.is_empty());
    }
}
