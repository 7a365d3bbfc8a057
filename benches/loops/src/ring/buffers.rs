//! A group of provided buffers in memory that kernel and process share (a buffer ring): the kernel takes one a receive, and it comes
//! back when its bytes have been looked at.
//!
//! Invariant: a buffer is either the kernel's or ours; ours is the one of a completion, until [`Buffers::give_back`].

use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;
use io_uring::Submitter;

use crate::memory::aligned_raw;

/// The group; of one thread, for the life of the process.
pub(crate) struct Buffers {
    group: u16,
    count: u16,
    size: usize,
    entries: *mut BufRingEntry,
    bytes: *mut u8,
    /// Entries given so far; the kernel sees them when they are published.
    tail: u16,
}

impl Buffers {
    /// Registers `count` buffers, a power of two, of `size` bytes each.
    ///
    /// # Errors
    /// The system refuses them.
    pub(crate) fn register(
        submitter: &Submitter<'_>,
        group: u16,
        count: u16,
        size: usize,
    ) -> Result<Buffers, String> {
        let entries = aligned_raw(usize::from(count) * size_of::<BufRingEntry>());
        // SAFETY: as many entries as are told, zeroed, from a page's beginning, and never given back.
        unsafe { submitter.register_buf_ring_with_flags(entries as u64, count, group, 0) }
            .map_err(|error| format!("cannot register {count} buffers: {error}"))?;
        let mut buffers = Buffers {
            group,
            count,
            size,
            entries: entries.cast(),
            bytes: aligned_raw(usize::from(count) * size),
            tail: 0,
        };
        (0..count).for_each(|id| buffers.give_back(id));
        buffers.publish();
        Ok(buffers)
    }

    pub(crate) fn group(&self) -> u16 {
        self.group
    }

    /// The first `len` bytes of a buffer that a completion has named.
    pub(crate) fn filled(&self, id: u16, len: usize) -> &[u8] {
        assert!(
            id < self.count && len <= self.size,
            "the kernel names buffer {id} with {len} bytes"
        );
        // SAFETY: within the memory of this group, initialised, and ours until it is given back, which takes `self` mutably.
        unsafe { std::slice::from_raw_parts(self.bytes.add(usize::from(id) * self.size), len) }
    }

    /// Lets the kernel have a buffer again, from the next [`Buffers::publish`] on.
    pub(crate) fn give_back(&mut self, id: u16) {
        let at = self.tail & (self.count - 1);
        // SAFETY: `at` is below the count of entries. The kernel does not look at entries beyond the published tail. The tail itself
        // lies in the first entry's last field, which is not among the three that are set.
        unsafe {
            let entry = &mut *self.entries.add(usize::from(at));
            entry.set_addr(self.bytes.add(usize::from(id) * self.size) as u64);
            entry.set_len(self.size as u32);
            entry.set_bid(id);
        }
        self.tail = self.tail.wrapping_add(1);
    }

    /// Shows the kernel what was given back.
    pub(crate) fn publish(&mut self) {
        // SAFETY: the tail is an aligned u16 in the first entry, which the kernel only reads.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(self.entries).cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }
}
