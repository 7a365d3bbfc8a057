//! Small pieces of bodies, copied out of the receive buffer: many share one piece of memory, so that a small answer costs no
//! allocation.

use std::cell::RefCell;

use bytes::{Bytes, BytesMut};

use crate::limits::{SMALL_PIECES_BYTES, SMALL_PIECE_BYTES};

thread_local! {
    static ROOM: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// A copy of `bytes`.
pub(super) fn copied(bytes: &[u8]) -> Bytes {
    if bytes.len() >= SMALL_PIECE_BYTES {
        return Bytes::copy_from_slice(bytes);
    }
    ROOM.with_borrow_mut(|room| {
        if room.capacity() < bytes.len() {
            // The memory of before, if all pieces of it were read.
            room.reserve(SMALL_PIECES_BYTES);
        }
        room.extend_from_slice(bytes);
        room.split().freeze()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_keep_their_bytes_and_memory_that_nobody_reads_is_used_again() {
        let pieces: Vec<Bytes> = (0..2_000u32).map(|n| copied(&n.to_be_bytes())).collect();
        for (n, piece) in (0..).zip(&pieces) {
            assert_eq!(piece[..], u32::to_be_bytes(n));
        }
        assert_eq!(copied(&[7; SMALL_PIECE_BYTES])[..], [7; SMALL_PIECE_BYTES]);
        drop(pieces);
        let first = copied(b"again");
        let (from, mut reused) = (first.as_ptr() as usize, 0);
        drop(first);
        for _ in 0..10 * SMALL_PIECES_BYTES {
            let piece = copied(b"again");
            let at = piece.as_ptr() as usize;
            assert!(at.abs_diff(from) < SMALL_PIECES_BYTES, "in the same memory");
            reused += usize::from(at <= from);
        }
        assert!(reused > 0);
    }
}
