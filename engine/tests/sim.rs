//! The mesh core under a virtual clock, with a network and old peers that do what they please. A failing seed is told with the
//! command that replays it; `tools/sim-sweep` runs more of them, and makes the table of docs/discovery.md.

#[path = "sim/act.rs"]
mod act;
#[path = "sim/act_old.rs"]
mod act_old;
#[path = "sim/cases.rs"]
mod cases;
#[path = "sim/hosts.rs"]
mod hosts;
#[path = "sim/kinds.rs"]
mod kinds;
#[path = "sim/large.rs"]
mod large;
#[path = "sim/ledger.rs"]
mod ledger;
#[path = "sim/net.rs"]
mod net;
#[path = "sim/node.rs"]
mod node;
#[path = "sim/old.rs"]
mod old;
#[path = "sim/scenario.rs"]
mod scenario;
#[path = "sim/shadow.rs"]
mod shadow;
#[path = "sim/trace.rs"]
mod trace;
#[path = "sim/wires.rs"]
mod wires;
#[path = "sim/world.rs"]
mod world;

use std::panic::AssertUnwindSafe;

/// Seeds of a plain run of the tests.
const SEEDS: u64 = 30;

fn env(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is to be a number, not '{value}'")),
    )
}

/// Runs one seed; a failure says how to see it again.
fn run(seed: u64) -> scenario::Outcome {
    std::panic::catch_unwind(AssertUnwindSafe(|| scenario::run(seed))).unwrap_or_else(|panic| {
        println!("seed {seed} fails; replay it, with SIM_TRACE=1 for every event:");
        println!("SIM_SEED={seed} cargo test -p flatend --test sim replay -- --nocapture");
        std::panic::resume_unwind(panic)
    })
}

/// `SIM_SEED` alone if it is set, else the first.
#[test]
fn replay() {
    let outcome = run(env("SIM_SEED").unwrap_or(1));
    println!("{outcome:?}");
}

/// `SIM_FROM` and `SIM_COUNT` choose others.
#[test]
fn every_seed_heals_rests_and_breaks_no_rule() {
    let (from, count) = (
        env("SIM_FROM").unwrap_or(1),
        env("SIM_COUNT").unwrap_or(SEEDS),
    );
    let mut slowest = (0, 0);
    for seed in from..from + count {
        slowest = slowest.max((run(seed).healed_ms, seed));
    }
    println!(
        "{count} seeds from {from}; the slowest, {}, heals in {} ms",
        slowest.1, slowest.0
    );
}

#[test]
fn same_seed_same_trace() {
    for seed in [3, 14, 15] {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
    assert_ne!(run(3).trace, run(4).trace);
}

#[test]
fn a_lost_address_is_dialed_again_when_it_was_said() {
    cases::redial_time();
}

#[test]
fn two_processes_with_one_key_keep_the_links_of_one_of_them() {
    cases::one_key();
}

#[test]
fn who_names_five_thousand_ids_fills_what_is_kept_for_hearsay_and_no_more() {
    cases::flood();
}

#[test]
fn two_that_lost_each_other_in_a_mesh_at_rest_find_each_other_by_a_sweep() {
    cases::sweep();
}

/// `SIM_NODES` chooses the size; the table is printed.
#[test]
fn a_large_mesh_becomes_full() {
    let nodes = env("SIM_NODES").unwrap_or(120) as usize;
    println!("{}", large::run(nodes));
}
