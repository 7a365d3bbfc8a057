//! Every way of breaking the protocol, one link each.

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};

use crate::support::body;
use crate::support::node::TestNode;
use crate::support::raw::{self, Raw};
use crate::support::wait_until;
use crate::victim::{victim, Honest};

/// The offender got its FIN, the log has one line about it, and it may go on shouting meanwhile.
fn is_thrown_out(node: &TestNode, name: &str, mut stream: TcpStream) {
    let from = stream.local_addr().expect("an address");
    // What comes after the offence is thrown away, not answered with a reset.
    stream.write_all(&body::bytes(0, 200_000)).ok();
    raw::until_fin(&mut stream);
    stream.write_all(&body::bytes(0, 200_000)).ok();
    stream.shutdown(Shutdown::Write).ok();
    wait_until(name, || !node.faults_of(from).is_empty());
    let faults = node.faults_of(from);
    assert_eq!(faults.len(), 1, "{name}: {faults:?}");
}

fn attack(attacks: &[(&str, &dyn Fn(SocketAddr) -> TcpStream)]) {
    let node = victim();
    let mut honest = Honest::join(&node);
    for (name, attack) in attacks {
        let stream = attack(node.addr());
        is_thrown_out(&node, name, stream);
        honest.is_served();
    }
    node.shutdown();
}

/// Dials raw bytes.
fn shout(addr: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = raw::connect(addr);
    stream.write_all(bytes).expect("the node reads");
    stream
}

/// Agrees on a key, then sends a message.
fn stranger(addr: SocketAddr, seq: u32, message: &[u8]) -> TcpStream {
    let mut raw = Raw::dial(addr);
    raw.send(seq, message);
    raw.stream
}

/// Shakes hands, then sends messages.
fn member(addr: SocketAddr, messages: &[(u32, Vec<u8>)]) -> TcpStream {
    let mut raw = Raw::joined(addr, &["offered"]);
    for (seq, message) in messages {
        raw.send(*seq, message);
    }
    raw.stream
}

#[test]
fn before_the_keys() {
    attack(&[
        ("garbage", &|addr| shout(addr, &body::bytes(5, 5_000))),
        ("a low-order key", &|addr| shout(addr, &[0; 32])),
    ]);
}

#[test]
fn before_the_handshake() {
    let flipped = |addr| {
        let mut raw = Raw::dial(addr);
        let mut frame = raw.frame(1, &raw::handshake(&[]));
        *frame.last_mut().expect("a tag") ^= 1;
        raw.write(&frame);
        raw.stream
    };
    let huge = |addr| {
        let mut raw = Raw::dial(addr);
        raw.write(&(66 * 1024u32 + 1).to_be_bytes());
        raw.stream
    };
    let tiny = |addr| {
        let mut raw = Raw::dial(addr);
        raw.write(&3u32.to_be_bytes());
        raw.stream
    };
    // has_id, a key that is none, IPv4, an address, a port, no services, a signature of zeros.
    let forged = |port: u16| {
        let mut message = vec![0, 1];
        message.extend([7; 32]);
        message.extend([0, 127, 0, 0, 1]);
        message.extend(port.to_be_bytes());
        message.push(0);
        message.extend([0; 64]);
        message
    };
    attack(&[
        ("a flipped tag", &flipped),
        ("a length over the handshake's", &huge),
        ("a length under a tag's", &tiny),
        ("a request first", &|addr| {
            stranger(addr, 0, &raw::service_request(1, "hello"))
        }),
        ("a FindNode first", &|addr| {
            stranger(addr, 1, &[&[4][..], &[0; 32]].concat())
        }),
        ("an unknown opcode", &|addr| stranger(addr, 1, &[9])),
        ("a handshake that ends early", &|addr| {
            stranger(addr, 1, &[0, 0, 3, 5, b'x'])
        }),
        ("a wrong flag", &|addr| stranger(addr, 1, &[0, 2, 0])),
        ("a forged identity", &|addr| {
            stranger(addr, 1, &forged(9_000))
        }),
        ("port 0", &|addr| stranger(addr, 1, &forged(0))),
        ("no number for the reply", &|addr| {
            stranger(addr, 0, &raw::handshake(&[]))
        }),
    ]);
}

#[test]
fn after_the_handshake() {
    let flipped = |addr| {
        let mut raw = Raw::joined(addr, &[]);
        let mut frame = raw.frame(0, &raw::service_request(1, "hello"));
        frame[10] ^= 0x40;
        raw.write(&frame);
        raw.stream
    };
    let huge = |addr| {
        let mut raw = Raw::joined(addr, &[]);
        raw.write(&(128 * 1024u32 + 1).to_be_bytes());
        raw.stream
    };
    let largest = |addr| {
        let mut raw = Raw::joined(addr, &[]);
        raw.write(&u32::MAX.to_be_bytes());
        raw.stream
    };
    let response = |handled: u8| {
        let mut message = vec![2];
        message.extend(77u32.to_be_bytes());
        message.extend([handled, 0, 0]);
        message
    };
    let cut_request = &raw::service_request(1, "hello")[..8];
    let silent = |stream| (0, raw::service_request(stream, "silent"));
    attack(&[
        ("a flipped bit", &flipped),
        ("a length over the limit", &huge),
        ("the largest length", &largest),
        ("Data for a stream never used", &|addr| {
            member(addr, &[(0, raw::data(12_345, b"x"))])
        }),
        ("the end of a stream never used", &|addr| {
            member(addr, &[(0, raw::data(12_345, b""))])
        }),
        ("a response to nothing", &|addr| {
            member(addr, &[(0, response(1))])
        }),
        ("a refusal of nothing", &|addr| {
            member(addr, &[(0, response(0))])
        }),
        ("an unknown opcode", &|addr| {
            member(addr, &[(0, vec![6, 1, 2, 3])])
        }),
        ("opcode 5", &|addr| member(addr, &[(0, vec![5, 0])])),
        ("no opcode", &|addr| member(addr, &[(0, vec![])])),
        ("a reply to no question", &|addr| {
            member(addr, &[(2, vec![0])])
        }),
        ("a request that ends early", &|addr| {
            member(addr, &[(0, cut_request.to_vec())])
        }),
        ("Data that is longer than it is", &|addr| {
            member(addr, &[silent(1), (0, raw::data(1, b"abc")[..8].to_vec())])
        }),
        ("Data after the end", &|addr| {
            member(
                addr,
                &[
                    silent(1),
                    (0, raw::data(1, b"")),
                    (0, raw::data(1, b"more")),
                ],
            )
        }),
        ("two ends", &|addr| {
            member(
                addr,
                &[silent(1), (0, raw::data(1, b"")), (0, raw::data(1, b""))],
            )
        }),
        ("a stream that is open", &|addr| {
            member(addr, &[silent(1), silent(1)])
        }),
        ("FindNode without a number", &|addr| {
            member(addr, &[(0, [&[4][..], &[0; 32]].concat())])
        }),
        ("a short FindNode", &|addr| {
            member(addr, &[(3, vec![4, 1, 2])])
        }),
    ]);
}

#[test]
fn a_link_that_only_leaves_is_no_fault() {
    let node = victim();
    let mut honest = Honest::join(&node);
    let ends: [&dyn Fn(SocketAddr) -> TcpStream; 4] = [
        &raw::connect,
        &|addr| shout(addr, &[1; 16]),
        &|addr| Raw::dial(addr).stream,
        &|addr| member(addr, &[(0, raw::service_request(1, "silent"))]),
    ];
    for end in ends {
        let mut stream = end(node.addr());
        let from = stream.local_addr().expect("an address");
        stream.shutdown(Shutdown::Write).expect("open");
        raw::until_fin(&mut stream);
        assert_eq!(node.faults_of(from), Vec::<String>::new());
    }
    // The same with a reset.
    for _ in 0..4 {
        let stream = member(node.addr(), &[(0, raw::service_request(1, "hello"))]);
        socket2::SockRef::from(&stream)
            .set_linger(Some(std::time::Duration::ZERO))
            .expect("an option");
    }
    honest.is_served();
    wait_until("only the honest link is left", || {
        node.run(0, |shard| async move { shard.link_count() == 1 })
    });
    node.shutdown();
}
