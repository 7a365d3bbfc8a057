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
