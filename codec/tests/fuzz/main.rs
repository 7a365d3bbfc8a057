//! What fuzzing kept, played again: `fuzz/` has the targets, `fuzz/corpus` a folder of inputs for each.
#![allow(unreachable_pub)]

mod caller;
mod links;
mod network;
mod pair;
#[path = "../../../fuzz/replay.rs"]
mod replay;
mod shadow;
#[path = "../support/mod.rs"]
mod support;

use replay::replay;

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
