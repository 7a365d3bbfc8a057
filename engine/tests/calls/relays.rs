//! Nodes that relay: those that only dialed in are reached through them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

use flatend::{CallError, Node, NodeEvent, Request, RELAY_ERROR};

use crate::services::provider;
use crate::support::body;
use crate::support::node::TestNode;
use crate::support::wait_until;

fn node() -> flatend::NodeBuilder {
    Node::builder().bind("127.0.0.1:0")
}

/// A node that shows an address at which nobody listens: providers that find it cannot dial it.
fn out_of_reach() -> flatend::NodeBuilder {
    let nobody = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    Node::builder().secret_key([7; 32]).public_addr(nobody)
}

/// A node that relays, a provider that dialed it, and a caller that dialed it too.
fn through_one(shards: usize) -> [TestNode; 3] {
    let relay = TestNode::with_shards(shards, node().relay(true));
    let to = relay.addr().to_string();
    let provider = TestNode::start(provider().bootstrap(to.clone()));
    let caller = TestNode::with_shards(shards, out_of_reach().bootstrap(to));
    relay.wait_providers("hello", 1);
    caller.wait_providers("flatend.relay", 1);
    [relay, provider, caller]
}

fn to(service: &str) -> Request {
    Request::to(service)
        .through_relays(true)
        .hold(Duration::ZERO)
}

#[test]
fn a_service_that_only_dialed_in_is_reached_and_nothing_is_lost_on_the_way() {
    const LEN: u64 = 8 * 1024 * 1024;
    let [_relay, _provider, caller] = through_one(2);
    for shard in 0..2 {
        caller.run(shard, |shard| async move {
            let client = shard.client();
            assert!(
                client.providers_for(["hello"]).is_empty(),
                "it is not announced"
            );
            let mut response = client.call(to("hello")).await.expect("a response");
            assert_eq!(
                response.read_all(100).await.expect("a body"),
                "Hello world!"
            );
            let request = to("headers")
                .header("a", "1")
                .header("empty", "")
                .header("a", "2");
            let response = client.call(request).await.expect("a response");
            assert_eq!(response.status(), 201);
            assert!(response.head().header_all("got-a").eq(["1", "2"]));
            assert_eq!(response.header("got-empty"), Some(""));
            assert_eq!(response.header("got-flatend-relay-hops"), Some("1"));
            let response = client.call(to("fail")).await.expect("a response");
            assert_eq!(response.status(), 418);
            // Both bodies at once.
            let request = to("pipe").body(body::bytes(0, LEN as usize));
            let mut response = client.call(request).await.expect("a response");
            let mut check = body::Checker::default();
            while let Some(bytes) = response.read().await.expect("a whole body") {
                check.take(&bytes);
            }
            assert_eq!(check.len, LEN);
        });
    }
}

#[test]
fn the_mark_of_a_relay_is_neither_offered_nor_withdrawn() {
    let relay = TestNode::start(node().relay(true));
    let error = relay
        .node()
        .offer("flatend.relay", |context| context.send(""));
    assert!(error
        .expect_err("it is reserved")
        .to_string()
        .contains("relay"));
    assert_eq!(relay.node().withdraw("flatend.relay"), Ok(false));
}

#[test]
fn what_a_relay_says_itself_is_marked_and_what_a_service_says_is_not() {
    let relay = TestNode::start(node().relay(true));
    let address = relay.addr().to_string();
    let limits = flatend::NodeLimits {
        drain: Duration::ZERO,
        ..flatend::NodeLimits::default()
    };
    let begun = Arc::new(AtomicBool::new(false));
    let begin = begun.clone();
    let provider = provider().service("hangs", move |_context| {
        begin.store(true, Ordering::SeqCst);
        std::future::pending()
    });
    let provider = TestNode::start(provider.limits(limits).bootstrap(address.clone()));
    let caller = TestNode::start(out_of_reach().bootstrap(address));
    relay.wait_providers("hangs", 1);
    caller.wait_providers("flatend.relay", 1);
    let ask = |service: &'static str| {
        caller.begin(0, move |shard| async move {
            let response = shard.client().call(to(service)).await.expect("a response");
            let marked = response.header(RELAY_ERROR).map(str::to_owned);
            (response.status(), marked)
        })
    };
    assert_eq!(ask("fail").wait(), (418, None));
    let hanging = ask("hangs");
    wait_until("the handler runs", || begun.load(Ordering::SeqCst));
    provider.shutdown();
    let (status, marked) = hanging.wait();
    let marked = marked.expect("the relay's own");
    assert!(
        status == 502 && marked.contains("lost"),
        "{status} {marked}"
    );
}

#[test]
fn what_nobody_offers_is_refused_and_held_against_nobody() {
    let [_relay, _provider, caller] = through_one(1);
    caller.run(0, |shard| async move {
        let client = shard.client();
        for _ in 0..12 {
            let error = client.call(to("nobody")).await.expect_err("nobody");
            assert_eq!(error, CallError::Refused);
        }
        let error = client.call(Request::to("hello").hold(Duration::ZERO)).await;
        assert_eq!(
            error.expect_err("only through relays"),
            CallError::NoProvider
        );
        client.call(to("hello")).await.expect("a response");
    });
    let aside = |event: &NodeEvent| matches!(event, NodeEvent::SetAside { .. });
    assert!(!caller.events().iter().any(aside), "{:?}", caller.events());
}

#[test]
fn a_node_that_does_not_relay_answers_for_itself_alone() {
    let plain =
        TestNode::start(node().service("own", |context| async move { context.send("own").await }));
    let _provider = TestNode::start(provider().bootstrap(plain.addr().to_string()));
    let caller = TestNode::start(out_of_reach().bootstrap(plain.addr().to_string()));
    plain.wait_providers("hello", 1);
    caller.wait_providers("own", 1);
    caller.run(0, |shard| async move {
        let error = shard.client().call(to("hello")).await;
        assert_eq!(error.expect_err("it does not relay"), CallError::NoProvider);
    });
}

#[test]
fn a_request_never_goes_back_to_whoever_asked() {
    let relay = TestNode::start(node().relay(true));
    let caller = out_of_reach().service("own", |context| async move { context.send("own").await });
    let caller = TestNode::start(caller.bootstrap(relay.addr().to_string()));
    relay.wait_providers("own", 1);
    caller.wait_providers("flatend.relay", 1);
    caller.run(0, |shard| async move {
        let error = shard.client().call(to("own")).await;
        assert_eq!(error.expect_err("it is its own"), CallError::Refused);
    });
}

#[test]
fn relays_pass_on_to_relays_and_a_ring_of_them_ends() {
    let first = TestNode::start(node().relay(true));
    let to_first = first.addr().to_string();
    let second = TestNode::start(node().relay(true).bootstrap(to_first.clone()));
    let to_second = second.addr().to_string();
    let third = node()
        .relay(true)
        .bootstrap(to_second)
        .bootstrap(to_first.clone());
    let third = TestNode::start(third);
    // The provider is known to the first alone, the caller knows the third.
    let _provider = TestNode::start(provider().bootstrap(to_first));
    let caller = TestNode::start(out_of_reach().bootstrap(third.addr().to_string()));
    first.wait_providers("hello", 1);
    first.wait_providers("flatend.relay", 2);
    second.wait_providers("flatend.relay", 2);
    third.wait_providers("flatend.relay", 2);
    wait_until("the caller knows a relay", || {
        !caller
            .node()
            .snapshot()
            .providers(["flatend.relay"])
            .is_empty()
    });
    caller.run(0, |shard| async move {
        let client = shard.client();
        // It may go round, as nobody knows the way; a few tries find it.
        let mut found = None;
        for _ in 0..50 {
            match client.call(to("headers")).await {
                Ok(response) if response.status() == 201 => {
                    found = response.header("got-flatend-relay-hops").map(str::to_owned);
                    break;
                }
                Ok(response) => panic!("{:?}", response.head()),
                Err(error) => assert_eq!(error, CallError::Refused),
            }
        }
        let hops: u32 = found.expect("a way").parse().expect("a count");
        assert!((1..=8).contains(&hops), "{hops}");
        for _ in 0..10 {
            let call = client.call(to("nobody").timeout(Duration::from_secs(10)));
            let error = call.await.map(|_| ()).expect_err("nobody offers it");
            assert_eq!(error, CallError::Refused);
        }
    });
}
