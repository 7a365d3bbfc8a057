//! What fuzzing kept, played again: `fuzz/` has the targets, `fuzz/corpus` a folder of inputs for each.
#![allow(unreachable_pub)]

#[path = "../support/mod.rs"]
mod support;
mod targets;

use std::path::Path;

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(target);
    let mut inputs = 0;
    for entry in std::fs::read_dir(&folder).expect("fuzz/corpus has a folder a target") {
        let path = entry.expect("a file").path();
        println!("{}", path.display());
        run(&std::fs::read(&path).expect("a file that can be read"));
        inputs += 1;
    }
    assert!(inputs > 0, "{target}: nothing was kept");
}

#[test]
fn corpora_pass() {
    replay("http_request", targets::request);
    replay("http_response", targets::response);
    replay("http_chunked", targets::chunked);
}
