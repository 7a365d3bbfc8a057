//! GOODBYE on flatend/2: peers hear of a drain first and ask elsewhere, while the node itself asks on until its work is done.

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{mpsc, Arc};
use std::time::{Duration, Instant};

use flatend::limits::LANE_WORK_REQUESTS;
use flatend::{rt, CallError, Fault, HeaderBlock, Node, NodeBuilder, NodeEvent};
use flatend_codec::GoodbyeCode;

use crate::services::provider;
use crate::support::calls::{exchange, request};
use crate::support::node::TestNode;
use crate::support::peer::{Claim, Peer, Seen};
use crate::support::{wait_for, wait_until, DEADLINE};

/// How a test lets something go on.
type Gate = Arc<AtomicBool>;

async fn opened(gate: &Gate) {
    while !gate.load(Ordering::SeqCst) {
        rt::sleep(2).await;
    }
}

/// A node that offers `work` and counts what it gets of it.
fn worker() -> (NodeBuilder, Arc<AtomicU64>) {
    let taken = Arc::new(AtomicU64::new(0));
    let count = taken.clone();
    let builder = Node::builder().service("work", move |context| {
        count.fetch_add(1, Ordering::SeqCst);
        async move { context.send("done").await }
    });
    (builder, taken)
}

/// Calls `work` again and again on a shard until `stop`; gives how many failed.
fn load(
    caller: &TestNode,
    shard: usize,
    stop: &Gate,
) -> crate::support::node::Running<Vec<String>> {
    let stop = stop.clone();
    caller.begin(shard, move |shard| async move {
        let mut failed = Vec::new();
        while !stop.load(Ordering::SeqCst) {
            match exchange(&shard, request(&shard, "work"), &[]).await {
                Ok(reply) if reply.text() == "done" => {}
                other => failed.push(format!("{other:?}")),
            }
        }
        failed
    })
}

#[test]
fn a_provider_that_drains_under_load_fails_no_request_and_its_handlers_ask_on() {
    let caller = TestNode::with_shards(2, Node::builder().bind("127.0.0.1:0"));
    // Nothing else is asked over the link to it: it must stay all the same.
    let helper = TestNode::start(provider().bind("127.0.0.1:0"));
    let (begun, open) = (Gate::default(), Gate::default());
    let (builder, taken) = worker();
    let (begin, gate) = (begun.clone(), open.clone());
    let builder = builder.service("gated", move |context| {
        let (begin, gate) = (begin.clone(), gate.clone());
        async move {
            begin.store(true, Ordering::SeqCst);
            opened(&gate).await;
            let shard = context.shard().clone();
            let reply = exchange(&shard, request(&shard, "hello"), &[]).await;
            context
                .send(format!("{:?}", reply.map(|reply| reply.text().to_owned())))
                .await
        }
    });
    let builder = builder
        .bootstrap(caller.addr().to_string())
        .bootstrap(helper.addr().to_string());
    let leaving = TestNode::with_shards(2, builder);
    let (builder, taken_by_other) = worker();
    let staying = TestNode::with_shards(2, builder.bootstrap(caller.addr().to_string()));
    caller.wait_providers("work", 2);
    leaving.wait_providers("hello", 1);
    let gated = caller.begin(0, |shard| async move {
        exchange(&shard, request(&shard, "gated"), &[]).await
    });
    let stop = Gate::default();
    let loads: Vec<_> = (0..16).map(|n| load(&caller, n % 2, &stop)).collect();
    let both_have = |n| {
        let counts = [&taken, &taken_by_other].map(|taken| taken.load(Ordering::SeqCst));
        counts.iter().all(|count| *count >= n)
    };
    wait_until("both are asked", || {
        begun.load(Ordering::SeqCst) && both_have(200)
    });
    leaving.node().drain();
    caller.wait_providers("work", 1);
    let (before, other) = (
        taken.load(Ordering::SeqCst),
        taken_by_other.load(Ordering::SeqCst),
    );
    wait_until("the other gets the rest", || {
        taken_by_other.load(Ordering::SeqCst) > other + 500
    });
    assert_eq!(
        taken.load(Ordering::SeqCst),
        before,
        "none after its goodbye"
    );
    open.store(true, Ordering::SeqCst);
    let reply = gated.wait().expect("it was in flight");
    assert_eq!(reply.text(), r#"Ok("Hello world!")"#);
    stop.store(true, Ordering::SeqCst);
    for load in loads {
        assert_eq!(load.wait(), [""; 0]);
    }
    leaving.shutdown();
    staying.shutdown();
}

#[test]
fn peers_hear_of_a_drain_while_tasks_of_the_node_still_ask_them() {
    let peer = TestNode::start(provider().bind("127.0.0.1:0"));
    let open = Gate::default();
    let (gate, (done, results)) = (open.clone(), mpsc::channel());
    let builder = Node::builder()
        .service("own", |context| async move { context.send("").await })
        .bootstrap(peer.addr().to_string())
        .on_each_shard(move |shard| {
            let (gate, done) = (gate.clone(), done.clone());
            async move {
                opened(&gate).await;
                let reply = exchange(&shard, request(&shard, "hello"), &[]).await;
                done.send(reply.map(|reply| reply.text().to_owned())).ok();
            }
        });
    let node = TestNode::start(builder);
    node.wait_providers("hello", 1);
    peer.wait_providers("own", 1);
    node.node().drain();
    peer.wait_providers("own", 0);
    open.store(true, Ordering::SeqCst);
    let reply = results.recv_timeout(DEADLINE).expect("an end");
    assert_eq!(reply, Ok("Hello world!".to_owned()));
    node.shutdown();
}

#[test]
fn what_other_threads_ask_is_tried_again_while_the_node_drains() {
    let peer = TestNode::start(provider().bind("127.0.0.1:0"));
    let (begun, open) = (Gate::default(), Gate::default());
    let (begin, gate) = (begun.clone(), open.clone());
    let refuses = Node::builder().bind("127.0.0.1:0");
    let refuses = TestNode::start(refuses.service("hello", move |context| {
        let (begin, gate) = (begin.clone(), gate.clone());
        async move {
            begin.store(true, Ordering::SeqCst);
            opened(&gate).await;
            let (_, _, responder) = context.split();
            responder.refuse();
            Ok(())
        }
    }));
    let builder = Node::builder()
        .service("own", |context| async move { context.send("").await })
        .bootstrap(peer.addr().to_string())
        .bootstrap(refuses.addr().to_string());
    let node = TestNode::start(builder);
    node.wait_providers("hello", 2);
    peer.wait_providers("own", 1);
    // Whichever is asked first: at last one request waits for the provider that will refuse it.
    let mut asked = Vec::new();
    wait_until("one of them is asked that refuses", || {
        let call = node.node().call(["hello"], [("", ""); 0], "");
        asked.push(std::thread::spawn(|| futures_lite::future::block_on(call)));
        begun.load(Ordering::SeqCst)
    });
    node.node().drain();
    peer.wait_providers("own", 0);
    open.store(true, Ordering::SeqCst);
    let mut again = 0;
    for call in asked {
        match call.join().expect("no panic") {
            Ok(reply) if reply.tries() > 1 => again += 1,
            Ok(_) => {}
            // Its thread came too late to ask anything.
            Err(error) => assert_eq!(error, CallError::Broken(Fault::ShuttingDown)),
        }
    }
    assert!(again > 0, "the one that was refused");
    node.shutdown();
}

/// A node that dials a listener of the test, and the peer that answers there.
fn dialed() -> (TcpListener, TestNode, Peer) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let to = listener.local_addr().expect("bound").to_string();
    let node = TestNode::start(Node::builder().bootstrap(to));
    let peer = accepted(&listener);
    node.wait_providers("there", 1);
    (listener, node, peer)
}

/// The next dial, shaken hands with, of a process that has two shards.
fn accepted(listener: &TcpListener) -> Peer {
    listener.set_nonblocking(true).expect("an option");
    let (stream, _) = wait_for("a dial", || listener.accept().ok());
    let claim = Claim {
        instance: [9; 16],
        shards: 2,
        lane: 0,
    };
    let mut peer = Peer::accepted(stream, 7, &["there"], claim);
    peer.wait(|seen| matches!(seen, Seen::Handshake(_)));
    peer
}

fn says(peer: &mut Peer, code: GoodbyeCode, reason: &str) {
    let now = peer.now();
    peer.conn.goodbye(now, code, reason);
    peer.flush();
}

/// Whether a dial comes within `wait`; meanwhile the peer does what it must.
fn is_dialed(listener: &TcpListener, peer: &mut Peer, wait: Duration) -> bool {
    let begun = Instant::now();
    loop {
        if listener.accept().is_ok() {
            return true;
        }
        if begun.elapsed() > wait {
            return false;
        }
        peer.turn();
    }
}

/// Longer than any pause between dials that are fresh.
const PAUSE: Duration = Duration::from_millis(1_500);

#[test]
fn who_goes_is_dialed_again_when_it_has_gone_and_the_log_says_why() {
    let (listener, node, mut peer) = dialed();
    says(&mut peer, GoodbyeCode::Drain, "closing\ntime");
    node.wait_providers("there", 0);
    assert!(!is_dialed(&listener, &mut peer, PAUSE), "it is still there");
    drop(peer);
    let reason = node.wait_event("the end of the link", |event| match event {
        NodeEvent::Disconnected { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    let expected = r#"it said goodbye: it takes no more requests ("closing\ntime")"#;
    assert_eq!(reason, expected);
    let begun = Instant::now();
    wait_until("the next dial", || listener.accept().is_ok());
    assert!(
        begun.elapsed() > Duration::from_millis(300),
        "after a pause"
    );
}

#[test]
fn who_restarts_is_dialed_again_at_once_but_not_all_the_time() {
    let (listener, node, mut young) = dialed();
    says(&mut young, GoodbyeCode::Restart, "");
    node.wait_providers("there", 0);
    assert!(
        !is_dialed(&listener, &mut young, PAUSE),
        "a moment ago it restarted"
    );
    drop((listener, node, young));
    let (listener, node, mut peer) = dialed();
    for _ in 0..LANE_WORK_REQUESTS {
        peer.ask("nothing", true);
    }
    let mut lane = accepted(&listener);
    // Both links have been there for a while.
    assert!(!is_dialed(&listener, &mut peer, Duration::from_millis(600)));
    let asked = node.begin(0, |shard| async move {
        exchange(&shard, request(&shard, "there"), &[]).await
    });
    let request = peer.wait(|seen| matches!(seen, Seen::Request { .. }));
    let Seen::Request { stream, .. } = request else {
        unreachable!("waited for");
    };
    says(&mut peer, GoodbyeCode::Restart, "a new version");
    says(&mut lane, GoodbyeCode::Restart, "a new version");
    assert!(
        is_dialed(&listener, &mut peer, Duration::from_millis(400)),
        "at once"
    );
    // What runs on the old link is finished there.
    let now = peer.now();
    let none = HeaderBlock::new();
    peer.conn
        .respond(now, stream, &none, true)
        .expect("it is open");
    peer.flush();
    asked.wait().expect("a response");
}
