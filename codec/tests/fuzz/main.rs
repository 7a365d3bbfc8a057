//! What fuzzing kept, played again: `fuzz/` has the targets, `fuzz/corpus` a folder of inputs for each.
#![allow(unreachable_pub)]

mod caller;
mod links;
mod network;
mod pair;
mod shadow;
#[path = "../support/mod.rs"]
mod support;

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
fn corpora_of_links_and_pairs_pass() {
    replay("link_flatend2", links::flatend2);
    replay("link_legacy", links::legacy);
    replay("pair", pair::pair);
}

/// Scripts at random, for who has no fuzzer: the same seeds each time.
#[test]
fn random_scripts_pass() {
    for seed in 0..300 {
        let mut random = support::xorshift::Xorshift::new(seed);
        let length = random.below(600);
        let script = random.bytes(length);
        links::flatend2(&script);
        links::legacy(&script);
        pair::pair(&script);
    }
}
