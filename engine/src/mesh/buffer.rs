//! The receive buffer of a link: how large it is, which memory stands behind it, and the spare ones of the shard. The invariant that a
//! change is likeliest to break: `memory` is never less than what a slice of the buffer keeps alive.

use std::cell::RefCell;

use bytes::BytesMut;

use crate::limits::{
    LINK_BUFFER_BULK_BYTES, LINK_BUFFER_BYTES, LINK_WINDOW_LOOK_BYTES, REST_SHARE, SLICE_BYTES_MIN,
    SLICE_SHARE, SPARE_BUFFERS_MAX, SPARE_BULK_BUFFERS_MAX, UNVERIFIED_BUFFER_BYTES,
};
use crate::rt::{aligned_buffer, make_room};

thread_local! {
    /// Receive buffers that no link uses now, with the memory behind each: a link at rest has none.
    static SPARE: RefCell<Vec<(BytesMut, usize)>> = const { RefCell::new(Vec::new()) };
}

/// How large a link's receive buffer is: small at first, as large as a frame that needs it, and large while bulk data
/// travels.
#[derive(Default)]
pub(super) struct BufferSize {
    /// Reads in a row that brought much.
    full_reads: u32,
    /// Bytes of such reads since the window was narrowed.
    bulk_bytes: usize,
    /// Bytes that the frame at the front needs in all.
    wants: usize,
    /// Nobody knows yet whom the link leads to: it gets little.
    is_unverified: bool,
    /// Bytes of the memory that the buffer is a part of.
    memory: usize,
    /// A frame has begun and is not whole.
    pub(super) frame_begun: bool,
}

impl BufferSize {
    /// Makes room for the next read. Spare buffers are for links whose peers have shown who they are.
    pub(super) fn make_room(&mut self, buffer: &mut BytesMut, handshaked: bool) {
        self.is_unverified = !handshaked;
        if handshaked && buffer.capacity() == 0 {
            let spare = SPARE.with(|spare| spare.borrow_mut().pop());
            (*buffer, self.memory) = spare.unwrap_or_default();
        }
        let have = buffer.len();
        let (least, usual) = (self.room_min(have), self.room());
        // Behind what is left over there is room for the rest of it, not for all of it once more.
        let room = usual.saturating_sub(have).max(usual / 2).max(least);
        if make_room(buffer, least, room) {
            self.memory = buffer.capacity();
        } else {
            // It may have begun anew where it began.
            self.memory = self.memory.max(buffer.capacity());
        }
    }

    /// The buffer comes from another shard: nobody knows what it is a part of.
    pub(super) fn take_foreign(&mut self, buffer: &BytesMut) {
        self.memory = buffer.capacity().max(LINK_BUFFER_BULK_BYTES);
    }

    /// Whether a payload is handed on as a slice of the buffer. What is unread counts with its bytes: it must be a good part of the
    /// memory that it keeps.
    pub(super) fn may_slice(&self, bytes: usize) -> bool {
        bytes >= SLICE_BYTES_MIN && bytes.saturating_mul(SLICE_SHARE) >= self.memory
    }

    /// The socket is empty. A buffer without anything in it serves the next link; a few bytes of a frame that has begun do not keep a
    /// large one, for they may stay.
    pub(super) fn rest(&mut self, buffer: &mut BytesMut) {
        if buffer.is_empty() {
            let buffer = std::mem::take(buffer);
            return give_back(buffer, std::mem::take(&mut self.memory));
        }
        let (have, is_bulk) = (buffer.len(), self.full_reads >= BULK_READS_MIN);
        let needs = self.wants.max(have);
        if is_bulk || self.memory <= REST_SHARE * needs {
            return;
        }
        let small = aligned_buffer(needs - have, buffer);
        let memory = std::mem::replace(&mut self.memory, small.capacity());
        let mut large = std::mem::replace(buffer, small);
        large.clear();
        give_back(large, memory);
    }

    pub(super) fn note_read(&mut self, bytes: usize, wants: usize) {
        self.full_reads = if bytes >= LINK_BUFFER_BYTES / 2 {
            self.bulk_bytes += bytes;
            self.full_reads.saturating_add(1)
        } else {
            0
        };
        // A new frame at the front: the clock of the old one stops.
        self.frame_begun = wants > 0;
        self.wants = wants;
    }

    fn room(&self) -> usize {
        let usual = match self.full_reads {
            _ if self.is_unverified => UNVERIFIED_BUFFER_BYTES,
            BULK_READS_MIN.. => LINK_BUFFER_BULK_BYTES,
            _ => LINK_BUFFER_BYTES,
        };
        usual.max(self.wants)
    }

    /// Whether the window is to be narrowed now; asked once for each read.
    pub(super) fn window_is_due(&mut self) -> bool {
        let due = self.bulk_bytes >= LINK_WINDOW_LOOK_BYTES;
        if due {
            self.bulk_bytes = 0;
        }
        due
    }

    /// Room below which a buffer with `have` bytes is replaced.
    fn room_min(&self, have: usize) -> usize {
        self.wants.saturating_sub(have).max(self.room() / 4)
    }
}

/// Full reads in a row that make a link's traffic bulk.
const BULK_READS_MIN: u32 = 3;

/// Keeps an empty buffer for the next link. What slices are in use of is theirs; the rest of it is there.
fn give_back(mut buffer: BytesMut, memory: usize) {
    if !buffer.try_reclaim(LINK_BUFFER_BYTES) {
        return;
    }
    let most = if memory > 2 * LINK_BUFFER_BYTES {
        SPARE_BULK_BUFFERS_MAX
    } else {
        SPARE_BUFFERS_MAX
    };
    SPARE.with(|spare| {
        let mut spare = spare.borrow_mut();
        if spare.len() < most {
            spare.push((buffer, memory));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spares() -> usize {
        SPARE.with(|spare| spare.borrow().len())
    }

    /// A link that carries bulk, with its buffer.
    fn bulk() -> (BufferSize, BytesMut) {
        let (mut size, mut buffer) = (BufferSize::default(), BytesMut::new());
        for _ in 0..BULK_READS_MIN {
            size.make_room(&mut buffer, true);
            size.note_read(LINK_BUFFER_BYTES, 0);
        }
        size.make_room(&mut buffer, true);
        assert!(buffer.capacity() >= LINK_BUFFER_BULK_BYTES);
        (size, buffer)
    }

    #[test]
    fn a_slice_is_a_good_part_of_the_memory_that_it_keeps() {
        let (mut size, mut buffer) = bulk();
        let all = buffer.capacity();
        let least = all.div_ceil(SLICE_SHARE);
        assert!(size.may_slice(60_000), "full frames are not copied");
        assert!(size.may_slice(least) && !size.may_slice(least - 1));
        // What is left of the same memory is no less of it, also in another link's hands.
        buffer.resize(all - 2 * LINK_BUFFER_BYTES, 0);
        let kept = buffer.split_to(50_000).freeze();
        buffer.clear();
        size.rest(&mut buffer);
        assert!(buffer.capacity() == 0 && spares() == 1);
        let (mut other, mut its) = (BufferSize::default(), BytesMut::new());
        other.make_room(&mut its, true);
        assert!(spares() == 0 && its.capacity() < all);
        assert!(!other.may_slice(least - 1) && !other.may_slice(SLICE_BYTES_MIN));
        drop(kept);
        // Memory of its own counts for what it is.
        let (mut small, mut its) = (BufferSize::default(), BytesMut::new());
        small.make_room(&mut its, true);
        assert!(small.may_slice(SLICE_BYTES_MIN) && !small.may_slice(SLICE_BYTES_MIN - 1));
        small.take_foreign(&its);
        assert!(!small.may_slice(SLICE_BYTES_MIN));
    }

    #[test]
    fn what_is_left_over_does_not_make_the_memory_larger() {
        let (mut size, mut buffer) = bulk();
        for _ in 0..10 {
            let full = buffer.capacity();
            buffer.resize(full, 1);
            let keep = buffer.split_to(full - 65_000).freeze();
            size.note_read(full, 65_558);
            size.make_room(&mut buffer, true);
            assert!(buffer.capacity() - buffer.len() >= LINK_BUFFER_BULK_BYTES / 2);
            assert!(size.may_slice(60_000), "{}", size.memory);
            drop(keep);
            let len = buffer.len();
            assert!(buffer.split_to(len).iter().all(|byte| *byte == 1));
            size.make_room(&mut buffer, true);
        }
    }

    #[test]
    fn a_link_without_a_handshake_gets_no_spare_buffer() {
        let (mut size, mut buffer) = bulk();
        size.rest(&mut buffer);
        assert_eq!(spares(), 1);
        let (mut size, mut buffer) = (BufferSize::default(), BytesMut::new());
        size.make_room(&mut buffer, false);
        assert!((UNVERIFIED_BUFFER_BYTES..2 * UNVERIFIED_BUFFER_BYTES).contains(&buffer.capacity()));
        // Its own is not kept either.
        size.rest(&mut buffer);
        assert_eq!((spares(), buffer.capacity()), (1, 0));
        size.make_room(&mut buffer, true);
        assert!(spares() == 0 && buffer.capacity() >= LINK_BUFFER_BYTES);
    }

    #[test]
    fn a_few_bytes_of_a_frame_do_not_keep_a_large_buffer() {
        let (mut size, mut buffer) = bulk();
        buffer.extend_from_slice(b"abc");
        size.note_read(3, 100);
        size.rest(&mut buffer);
        assert!(&buffer[..] == b"abc" && buffer.capacity() < 500);
        assert_eq!(spares(), 1, "another link has it");
        size.make_room(&mut buffer, true);
        assert!(&buffer[..] == b"abc" && buffer.capacity() >= LINK_BUFFER_BYTES);
        // What is no small part of its buffer stays where it is, and so does bulk.
        size.note_read(3, LINK_BUFFER_BYTES / 2);
        let at = buffer.as_ptr();
        size.rest(&mut buffer);
        let (mut size, mut large) = bulk();
        large.extend_from_slice(b"abc");
        size.note_read(LINK_BUFFER_BYTES, 100);
        let large_at = large.as_ptr();
        size.rest(&mut large);
        assert_eq!((buffer.as_ptr(), large.as_ptr()), (at, large_at));
    }
}
