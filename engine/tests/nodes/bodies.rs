//! Bodies of every size, both ways at once, read or not.

use flatend::CallRequest;

use crate::services::{pair, Dialer};
use crate::support::body;
use crate::support::calls::{exchange, get, headers, request, stream_through};

/// Around the sizes of Data, of frames and of buffers.
const SIZES: [usize; 12] = [
    0, 1, 2_047, 2_048, 2_049, 16_384, 65_519, 65_520, 65_521, 65_536, 524_289, 3_000_000,
];

#[test]
fn every_size_comes_back_whole() {
    for dialer in Dialer::ALL {
        let (_provider, caller) = pair(dialer);
        for size in SIZES {
            let body = body::bytes(0, size);
            let expected = body.clone();
            let reply = caller.run(0, move |shard| async move {
                let request = CallRequest {
                    has_body: !body.is_empty(),
                    ..request(&shard, "echo")
                };
                exchange(&shard, request, &body).await
            });
            let got = reply.expect("a response").body;
            assert!(
                got == expected,
                "{size} bytes, {dialer:?} dialed: {} came back",
                got.len()
            );
        }
    }
}

#[test]
fn an_empty_body_that_was_announced_ends_too() {
    let (_provider, caller) = pair(Dialer::Provider);
    let reply = caller.run(0, |shard| async move {
        let call = shard.call(CallRequest {
            has_body: true,
            ..request(&shard, "count")
        });
        let (_, head) = futures_lite::future::zip(async { call.finish() }, call.response()).await;
        head.expect("a head");
        crate::support::calls::rest(&call).await
    });
    assert_eq!(reply.expect("a body"), b"0");
}

#[test]
fn thirty_two_megabytes_up_and_down_and_both_at_once() {
    const LEN: u64 = 32 * 1024 * 1024;
    for dialer in Dialer::ALL {
        let (_provider, caller) = pair(dialer);
        let counted = caller.run(0, |shard| async move {
            let request = CallRequest {
                has_body: true,
                ..request(&shard, "count")
            };
            exchange(&shard, request, &body::bytes(0, LEN as usize)).await
        });
        assert_eq!(counted.expect("a response").text(), LEN.to_string());
        let down = caller.run(0, |shard| async move {
            let request = CallRequest {
                headers: headers(&[("len", &LEN.to_string())]),
                ..request(&shard, "pattern")
            };
            let mut check = body::Checker::default();
            check.take(
                &exchange(&shard, request, &[])
                    .await
                    .expect("a response")
                    .body,
            );
            check.len
        });
        assert_eq!(down, LEN);
    }
}

#[test]
fn thirty_two_megabytes_are_piped_through() {
    // The provider dials, as services behind a gateway do.
    for dialer in Dialer::ALL {
        let (_provider, caller) = pair(dialer);
        caller.run(0, |shard| async move {
            stream_through(&shard, "pipe", 32 * 1024 * 1024).await;
        });
    }
}

#[test]
fn a_handler_that_ignores_a_large_body_answers_and_the_link_lives_on() {
    for dialer in Dialer::ALL {
        let (_provider, caller) = pair(dialer);
        for _ in 0..3 {
            let reply = caller.run(0, |shard| async move {
                let request = CallRequest {
                    has_body: true,
                    ..request(&shard, "ignore")
                };
                exchange(&shard, request, &body::bytes(0, 4_000_000)).await
            });
            assert_eq!(reply.expect("a response").text(), "not read");
            assert_eq!(
                get(&caller, 0, "hello").expect("a response").text(),
                "Hello world!"
            );
        }
    }
}
