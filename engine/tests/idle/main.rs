//! What a link at rest costs a node that accepted it, and one that dialed it: the slope of the node's memory between few and many
//! links. The node is a process of its own for each number of links, so that nothing of one is in the other, and the peers are
//! another; both are this binary, told so by the environment. Each peer has a key and an instance of its own.
//!
//! `FLATEND_IDLE_FROM=1000 FLATEND_IDLE_TO=10000 cargo test --release -p flatend --test idle -- --nocapture` prints the figures; it
//! needs 10,100 descriptors a process (`ulimit -n`).

mod peer;
mod peers;
#[path = "../memory/process.rs"]
mod process;
#[path = "../support/mod.rs"]
mod support;

use std::process::Command;
use std::time::Duration;

use flatend::{Node, NodeLimits};

use peers::Peers;
use process::{alone, resident_bytes};
use support::node::TestNode;
use support::{setting, settled, wait_until};

/// How many links the child has, whether it accepts or dials them, and in which dialect; set for it alone.
const LINKS: &str = "FLATEND_IDLE_LINKS";
const END: &str = "FLATEND_IDLE_END";
const LEGACY: &str = "FLATEND_IDLE_NODE_LEGACY";

/// Which end of its links the node is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Accepts,
    Dials,
}

impl End {
    fn name(self) -> &'static str {
        match self {
            End::Accepts => "accepts",
            End::Dials => "dials",
        }
    }
}

/// The child: a node with so many links, all at rest.
#[test]
fn node() {
    let Ok(count) = std::env::var(LINKS) else {
        return;
    };
    flatend::rt::raise_file_limit();
    let count: usize = count.parse().expect("a number");
    let legacy = std::env::var(LEGACY).is_ok();
    let limits = NodeLimits {
        links: count + 1,
        ..NodeLimits::default()
    };
    let builder = Node::builder().limits(limits);
    let (node, mut peers) = match std::env::var(END) {
        Ok(end) if end == End::Dials.name() => {
            let (peers, first) = Peers::listening(count, legacy);
            (TestNode::quiet(builder.bootstrap(first.to_string())), peers)
        }
        _ => {
            let node = TestNode::quiet(builder.bind("127.0.0.1:0"));
            let peers = Peers::dialing(count, node.addr(), legacy);
            (node, peers)
        }
    };
    peers.wait_up();
    wait_until("every link is at rest", || {
        node.run(0, |shard| async move { shard.links_at_rest() }) == count
    });
    settled(Duration::from_millis(400), || {
        (resident_bytes() / 65_536) as u64
    });
    println!("{count} links: {} bytes", resident_bytes());
    peers.end();
    node.shutdown();
}

/// The memory of a node with so many links.
fn resident(count: usize, end: End, legacy: bool) -> usize {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command.args(["--exact", "node", "--nocapture"]);
    command.env(LINKS, count.to_string());
    command.env(END, end.name());
    if legacy {
        command.env(LEGACY, "1");
    }
    let output = command.output().expect("a process");
    let text = String::from_utf8_lossy(&output.stdout);
    let bytes = text.lines().find_map(|line| {
        let (_, rest) = line.split_once(" links: ")?;
        rest.strip_suffix(" bytes")?.parse().ok()
    });
    bytes.unwrap_or_else(|| {
        let said = String::from_utf8_lossy(&output.stderr);
        panic!("the node has not told its memory: {text}\n{said}")
    })
}

/// Bytes a link.
fn slope(end: End, legacy: bool) -> usize {
    let _alone = alone();
    let from = setting("FLATEND_IDLE_FROM", 500);
    let to = setting("FLATEND_IDLE_TO", 2_500);
    let few = resident(from, end, legacy);
    let many = resident(to, end, legacy);
    let dialect = if legacy { "legacy" } else { "flatend/2" };
    let bytes = many.saturating_sub(few) / (to - from);
    println!(
        "{dialect}, the end that {}: {bytes} bytes a link at rest, between {from} and {to} links ({} to {} KiB)",
        end.name(),
        few / 1024,
        many / 1024
    );
    bytes
}

/// The goal.
const LINK_BYTES_MAX: usize = 4 * 1024;

#[test]
fn a_link_at_rest_costs_who_accepted_it_little_on_flatend2() {
    let bytes = slope(End::Accepts, false);
    assert!(bytes <= LINK_BYTES_MAX, "{bytes}");
}

#[test]
fn a_link_at_rest_costs_who_dialed_it_little_on_flatend2() {
    let bytes = slope(End::Dials, false);
    assert!(bytes <= LINK_BYTES_MAX, "{bytes}");
}

#[test]
fn a_link_at_rest_costs_who_accepted_it_little_on_legacy() {
    let bytes = slope(End::Accepts, true);
    assert!(bytes <= LINK_BYTES_MAX, "{bytes}");
}

#[test]
fn a_link_at_rest_costs_who_dialed_it_little_on_legacy() {
    let bytes = slope(End::Dials, true);
    assert!(bytes <= LINK_BYTES_MAX, "{bytes}");
}
