//! Headers that a handler may not set, lengths that it does not keep, and heads that nobody should pass on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use flatend::{
    rt, CallError, HandlerError, HeaderBlock, Node, NodeBuilder, NodeEvent, Request, WriteError,
};

use crate::support::calls::{exchange, request, rest, Failure};
use crate::support::node::TestNode;
use crate::{status, Pair};

/// Sets `length` as its content-length and writes `pieces` of five bytes.
async fn announced(
    mut context: flatend::Context,
    length: &str,
    pieces: usize,
) -> Result<(), HandlerError> {
    context.set_header("content-length", length)?;
    for _ in 0..pieces {
        context.write("12345").await?;
    }
    Ok(())
}

fn node() -> NodeBuilder {
    Node::builder()
        .service("right", |context| announced(context, "10", 2))
        .service("short", |context| announced(context, "10", 1))
        .service("long", |context| announced(context, "9", 2))
        .service("none", |context| announced(context, "10", 0))
        .service("text", |context| announced(context, "ten", 2))
        .service("send", |mut context| async move {
            context.set_header("content-length", "10")?;
            context.send("12345").await
        })
        .service("twice", |mut context| async move {
            context.add_header("content-length", "5")?;
            context.add_header("content-length", "6")?;
            context.send("12345").await
        })
        .service("carried", |context| async move {
            let (_, _, mut responder) = context.split();
            let mut headers = HeaderBlock::new();
            headers
                .push(b"x-a", b"1\r\nset-cookie: b=2")
                .expect("it fits");
            responder.set_headers(headers)?;
            Ok(responder.finish()?)
        })
}

#[test]
fn a_length_that_is_not_kept_is_an_error_before_the_head_or_a_cut_after_it_and_is_told() {
    let pair = Pair::start("right", node());
    assert_eq!(pair.ask("right", &[], b"").text(), "1234512345");
    for (service, says) in [
        ("none", "10 and its body has 0 bytes"),
        ("text", "'ten' is no number"),
        ("send", "10 and its body has 5 bytes"),
        ("twice", "two content-lengths"),
    ] {
        let reply = pair.ask(service, &[], b"");
        let (code, text) = status(&reply);
        assert!(
            code == "500" && text.contains(says),
            "{service}: {code} {text}"
        );
    }
    for service in ["short", "long"] {
        let cut = pair.caller.run(0, move |shard| async move {
            exchange(&shard, request(&shard, service), &[]).await
        });
        assert!(matches!(cut, Err(Failure::Cut(_))), "{service}: {cut:?}");
    }
    let told = |service: &str| {
        let name = format!("'{service}'");
        pair.provider.wait_event(service, |event| match event {
            NodeEvent::Trouble(what) if what.contains(&name) => Some(what.clone()),
            _ => None,
        })
    };
    for service in ["none", "text", "send", "twice", "short", "long"] {
        assert!(told(service).contains("content-length"), "{service}");
    }
    // The answer to HEAD says how long the body would be.
    let head = pair.ask("none", &[(":method", "HEAD")], b"");
    assert_eq!(head.header("content-length"), Some("10"));
    assert_eq!(pair.ask("right", &[], b"").text(), "1234512345");
}

#[test]
fn what_http_cannot_say_is_an_error_of_the_setter_and_changes_nothing() {
    let node = Node::builder().service("set", |mut context| async move {
        let tried = [
            context.set_header(":status", "101"),
            context.add_header("a:b", "1"),
            context.add_header("x-a", "1\r\nset-cookie: b=2"),
            context.set_header("x-a", "\0"),
        ];
        let refused =
            |tried: &Result<(), WriteError>| matches!(tried, Err(WriteError::BadHeader(_)));
        assert!(tried.iter().all(refused), "{tried:?}");
        context.set_header("X-A", "fine")?;
        context.set_status(404)?;
        context.send("").await
    });
    let pair = Pair::start("set", node);
    let reply = pair.ask("set", &[], b"");
    assert_eq!(
        (reply.header("x-a"), status(&reply)),
        (Some("fine"), ("404", ""))
    );
    assert_eq!(reply.headers.len(), 3, "{:?}", reply.headers);
}

#[test]
fn a_response_whose_header_would_be_two_lines_reaches_no_caller() {
    let pair = Pair::start("carried", node());
    let error = pair.caller.run(0, |shard| async move {
        let called = shard.client().call(Request::to("carried")).await;
        called.map(|_| ()).expect_err("two lines")
    });
    let CallError::BadResponse(what) = error else {
        panic!("{error}");
    };
    assert!(
        what.contains("'x-a'") && what.contains("line break"),
        "{what}"
    );
}

/// A service that begins its answer, and goes on when the test says so.
fn late(open: &Arc<AtomicBool>) -> NodeBuilder {
    let open = open.clone();
    Node::builder().service("late", move |mut context| {
        let open = open.clone();
        async move {
            context.set_header("content-type", "text/event-stream")?;
            context.start()?;
            while !open.load(Ordering::SeqCst) {
                rt::sleep(2).await;
            }
            context.write("data: 1\n\n").await?;
            Ok(())
        }
    })
}

#[test]
fn a_head_that_is_sent_ahead_of_its_body_does_not_wait_for_it() {
    for shards in [1, 2] {
        let open = Arc::new(AtomicBool::new(false));
        let caller = TestNode::with_shards(shards, Node::builder().bind("127.0.0.1:0"));
        let to = caller.addr().to_string();
        let provider = TestNode::start(late(&open).bootstrap(to));
        caller.wait_providers("late", 1);
        for shard in 0..shards {
            open.store(false, Ordering::SeqCst);
            let gate = open.clone();
            let text = caller.run(shard, |shard| async move {
                let call = shard.call(request(&shard, "late"));
                let head = call.response().await.expect("a head");
                assert_eq!(head.get(b"content-type"), Some(&b"text/event-stream"[..]));
                assert!(call.try_data().is_none(), "its body is late");
                gate.store(true, Ordering::SeqCst);
                rest(&call).await
            });
            assert_eq!(text.as_deref(), Ok(&b"data: 1\n\n"[..]));
        }
        provider.shutdown();
        caller.shutdown();
    }
}

#[test]
fn on_legacy_a_head_waits_for_its_body() {
    let open = Arc::new(AtomicBool::new(false));
    let caller = TestNode::start(Node::builder().flatend2(false).bind("127.0.0.1:0"));
    let to = caller.addr().to_string();
    let provider = TestNode::start(late(&open).flatend2(false).bootstrap(to));
    caller.wait_providers("late", 1);
    let gate = open.clone();
    let text = caller.run(0, |shard| async move {
        let call = shard.call(request(&shard, "late"));
        let opened = async {
            // Longer than silence behind a head may last on legacy before it is taken for an empty body.
            rt::sleep(1_500).await;
            gate.store(true, Ordering::SeqCst);
            std::future::pending().await
        };
        futures_lite::future::or(call.response(), opened)
            .await
            .expect("a head");
        rest(&call).await
    });
    assert_eq!(text.as_deref(), Ok(&b"data: 1\n\n"[..]));
    provider.shutdown();
    caller.shutdown();
}
