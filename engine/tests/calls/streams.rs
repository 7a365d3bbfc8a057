//! Requests whose body is written piece by piece, and what is dropped on the way.

use std::rc::Rc;
use std::time::Duration;

use flatend::rt;
use flatend::{BodyRefused, CallError, Fault, Request, ResponseError, Shard};
use futures_lite::{AsyncReadExt, AsyncWriteExt};

use crate::services::{pair, pair_of, provider, Dialer};
use crate::support::body;

#[test]
fn a_body_may_be_written_before_anybody_awaits_the_response() {
    for dialer in Dialer::ALL {
        let (_provider, caller) = pair_of(dialer, 2, provider());
        for shard in 0..2 {
            caller.run(shard, |shard| async move {
                let (mut body, response) = shard.client().stream(Request::to("count"));
                for at in 0..64 {
                    let piece = body::bytes(at * 100_000, 100_000);
                    body.write(piece).await.expect("it takes the body");
                }
                body.finish();
                let mut response = response.await.expect("a response");
                let all = response.read_all(100).await.expect("a body");
                assert_eq!(all, "6400000");
            });
        }
    }
}

#[test]
fn writer_and_reader_may_be_different_tasks() {
    const LEN: u64 = 16 * 1024 * 1024;
    let (_provider, caller) = pair_of(Dialer::Provider, 2, provider());
    for shard in 0..2 {
        caller.run(shard, |shard| async move {
            let (mut body, response) = shard.client().stream(Request::to("pipe"));
            rt::spawn(async move {
                let mut sent = 0;
                while sent < LEN {
                    let piece = (LEN - sent).min(200_000) as usize;
                    let written = body.write_all(&body::bytes(sent, piece)).await;
                    written.expect("it takes the body");
                    sent += piece as u64;
                }
                body.close().await.expect("its end");
            });
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
    }
}

async fn is_usable(shard: &Rc<Shard>) {
    let mut response = shard
        .client()
        .call(Request::to("hello"))
        .await
        .expect("a response");
    assert_eq!(
        response.read_all(100).await.expect("a body"),
        "Hello world!"
    );
}

#[test]
fn a_body_that_is_dropped_gives_the_request_up_and_never_looks_whole() {
    for dialer in Dialer::ALL {
        let (_provider, caller) = pair_of(dialer, 2, provider());
        for shard in 0..2 {
            caller.run(shard, |shard| async move {
                let (mut body, response) = shard.client().stream(Request::to("count"));
                body.write("a part").await.expect("it takes the body");
                drop(body);
                let error = response.await.expect_err("no response");
                assert_eq!(error, CallError::Broken(Fault::BodyDropped));
                // After the head too.
                let (mut body, response) = shard.client().stream(Request::to("pipe"));
                body.write("a part").await.expect("it takes the body");
                let mut response = response.await.expect("a response");
                drop(body);
                let read = response.read().await;
                assert_eq!(read, Err(ResponseError::Cut(Fault::BodyDropped)));
                drop(response);
                is_usable(&shard).await;
            });
        }
    }
}

#[test]
fn a_response_that_is_dropped_stops_its_writer() {
    let (_provider, caller) = pair_of(Dialer::Provider, 2, provider());
    for shard in 0..2 {
        caller.run(shard, |shard| async move {
            let (mut body, response) = shard.client().stream(Request::to("silent"));
            body.write("a part").await.expect("it takes the body");
            rt::spawn(async move {
                rt::sleep(20).await;
                drop(response);
            });
            // Nobody reads there: the writer comes to wait, and is told.
            let refused = loop {
                if let Err(refused) = body.write(vec![0; 64 * 1024]).await {
                    break refused;
                }
            };
            assert_eq!(refused, BodyRefused);
            is_usable(&shard).await;
        });
    }
}

#[test]
fn an_early_answer_is_read_whole_although_the_body_was_refused() {
    let (_provider, caller) = pair(Dialer::Caller);
    caller.run(0, |shard| async move {
        let (mut body, response) = shard.client().stream(Request::to("ignore"));
        body.write("a part").await.expect("it takes the body");
        let mut response = response.await.expect("a response");
        assert_eq!(response.read_all(100).await.expect("a body"), "not read");
        drop(body);
        assert_eq!(response.read().await, Ok(None));
        is_usable(&shard).await;
    });
}

#[test]
fn an_error_of_a_streamed_request_reaches_writer_and_reader() {
    let (_provider, caller) = pair(Dialer::Provider);
    caller.run(0, |shard| async move {
        let request = Request::to("nobody_has_this").hold(std::time::Duration::ZERO);
        let (mut body, response) = shard.client().stream(request);
        assert_eq!(body.write("a").await, Err(BodyRefused));
        assert_eq!(response.await.expect_err("nobody"), CallError::NoProvider);
        let (mut body, response) = shard.client().stream(Request::to("count").body("whole"));
        assert_eq!(body.write("a").await, Err(BodyRefused));
        let error = response.await.expect_err("two bodies");
        assert!(error.to_string().contains("written too"), "{error}");
    });
}

#[test]
fn a_deadline_stops_a_writer_whose_provider_reads_nothing() {
    for dialer in Dialer::ALL {
        let (_provider, caller) = pair_of(dialer, 2, provider());
        for shard in 0..2 {
            caller.run(shard, |shard| async move {
                let request = Request::to("silent").deadline(Duration::from_millis(200));
                let (mut body, response) = shard.client().stream(request);
                let begun = rt::now();
                // More than all buffers hold; nobody awaits the response meanwhile.
                let written = body.write(vec![0; 64 << 20]).await;
                assert_eq!(written, Err(BodyRefused));
                let waited = rt::now().0 - begun.0;
                assert!((190..5_000).contains(&waited), "{waited} ms");
                let error = response.await.expect_err("its time is over");
                assert_eq!(error, CallError::TimedOut);
            });
        }
    }
}
