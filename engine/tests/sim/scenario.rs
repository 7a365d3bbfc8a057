//! Runs made from a seed: how many hosts of which kind, when they start, what breaks, and what must be true in the end.

use std::collections::BTreeMap;

use super::net::Knobs;
use super::old::Fault;
use super::world::World;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
/// Within this time after the last fault every pair that can be linked is.
const HEALED_MAX: u64 = 25 * MINUTE;
/// And within this time, with requests on each link, there is one for each lane: a dead one is noticed within a minute, a pause is half
/// of one, and two that dialed each other do so again.
const LANES_HEALED_MAX: u64 = 5 * MINUTE;
/// A mesh at rest asks so seldom: the longest refresh is ten minutes, and a sweep of a small mesh is a few questions.
const REST_MS: u64 = 60 * MINUTE;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) trace: (u64, u64),
    pub(crate) healed_ms: u64,
}

/// Runs the scenario of a seed.
///
/// # Panics
/// When something is not as it must be.
pub(crate) fn run(seed: u64) -> Outcome {
    let mut world = World::new(seed, Knobs::default());
    build(&mut world);
    let hosts = world.hosts.len();
    for host in 0..hosts {
        let at = world.now + world.rng.below(2_000) as u64;
        world.run_until(at);
        world.start(host);
    }
    let faults = world.rng.below(14);
    for _ in 0..faults {
        let until = world.now + world.rng.below(40 * SECOND as usize) as u64;
        world.run_until(until);
        break_something(&mut world);
    }
    world.net.heal();
    for host in 0..hosts {
        if !world.is_alive(host) && (host < 3 || world.rng.below(2) == 0) {
            world.start(host);
        }
    }
    let begun = world.now;
    while let Some((a, b)) = world.unlinked_pair() {
        let waited = world.now - begun;
        assert!(
            waited < HEALED_MAX,
            "hosts {a} and {b} could be linked and are not, {waited} ms after the last fault"
        );
        world.run_until(world.now + 250);
    }
    let healed_ms = world.now - begun;
    check_lanes(&mut world);
    check_services(&mut world);
    check_rest(&mut world);
    // A lie may just have led to a process that is linked.
    await_lanes(&mut world, MINUTE);
    Outcome {
        trace: world.trace.value(),
        healed_ms,
    }
}

fn build(world: &mut World) {
    let hosts = 4 + world.rng.below(18);
    let seeds = 1 + world.rng.below(3);
    for host in 0..hosts {
        let first = world.rng.below(seeds);
        let mut chosen = vec![first];
        if world.rng.below(2) == 0 {
            chosen.push((first + 1) % seeds);
        }
        if host < seeds {
            // Bootstrap nodes know each other.
            chosen = (0..seeds).filter(|other| *other != host).collect();
        }
        if world.rng.below(6) == 0 {
            // One list of addresses for all, its own among them.
            chosen.push(host);
        }
        chosen.dedup();
        let kind = world.rng.below(10);
        let fault = [
            Fault::None,
            Fault::ShowsUnspecified,
            Fault::ShowsIpv6,
            Fault::Mute,
            Fault::Liar,
        ][world.rng.below(5)];
        let old = (kind < 2 && host >= seeds).then_some(fault);
        let identified = old.is_some() || kind < 8 || host < seeds;
        let number = world.add_host(identified, old, chosen);
        world.hosts[number].shards = 1 + world.rng.below(4) as u16;
        if world.rng.below(8) == 0 {
            // Two of them still shake hands within the five seconds that there are for it.
            world.hosts[number].slow_ms = world.rng.below(1_200) as u64;
        }
    }
}

fn break_something(world: &mut World) {
    let hosts = world.hosts.len();
    let (a, b) = (world.rng.below(hosts), world.rng.below(hosts));
    match world.rng.below(7) {
        0 if world.is_alive(a) => world.kill(a),
        1 if !world.is_alive(a) => world.start(a),
        2 if world.is_alive(a) => {
            // The same address, the same key.
            world.kill(a);
            let until = world.now + world.rng.below(20 * SECOND as usize) as u64;
            world.run_until(until);
            world.start(a);
        }
        3 if world.is_alive(a) && world.hosts[a].key.is_some() => {
            // Somebody else answers there from now on.
            world.kill(a);
            world.hosts[a].key = Some(world.random_key());
            world.start(a);
        }
        4 if a != b => {
            world.net.cut_pair(a, b);
            world.break_unreachable();
        }
        5 => {
            let side: BTreeMap<usize, u8> = (0..hosts)
                .map(|host| (host, world.rng.below(2) as u8))
                .collect();
            world.net.split(side);
            world.break_unreachable();
            let until = world.now + world.rng.below(150 * SECOND as usize) as u64;
            world.run_until(until);
            world.net.heal();
        }
        _ => {
            let live = world.live_conns();
            if !live.is_empty() {
                let conn = live[world.rng.below(live.len())];
                world.break_conn(conn);
            }
        }
    }
}

/// Where requests pass there is one link for each lane in the end.
fn check_lanes(world: &mut World) {
    world.put_to_work();
    await_lanes(world, LANES_HEALED_MAX);
}

fn await_lanes(world: &mut World, at_most: u64) {
    let begun = world.now;
    while let Some(odd) = world.odd_lanes() {
        let waited = world.now - begun;
        assert!(waited < at_most, "{odd}, after {waited} ms");
        world.run_until(world.now + 250);
    }
}

/// A new list of services reaches everybody: at once over a link that lives, else when its end is noticed and it is made again.
fn check_services(world: &mut World) {
    let Some(host) = (0..world.hosts.len())
        .find(|host| world.ours(*host).is_some() && world.hosts[*host].key.is_some())
    else {
        return;
    };
    world.offer(host);
    let (begun, version) = (world.now, world.hosts[host].services);
    while !world.everybody_knows(host, version) {
        assert!(
            world.now - begun < 3 * MINUTE,
            "a new service of host {host} is not known everywhere after 3 minutes"
        );
        world.run_until(world.now + 50);
    }
}

/// A mesh in which nothing happens is silent, and stays full.
fn check_rest(world: &mut World) {
    world.run_until(world.now + REST_MS);
    let alive = (0..world.hosts.len())
        .filter(|host| world.ours(*host).is_some())
        .count() as u64;
    let before = world.totals;
    world.run_until(world.now + REST_MS);
    assert_eq!(world.unlinked_pair(), None, "the mesh does not stay full");
    world.check_tables();
    for host in 0..world.hosts.len() {
        if let Some(ours) = world.ours(host) {
            assert!(
                ours.discovered,
                "the first lookup of host {host} never ends"
            );
        }
        if let Some(old) = world.old(host) {
            // Its bootstrap asks once for each name that it is told: 64 over a link at most (rule N04), or it never returns.
            let bound = 65 * old.clients_ever;
            assert!(
                old.asked <= bound,
                "npm node {host} asks {} times, {bound} are enough",
                old.asked
            );
            assert!(old.clients_ever == 0 || old.asked > 0);
        }
    }
    let questions = world.totals.lookups - before.lookups;
    // A refresh in ten minutes, each of a few questions; liars bring news for ever, as often as their lies rest.
    let liars = (0..world.hosts.len())
        .any(|host| world.old(host).is_some_and(|old| old.fault == Fault::Liar));
    if !liars {
        let bound = alive * (REST_MS / (10 * MINUTE) + 1) * 8;
        assert!(
            questions <= bound,
            "{questions} questions of {alive} nodes at rest, {bound} are enough"
        );
    }
}
