//! Single situations, each with what must follow from it.

use flatend::limits::{KNOWN_IDS_MAX, REDIAL_FIRST_MS, REFRESH_FIRST_MS};

use super::net::Knobs;
use super::old::Fault;
use super::world::World;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;

fn world(seed: u64) -> World {
    World::new(seed, Knobs::default())
}

/// Hosts that know the first one, all of them started, and their mesh full.
fn full(world: &mut World, hosts: usize) {
    world.add_host(true, None, vec![]);
    for _ in 1..hosts {
        world.add_host(true, None, vec![0]);
    }
    (0..hosts).for_each(|host| world.start(host));
    let until = world.now + MINUTE;
    while world.unlinked_pair().is_some() {
        assert!(world.now < until, "no full mesh within a minute");
        world.run_until(world.now + 50);
    }
}

/// Two processes with one key that dial each other, and what becomes of their lanes when links break.
pub(crate) fn one_key() {
    for seed in 1..40 {
        let mut world = world(seed);
        world.add_host(true, None, vec![1]);
        world.add_host(true, None, vec![0]);
        world.hosts[1].key = world.hosts[0].key;
        for host in 0..2 {
            world.hosts[host].shards = 1 + world.rng.below(6) as u16;
        }
        world.start(0);
        let later = world.rng.below(1_500) as u64;
        world.run_until(later);
        world.start(1);
        world.put_to_work();
        for round in 0..4 {
            let (until, mut linked) = (world.now + 4 * MINUTE, false);
            // Both have dialed by then.
            let least = world.now + 3 * SECOND;
            while world.now < least || world.odd_lanes().is_some() || world.live_conns().is_empty()
            {
                assert!(world.now < until, "seed {seed}: {:?}", world.odd_lanes());
                let stay = world.staying_conns() > 0;
                // Later one side may believe in links that are dead, for which it ends new ones.
                let held = stay || !linked || round > 0;
                assert!(held, "seed {seed}: each ends what the other keeps");
                linked = stay;
                world.run_until(world.now + 10);
            }
            let live = world.live_conns();
            for _ in 0..=world.rng.below(live.len()) {
                let conn = live[world.rng.below(live.len())];
                world.break_conn(conn);
            }
        }
    }
}

/// A lost bootstrap address is dialed 500 ms after its loss was noticed, then after 500 ms × 1.25 and up to a fifth more.
pub(crate) fn redial_time() {
    for seed in 1..20 {
        let mut world = world(seed);
        full(&mut world, 2);
        world.run_until(world.now + 5 * MINUTE);
        let lost = world.now;
        world.kill(0);
        world.run_until(lost + 2 * SECOND);
        let dials = world.ledger.dials_of(1, world.hosts[0].addr);
        let (first, second) = (dials[0] - lost, dials[1] - dials[0]);
        // The FIN arrives within the network's delay, the refusal after a round trip.
        let delay = world.net.knobs.delay_ms.1;
        let pause = REDIAL_FIRST_MS..=REDIAL_FIRST_MS + delay;
        assert!(
            pause.contains(&first),
            "seed {seed}: dialed after {first} ms"
        );
        let longer = REDIAL_FIRST_MS * 5 / 4;
        let pause = longer..=longer * 6 / 5 + 2 * delay;
        assert!(
            pause.contains(&second),
            "seed {seed}: again after {second} ms"
        );
    }
}

/// A peer that names five thousand IDs that do not exist fills what is kept for hearsay, and no more.
pub(crate) fn flood() {
    let mut world = world(1);
    world.add_host(true, None, vec![1]);
    world.add_host(true, Some(Fault::Flood), vec![]);
    world.start(1);
    world.start(0);
    for _ in 0..20 {
        world.run_until(world.now + SECOND);
        let known = world.ours(0).map(|ours| ours.core.unlinked());
        assert!(
            known.is_some_and(|known| known <= KNOWN_IDS_MAX),
            "{known:?} IDs are kept"
        );
    }
    let counts = *world.ours(0).expect("it runs").core.counts();
    assert!(counts.named >= 5_000 && counts.forgotten > 0, "{counts:?}");
    // And it lives: who comes later is found.
    let late = world.add_host(true, None, vec![0]);
    world.start(late);
    world.run_until(world.now + 5 * SECOND);
    let key = world.hosts[late].key.expect("it shows one");
    assert!(world.ours(0).is_some_and(|ours| ours.is_linked(&key)));
}

/// Two of many that have lost each other while the mesh rests: a single question names 16 of them, a sweep all.
pub(crate) fn sweep() {
    const HOSTS: usize = 150;
    let mut world = world(1);
    world.trace.pause();
    full(&mut world, HOSTS);
    world.run_until(world.now + 60 * MINUTE);
    let (a, b) = (HOSTS - 1, HOSTS - 2);
    world.net.cut_pair(a, b);
    world.break_unreachable();
    // Each has tried eight times and given up, and its refreshes have become rare again.
    world.run_until(world.now + 4 * MINUTE);
    world.net.heal();
    let begun = world.now;
    let most = 4 * MINUTE;
    while world.unlinked_pair().is_some() {
        let waited = world.now - begun;
        assert!(
            waited < most,
            "still apart after {waited} ms; pauses began with {REFRESH_FIRST_MS} ms"
        );
        world.run_until(world.now + SECOND);
    }
}
