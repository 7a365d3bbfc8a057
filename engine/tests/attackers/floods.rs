//! Too much of what is allowed.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use flatend_codec::limits::{STREAMS_OPEN_MAX, TRANSMIT_BYTES_MAX};

use crate::support::node::TestNode;
use crate::support::raw::{self, Raw};
use crate::support::wait_until;
use crate::victim::{victim, Honest};

/// Writes frames until the node has thrown the flooder out or `bytes_max` have gone; true if all went.
fn pour(raw: &mut Raw, bytes_max: usize, mut message: impl FnMut(u32) -> (u32, Vec<u8>)) -> bool {
    raw.stream
        .set_write_timeout(Some(Duration::from_secs(5)))
        .expect("an option");
    let mut poured = 0;
    for n in 0.. {
        let mut batch = Vec::new();
        for i in 0..64 {
            let (seq, message) = message(n * 64 + i);
            batch.extend(raw.frame(seq, &message));
        }
        if raw.stream.write_all(&batch).is_err() {
            return false;
        }
        poured += batch.len();
        if poured >= bytes_max {
            break;
        }
    }
    true
}

/// While a flood runs, the honest peer is served.
fn flood(node: &TestNode, attack: impl FnOnce() + Send) {
    let mut honest = Honest::join(node);
    std::thread::scope(|scope| {
        let attacker = scope.spawn(attack);
        while !attacker.is_finished() {
            honest.is_served();
        }
    });
    honest.is_served();
}

fn is_thrown_out(node: &TestNode, mut stream: TcpStream) {
    let from = stream.local_addr().expect("an address");
    wait_until("the flooder is thrown out", || {
        !node.faults_of(from).is_empty()
    });
    assert_eq!(node.faults_of(from).len(), 1, "{:?}", node.faults_of(from));
    let got = raw::until_fin(&mut stream);
    // Its own socket's buffers come on top of what the node held for it.
    assert!(got < 4 * TRANSMIT_BYTES_MAX, "{got} bytes were held for it");
}

fn find_node(n: u32) -> (u32, Vec<u8>) {
    let target: [u8; 32] = std::array::from_fn(|i| (n >> (i % 4 * 8)) as u8);
    (3 + 2 * n, [&[4][..], &target].concat())
}

#[test]
fn lookups_whose_answers_nobody_reads() {
    let node = victim();
    flood(&node, || {
        let mut raw = Raw::joined(node.addr(), &[]);
        pour(&mut raw, 200_000_000, find_node);
        is_thrown_out(&node, raw.stream);
    });
    node.shutdown();
}

#[test]
fn handshakes_whose_replies_nobody_reads() {
    let node = victim();
    flood(&node, || {
        let mut raw = Raw::joined(node.addr(), &[]);
        pour(&mut raw, 200_000_000, |n| {
            (3 + 2 * n, raw::handshake(&["a", "b"]))
        });
        is_thrown_out(&node, raw.stream);
    });
    node.shutdown();
}

#[test]
fn lookups_that_are_read_are_all_answered() {
    let node = victim();
    const COUNT: u32 = 20_000;
    flood(&node, || {
        let mut raw = Raw::joined(node.addr(), &[]);
        let mut frames = Vec::new();
        for n in 0..COUNT {
            let (seq, message) = find_node(n);
            frames.extend(raw.frame(seq, &message));
        }
        let mut writer = raw.stream.try_clone().expect("a second handle");
        let write = std::thread::spawn(move || writer.write_all(&frames));
        for n in 0..COUNT {
            let answer = raw.receive().expect("an answer");
            assert_eq!(answer[..4], (3 + 2 * n).to_be_bytes());
        }
        write
            .join()
            .expect("the writer")
            .expect("the node reads on");
    });
    node.shutdown();
}

#[test]
fn requests_whose_responses_nobody_reads() {
    let node = victim();
    flood(&node, || {
        let mut raw = Raw::joined(node.addr(), &[]);
        // Ends or not, the node goes on; it may throw the flooder out or let it wait.
        pour(&mut raw, 20_000_000, |n| {
            (0, raw::service_request(2 * n, "hello"))
        });
        raw.stream.shutdown(std::net::Shutdown::Write).ok();
        raw::until_fin(&mut raw.stream);
    });
    wait_until("only the honest link is left", || {
        node.run(0, |shard| async move { shard.link_count() <= 1 })
    });
    node.shutdown();
}

#[test]
fn requests_beyond_the_limit_are_refused_one_by_one() {
    let node = victim();
    const BEYOND: usize = 1_000;
    flood(&node, || {
        let mut raw = Raw::joined(node.addr(), &[]);
        let mut writer = raw.stream.try_clone().expect("a second handle");
        let mut frames = Vec::new();
        for n in 0..STREAMS_OPEN_MAX + BEYOND {
            frames.extend(raw.frame(0, &raw::service_request(2 * n as u32, "silent")));
        }
        let write = std::thread::spawn(move || writer.write_all(&frames));
        for n in 0..BEYOND {
            let refusal = raw.receive().expect("an answer");
            let stream = 2 * (STREAMS_OPEN_MAX + n) as u32;
            assert_eq!((refusal[4], &refusal[5..9]), (2, &stream.to_be_bytes()[..]));
            assert_eq!(refusal[9], 0, "handled");
        }
        write
            .join()
            .expect("the writer")
            .expect("the node reads on");
        raw.stream.shutdown(std::net::Shutdown::Write).ok();
        raw::until_fin(&mut raw.stream);
    });
    node.shutdown();
}

#[test]
fn dials_that_come_and_go() {
    let node = victim();
    flood(&node, || {
        for n in 0..2_000 {
            let stream = raw::connect(node.addr());
            if n % 2 == 0 {
                // Half of them with a reset.
                socket2::SockRef::from(&stream)
                    .set_linger(Some(Duration::ZERO))
                    .expect("an option");
            }
        }
    });
    wait_until("only the honest link is left", || {
        node.run(0, |shard| async move { shard.link_count() <= 1 })
    });
    node.shutdown();
}
