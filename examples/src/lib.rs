//! What the examples share: where the gateway is, and a run until Ctrl-C that ends with a drain. A drain matters to
//! the callers: requests in flight are finished, and links end with a FIN instead of a reset.

use std::error::Error;

use flatend::NodeBuilder;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Where a gateway listens for nodes when nothing else is configured.
pub const GATEWAY: &str = "127.0.0.1:9000";

/// The first argument, or `default`.
pub fn argument(default: &str) -> String {
    std::env::args()
        .nth(1)
        .unwrap_or_else(|| default.to_owned())
}

/// Runs a node until SIGINT or SIGTERM, then drains it.
///
/// # Errors
/// When the node does not start, or a shard ends badly.
pub fn serve(node: NodeBuilder) -> Result<(), Box<dyn Error>> {
    // Before the start: a signal in between must not be lost.
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let node = node.start()?;
    signals.forever().next();
    node.shutdown()?;
    Ok(())
}

/// Bytes that are the same in each run and compress badly, in pieces of 64 KiB at most.
pub fn pattern(bytes: u64) -> impl Iterator<Item = Vec<u8>> {
    let mut state = 1u64;
    let mut left = bytes;
    std::iter::from_fn(move || {
        let len = left.min(PATTERN_PIECE_BYTES) as usize;
        left -= len as u64;
        let mut piece = Vec::with_capacity(len + 7);
        while piece.len() < len {
            // xorshift64: quick, and no two pieces are alike.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            piece.extend_from_slice(&state.to_le_bytes());
        }
        piece.truncate(len);
        (len > 0).then_some(piece)
    })
}

/// Of [`pattern`].
const PATTERN_PIECE_BYTES: u64 = 64 * 1024;
