//! Peers that connect and say nothing, or stop in the middle of a word.

use std::io::Write;
use std::net::TcpStream;

use flatend::limits::UNVERIFIED_LINKS_MAX;
use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};

use crate::support::raw::{self, Raw};
use crate::support::wait_until;
use crate::victim::{victim, Honest};

/// Both ends of every connection are ours.
fn allow_descriptors(count: u64) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < count) {
        let raised = Rlimit {
            current: Some(count),
            maximum: limit.maximum,
        };
        setrlimit(Resource::Nofile, raised).expect("a higher limit of open files: ulimit -n");
    }
}

#[test]
fn a_thousand_silent_connections_stop_nobody() {
    allow_descriptors(8_192);
    let node = victim();
    let mut honest = Honest::join(&node);
    let silent: Vec<TcpStream> = (0..1_000).map(|_| raw::connect(node.addr())).collect();
    honest.is_served();
    // One who comes after them gets in.
    Honest::join(&node).is_served();
    drop(silent);
    node.shutdown();
}

#[test]
fn beyond_the_limit_the_oldest_silent_connection_goes_first() {
    allow_descriptors(8_192);
    let node = victim();
    let mut honest = Honest::join(&node);
    let mut silent: Vec<TcpStream> = (0..UNVERIFIED_LINKS_MAX + 50)
        .map(|_| raw::connect(node.addr()))
        .collect();
    for oldest in &mut silent[..50] {
        raw::until_fin(oldest);
    }
    honest.is_served();
    let crowded = node.faults_of(silent[0].local_addr().expect("an address"));
    assert_eq!(crowded.len(), 1, "{crowded:?}");
    let count = node.run(0, |shard| async move { shard.link_count() });
    assert!(count <= UNVERIFIED_LINKS_MAX + 1, "{count} links are held");
    drop(silent);
    node.shutdown();
}

#[test]
fn half_handshakes_end_after_their_time() {
    let node = victim();
    let mut honest = Honest::join(&node);
    let nothing = raw::connect(node.addr());
    let mut half_key = raw::connect(node.addr());
    half_key.write_all(&[3; 16]).expect("the node reads");
    let key_alone = Raw::dial(node.addr()).stream;
    let mut half_frame = Raw::dial(node.addr());
    let frame = half_frame.frame(1, &raw::handshake(&["x"]));
    half_frame.write(&frame[..frame.len() / 2]);
    for mut stream in [nothing, half_key, key_alone, half_frame.stream] {
        let from = stream.local_addr().expect("an address");
        raw::until_fin(&mut stream);
        wait_until("the fault is in the log", || {
            node.faults_of(from).len() == 1
        });
        honest.is_served();
    }
    node.shutdown();
}

#[test]
fn bytes_that_come_one_by_one_are_a_link_like_any_other() {
    let node = victim();
    let mut slow = Raw::dial(node.addr());
    let mut bytes = slow.frame(1, &raw::handshake(&[]));
    bytes.extend(slow.frame(0, &raw::service_request(1, "hello")));
    bytes.extend(slow.frame(0, &raw::data(1, b"")));
    for byte in bytes {
        slow.write(&[byte]);
    }
    let handshake = slow.receive().expect("a handshake");
    assert_eq!(handshake[..4], [0, 0, 0, 1]);
    let mut opcodes = Vec::new();
    while opcodes.len() < 3 {
        opcodes.push(slow.receive().expect("a response")[4]);
    }
    assert_eq!(opcodes, [2, 3, 3], "a head, a body, its end");
    node.shutdown();
}
