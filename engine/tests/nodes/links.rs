//! Links as such: dialing oneself, dialing again after the acceptor is back, a port that is taken.

use flatend::{CallRequest, Node, NodeEvent, StartError};

use crate::services::{pair, provider, Dialer};
use crate::support::calls::{get, request};
use crate::support::node::TestNode;

#[test]
fn a_node_that_dials_itself_notices_and_does_not_insist() {
    // The port must be known before the node starts: a first node finds a free one.
    let first = TestNode::start(Node::builder().bind("127.0.0.1:0"));
    let addr = first.addr();
    first.shutdown();
    let node = TestNode::start(
        provider()
            .bind(addr.to_string())
            .bootstrap(addr.to_string()),
    );
    node.wait_event("the self-dial", |event| match event {
        NodeEvent::OwnKey { .. } => Some(()),
        _ => None,
    });
    crate::support::wait_until("both ends of the link are gone", || {
        node.run(0, |shard| async move { shard.link_count() == 0 })
    });
    assert_eq!(node.node().snapshot().peers().len(), 0);
    // The address may change hands, so it is asked again, but not soon.
    for event in node.events() {
        if let NodeEvent::Redialing { pause_ms, .. } = event {
            assert!(pause_ms >= 30_000, "{pause_ms}");
        }
    }
    node.shutdown();
}

#[test]
fn two_nodes_with_one_key_are_linked_and_told_so() {
    let node = || Node::builder().bind("127.0.0.1:0").secret_key([7; 32]);
    let first = TestNode::start(provider().bind("127.0.0.1:0").secret_key([7; 32]));
    let second = TestNode::start(node().bootstrap(first.addr().to_string()));
    second.wait_providers("hello", 1);
    for node in [&first, &second] {
        node.wait_event("the same key", |event| match event {
            NodeEvent::OwnKey { closed: false, .. } => Some(()),
            _ => None,
        });
    }
    let reply = get(&second, 0, "hello").expect("a response");
    assert_eq!(reply.text(), "Hello world!");
    second.shutdown();
    first.shutdown();
}

#[test]
fn a_link_that_was_retired_on_purpose_is_made_again_without_a_pause() {
    let (_provider, caller) = pair(Dialer::CallerOnLegacy);
    // Bodies that are cut leave their streams behind, and so many of them retire the link.
    caller.run(0, |shard| async move {
        for _ in 0..64 {
            let call = shard.call(CallRequest {
                has_body: true,
                ..request(&shard, "count")
            });
            let response = async { drop(call.response().await) };
            let body = async {
                call.send(vec![7; 1_000].into()).await.expect("room");
                // Its first piece has left.
                flatend::rt::sleep(1).await;
            };
            futures_lite::future::or(response, body).await;
        }
    });
    let dialed = |events: &[NodeEvent]| {
        let dialed = |event: &&NodeEvent| matches!(event, NodeEvent::Dialed { .. });
        events.iter().filter(dialed).count()
    };
    crate::support::wait_until("the second link", || dialed(&caller.events()) == 2);
    let paused = |event: &NodeEvent| matches!(event, NodeEvent::Redialing { .. });
    assert!(!caller.events().iter().any(paused), "{:?}", caller.events());
    let reply = get(&caller, 0, "hello").expect("a response");
    assert_eq!(reply.text(), "Hello world!");
}

#[test]
fn providers_come_back_after_the_acceptor_restarts() {
    let (provider, caller) = pair(Dialer::Provider);
    let addr = caller.addr().to_string();
    caller.shutdown();
    provider.wait_event("the redial", |event| {
        matches!(event, NodeEvent::Redialing { .. }).then_some(())
    });
    let caller = TestNode::start(Node::builder().bind(addr));
    caller.wait_providers("hello", 1);
    assert_eq!(
        get(&caller, 0, "hello").expect("a response").text(),
        "Hello world!"
    );
    caller.shutdown();
    provider.shutdown();
}

#[test]
fn an_address_in_use_is_a_plain_error_of_start() {
    let first = TestNode::start(Node::builder().bind("127.0.0.1:0"));
    let addr = first.addr().to_string();
    let second = Node::builder()
        .shards(1)
        .pin(false)
        .bind(addr.clone())
        .start();
    let Err(err @ StartError::Listen { .. }) = second else {
        panic!("the port is shared in silence");
    };
    assert!(
        err.to_string().contains(&addr) && err.to_string().contains("in use"),
        "{err}"
    );
    first.shutdown();
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let hello = |context: flatend::Context| async move { context.send("").await };
    let twice = Node::builder().service("a", hello).service("a", hello);
    let long = Node::builder().service("x".repeat(256), hello);
    let none = Node::builder().shards(0);
    let unknown = Node::builder().congestion("no_such");
    for builder in [twice, long, none, unknown] {
        let result = builder.on_event(|_| {}).start();
        assert!(matches!(result, Err(StartError::Setting(_))));
    }
}

#[test]
fn a_log_that_panics_costs_its_lines_alone() {
    let node = provider()
        .bind("127.0.0.1:0")
        .shards(1)
        .pin(false)
        .on_event(|event| panic!("cannot write: {event}"))
        .start()
        .expect("the node starts");
    let caller = TestNode::start(
        Node::builder()
            .bind("127.0.0.1:0")
            .bootstrap(node.addrs()[0].to_string()),
    );
    caller.wait_providers("hello", 1);
    let reply = get(&caller, 0, "hello").expect("a response");
    assert_eq!(reply.text(), "Hello world!");
    caller.shutdown();
    node.shutdown().expect("every shard ends well");
}
