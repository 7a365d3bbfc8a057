//! Thousands of connections that begin a handshake and leave it at that.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use flatend::Node;

use crate::process::{alone, resident_bytes};
use crate::support::node::TestNode;
use crate::support::{raw, wait_until};

const CONNECTIONS: usize = 3_000;

/// Twice as many links as may be without a handshake, some wait for their FIN, with a session each.
const GROWN_BYTES_MAX: usize = 10 * 1024 * 1024;

/// The first 32 bytes of flatend/2, after which a node answers with its HELLO and waits.
fn begin(to: SocketAddr) -> TcpStream {
    let mut stream = raw::connect(to);
    let mut key = [0; 32];
    getrandom::fill(&mut key).expect("randomness");
    key[31] |= 0x80;
    // Its other side may be gone already.
    stream.write_all(&key).ok();
    stream
}

#[test]
fn half_handshakes_by_the_thousand_cost_what_the_bound_says_and_keep_nobody_out() {
    let _alone = alone();
    flatend::rt::raise_file_limit();
    let node = TestNode::start(Node::builder().bind("127.0.0.1:0"));
    let addr = node.addr();
    let before = resident_bytes();
    let (begun, mut most) = (AtomicUsize::new(0), 0);
    std::thread::scope(|scope| {
        let flood = scope.spawn(|| {
            let keep = |stream| {
                begun.fetch_add(1, Ordering::SeqCst);
                stream
            };
            let streams = (0..CONNECTIONS).map(|_| keep(begin(addr)));
            streams.collect::<Vec<_>>()
        });
        wait_until("the flood", || begun.load(Ordering::SeqCst) > 500);
        let since = Instant::now();
        let hello = Node::builder().service("hello", |context| async move {
            context.send("Hello world!").await
        });
        let good = TestNode::start(hello.bootstrap(addr.to_string()));
        wait_until("the good one, in spite of the flood", || {
            most = most.max(resident_bytes());
            node.node().snapshot().providers(["hello"]).len() == 1
        });
        eprintln!(
            "a good peer was in after {} ms, {} half handshakes before it",
            since.elapsed().as_millis(),
            begun.load(Ordering::SeqCst)
        );
        let streams = flood.join().expect("the flood");
        most = most.max(resident_bytes());
        drop(streams);
        good.shutdown();
    });
    let grown = most.saturating_sub(before);
    eprintln!("{CONNECTIONS} half handshakes: {} KiB", grown / 1024);
    assert!(grown < GROWN_BYTES_MAX, "{grown} bytes");
    node.shutdown();
}
