//! A tokio program that embeds a node.

use std::time::Duration;

use flatend::{CallError, Handle, HandleBody, HandleResponse, Request};

use crate::services::{pair_of, provider, Dialer};
use crate::support::body;

fn is_send<T: Send>(value: T) -> T {
    value
}

fn is_shared<T: Clone + Send + Sync>(value: T) -> T {
    value
}

#[test]
fn tasks_of_a_tokio_program_call_stream_and_give_up() {
    let (_provider, caller) = pair_of(Dialer::Provider, 2, provider());
    let handle: Handle = is_shared(caller.node().handle());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let tasks: Vec<_> = (0..16usize)
            .map(|task| {
                let handle = handle.clone();
                tokio::spawn(async move {
                    for i in 0..50 {
                        let body = body::bytes(i as u64, task * i * 17);
                        let request = Request::to("echo").body(body.clone());
                        let mut response = handle.call(request).await.expect("a response");
                        assert_eq!(response.read_all(body.len()).await.expect("a body"), body);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("the task ends well");
        }
        let (body, response) = handle.stream(Request::to("pipe")).await.expect("a place");
        let mut body: HandleBody = is_send(body);
        const LEN: u64 = 8 * 1024 * 1024;
        let writer = tokio::spawn(async move {
            let mut sent = 0;
            while sent < LEN {
                let piece = (LEN - sent).min(100_000) as usize;
                body.write(body::bytes(sent, piece))
                    .await
                    .expect("it takes the body");
                sent += piece as u64;
            }
            body.finish();
        });
        let mut response: HandleResponse = is_send(response.await.expect("a response"));
        let mut check = body::Checker::default();
        while let Some(bytes) = response.read().await.expect("a whole body") {
            check.take(&bytes);
        }
        assert_eq!(check.len, LEN);
        writer.await.expect("the writer ends well");
        // tokio's own timeout drops the call, and its place is free again.
        let silent = || {
            handle.call(
                Request::to("silent")
                    .max_in_flight(1)
                    .timeout(Duration::from_millis(300)),
            )
        };
        let given_up = tokio::time::timeout(Duration::from_millis(50), silent()).await;
        assert!(given_up.is_err(), "it is silent");
        loop {
            match silent().await.expect_err("it is silent") {
                CallError::Saturated => tokio::task::yield_now().await,
                error => break assert_eq!(error, CallError::TimedOut),
            }
        }
        let there = handle
            .submit_to(1, |shard| async move { shard.index() })
            .await;
        assert_eq!(there, Ok(1));
    });
}
