//! Bodies whose every byte follows from its place, so that a piece that is lost, doubled or moved shows.

/// The byte at `offset`.
pub(crate) fn byte(offset: u64) -> u8 {
    ((offset / 8 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (8 * (offset % 8))) as u8
}

/// `len` bytes from `offset` on.
pub(crate) fn bytes(offset: u64, len: usize) -> Vec<u8> {
    (offset..offset + len as u64).map(byte).collect()
}

/// Checks a body piece by piece.
#[derive(Default)]
pub(crate) struct Checker {
    pub(crate) len: u64,
}

impl Checker {
    /// Takes the next piece.
    ///
    /// # Panics
    /// When a byte is not the one that belongs there.
    pub(crate) fn take(&mut self, piece: &[u8]) {
        for (i, got) in piece.iter().enumerate() {
            let offset = self.len + i as u64;
            assert_eq!(*got, byte(offset), "wrong byte at {offset}");
        }
        self.len += piece.len() as u64;
    }
}
