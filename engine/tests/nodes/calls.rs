//! Requests and responses, errors of handlers, many at once.

use std::net::TcpListener;

use flatend::{CallError, CallRequest, HeaderBlock, Node};

use crate::services::{pair, Dialer};
use crate::support::calls::{exchange, get, headers, request, Failure};
use crate::support::node::TestNode;
use crate::support::peer::Peer;
use crate::support::wait_until;

#[test]
fn hello_whoever_dialed() {
    for dialer in Dialer::ALL {
        let (provider, caller) = pair(dialer);
        let reply = get(&caller, 0, "hello").expect("a response");
        assert_eq!(reply.text(), "Hello world!");
        // So that a body that is cut shows.
        let length = ("content-length".to_owned(), "12".to_owned());
        assert_eq!(reply.headers, [length]);
        caller.shutdown();
        provider.shutdown();
    }
}

#[test]
fn headers_travel_both_ways_in_order() {
    for dialer in Dialer::ALL {
        let (_provider, caller) = pair(dialer);
        let reply = caller.run(0, |shard| async move {
            let request = CallRequest {
                headers: headers(&[("a", "1"), ("empty", ""), ("a", "2"), ("ü", "ö")]),
                extras: headers(&[("extra", "kept")]),
                ..request(&shard, "headers")
            };
            exchange(&shard, request, &[]).await
        });
        let mut reply = reply.expect("a response");
        assert_eq!(reply.header(":status"), Some("201"));
        // On flatend/2 it has a field of its own, and so no place among the headers.
        reply.headers.retain(|(name, _)| name != ":status");
        let expected = [
            ("got-a", "1"),
            ("got-empty", ""),
            ("got-a", "2"),
            ("got-ü", "ö"),
            ("got-extra", "kept"),
            ("content-length", "0"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(reply.headers, expected);
    }
}

#[test]
fn the_first_name_that_is_offered_is_called() {
    let (_provider, caller) = pair(Dialer::Provider);
    let reply = caller.run(0, |shard| async move {
        let request = CallRequest {
            services: shard.service_set(["nobody_has_this", "hello"]),
            ..request(&shard, "hello")
        };
        exchange(&shard, request, &[]).await
    });
    assert_eq!(reply.expect("a response").text(), "Hello world!");
}

#[test]
fn a_service_that_nobody_offers_is_an_error_at_once() {
    let (_provider, caller) = pair(Dialer::Provider);
    let reply = get(&caller, 0, "nobody_has_this");
    assert_eq!(reply, Err(Failure::Call(CallError::NoProvider)));
}

#[test]
fn an_error_of_a_handler_is_json_with_its_status() {
    let (_provider, caller) = pair(Dialer::Provider);
    let reply = get(&caller, 0, "fail").expect("an error is a response too");
    assert_eq!(reply.header(":status"), Some("418"));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.text(), r#"{"error":"a \"teapot\"\u000a"}"#);
}

#[test]
fn a_panic_of_a_handler_costs_its_request_alone() {
    let (provider, caller) = pair(Dialer::Provider);
    // A request that is under way while others panic.
    let silent = caller.begin(0, |shard| async move {
        let request = CallRequest {
            timeout_ms: Some(1_500),
            ..request(&shard, "silent")
        };
        exchange(&shard, request, &[]).await
    });
    for service in ["panic", "panic_at_once"] {
        let reply = get(&caller, 0, service).expect("a panic is a response too");
        assert_eq!(reply.header(":status"), Some("500"));
        assert!(reply.text().contains("panicked"), "{}", reply.text());
        assert_eq!(
            get(&caller, 0, "hello").expect("a response").text(),
            "Hello world!"
        );
    }
    provider.wait_event("the panic in the log", |event| {
        event.to_string().contains("on purpose").then_some(())
    });
    assert_eq!(silent.wait(), Err(Failure::Call(CallError::TimedOut)));
}

#[test]
fn a_response_that_fails_in_the_middle_is_cut_not_ended() {
    for dialer in Dialer::ALL {
        let (_provider, caller) = pair(dialer);
        let reply = caller.run(0, |shard| async move {
            let request = CallRequest {
                timeout_ms: None,
                ..request(&shard, "fail_in_the_middle")
            };
            let call = shard.call(request);
            call.response().await.expect("the head");
            assert_eq!(
                call.data().await.expect("a piece").as_deref(),
                Some(&b"the first half"[..])
            );
            // A legacy link cannot say that more will not come: no clean end may be invented.
            flatend::rt::timeout(2_500, call.data()).await
        });
        assert!(!matches!(reply, Ok(Ok(_))), "{reply:?}");
        assert_eq!(
            get(&caller, 0, "hello").expect("the link lives on").text(),
            "Hello world!"
        );
    }
}

#[test]
fn two_hundred_calls_at_once() {
    for dialer in Dialer::ALL {
        let (_provider, caller) = pair(dialer);
        let lens = caller.run(0, |shard| async move {
            let lens = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
            let calls = (0..200usize).map(|i| {
                let (shard, lens) = (shard.clone(), lens.clone());
                async move {
                    let body = crate::support::body::bytes(i as u64, i * 37);
                    let request = CallRequest {
                        has_body: !body.is_empty(),
                        ..request(&shard, "echo")
                    };
                    let reply = exchange(&shard, request, &body).await.expect("a response");
                    assert_eq!(reply.body, body, "call {i}");
                    lens.borrow_mut().push(reply.body.len());
                }
            });
            flatend::rt::join_all(calls.collect()).await;
            lens.take()
        });
        assert_eq!(lens.len(), 200);
    }
}

fn with_value(caller: &TestNode, bytes: usize) -> Result<usize, Failure> {
    caller.run(0, move |shard| async move {
        let mut headers = HeaderBlock::new();
        headers
            .push(b"v", &vec![b'x'; bytes])
            .expect("a value's length fits");
        let request = CallRequest {
            headers,
            ..request(&shard, "headers")
        };
        let reply = exchange(&shard, request, &[]).await?;
        Ok(reply.header("got-v").map_or(0, str::len))
    })
}

#[test]
fn a_head_that_the_provider_cannot_take_is_refused_before_it_is_sent() {
    // The provider was dialed and has not shown what it is: it may be a Go peer, whose frames end at 4,096 bytes.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let to = listener.local_addr().expect("an address").to_string();
    let caller = TestNode::start(Node::builder().bind("127.0.0.1:0").bootstrap(to));
    let _silent = Peer::accept(&listener, 9, &["headers"]);
    caller.wait_providers("headers", 1);
    let refused = with_value(&caller, 4_100);
    let Err(Failure::Call(CallError::HeadTooLarge { max_bytes, .. })) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(max_bytes, 4_076);
    // A node of this project takes more, whoever dialed: it has asked for nodes with a number of ours.
    for (dialer, most) in Dialer::ALL
        .into_iter()
        .zip([56_000, 56_000, 65_535, 65_535])
    {
        let (_provider, caller) = pair(dialer);
        assert_eq!(with_value(&caller, 3_000), Ok(3_000));
        wait_until("a provider that is known", || {
            with_value(&caller, most) == Ok(most)
        });
    }
}

#[test]
fn extras_give_way_where_both_do_not_fit() {
    let (_provider, caller) = pair(Dialer::Caller);
    let reply = caller.run(0, |shard| async move {
        let long = "x".repeat(65_535);
        let request = CallRequest {
            headers: headers(&[("must", "be there")]),
            // More than any peer takes: 131,052 bytes.
            extras: headers(&[("may", &*long), ("may-too", &*long)]),
            ..request(&shard, "headers")
        };
        exchange(&shard, request, &[]).await.expect("a response")
    });
    assert_eq!(reply.header("got-must"), Some("be there"));
    assert_eq!(reply.header("got-may"), None);
}
