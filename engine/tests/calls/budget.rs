//! The receive budget of a shard: what its peers on flatend/2 may send before it is read, over all links.

use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use flatend::{rt, CallError, Client, Node, NodeLimits, Request, Response, Shard};

use crate::services::{pair_of, provider, Dialer};
use crate::support::node::TestNode;
use crate::support::wait_until;

/// As little as may be: sixteen streams.
const BUDGET: usize = 1024 * 1024;
const STREAMS: usize = 16;
const OVER: CallError = CallError::OverBudget {
    bytes_max: BUDGET as u64,
};

fn limits() -> NodeLimits {
    NodeLimits {
        receive_bytes: Some(BUDGET),
        ..NodeLimits::default()
    }
}

/// A caller with that budget, a provider that dialed it.
fn small(shards: usize) -> (TestNode, TestNode) {
    let caller = Node::builder().bind("127.0.0.1:0").limits(limits());
    let caller = TestNode::with_shards(shards, caller);
    let to = caller.addr().to_string();
    let provider = TestNode::with_shards(shards, provider().bootstrap(to));
    caller.wait_providers("hello", 1);
    (provider, caller)
}

fn at_once(service: &str) -> Request {
    Request::to(service).hold(Duration::ZERO)
}

/// Calls that are under way until they are dropped.
async fn open_silent(client: &Client, count: usize) -> Vec<impl Sized> {
    let mut calls = Vec::new();
    for _ in 0..count {
        let client = client.clone();
        let mut call = Box::pin(async move { client.call(at_once("silent")).await.map(drop) });
        assert!(futures_lite::future::poll_once(&mut call).await.is_none());
        calls.push(call);
    }
    calls
}

async fn hello(client: &Client, request: Request) -> Result<Vec<u8>, CallError> {
    let mut response = client.call(request).await?;
    Ok(response.read_all(100).await.expect("a body").to_vec())
}

#[test]
fn requests_beyond_it_wait_as_long_as_they_may_and_then_say_so() {
    let (_provider, caller) = small(1);
    caller.run(0, |shard| async move {
        let client = shard.client();
        let mut silent = open_silent(&client, STREAMS).await;
        assert_eq!(hello(&client, at_once("hello")).await, Err(OVER));
        let held = Request::to("hello").hold(Duration::from_millis(30));
        assert_eq!(hello(&client, held).await, Err(OVER));
        // One place; three that wait for it get it one after the other.
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let client = client.clone();
                async move {
                    let held = Request::to("hello").hold(Duration::from_secs(20));
                    assert_eq!(hello(&client, held).await, Ok(b"Hello world!".to_vec()));
                }
            })
            .collect();
        let mut waiting = Box::pin(rt::join_all(waiting));
        assert!(futures_lite::future::poll_once(&mut waiting)
            .await
            .is_none());
        silent.pop();
        waiting.await;
        assert_eq!(
            hello(&client, at_once("hello")).await,
            Ok(b"Hello world!".to_vec())
        );
    });
}

#[test]
fn each_shard_has_a_budget_of_its_own() {
    let (_provider, caller) = small(2);
    // So many requests make the second link, which would else come up at some time below.
    caller.run(0, |shard| async move {
        for _ in 0..STREAMS {
            hello(&shard.client(), at_once("hello"))
                .await
                .expect("room");
        }
    });
    wait_until("a link on each shard", || {
        let state = caller.node().state();
        let ready = state.links().filter(|link| link.ready).count();
        ready == 2
    });
    for shard in 0..2 {
        caller.run(shard, |shard| async move {
            let client = shard.client();
            let silent = open_silent(&client, STREAMS).await;
            assert_eq!(hello(&client, at_once("hello")).await, Err(OVER));
            drop(silent);
            let held = Request::to("hello").hold(Duration::from_secs(20));
            assert_eq!(hello(&client, held).await, Ok(b"Hello world!".to_vec()));
        });
    }
}

#[test]
fn who_was_called_and_has_no_provider_any_more_does_not_keep_the_room_from_the_next() {
    let (_provider, caller) = small(1);
    let brief = Node::builder().service(
        "brief",
        |context| async move { context.send("brief").await },
    );
    let brief = TestNode::start(brief.bootstrap(caller.addr().to_string()));
    caller.wait_providers("brief", 1);
    let (in_line, wait) = mpsc::channel();
    let answered = caller.begin(0, move |shard| async move {
        let client = shard.client();
        let mut silent = open_silent(&client, STREAMS).await;
        let held = |service| Request::to(service).hold(Duration::from_secs(5));
        let mut first = Box::pin(client.call(held("brief")));
        let mut second = Box::pin(hello(&client, held("hello")));
        assert!(futures_lite::future::poll_once(&mut first).await.is_none());
        assert!(futures_lite::future::poll_once(&mut second).await.is_none());
        in_line.send(()).expect("the test waits");
        while !client.providers_for(["brief"]).is_empty() {
            rt::yield_now().await;
        }
        silent.pop();
        // The first one is called, and waits for a provider; the room is the second one's.
        let first = async { first.await.map(drop) };
        futures_lite::future::or(async { Err(first.await) }, async { Ok(second.await) }).await
    });
    wait.recv().expect("both are in line");
    brief.shutdown();
    assert_eq!(answered.wait(), Ok(Ok(b"Hello world!".to_vec())));
}

/// Whole responses of `len` bytes of which nobody has read anything.
async fn unread(shard: &Rc<Shard>, count: usize, len: usize) -> Vec<Response> {
    let mut responses = Vec::new();
    for _ in 0..count {
        let request = at_once("pattern").header("len", len.to_string());
        responses.push(shard.client().call(request).await.expect("a head"));
    }
    responses
}

#[test]
fn responses_that_are_whole_count_until_they_are_read() {
    const LEN: usize = 64_000;
    let (provider, caller) = small(1);
    caller.run(0, |shard| async move {
        let client = shard.client();
        let responses = unread(&shard, STREAMS, LEN).await;
        // All of them end, and what is unread of them leaves less than one stream free.
        let over = async {
            while hello(&client, at_once("hello")).await.is_ok() {
                rt::yield_now().await;
            }
        };
        rt::timeout(20_000, over).await.expect("the budget is used");
        for mut response in responses {
            assert_eq!(response.read_all(LEN).await.expect("whole").len(), LEN);
        }
        assert!(hello(&client, at_once("hello")).await.is_ok());
        // Those that nobody ever reads give it back when they are dropped, and when their link was lost before.
        drop(unread(&shard, STREAMS, LEN).await);
        assert!(hello(&client, at_once("hello")).await.is_ok());
    });
    let (opened, all) = mpsc::channel();
    let lost = caller.begin(0, move |shard| async move {
        let responses = unread(&shard, STREAMS, LEN).await;
        opened.send(()).expect("the test waits");
        while shard.link_count() > 0 {
            rt::sleep(1).await;
        }
        responses.len()
    });
    all.recv().expect("heads");
    provider.shutdown();
    assert_eq!(lost.wait(), STREAMS);
    let to = caller.addr().to_string();
    let _provider = TestNode::start(crate::services::provider().bootstrap(to));
    caller.wait_providers("hello", 1);
    caller.run(0, |shard| async move {
        let client = shard.client();
        drop(open_silent(&client, STREAMS).await);
        assert!(hello(&client, at_once("hello")).await.is_ok());
    });
}

#[test]
fn requests_with_bodies_beyond_it_are_refused_and_those_without_are_not() {
    let provider = provider().limits(limits());
    let (_provider, caller) = pair_of(Dialer::Provider, 1, provider);
    caller.run(0, |shard| async move {
        let client = shard.client();
        let mut uploads = Vec::new();
        for _ in 0..STREAMS {
            let (mut upload, answer) = client.stream(at_once("silent"));
            let mut answer = Box::pin(answer);
            assert!(futures_lite::future::poll_once(&mut answer).await.is_none());
            upload.write(&b"a piece"[..]).await.expect("it is taken");
            uploads.push((upload, answer));
        }
        let (mut upload, answer) = client.stream(at_once("count"));
        let write = async {
            upload.write(vec![1; 1000]).await.ok();
            upload.finish();
        };
        let (_, refused) = futures_lite::future::zip(write, answer).await;
        assert_eq!(refused.map(drop), Err(CallError::Refused));
        assert!(hello(&client, at_once("hello")).await.is_ok());
        drop(uploads);
        // They are cut in a turn of their own.
        let room = async {
            let whole = || at_once("count").body(vec![1; 1000]);
            while let Err(error) = client.call(whole()).await {
                assert_eq!(error, CallError::Refused);
                rt::yield_now().await;
            }
        };
        rt::timeout(20_000, room)
            .await
            .expect("there is room again");
    });
}
