//! The bytes of a bulk body: a sequence that repeats after a prime number of bytes, so that a piece that is lost, doubled or swapped
//! with another shows wherever pieces begin.

use crate::limits::PATTERN_PIECE_BYTES;

/// Bytes after which the sequence repeats; no piece size of ours divides it or is divided by it.
const PERIOD_BYTES: usize = 65_521;

/// The sequence, ready to be sliced anywhere.
#[derive(Debug)]
pub(crate) struct Pattern {
    bytes: Vec<u8>,
}

impl Pattern {
    /// Makes the sequence.
    pub(crate) fn new() -> Self {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut period: Vec<u8> = Vec::with_capacity(PERIOD_BYTES + PATTERN_PIECE_BYTES);
        period.extend((0..PERIOD_BYTES).map(|_| {
            // xorshift64: no byte can be guessed from its place.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        }));
        let bytes = period
            .iter()
            .copied()
            .cycle()
            .take(PERIOD_BYTES + PATTERN_PIECE_BYTES)
            .collect();
        Pattern { bytes }
    }

    /// The longest piece of at most `bytes` that can be given of the sequence from `offset` on.
    pub(crate) fn piece(&self, offset: u64, bytes: u64) -> &[u8] {
        let from = Pattern::place(offset);
        let len = usize::try_from(bytes)
            .unwrap_or(usize::MAX)
            .min(PATTERN_PIECE_BYTES);
        self.bytes.get(from..from + len).unwrap_or_default()
    }

    /// A place within the sequence for each number, the one where the sequence is after so many bytes.
    pub(crate) fn place(offset: u64) -> usize {
        (offset % PERIOD_BYTES as u64) as usize
    }

    /// The sequence from its beginning on, long enough for a piece of `piece` bytes from each place of it on.
    pub(crate) fn block(&self, piece: usize) -> Vec<u8> {
        let len = PERIOD_BYTES + piece;
        let mut block = Vec::with_capacity(len);
        while block.len() < len {
            block.extend_from_slice(self.piece(block.len() as u64, (len - block.len()) as u64));
        }
        block
    }

    /// Whether `bytes` are those of the sequence from `offset` on.
    pub(crate) fn matches(&self, mut offset: u64, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let expected = self.piece(offset, bytes.len() as u64);
            match bytes.split_at_checked(expected.len()) {
                Some((head, tail)) if head == expected && !head.is_empty() => {
                    offset += head.len() as u64;
                    bytes = tail;
                }
                _ => return false,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_join_to_one_sequence() {
        let pattern = Pattern::new();
        let mut all = Vec::new();
        while all.len() < 5 * PATTERN_PIECE_BYTES {
            all.extend_from_slice(pattern.piece(all.len() as u64, 50_000));
        }
        assert!(pattern.matches(0, &all));
        assert!(pattern.matches(12_345, &all[12_345..]));
        assert_eq!(all[7], all[7 + PERIOD_BYTES]);
        let block = pattern.block(200_000);
        assert_eq!(block.len(), PERIOD_BYTES + 200_000);
        assert!(pattern.matches(0, &block));
    }

    #[test]
    fn damage_is_seen() {
        let pattern = Pattern::new();
        let whole: Vec<u8> = pattern.piece(0, 10_000).to_vec();
        let mut altered = whole.clone();
        altered[9_999] ^= 1;
        assert!(!pattern.matches(0, &altered));
        assert!(
            !pattern.matches(0, &whole[2_048..]),
            "a lost piece of 2,048 bytes"
        );
        assert!(
            !pattern.matches(65_536, &whole),
            "a lost piece of 64 KiB before"
        );
        assert!(pattern.matches(PERIOD_BYTES as u64, &whole));
    }
}
