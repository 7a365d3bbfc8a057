//! What a link at rest costs the node that accepted it: the slope of its memory between few and many links. The peers are a process of
//! their own, this binary, told so by the environment; each has a key and an instance of its own.
//!
//! `FLATEND_IDLE_FROM=1000 FLATEND_IDLE_TO=10000 cargo test --release -p flatend --test idle -- --nocapture` prints the figures; it
//! needs 10,100 descriptors a process (`ulimit -n`).

#[path = "../memory/process.rs"]
mod process;
#[path = "../support/mod.rs"]
mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use ed25519_dalek::SigningKey;
use flatend::{Millis, Node, NodeLimits};
use flatend_codec::{Config, Connection, Flatend2, Limits, Opened, Role};

use process::{alone, resident_bytes};
use support::node::TestNode;
use support::{setting, settled, wait_until, DEADLINE};

/// Where the peers dial, and in which dialect; set for the child alone.
const DIAL: &str = "FLATEND_IDLE_DIAL";
const LEGACY: &str = "FLATEND_IDLE_LEGACY";

/// The goal is 4 KiB; few links in a short run share less of what is had once, and the allocator's steps are coarse.
const LINK_BYTES_MAX: usize = 12 * 1024;

/// The child: opens as many links as each line of its input says, and says so.
#[test]
fn peers() {
    let Ok(to) = std::env::var(DIAL) else {
        return;
    };
    flatend::rt::raise_file_limit();
    let to = to.parse().expect("an address");
    let legacy = std::env::var(LEGACY).is_ok();
    let mut links = Vec::new();
    for line in std::io::stdin().lines() {
        let count: usize = line.expect("text").parse().expect("a number");
        while links.len() < count {
            links.push(link(to, legacy));
        }
        println!("open {count}");
    }
}

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("randomness");
    bytes
}

/// A link whose handshake is done.
fn link(to: SocketAddr, legacy: bool) -> TcpStream {
    let mut stream = TcpStream::connect(to).expect("the node listens");
    stream.set_nodelay(true).expect("an option");
    stream.set_read_timeout(Some(DEADLINE)).expect("an option");
    let mut instance = [0; 16];
    getrandom::fill(&mut instance).expect("randomness");
    let flatend2 = Flatend2 {
        key: SigningKey::from_bytes(&random()),
        addresses: &[],
        instance,
        shards: 1,
        lane: 0,
        requests_max: 1,
        software: "a peer at rest",
        record: None,
        network_key: None,
        expected_key: None,
        legacy: false,
    };
    let config = Config {
        role: Role::Dialer,
        ephemeral_secret: random(),
        identity: None,
        services: &[],
        limits: Limits::default(),
        flatend2: (!legacy).then_some(flatend2),
    };
    let now = Millis(0);
    let mut conn = Connection::new(now, config).expect("a sound configuration");
    let (mut input, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        conn.seal();
        stream.write_all(conn.transmit()).expect("the node reads");
        conn.transmitted(conn.transmit().len());
        if conn.peer().is_some() {
            return stream;
        }
        let n = stream.read(&mut piece).expect("the node answers");
        assert!(n > 0, "the node has closed the link");
        input.extend_from_slice(&piece[..n]);
        while let Opened::Frame {
            consumed,
            mut messages,
        } = conn.open(now, &mut input).expect("a sound frame")
        {
            while conn
                .next_event(now, &mut messages)
                .expect("sound")
                .is_some()
            {}
            input.drain(..consumed);
        }
    }
}

struct Peers {
    child: Child,
    say: ChildStdin,
    hear: BufReader<ChildStdout>,
}

impl Peers {
    fn start(to: SocketAddr, legacy: bool) -> Peers {
        let this = std::env::current_exe().expect("this binary");
        let mut command = Command::new(this);
        command.args(["--exact", "peers", "--nocapture"]);
        command.env(DIAL, to.to_string());
        if legacy {
            command.env(LEGACY, "1");
        }
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.spawn().expect("a second process");
        Peers {
            say: child.stdin.take().expect("a pipe"),
            hear: BufReader::new(child.stdout.take().expect("a pipe")),
            child,
        }
    }

    fn open(&mut self, count: usize) {
        writeln!(self.say, "{count}").expect("it reads");
        let done = format!("open {count}");
        let mut line = String::new();
        while line.trim() != done {
            line.clear();
            assert!(
                self.hear.read_line(&mut line).expect("text") > 0,
                "it has ended"
            );
        }
    }
}

/// Memory at rest with so many links.
fn at_rest(node: &TestNode, peers: &mut Peers, count: usize) -> usize {
    peers.open(count);
    wait_until("every link is up", || {
        node.run(0, |shard| async move { shard.link_count() }) == count
    });
    settled(Duration::from_millis(400), || {
        (resident_bytes() / 65_536) as u64
    });
    resident_bytes()
}

/// Bytes a link.
fn slope(legacy: bool) -> usize {
    flatend::rt::raise_file_limit();
    let from = setting("FLATEND_IDLE_FROM", 500);
    let to = setting("FLATEND_IDLE_TO", 2_500);
    let limits = NodeLimits {
        links: to + 1,
        ..NodeLimits::default()
    };
    let node = TestNode::start(Node::builder().bind("127.0.0.1:0").limits(limits));
    let mut peers = Peers::start(node.addr(), legacy);
    let few = at_rest(&node, &mut peers, from);
    let many = at_rest(&node, &mut peers, to);
    let Peers { mut child, say, .. } = peers;
    drop(say);
    assert!(child.wait().expect("the peers").success());
    node.shutdown();
    let dialect = if legacy { "legacy" } else { "flatend/2" };
    let bytes = many.saturating_sub(few) / (to - from);
    println!(
        "{dialect}: {bytes} bytes a link at rest, between {from} and {to} links ({} to {} KiB)",
        few / 1024,
        many / 1024
    );
    bytes
}

#[test]
fn a_link_at_rest_costs_little_on_flatend2() {
    let _alone = alone();
    let bytes = slope(false);
    assert!(bytes < LINK_BYTES_MAX, "{bytes}");
}

#[test]
fn a_link_at_rest_costs_little_on_legacy() {
    let _alone = alone();
    let bytes = slope(true);
    assert!(bytes < LINK_BYTES_MAX, "{bytes}");
}
