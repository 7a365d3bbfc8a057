//! Header blocks used again: a request's and a response's head are built in memory that an earlier one left, one pool a
//! shard, so that a warm shard does not allocate for them.

use std::cell::RefCell;

use crate::limits::{HEADER_BLOCKS_KEPT_MAX, HEADER_BLOCK_BYTES, HEADER_BLOCK_KEPT_BYTES_MAX};
use flatend_codec::HeaderBlock;

thread_local! {
    static POOL: RefCell<Vec<HeaderBlock>> = const { RefCell::new(Vec::new()) };
}

/// An empty block.
pub fn header_block() -> HeaderBlock {
    POOL.with(|pool| pool.borrow_mut().pop())
        .unwrap_or_else(|| HeaderBlock::with_room(HEADER_BLOCK_BYTES))
}

/// Gives a block back that is not needed any more.
pub fn recycle(mut block: HeaderBlock) {
    if block.room() == 0 || block.room() > HEADER_BLOCK_KEPT_BYTES_MAX {
        return;
    }
    block.clear();
    // A thread that ends has no pool any more; the block is just dropped then.
    let _ = POOL.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        if pool.len() < HEADER_BLOCKS_KEPT_MAX {
            pool.push(block);
        }
    });
}

/// What no name or value of a header may have (RFC 9110, 5.5): who writes it into an HTTP message begins a line of somebody else's.
pub(crate) fn ends_a_line(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recycled_block_is_empty_and_a_huge_one_is_not_kept() {
        let mut block = header_block();
        block.push(b"a", b"b").expect("it fits");
        let room = block.room();
        recycle(block);
        let again = header_block();
        assert!(again.is_empty());
        assert_eq!(again.room(), room);
        recycle(HeaderBlock::with_room(HEADER_BLOCK_KEPT_BYTES_MAX + 1));
        assert_eq!(header_block().room(), HEADER_BLOCK_BYTES);
    }
}
