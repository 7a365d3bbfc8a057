//! A mesh of many nodes that start within ten seconds and know one of three others: what it costs until it is full, what a node
//! that comes later costs, how fast a new service is known.

use std::fmt;

use super::kinds::Totals;
use super::net::Knobs;
use super::world::World;

const SECOND: u64 = 1_000;
const SEEDS: usize = 3;

/// What was measured.
pub(crate) struct Report {
    nodes: usize,
    full_ms: u64,
    start: Totals,
    joiner_ms: u64,
    joiner: Totals,
    service_ms: u64,
    restart_ms: u64,
    hour: Totals,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = |count: u64| count as f64 / self.nodes as f64;
        writeln!(f, "| {} nodes | |", self.nodes)?;
        writeln!(f, "| --- | --- |")?;
        writeln!(
            f,
            "| start within 10 s, full mesh after the last start | {} ms |",
            self.full_ms
        )?;
        writeln!(
            f,
            "| lookups (FindNode) a node until then | {:.0} |",
            each(self.start.lookups)
        )?;
        writeln!(
            f,
            "| messages a node sends until then | {:.0} |",
            each(self.start.messages)
        )?;
        writeln!(
            f,
            "| dials a node until then | {:.0} |",
            each(self.start.dials)
        )?;
        writeln!(
            f,
            "| one more node: linked with all after | {} ms |",
            self.joiner_ms
        )?;
        writeln!(
            f,
            "| … dials, lookups, messages of all nodes for it | {}, {}, {} |",
            self.joiner.dials, self.joiner.lookups, self.joiner.messages
        )?;
        writeln!(
            f,
            "| a new service on a node is known to all after | {} ms |",
            self.service_ms
        )?;
        writeln!(
            f,
            "| a node that restarts is linked with all after | {} ms |",
            self.restart_ms
        )?;
        write!(
            f,
            "| an hour in which nothing happens: lookups a node | {:.0} |",
            each(self.hour.lookups)
        )
    }
}

fn since(now: Totals, before: Totals) -> Totals {
    Totals {
        events: now.events - before.events,
        messages: now.messages - before.messages,
        lookups: now.lookups - before.lookups,
        dials: now.dials - before.dials,
    }
}

/// Virtual time until `done`.
fn wait(world: &mut World, what: &str, step: u64, done: impl Fn(&World) -> bool) -> u64 {
    let begun = world.now;
    while !done(world) {
        assert!(
            world.now - begun < 1_500 * SECOND,
            "{what}: not after 25 minutes"
        );
        world.run_until(world.now + step);
    }
    world.now - begun
}

fn is_linked_with_all(world: &World, host: usize) -> bool {
    let Some(key) = world.hosts[host].key else {
        return false;
    };
    let mut others = (0..world.hosts.len()).filter(|other| *other != host);
    others.all(|other| world.ours(other).is_some_and(|ours| ours.is_linked(&key)))
}

/// Builds the mesh and measures.
pub(crate) fn run(nodes: usize) -> Report {
    let mut world = World::new(1, Knobs::default());
    world.trace.pause();
    for host in 0..nodes {
        let seeds = if host < SEEDS {
            (0..SEEDS).filter(|other| *other != host).collect()
        } else {
            vec![host % SEEDS]
        };
        world.add_host(true, None, seeds);
    }
    for host in 0..nodes {
        world.run_until(10 * SECOND * host as u64 / nodes as u64);
        world.start(host);
    }
    let full_ms = wait(&mut world, "a full mesh", 50, |world| {
        world.unlinked_pair().is_none()
    });
    assert!(full_ms < 60 * SECOND, "a full mesh takes {full_ms} ms");
    let start = world.totals;

    world.run_until(world.now + 3_600 * SECOND);
    let before = world.totals;
    let joiner = world.add_host(true, None, vec![0]);
    world.start(joiner);
    let joiner_ms = wait(&mut world, "a joiner", 5, |world| {
        is_linked_with_all(world, joiner)
    });
    assert!(joiner_ms < 10 * SECOND, "a joiner needs {joiner_ms} ms");
    world.run_until(world.now + 2 * SECOND);
    let joiner_cost = since(world.totals, before);

    world.offer(joiner);
    let service_ms = wait(&mut world, "a service", 1, |world| {
        world.everybody_knows(joiner, 1)
    });

    world.kill(5);
    world.run_until(world.now + 30 * SECOND);
    world.start(5);
    let restart_ms = wait(&mut world, "a restart", 5, |world| {
        is_linked_with_all(world, 5)
    });

    world.run_until(world.now + 3_600 * SECOND);
    let before = world.totals;
    world.run_until(world.now + 3_600 * SECOND);
    assert_eq!(world.unlinked_pair(), None, "the mesh does not stay full");
    Report {
        nodes,
        full_ms,
        start,
        joiner_ms,
        joiner: joiner_cost,
        service_ms,
        restart_ms,
        hour: since(world.totals, before),
    }
}
