//! Memory that begins at a page and stays for the life of the process: what the kernel may write to is never given back.

use std::alloc::{alloc_zeroed, handle_alloc_error, Layout};

const PAGE_BYTES: usize = 4096;

/// Zeroes, from a page's beginning. A `recv` into memory that does not begin at a cache line costs several times as much.
pub(crate) fn aligned(bytes: usize) -> &'static mut [u8] {
    let start = aligned_raw(bytes);
    // SAFETY: `bytes` zeroed bytes that nobody else has, and that are never given back.
    unsafe { std::slice::from_raw_parts_mut(start, bytes) }
}

/// As [`aligned`], for memory that the kernel writes to beside us.
pub(crate) fn aligned_raw(bytes: usize) -> *mut u8 {
    let layout = match Layout::from_size_align(bytes.max(1), PAGE_BYTES) {
        Ok(layout) => layout,
        Err(error) => panic!("buffers of {bytes} bytes: {error}"),
    };
    // SAFETY: the layout has a size.
    let start = unsafe { alloc_zeroed(layout) };
    if start.is_null() {
        handle_alloc_error(layout);
    }
    start
}
