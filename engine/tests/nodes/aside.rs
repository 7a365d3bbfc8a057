//! Providers that fail are set aside, tried again with single requests, and come back: seen from a client over real links.

use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use flatend::routing::{Cause, Failure as Failed};
use flatend::{CallError, CallRequest, Fault, HeaderBlock, Node, NodeEvent, Shard};

use crate::support::calls::{exchange, headers, request, Failure};
use crate::support::node::TestNode;
use crate::support::outlets::{again, request_to, Behaviour};
use crate::support::peer::{Peer, Seen};

/// Services of two nodes: one always answers, the other does as told.
struct Pair {
    gateway: TestNode,
    flaky: TestNode,
    _good: TestNode,
    ill: Arc<AtomicBool>,
    asked: Arc<AtomicU32>,
}

/// `hangs`: while it is ill it never answers, instead of a 503.
fn pair(hangs: bool) -> Pair {
    let gateway = TestNode::start(Node::builder().bind("127.0.0.1:0"));
    let (ill, asked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU32::new(0)));
    let to = gateway.addr().to_string();
    let node = || Node::builder().bind("127.0.0.1:0").bootstrap(to.clone());
    let good = node().service("work", |context| async move { context.send("good").await });
    let state = (ill.clone(), asked.clone());
    let flaky = node().service("work", move |mut context| {
        let (ill, asked) = state.clone();
        async move {
            asked.fetch_add(1, Ordering::SeqCst);
            match (ill.load(Ordering::SeqCst), hangs) {
                (false, _) => context.send("back").await,
                (true, true) => std::future::pending().await,
                (true, false) => {
                    context.set_status(503)?;
                    context.send("ill").await
                }
            }
        }
    });
    let (good, flaky) = (TestNode::start(good), TestNode::start(flaky));
    gateway.wait_providers("work", 2);
    Pair {
        gateway,
        flaky,
        _good: good,
        ill,
        asked,
    }
}

/// The bodies, or what went wrong, of `count` calls one after the other.
async fn work(shard: &Rc<Shard>, count: u32, timeout_ms: u64) -> Vec<Result<String, Failure>> {
    let mut replies = Vec::new();
    for _ in 0..count {
        let request = CallRequest {
            timeout_ms: Some(timeout_ms),
            repeatable: true,
            ..request(shard, "work")
        };
        let reply = exchange(shard, request, &[]).await;
        replies.push(reply.map(|reply| reply.text().to_owned()));
    }
    replies
}

fn set_aside(event: &NodeEvent) -> Option<(String, u64, Cause)> {
    match event {
        NodeEvent::SetAside {
            provider,
            pause_ms,
            cause,
            ..
        } => Some((provider.to_string(), *pause_ms, *cause)),
        _ => None,
    }
}

fn sets_aside(node: &TestNode) -> usize {
    node.events().iter().filter_map(set_aside).count()
}

/// Works until the flaky node has answered; what else came meanwhile must be good.
fn wait_back(pair: &Pair) {
    let begun = Instant::now();
    loop {
        let replies = pair
            .gateway
            .run(0, |shard| async move { work(&shard, 5, 5_000).await });
        let replies: Vec<String> = replies
            .into_iter()
            .map(|reply| reply.expect("good"))
            .collect();
        if replies.iter().any(|text| text == "back") {
            break;
        }
        assert!(replies.iter().all(|text| text == "good"), "{replies:?}");
        assert!(begun.elapsed() < Duration::from_secs(15), "it is not tried");
    }
    let back = pair
        .gateway
        .wait_event("that it is back", |event| match event {
            NodeEvent::Back { provider, .. } => Some(provider.to_string()),
            _ => None,
        });
    assert_eq!(back, pair.flaky.addr().to_string());
}

#[test]
fn clients_see_five_bad_answers_and_then_no_more_until_it_is_well_again() {
    let pair = pair(false);
    let replies = pair
        .gateway
        .run(0, |shard| async move { work(&shard, 80, 5_000).await });
    let bad = replies
        .iter()
        .filter(|reply| reply.as_deref() == Ok("ill"))
        .count();
    assert_eq!(bad, 5);
    assert_eq!(pair.asked.load(Ordering::SeqCst), 5);
    let (name, pause_ms, cause) = pair.gateway.wait_event("that it is set aside", set_aside);
    assert_eq!(name, pair.flaky.addr().to_string());
    assert_eq!(
        (pause_ms, cause),
        (1_000, Cause::InARow(5, Failed::Status(503)))
    );
    pair.ill.store(false, Ordering::SeqCst);
    wait_back(&pair);
    // Many at once, so that both are needed.
    let back = pair.gateway.run(0, |shard| async move {
        let back = std::cell::Cell::new(0);
        let all = (0..60).map(|_| async {
            let replies = work(&shard, 1, 5_000).await;
            if replies[0].as_deref() == Ok("back") {
                back.set(back.get() + 1);
            }
        });
        flatend::rt::join_all(all.collect()).await;
        back.get()
    });
    assert!(back > 5, "it gets its share again: {back} of 60");
}

#[test]
fn a_provider_that_hangs_is_set_aside_by_timeouts_and_comes_back() {
    let pair = pair(true);
    let timed_out = pair.gateway.run(0, |shard| async move {
        let timed_out = std::cell::Cell::new(0);
        // At once, so that the load speaks for neither.
        let all = (0..40).map(|_| async {
            let replies = work(&shard, 1, 150).await;
            if replies[0] == Err(Failure::Call(CallError::TimedOut)) {
                timed_out.set(timed_out.get() + 1);
            }
        });
        flatend::rt::join_all(all.collect()).await;
        timed_out.get()
    });
    assert!(timed_out >= 5, "{timed_out} of 40");
    let (_, _, cause) = pair.gateway.wait_event("that it is set aside", set_aside);
    assert_eq!(cause, Cause::InARow(5, Failed::TimedOut));
    let asked = pair.asked.load(Ordering::SeqCst);
    let replies = pair
        .gateway
        .run(0, |shard| async move { work(&shard, 80, 5_000).await });
    assert!(replies.iter().all(|reply| reply.as_deref() == Ok("good")));
    assert_eq!(pair.asked.load(Ordering::SeqCst), asked);
    pair.ill.store(false, Ordering::SeqCst);
    wait_back(&pair);
}

#[test]
fn a_client_that_goes_is_nobodys_failure() {
    let pair = pair(true);
    pair.gateway.run(0, |shard| async move {
        for _ in 0..40 {
            let call = shard.call(request(&shard, "work"));
            let short = flatend::rt::timeout(20, call.response()).await;
            drop(short);
        }
    });
    assert!(pair.asked.load(Ordering::SeqCst) > 0);
    assert_eq!(sets_aside(&pair.gateway), 0);
}

/// Answers every request with this status until `count` were answered.
fn answer(peer: &mut Peer, count: usize, status: &str) {
    for _ in 0..count {
        let Seen::Request { stream, .. } = peer.wait(|seen| matches!(seen, Seen::Request { .. }))
        else {
            unreachable!("it was waited for");
        };
        let now = peer.now();
        let head = headers(&[(":status", status)]);
        peer.conn.respond(now, stream, &head, true).expect("a head");
        peer.flush();
    }
}

#[test]
fn a_link_that_is_lost_with_many_requests_is_one_failure() {
    let gateway = TestNode::start(Node::builder().bind("127.0.0.1:0"));
    let mut peer = Peer::dial(gateway.addr(), Some(7), &["work"]);
    gateway.wait_providers("work", 1);
    let calls = gateway.begin(0, |shard| async move {
        let calls: Vec<_> = (0..20)
            .map(|_| shard.call(request(&shard, "work")))
            .collect();
        let lost = std::cell::Cell::new(0);
        let all = calls.iter().map(|call| async {
            let error = call.response().await.expect_err("the link is lost");
            assert_eq!(error, CallError::Broken(Fault::LinkLost { left: true }));
            lost.set(lost.get() + 1);
        });
        flatend::rt::join_all(all.collect()).await;
        lost.get()
    });
    for _ in 0..20 {
        peer.wait(|seen| matches!(seen, Seen::Request { .. }));
    }
    drop(peer);
    assert_eq!(calls.wait(), 20);
    assert_eq!(sets_aside(&gateway), 0);
}

#[test]
fn a_provider_that_dials_again_starts_clean() {
    let gateway = TestNode::start(Node::builder().bind("127.0.0.1:0"));
    let mut peer = Peer::dial(gateway.addr(), Some(7), &["work"]);
    gateway.wait_providers("work", 1);
    let calls = gateway.begin(0, |shard| async move { work(&shard, 5, 5_000).await });
    answer(&mut peer, 5, "504");
    assert_eq!(calls.wait().len(), 5);
    let (_, _, cause) = gateway.wait_event("that it is set aside", set_aside);
    assert_eq!(cause, Cause::InARow(5, Failed::Status(504)));
    drop(peer);
    gateway.wait_providers("work", 0);
    let mut peer = Peer::dial(gateway.addr(), Some(7), &["work"]);
    gateway.wait_providers("work", 1);
    let call = gateway.begin(0, |shard| async move { work(&shard, 1, 5_000).await });
    gateway.wait_event("that it is back before it has answered", |event| {
        matches!(event, NodeEvent::Back { .. }).then_some(())
    });
    answer(&mut peer, 1, "200");
    assert!(call.wait()[0].is_ok());
}

#[test]
fn outlets_are_set_aside_too_and_never_all() {
    let node = TestNode::start(Node::builder());
    let bad = [
        Behaviour::NotOpening,
        Behaviour::RefusingConnect,
        Behaviour::Refusing,
        Behaviour::BreakingAfterHead,
        Behaviour::Vanishing,
        Behaviour::Status(502),
    ];
    for bad in bad {
        node.run(0, move |shard| async move {
            let (request, [ill, well]) = request_to(&shard, [bad, Behaviour::Echoing]);
            for _ in 0..80 {
                // Whatever comes of it: the first five may fail.
                exchange(&shard, again(&request), &[]).await.ok();
            }
            assert_eq!(ill.opened.get(), 5, "{bad:?}");
            // Refused calls went on to the other.
            assert!(well.opened.get() >= 75);
            let (request, [one, two]) = request_to(&shard, [bad, bad]);
            for _ in 0..40 {
                exchange(&shard, again(&request), &[]).await.ok();
            }
            assert!(one.opened.get() > 5 && two.opened.get() > 5, "{bad:?}");
        });
    }
    let name = node.wait_event("that it is set aside", set_aside).0;
    assert_eq!(name, "fake 0");
}

#[test]
fn a_response_that_the_caller_cannot_use_is_its_providers_failure() {
    let node = TestNode::start(Node::builder());
    node.run(0, |shard| async move {
        let unusable = [Behaviour::Status(299), Behaviour::Echoing];
        let (request, [ill, _well]) = request_to(&shard, unusable);
        for _ in 0..60 {
            let call = shard.call(again(&request));
            let head: HeaderBlock = call.response().await.expect("a head");
            if head.get(b":status") == Some(b"299") {
                call.blame_provider();
            }
        }
        assert_eq!(ill.opened.get(), 5);
    });
    let (_, _, cause) = node.wait_event("that it is set aside", set_aside);
    assert_eq!(cause, Cause::InARow(5, Failed::Malformed));
}
