//! One direction of a TCP connection, and what a man in the middle can do to it.

use crate::support::script::Script;

/// What can be done to bytes under way.
#[derive(Copy, Clone, Debug)]
pub enum Fault {
    FlipBit,
    Drop,
    Double,
    /// Two neighbouring pieces change places.
    Swap,
    /// Everything from some byte on is gone, also what comes later.
    Truncate,
    /// Bytes of the other direction are put in.
    Reflect,
    Insert,
}

pub const FAULTS: [Fault; 7] = [
    Fault::FlipBit,
    Fault::Drop,
    Fault::Double,
    Fault::Swap,
    Fault::Truncate,
    Fault::Reflect,
    Fault::Insert,
];

/// What may be under way before nothing more is reflected.
const UNDER_WAY_BYTES_MAX: usize = 1 << 20;

#[derive(Default)]
pub struct Wire {
    bytes: Vec<u8>,
    is_cut: bool,
    /// Something was done to it.
    pub is_faulty: bool,
}

impl Wire {
    pub fn put(&mut self, bytes: &[u8]) {
        if !self.is_cut {
            self.bytes.extend_from_slice(bytes);
        }
    }

    pub fn waiting(&self) -> &[u8] {
        &self.bytes
    }

    pub fn take(&mut self, count: usize) -> Vec<u8> {
        self.bytes.drain(..count.min(self.bytes.len())).collect()
    }

    /// Harms what is under way, `other` being under way in the other direction. The old protocol has one key for both directions and
    /// the same counters, so that a frame sent back opens there: known, and left out.
    pub fn harm(&mut self, fault: Fault, other: &[u8], legacy: bool, script: &mut Script<'_>) {
        let length = self.bytes.len();
        let at = (script.below(256) * 256 + script.below(256)) % (length + 1);
        let end = (at + 1 + script.length()).min(length);
        let before = self.bytes.clone();
        match fault {
            Fault::FlipBit => {
                if let Some(byte) = self.bytes.get_mut(at) {
                    *byte ^= 1 << script.below(8);
                }
            }
            Fault::Drop => drop(self.bytes.drain(at.min(end)..end)),
            Fault::Double => {
                let piece = self.bytes[at.min(end)..end].to_vec();
                self.bytes.splice(end..end, piece);
            }
            Fault::Swap => {
                let middle = at.midpoint(end);
                let size = middle - at.min(middle);
                for offset in 0..size.min(end.saturating_sub(middle)) {
                    self.bytes.swap(at + offset, middle + offset);
                }
            }
            Fault::Truncate => {
                self.bytes.truncate(at);
                self.is_cut = true;
            }
            // Two directions that reflect each other grow without end.
            Fault::Reflect if legacy || length + other.len() > UNDER_WAY_BYTES_MAX => {}
            Fault::Reflect => drop(self.bytes.splice(at..at, other.iter().copied())),
            Fault::Insert => {
                let count = 1 + script.below(64);
                let piece: Vec<u8> = (0..count).map(|_| script.byte()).collect();
                drop(self.bytes.splice(at..at, piece));
            }
        }
        // Bytes that came out as they were are no fault.
        self.is_faulty |= self.bytes != before || self.is_cut;
    }
}
