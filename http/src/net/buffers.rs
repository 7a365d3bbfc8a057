//! Buffers of the shard's HTTP connections. A connection that waits for its next request holds none: ten thousand idle ones
//! would keep a hundred megabytes, and a few buffers that are used again and again stay in the core's cache.
//!
//! The invariant that a change is likeliest to break: what is given back is empty, and nobody else has a slice of it.

use std::cell::RefCell;

use bytes::BytesMut;

/// Read buffer of a connection that waits for a head; most requests are one read of it.
pub(crate) const READ_BUFFER_BYTES: usize = 8 * 1024;

/// Buffers of each kind that a shard keeps: as many as connections are usually served in one turn.
const KEPT_MAX: usize = 64;

/// Larger outputs than this are given to the allocator: they come from bursts.
const OUTPUT_BYTES_MAX: usize = 16 * 1024;

thread_local! {
    static INPUTS: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
    static OUTPUTS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A read buffer, if one is kept; else an empty one, which grows when it is read into.
pub(crate) fn take_input() -> BytesMut {
    INPUTS.with(|kept| kept.borrow_mut().pop().unwrap_or_default())
}

/// Keeps the memory of an empty read buffer, unless it is large or slices of it are in use.
pub(crate) fn give_input(mut buffer: BytesMut) {
    let is_usual = buffer.capacity() <= READ_BUFFER_BYTES * 2;
    if buffer.is_empty() && is_usual && buffer.try_reclaim(READ_BUFFER_BYTES) {
        INPUTS.with(|kept| {
            let mut kept = kept.borrow_mut();
            if kept.len() < KEPT_MAX {
                kept.push(buffer);
            }
        });
    }
}

/// An empty output, with memory if some is kept.
pub(crate) fn take_output() -> Vec<u8> {
    OUTPUTS.with(|kept| kept.borrow_mut().pop().unwrap_or_default())
}

/// Keeps the memory of an empty output, unless it is large.
pub(crate) fn give_output(output: Vec<u8>) {
    if output.is_empty() && (1..=OUTPUT_BYTES_MAX).contains(&output.capacity()) {
        OUTPUTS.with(|kept| {
            let mut kept = kept.borrow_mut();
            if kept.len() < KEPT_MAX {
                kept.push(output);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_empty_usual_and_bounded() {
        for _ in 0..KEPT_MAX + 10 {
            give_input(BytesMut::with_capacity(READ_BUFFER_BYTES));
            give_output(Vec::with_capacity(300));
        }
        assert_eq!(INPUTS.with(|kept| kept.borrow().len()), KEPT_MAX);
        assert_eq!(OUTPUTS.with(|kept| kept.borrow().len()), KEPT_MAX);
        INPUTS.with(|kept| kept.borrow_mut().clear());
        OUTPUTS.with(|kept| kept.borrow_mut().clear());

        give_input(BytesMut::from(&b"left over"[..]));
        give_input(BytesMut::with_capacity(128 * 1024));
        give_output(vec![1]);
        give_output(Vec::with_capacity(64 * 1024));
        give_output(Vec::new());
        let mut shared = BytesMut::from(&[7; READ_BUFFER_BYTES][..]);
        let slice = shared.split_to(READ_BUFFER_BYTES).freeze();
        give_input(shared);
        assert_eq!(INPUTS.with(|kept| kept.borrow().len()), 0);
        assert_eq!(OUTPUTS.with(|kept| kept.borrow().len()), 0);
        assert_eq!(slice.len(), READ_BUFFER_BYTES);
    }
}
