//! What fuzzing kept, played again: `fuzz/` has the targets, `fuzz/corpus` a folder of inputs for each.
#![allow(unreachable_pub)]

#[path = "../../../fuzz/replay.rs"]
mod replay;
#[path = "../support/mod.rs"]
mod support;
mod targets;

use replay::replay;

#[test]
fn corpora_pass() {
    replay("http_request", targets::request);
    replay("http_response", targets::response);
    replay("http_chunked", targets::chunked);
}
