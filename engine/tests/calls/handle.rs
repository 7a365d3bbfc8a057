//! The node from plain threads: calls, bodies both ways, what is dropped, the bounds.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use flatend::limits::HANDLE_CALLS_MAX;
use flatend::{BodyRefused, CallError, Fault, Handle, Node, NodeLimits, Request, ResponseError};
use futures_lite::future::{block_on, poll_once};
use futures_lite::{AsyncReadExt, AsyncWriteExt};

use crate::services::{pair, pair_of, provider, Dialer};
use crate::support::node::TestNode;
use crate::support::{body, settled, wait_for, wait_until};

fn is_usable(handle: &Handle) {
    let text = block_on(async {
        let mut response = handle.call(Request::to("hello")).await.expect("a response");
        response.read_all(100).await.expect("a body")
    });
    assert_eq!(text, "Hello world!");
}

#[test]
fn hello_json_and_headers_from_a_plain_thread() {
    let (_provider, caller) = pair_of(Dialer::Provider, 2, provider());
    let handle = caller.node().handle();
    let thread = std::thread::spawn(move || {
        is_usable(&handle);
        block_on(async {
            let request = Request::to("echo").json(&["a", "b"]);
            let mut response = handle.call(request).await.expect("a response");
            let texts: Vec<String> = response.json(100).await.expect("JSON");
            assert_eq!(texts, ["a", "b"]);
            let request = Request::to("headers").header("A", "1");
            let response = handle.call(request).await.expect("a response");
            assert_eq!((response.status(), response.tries()), (201, 1));
            assert_eq!(response.header("got-a"), Some("1"));
        });
    });
    thread.join().expect("the thread ends well");
    // The short form, on the node itself.
    let called = caller
        .node()
        .call(["nobody_has_this", "echo"], [("a", "1")], "body");
    let mut response = block_on(called).expect("a response");
    assert_eq!(block_on(response.read_all(4)).expect("a body"), "body");
}

#[test]
fn large_bodies_go_both_ways_at_once() {
    const LEN: u64 = 16 * 1024 * 1024;
    for dialer in Dialer::ALL {
        let (_provider, caller) = pair_of(dialer, 2, provider());
        let handle = caller.node().handle();
        // Given whole.
        block_on(async {
            let request = Request::to("pipe").body(body::bytes(0, LEN as usize));
            let mut response = handle.call(request).await.expect("a response");
            let mut check = body::Checker::default();
            while let Some(bytes) = response.read().await.expect("a whole body") {
                check.take(&bytes);
            }
            assert_eq!(check.len, LEN);
        });
        // Written by one thread and read by another.
        let (mut body, response) =
            block_on(handle.stream(Request::to("pipe"))).expect("there is a place");
        let writer = std::thread::spawn(move || {
            block_on(async {
                let mut sent = 0;
                while sent < LEN {
                    let piece = (LEN - sent).min(150_000) as usize;
                    let written = body.write_all(&body::bytes(sent, piece)).await;
                    written.expect("it takes the body");
                    sent += piece as u64;
                }
                body.close().await.expect("its end");
            });
        });
        block_on(async {
            let mut response = response.await.expect("a response");
            let mut check = body::Checker::default();
            let mut buffer = vec![0; 70_000];
            loop {
                match response.reader().read(&mut buffer).await.expect("a body") {
                    0 => break,
                    read => check.take(&buffer[..read]),
                }
            }
            assert_eq!(check.len, LEN);
        });
        writer.join().expect("the writer ends well");
    }
}

#[test]
fn a_body_that_nobody_reads_stops_its_sender() {
    // The buffers of the sockets are most of it.
    const BOUND: u64 = 32 * 1024 * 1024;
    let (sent, stop) = (
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let (progress, enough) = (sent.clone(), stop.clone());
    let endless = provider().service("endless", move |mut context| {
        let (progress, enough) = (progress.clone(), enough.clone());
        async move {
            while !enough.load(Ordering::SeqCst) {
                context.write(&[7; 16 * 1024]).await?;
                progress.fetch_add(16 * 1024, Ordering::SeqCst);
                flatend::rt::yield_now().await;
            }
            Ok(())
        }
    });
    let (_provider, caller) = pair_of(Dialer::Provider, 1, endless);
    let handle = caller.node().handle();
    // Down: the reader takes the head and no more.
    let mut response = block_on(handle.call(Request::to("endless"))).expect("a head");
    let at = settled(Duration::from_millis(300), || sent.load(Ordering::SeqCst));
    assert!(at < BOUND, "{at}");
    block_on(response.read()).expect("a piece");
    // An old peer cannot be told that nobody reads any more.
    stop.store(true, Ordering::SeqCst);
    drop(response);
    // Up: the service reads nothing.
    let written = Arc::new(AtomicU64::new(0));
    let count = written.clone();
    let (mut body, response) =
        block_on(handle.stream(Request::to("silent"))).expect("there is a place");
    let writer = std::thread::spawn(move || {
        block_on(async {
            loop {
                if let Err(refused) = body.write(vec![0; 16 * 1024]).await {
                    return refused;
                }
                count.fetch_add(16 * 1024, Ordering::SeqCst);
            }
        })
    });
    let at = settled(Duration::from_millis(300), || {
        written.load(Ordering::SeqCst)
    });
    assert!((1..BOUND).contains(&at), "{at}");
    drop(response);
    assert_eq!(writer.join().expect("it ends"), BodyRefused);
    is_usable(&handle);
}

#[test]
fn a_call_that_is_dropped_gives_its_place_back() {
    let (_provider, caller) = pair(Dialer::Provider);
    let handle = caller.node().handle();
    let silent = || Request::to("silent").max_in_flight(1);
    let mut waiting = Box::pin(handle.call(silent()));
    assert!(block_on(poll_once(&mut waiting)).is_none());
    wait_until("the first has the place", || {
        let second = handle.call(silent().timeout(Duration::from_millis(20)));
        block_on(second).expect_err("it is silent") == CallError::Saturated
    });
    drop(waiting);
    wait_until("the place is free", || {
        let next = handle.call(silent().timeout(Duration::from_millis(20)));
        block_on(next).expect_err("it is silent") == CallError::TimedOut
    });
}

#[test]
fn a_body_that_is_dropped_gives_the_request_up() {
    let (_provider, caller) = pair_of(Dialer::Caller, 2, provider());
    let handle = caller.node().handle();
    block_on(async {
        let (mut body, response) = handle.stream(Request::to("count")).await.expect("a place");
        body.write("a part").await.expect("it takes the body");
        drop(body);
        let error = response.await.expect_err("no response");
        assert_eq!(error, CallError::Broken(Fault::BodyDropped));
        let (mut body, response) = handle.stream(Request::to("pipe")).await.expect("a place");
        body.write("a part").await.expect("it takes the body");
        let mut response = response.await.expect("a head");
        assert_eq!(
            response.read().await.expect("a piece").as_deref(),
            Some(&b"a part"[..])
        );
        drop(body);
        let cut = ResponseError::Cut(Fault::BodyDropped);
        assert_eq!(response.read().await, Err(cut));
    });
    is_usable(&handle);
}

#[test]
fn waits_end_as_they_were_set() {
    let (_provider, caller) = pair(Dialer::Provider);
    let handle = caller.node().handle();
    let wait = Duration::from_millis(60);
    for request in [
        Request::to("silent").timeout(wait),
        Request::to("silent").deadline(wait),
    ] {
        let error = block_on(handle.call(request)).expect_err("it is silent");
        assert_eq!(error, CallError::TimedOut);
    }
    let request = Request::to("stop_in_the_middle").deadline(2 * wait);
    let mut response = block_on(handle.call(request)).expect("a head");
    block_on(response.read()).expect("a piece");
    let cut = block_on(response.read()).expect_err("the deadline");
    assert_eq!(cut, ResponseError::Cut(Fault::DeadlinePassed));
    let request = Request::to("nobody").hold(Duration::ZERO);
    let error = block_on(handle.call(request)).expect_err("nobody");
    assert_eq!(error, CallError::NoProvider);
    let error = block_on(handle.call(Request::to(""))).expect_err("no name");
    assert!(matches!(error, CallError::Unsendable { .. }), "{error}");
}

#[test]
fn more_than_the_limit_wait_in_line() {
    // Room for what all of them may bring, so that this limit is the one that they meet.
    let limits = NodeLimits {
        receive_bytes: Some(2 * HANDLE_CALLS_MAX * 64 * 1024),
        ..NodeLimits::default()
    };
    let caller = TestNode::start(Node::builder().bind("127.0.0.1:0").limits(limits));
    let to = caller.addr().to_string();
    let _provider = TestNode::start(provider().bootstrap(to));
    caller.wait_providers("hello", 1);
    let handle = caller.node().handle();
    let silent = || Box::pin(handle.call(Request::to("silent")));
    let mut under_way: Vec<_> = (0..HANDLE_CALLS_MAX).map(|_| silent()).collect();
    for call in &mut under_way {
        assert!(block_on(poll_once(call)).is_none());
    }
    let mut late = Box::pin(handle.call(Request::to("hello")));
    std::thread::sleep(Duration::from_millis(100));
    assert!(
        block_on(poll_once(&mut late)).is_none(),
        "there is no place"
    );
    // Who may wait for so long only is told, though no shard looks at it yet.
    let begun = Instant::now();
    let hurried = Request::to("hello").timeout(Duration::from_millis(50));
    let error = block_on(handle.call(hurried)).expect_err("there is no place");
    assert_eq!(error, CallError::TimedOut);
    assert!(begun.elapsed() >= Duration::from_millis(50));
    under_way.pop();
    let mut response = block_on(late).expect("a response");
    assert_eq!(
        block_on(response.read_all(100)).expect("a body"),
        "Hello world!"
    );
    drop(under_way);
    is_usable(&handle);
}

#[test]
fn responses_that_are_kept_take_no_place() {
    let (_provider, caller) = pair(Dialer::Provider);
    let handle = caller.node().handle();
    let kept: Vec<_> = (0..HANDLE_CALLS_MAX + 10)
        .map(|_| {
            block_on(async {
                let request = Request::to("hello").timeout(Duration::from_secs(20));
                let mut response = handle.call(request).await.expect("a place");
                response.read_all(100).await.expect("a body");
                response
            })
        })
        .collect();
    is_usable(&handle);
    drop(kept);
}

#[test]
fn providers_and_a_broadcast() {
    let (_provider, caller) = pair_of(Dialer::Provider, 2, provider());
    let handle = caller.node().handle();
    let providers = handle.providers_for(["hello", "echo"]);
    assert_eq!(providers.len(), 1);
    let called = handle.call_at(&providers[0], Request::to("hello"));
    let response = block_on(called).expect("a response");
    assert_eq!(response.provider().as_ref(), Some(&providers[0]));
    let results = block_on(handle.broadcast(Request::to("echo").body("x")));
    assert_eq!(results.len(), 1);
    for (provider, result) in results {
        assert_eq!(provider, providers[0]);
        let mut response = result.expect("a response");
        assert_eq!(block_on(response.read_all(1)).expect("a body"), "x");
    }
}

#[test]
fn a_shard_is_told_to_use_its_own_client() {
    let (_provider, caller) = pair(Dialer::Provider);
    let handle = caller.node().handle();
    let errors = caller.run(0, move |_| async move {
        let called = handle
            .call(Request::to("hello"))
            .await
            .expect_err("a shard");
        let submitted = handle
            .submit_to(0, |_| async {})
            .await
            .expect_err("a shard");
        [called.to_string(), submitted.to_string()]
    });
    assert!(
        errors.iter().all(|error| error.contains("on a shard use")),
        "{errors:?}"
    );
}

#[test]
fn a_shard_that_sleeps_is_awake_within_20_ms() {
    let (_provider, caller) = pair_of(Dialer::Provider, 2, provider());
    let handle = caller.node().handle();
    let (mut body, response) =
        block_on(handle.stream(Request::to("pipe"))).expect("there is a place");
    block_on(body.write("x")).expect("it takes the body");
    let mut response = block_on(response).expect("a head");
    block_on(response.read()).expect("a piece");
    let mut took: Vec<[Duration; 2]> = (0..15)
        .map(|_| {
            // Everybody has gone to sleep by then.
            std::thread::sleep(Duration::from_millis(30));
            let begun = Instant::now();
            is_usable(&handle);
            let hello = begun.elapsed();
            std::thread::sleep(Duration::from_millis(30));
            let begun = Instant::now();
            block_on(body.write("x")).expect("it takes the body");
            block_on(response.read()).expect("a piece");
            [hello, begun.elapsed()]
        })
        .collect();
    for kind in 0..2 {
        took.sort_by_key(|both| both[kind]);
        // The middle one: a loaded machine may be slow now and then.
        let middle = took[took.len() / 2][kind];
        assert!(middle < Duration::from_millis(20), "{took:?}");
    }
}

#[test]
fn after_the_end_there_is_an_error_and_no_wait() {
    let (provider, caller) = pair_of(Dialer::Provider, 2, provider());
    let handle = caller.node().handle();
    // One that is under way when the node ends, and ends with it.
    let under_way = std::thread::spawn({
        let call = handle.call(Request::to("silent"));
        move || block_on(call).expect_err("it is silent")
    });
    let mut unread = block_on(handle.call(Request::to("fail_in_the_middle"))).expect("a head");
    let over = CallError::Broken(Fault::ShuttingDown);
    let ended = std::thread::spawn(move || caller.shutdown());
    // From the beginning of the drain on.
    wait_for("nothing new is let in", || {
        let request = Request::to("silent").timeout(Duration::from_millis(10));
        let error = block_on(handle.call(request)).expect_err("it is silent");
        (error == over).then_some(())
    });
    ended.join().expect("it ends well");
    let error = under_way.join().expect("it ends");
    assert!(matches!(error, CallError::Broken(_)), "{error}");
    // What had come is still there; then the cut.
    block_on(unread.read()).expect("the piece that had come");
    let cut = block_on(unread.read()).expect_err("the rest never comes");
    assert!(matches!(cut, ResponseError::Cut(_)), "{cut}");
    let begun = Instant::now();
    assert_eq!(
        block_on(handle.call(Request::to("hello"))).expect_err("it is over"),
        over
    );
    assert_eq!(
        block_on(handle.stream(Request::to("hello"))).err(),
        Some(over)
    );
    let submitted = block_on(handle.submit_to(0, |_| async {}));
    assert_eq!(submitted, Err(flatend::SubmitError::ShuttingDown));
    assert!(begun.elapsed() < Duration::from_millis(500));
    drop(provider);
}
