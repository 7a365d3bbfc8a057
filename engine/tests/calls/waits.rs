//! How long a call waits, and what dropping one does.

use std::time::{Duration, Instant};

use flatend::rt;
use flatend::{CallError, Fault, Node, Request, ResponseError};

use crate::services::{pair, pair_of, provider, Dialer};
use crate::support::node::TestNode;

#[test]
fn a_timeout_ends_the_wait_for_the_head_and_a_deadline_all_of_it() {
    let (_provider, caller) = pair(Dialer::Provider);
    caller.run(0, |shard| async move {
        let client = shard.client();
        let begun = Instant::now();
        for request in [
            Request::to("silent").timeout(Duration::from_millis(50)),
            Request::to("silent").deadline(Duration::from_millis(50)),
        ] {
            let error = client.call(request).await.expect_err("it is silent");
            assert_eq!(error, CallError::TimedOut);
        }
        assert!(begun.elapsed() >= Duration::from_millis(90));
        // A body that stops in its middle; the timeout is for the head alone.
        let request = Request::to("stop_in_the_middle")
            .timeout(Duration::from_secs(5))
            .deadline(Duration::from_millis(200));
        let mut response = client.call(request).await.expect("a head");
        assert_eq!(
            response.read().await.expect("a piece").as_deref(),
            Some(&b"the first half"[..])
        );
        let cut = response.read().await.expect_err("the deadline");
        assert_eq!(cut, ResponseError::Cut(Fault::DeadlinePassed));
        assert_eq!(response.read().await, Err(cut));
    });
}

#[test]
fn a_deadline_ends_a_body_that_never_ends() {
    let endless = provider().service("endless", |mut context| async move {
        loop {
            context.write(b"tick").await?;
            rt::sleep(4).await;
        }
    });
    let (_provider, caller) = pair_of(Dialer::Provider, 1, endless);
    caller.run(0, |shard| async move {
        let request = Request::to("endless").deadline(Duration::from_millis(100));
        let mut response = shard.client().call(request).await.expect("a head");
        let mut pieces = 0;
        let cut = loop {
            match response.read().await {
                Ok(piece) => pieces += usize::from(!piece.expect("it never ends").is_empty()),
                Err(cut) => break cut,
            }
        };
        assert_eq!(cut, ResponseError::Cut(Fault::DeadlinePassed));
        assert!(pieces > 0);
    });
}

#[test]
fn a_request_is_held_for_a_provider_that_comes() {
    let caller = TestNode::start(Node::builder().bind("127.0.0.1:0"));
    let held = caller.begin(0, |shard| async move {
        let request = Request::to("hello").hold(Duration::from_secs(10));
        let mut response = shard.client().call(request).await.expect("a response");
        response.read_all(100).await.expect("a body")
    });
    let _provider = TestNode::start(provider().bootstrap(caller.addr().to_string()));
    assert_eq!(held.wait(), "Hello world!");
}

#[test]
fn a_call_that_is_dropped_gives_its_place_back() {
    let (_provider, caller) = pair_of(Dialer::Provider, 2, provider());
    for shard in 0..2 {
        caller.run(shard, |shard| async move {
            let client = shard.client();
            let silent = || Request::to("silent").max_in_flight(1);
            let given_up = rt::timeout(40, client.call(silent())).await;
            assert!(given_up.is_err(), "it is silent");
            // The place of the one that was dropped is free again, and taken until this one is dropped too.
            let mut waiting = Box::pin(client.call(silent()));
            let polled = futures_lite::future::poll_once(&mut waiting).await;
            assert!(polled.is_none(), "it is silent");
            let error = client.call(silent()).await.expect_err("one place");
            assert_eq!(error, CallError::Saturated);
            drop(waiting);
            let error = client
                .call(silent().timeout(Duration::from_millis(20)))
                .await;
            assert_eq!(error.expect_err("it is silent"), CallError::TimedOut);
        });
    }
}
