//! Requests whose body is given whole.

use std::time::{Duration, Instant};

use flatend::{CallError, Node, Request, ResponseError};
use futures_lite::AsyncReadExt;

use crate::services::{pair, pair_of, provider, Dialer};
use crate::support::body;
use crate::support::node::TestNode;

#[test]
fn hello_whoever_dialed() {
    for dialer in Dialer::ALL {
        let (_provider, caller) = pair(dialer);
        let provider = caller.run(0, |shard| async move {
            let client = shard.client();
            let mut response = client.call(Request::to("hello")).await.expect("a response");
            assert_eq!(response.status(), 200);
            assert_eq!(response.header("content-length"), Some("12"));
            assert_eq!(response.tries(), 1);
            let all = response.read_all(12).await.expect("a whole body");
            assert_eq!(all, "Hello world!");
            assert_eq!(response.read().await, Ok(None));
            response.provider().expect("somebody answered")
        });
        assert_eq!(
            caller.node().snapshot().providers(["hello"])[0].addr,
            provider.addr()
        );
    }
}

#[test]
fn headers_parameters_and_the_length_of_the_body_travel() {
    let (_provider, caller) = pair(Dialer::Provider);
    caller.run(0, |shard| async move {
        let request = Request::to_any(["nobody_has_this", "headers"])
            .header("X-Name", "a")
            .query("page", "2")
            .param("id", "3")
            .body("four");
        let response = shard.client().call(request).await.expect("a response");
        assert_eq!(response.status(), 201);
        assert_eq!(response.header("got-x-name"), Some("a"));
        assert_eq!(response.header("got-query.page"), Some("2"));
        assert_eq!(response.header("got-params.id"), Some("3"));
        assert_eq!(response.header("got-content-length"), Some("4"));
    });
}

#[test]
fn json_goes_out_and_comes_back() {
    let (_provider, caller) = pair(Dialer::Provider);
    caller.run(0, |shard| async move {
        let sent = vec![("a".to_owned(), 1), ("ü".to_owned(), 2)];
        let request = Request::to("echo").json(&sent);
        let mut response = shard.client().call(request).await.expect("a response");
        let got: Vec<(String, u32)> = response.json(1_000).await.expect("JSON");
        assert_eq!(got, sent);
        let request = Request::to("echo").body("[1,");
        let mut response = shard.client().call(request).await.expect("a response");
        let error = response.json::<Vec<u32>>(1_000).await.expect_err("no JSON");
        assert!(matches!(error, ResponseError::Json(_)), "{error}");
        let request = Request::to("echo").body("12345");
        let mut response = shard.client().call(request).await.expect("a response");
        let error = response.read_all(4).await.expect_err("too large");
        assert_eq!(error, ResponseError::TooLarge { limit_bytes: 4 });
    });
}

#[test]
fn a_large_body_goes_out_while_its_response_is_read() {
    const LEN: usize = 16 * 1024 * 1024;
    for dialer in Dialer::ALL {
        let (_provider, caller) = pair_of(dialer, 2, provider());
        for shard in 0..2 {
            caller.run(shard, |shard| async move {
                // What comes back begins long before all has gone out.
                let request = Request::to("pipe").body(body::bytes(0, LEN));
                let mut response = shard.client().call(request).await.expect("a response");
                let mut check = body::Checker::default();
                while let Some(bytes) = response.read().await.expect("a whole body") {
                    check.take(&bytes);
                }
                assert_eq!(check.len, LEN as u64);
            });
        }
    }
}

#[test]
fn a_response_is_an_async_read() {
    const LEN: usize = 300_000;
    let (_provider, caller) = pair(Dialer::Provider);
    caller.run(0, |shard| async move {
        let request = Request::to("pattern").header("len", LEN.to_string());
        let mut response = shard.client().call(request).await.expect("a response");
        let mut head = [0; 7];
        response
            .reader()
            .read_exact(&mut head)
            .await
            .expect("the first bytes");
        let mut rest = Vec::new();
        response
            .reader()
            .read_to_end(&mut rest)
            .await
            .expect("the rest");
        let mut check = body::Checker::default();
        check.take(&head);
        check.take(&rest);
        assert_eq!(check.len, LEN as u64);
    });
}

#[test]
fn what_cannot_be_asked_says_why() {
    let (_provider, caller) = pair(Dialer::Provider);
    caller.run(0, |shard| async move {
        let client = shard.client();
        let error = client.call(Request::to("nobody_has_this").hold(Duration::ZERO));
        assert_eq!(error.await.expect_err("nobody"), CallError::NoProvider);
        let error = client.call(Request::to("")).await.expect_err("no name");
        assert!(matches!(error, CallError::Unsendable { .. }), "{error}");
        let response = client
            .call(Request::to("fail"))
            .await
            .expect("an error is a response");
        assert_eq!(response.status(), 418);
    });
}

#[test]
fn who_has_no_identity_is_told_at_once_that_an_old_peer_wants_one() {
    let provider = TestNode::start(provider().flatend2(false).bind("127.0.0.1:0"));
    let caller = TestNode::start(Node::builder().bootstrap(provider.addr().to_string()));
    caller.wait_providers("hello", 1);
    caller.run(0, |shard| async move {
        let request = Request::to("hello").hold(Duration::from_secs(60));
        let begun = Instant::now();
        let error = shard.client().call(request).await.expect_err("no identity");
        assert!(matches!(error, CallError::Unsendable { status: 500, .. }));
        assert!(error.to_string().contains("`NodeBuilder::bind`"), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(30));
    });
}

#[test]
fn two_hundred_calls_at_once() {
    let (_provider, caller) = pair_of(Dialer::Provider, 2, provider());
    for shard in 0..2 {
        caller.run(shard, |shard| async move {
            let calls = (0..200usize).map(|i| {
                let client = shard.client();
                async move {
                    let body = body::bytes(i as u64, i * 37);
                    let request = Request::to("echo").body(body.clone());
                    let mut response = client.call(request).await.expect("a response");
                    let all = response.read_all(body.len()).await.expect("a body");
                    assert_eq!(all, body, "call {i}");
                }
            });
            flatend::rt::join_all(calls.collect()).await;
        });
    }
}
