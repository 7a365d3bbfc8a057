//! The end of a node: what runs is finished, nothing new begins, links end with a FIN.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use flatend::{CallError, Node};

use crate::services::{pair_of, provider, Dialer};
use crate::support::calls::{exchange, get, request, Failure};
use crate::support::node::TestNode;
use crate::support::peer::{Peer, Seen};
use crate::support::raw;
use crate::support::wait_until;

/// A service that answers when the test says so.
fn gated() -> (flatend::NodeBuilder, Arc<AtomicBool>, Arc<AtomicBool>) {
    let (begun, open) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let (begin, gate) = (begun.clone(), open.clone());
    let builder = provider().service("gated", move |context| {
        let (begin, gate) = (begin.clone(), gate.clone());
        async move {
            begin.store(true, Ordering::SeqCst);
            while !gate.load(Ordering::SeqCst) {
                flatend::rt::sleep(2).await;
            }
            context.send("finished").await
        }
    });
    (builder, begun, open)
}

#[test]
fn a_provider_that_drains_finishes_what_runs_and_takes_nothing_new() {
    let (builder, begun, open) = gated();
    let (provider, caller) = pair_of(Dialer::Provider, 1, builder);
    let running = caller.begin(0, |shard| async move {
        exchange(&shard, request(&shard, "gated"), &[]).await
    });
    wait_until("the handler runs", || begun.load(Ordering::SeqCst));
    provider.node().drain();
    wait_until("the drain has begun", || get(&caller, 0, "hello").is_err());
    open.store(true, Ordering::SeqCst);
    assert_eq!(running.wait().expect("it was in flight").text(), "finished");
    provider.shutdown();
    caller.wait_providers("hello", 0);
}

#[test]
fn what_a_shard_still_does_may_go_over_the_links_of_another() {
    let provider = TestNode::start(provider().bind("127.0.0.1:0"));
    let (done, results) = std::sync::mpsc::channel();
    let builder = Node::builder()
        .bind("127.0.0.1:0")
        .bootstrap(provider.addr().to_string())
        .on_each_shard(move |shard| {
            let done = done.clone();
            async move {
                shard.draining().wait().await;
                if shard.link_count() == 0 {
                    // Time for the other one to end everything that is its own.
                    flatend::rt::sleep(300).await;
                    let reply = exchange(&shard, request(&shard, "hello"), &[]).await;
                    done.send(reply.map(|reply| reply.text().to_owned())).ok();
                }
            }
        });
    let caller = TestNode::with_shards(2, builder);
    caller.wait_providers("hello", 1);
    caller.node().drain();
    let reply = results.recv_timeout(crate::support::DEADLINE);
    assert_eq!(reply.expect("an end"), Ok("Hello world!".to_owned()));
    caller.shutdown();
}

#[test]
fn a_caller_that_drains_gets_the_responses_in_flight() {
    let (builder, begun, open) = gated();
    let (provider, caller) = pair_of(Dialer::Provider, 1, builder);
    let running = caller.begin(0, |shard| async move {
        exchange(&shard, request(&shard, "gated"), &[]).await
    });
    wait_until("the handler runs", || begun.load(Ordering::SeqCst));
    caller.node().drain();
    open.store(true, Ordering::SeqCst);
    assert_eq!(running.wait().expect("it was in flight").text(), "finished");
    caller.shutdown();
    provider.shutdown();
}

#[test]
fn a_drained_link_ends_with_a_fin_after_its_last_response() {
    let (builder, begun, open) = gated();
    let node = TestNode::start(builder.bind("127.0.0.1:0"));
    let mut peer = Peer::dial(node.addr(), Some(7), &[]);
    let asked = peer.ask("gated", true);
    wait_until("the handler runs", || begun.load(Ordering::SeqCst));
    node.node().drain();
    open.store(true, Ordering::SeqCst);
    assert_eq!(peer.response(asked), "finished".len());
    peer.expect_fin();
    drop(peer);
    node.shutdown();
}

#[test]
fn a_node_without_requests_is_gone_at_once() {
    let node = TestNode::with_shards(2, provider().bind("127.0.0.1:0"));
    let mut peer = Peer::dial(node.addr(), Some(7), &[]);
    // Somebody who never says a word must not hold the end up either.
    let mut silent = raw::connect(node.addr());
    let begun = Instant::now();
    node.node().drain();
    peer.expect_fin();
    drop(peer);
    raw::until_fin(&mut silent);
    drop(silent);
    node.shutdown();
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn a_node_whose_bootstrap_is_away_ends_at_once() {
    let away = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let to = away.local_addr().expect("bound").to_string();
    drop(away);
    let node = TestNode::start(Node::builder().bootstrap(to));
    node.wait_event("the failed dial", |event| {
        event.to_string().contains("cannot reach").then_some(())
    });
    let begun = Instant::now();
    node.shutdown();
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn nobody_is_accepted_while_the_node_drains() {
    let (builder, begun, open) = gated();
    let node = TestNode::start(builder.bind("127.0.0.1:0"));
    let mut peer = Peer::dial(node.addr(), Some(7), &[]);
    let asked = peer.ask("gated", true);
    wait_until("the handler runs", || begun.load(Ordering::SeqCst));
    node.node().drain();
    wait_until("nobody listens any more", || {
        std::net::TcpStream::connect(node.addr()).is_err()
    });
    open.store(true, Ordering::SeqCst);
    peer.wait(|seen| matches!(seen, Seen::End(stream) if *stream == asked));
    peer.expect_fin();
    drop(peer);
    node.shutdown();
}

#[test]
fn a_request_that_is_held_ends_when_its_node_drains() {
    let node = TestNode::start(provider().bind("127.0.0.1:0"));
    let held = Arc::new(AtomicBool::new(false));
    let begun = held.clone();
    let call = node.begin(0, |shard| async move {
        let request = flatend::CallRequest {
            hold_ms: Some(60_000),
            ..request(&shard, "nobody")
        };
        begun.store(true, Ordering::SeqCst);
        exchange(&shard, request, &[]).await
    });
    wait_until("the request is held", || held.load(Ordering::SeqCst));
    let begun = Instant::now();
    node.node().drain();
    assert_eq!(call.wait(), Err(Failure::Call(CallError::NoProvider)));
    assert!(begun.elapsed() < Duration::from_secs(3));
    node.shutdown();
}

#[test]
fn a_peer_that_takes_nothing_costs_the_drain_and_no_more() {
    let drain = Duration::from_secs(4);
    let begun = Arc::new(AtomicBool::new(false));
    let begin = begun.clone();
    let endless = Node::builder()
        .bind("127.0.0.1:0")
        .limits(flatend::NodeLimits {
            drain,
            ..flatend::NodeLimits::default()
        });
    let endless = endless.service("endless", move |mut context| {
        let begin = begin.clone();
        async move {
            begin.store(true, Ordering::SeqCst);
            loop {
                context.write(&[7; 100_000]).await?;
            }
        }
    });
    let node = TestNode::start(endless);
    let mut peer = raw::Raw::joined(node.addr(), &[]);
    // Who asks for nodes is taken for a Node peer, which is sent its response at once.
    peer.send(3, &[&[4][..], &[0; 32]].concat());
    peer.receive().expect("an answer");
    peer.send(0, &raw::service_request(0, "endless"));
    peer.send(0, &raw::data(0, b""));
    wait_until("the handler runs", || begun.load(Ordering::SeqCst));
    let begin = Instant::now();
    node.shutdown();
    let took = begin.elapsed();
    assert!(
        took >= drain && took < drain + Duration::from_secs(2),
        "{took:?}"
    );
    drop(peer);
}
