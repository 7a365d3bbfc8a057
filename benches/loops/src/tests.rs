//! Every loop, within the test process, against clients that cut what they send, leave early, and ask for more than they read.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::limits::{FRAME_BYTES, HEAD_BYTES_MAX, LINK_OUT_BYTES_MAX};
use crate::spec::Spec;
use crate::wire::ANSWER;
use crate::{bulk, serve, upstream};

const HEAD: &[u8] = b"GET /hello HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";

const REQUESTS: &[&str] = &[
    "epoll",
    "epoll+batch100",
    "epoll+late",
    "epoll+sends",
    "epoll+sends+files+batch100",
    "ring",
    "ring+defer",
    "ring+defer+files",
    "ring+plain",
    "ring+defer+plain",
    "ring+zc",
    "ring+defer+files+zc",
    "ring+defer+batch100x16",
];

fn listener() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port")
}

/// Starts a server that lives as long as the test process.
fn server(spec: &str, relays: bool) -> SocketAddr {
    let spec: Spec = spec.parse().expect("a loop");
    let front = listener();
    let addr = front.local_addr().expect("it has one");
    let link = relays.then(|| {
        let behind = listener();
        let link = TcpStream::connect(behind.local_addr().expect("it has one"));
        thread::spawn(move || upstream::run(&behind));
        link.expect("it listens")
    });
    thread::spawn(move || {
        let Err(error) = serve::requests(spec, front, link);
        panic!("{spec}: {error}");
    });
    addr
}

fn client(addr: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(addr).expect("it listens");
    let patience = Some(Duration::from_secs(10));
    client.set_read_timeout(patience).expect("a valid time");
    client
}

fn expect_answers(mut client: &TcpStream, count: usize, of: &str) {
    let mut got = vec![0; count * ANSWER.len()];
    client
        .read_exact(&mut got)
        .unwrap_or_else(|error| panic!("{of}: {error}"));
    assert!(got.chunks(ANSWER.len()).all(|one| one == ANSWER), "{of}");
}

fn for_every_server(check: impl Fn(SocketAddr, &str)) {
    for spec in REQUESTS {
        for relays in [false, true] {
            check(server(spec, relays), &format!("{spec}, relay: {relays}"));
        }
    }
}

#[test]
fn heads_that_are_cut_are_answered_once_each() {
    for_every_server(|addr, of| {
        let mut client = client(addr);
        client.set_nodelay(true).expect("it is connected");
        for cut in [1, 18, HEAD.len() - 1] {
            let two = [HEAD, HEAD].concat();
            client.write_all(&two[..cut]).expect(of);
            client.write_all(&two[cut..]).expect(of);
            expect_answers(&client, 2, of);
        }
        client.shutdown(Shutdown::Write).expect(of);
        assert_eq!(client.read(&mut [0]).expect(of), 0, "{of}: more came");
    });
}

#[test]
fn connections_come_and_go_and_answers_reach_who_asked() {
    for_every_server(|addr, of| {
        for _ in 0..20 {
            let clients = [(); 8].map(|()| client(addr));
            for mut client in &clients {
                client.write_all(HEAD).expect(of);
            }
            // Half of them leave without their answer.
            for client in clients.iter().step_by(2) {
                expect_answers(client, 1, of);
            }
        }
    });
}

#[test]
fn a_client_that_asks_for_more_than_it_reads_gets_all_in_the_end() {
    // As frames they stay below what may wait for a link.
    const REQUESTS: usize = LINK_OUT_BYTES_MAX / FRAME_BYTES * 9 / 10 / 100 * 100;
    for_every_server(|addr, of| {
        let client = client(addr);
        thread::scope(|scope| {
            scope.spawn(|| {
                let many = HEAD.repeat(100);
                (0..REQUESTS / 100).for_each(|_| (&client).write_all(&many).expect(of));
            });
            expect_answers(&client, REQUESTS, of);
        });
    });
}

#[test]
fn a_head_that_is_too_long_ends_its_connection_alone() {
    for_every_server(|addr, of| {
        let (mut bad, mut good) = (client(addr), client(addr));
        bad.write_all(&[b'x'; HEAD_BYTES_MAX + 1]).expect(of);
        // A reset is as good as an end; a connection that stays open is not.
        match bad.read(&mut [0]) {
            Ok(0) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            other => panic!("{of}: {other:?}"),
        }
        good.write_all(HEAD).expect(of);
        expect_answers(&good, 1, of);
    });
}

#[test]
fn bulk_comes_out_as_it_went_in() {
    for spec in [
        "epoll",
        "splice",
        "ring",
        "ring+defer",
        "ring+zc",
        "ring+defer+zc+buffers",
    ] {
        for piece_kib in [4, 64, 256] {
            let front = listener();
            let addr = front.local_addr().expect("it has one");
            let of: Spec = spec.parse().expect("a loop");
            let relay = thread::spawn(move || serve::bulk(of, piece_kib, &front));
            let (source, sink) = (client(addr), client(addr));
            let bytes = 20_000_001;
            assert_eq!(bulk::ends(&source, &sink, bytes), Ok(bytes), "{spec}");
            assert_eq!(relay.join().expect(spec), Ok(()), "{spec}");
        }
    }
}
