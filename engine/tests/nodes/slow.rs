//! Readers that do not read: memory is bounded, the link pauses, and after ten seconds the one that holds it up is given up.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use flatend::limits::READER_STALL_MS;
use flatend::rt;
use flatend::{CallRequest, Fault};

use crate::services::{pair, pair_of, provider, Dialer};
use crate::support::body;
use crate::support::calls::{exchange, headers, request};
use crate::support::settled;

#[test]
fn a_slow_reader_stops_its_writer_and_gets_everything_in_the_end() {
    const LEN: u64 = 64 * 1024 * 1024;
    let written = Arc::new(AtomicU64::new(0));
    let progress = written.clone();
    let provider = provider().service("watched", move |mut context| {
        let progress = progress.clone();
        async move {
            let mut offset = 0;
            while offset < LEN {
                context.write(&body::bytes(offset, 64 * 1024)).await?;
                offset += 64 * 1024;
                progress.store(offset, Ordering::SeqCst);
            }
            Ok(())
        }
    });
    let (_provider, caller) = pair_of(Dialer::Provider, 1, provider);
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let reader = caller.begin(0, move |shard| async move {
        let call = shard.call(request(&shard, "watched"));
        call.response().await.expect("a head");
        rt::run_blocking(move || gone.recv().ok())
            .await
            .expect("a thread");
        let mut check = body::Checker::default();
        while let Some(bytes) = call.data().await.expect("a whole body") {
            check.take(&bytes);
        }
        check.len
    });
    let rest = settled(Duration::from_millis(300), || {
        written.load(Ordering::SeqCst)
    });
    assert!(
        rest < LEN / 2,
        "{rest} bytes were written although nobody reads"
    );
    go.send(()).expect("the reader waits");
    assert_eq!(reader.wait(), LEN);
}

#[test]
fn a_body_that_nobody_reads_stops_the_others_for_a_second_and_is_whole_in_the_end() {
    const LEN: u64 = 3_000_000;
    let (_provider, caller) = pair(Dialer::ProviderOnLegacy);
    let (waited, others, len) = caller.run(0, |shard| async move {
        let call = shard.call(CallRequest {
            headers: headers(&[("len", &LEN.to_string())]),
            ..request(&shard, "pattern")
        });
        call.response().await.expect("a head");
        let begin = rt::now();
        let other = exchange(&shard, request(&shard, "hello"), &[]).await;
        let waited = rt::now().0 - begin.0;
        let mut check = body::Checker::default();
        while let Some(bytes) = call.data().await.expect("nobody gave it up") {
            check.take(&bytes);
        }
        (waited, other, check.len)
    });
    assert_eq!(others.expect("a response").text(), "Hello world!");
    assert!(
        waited < READER_STALL_MS / 2,
        "the others waited {waited} ms"
    );
    assert_eq!(len, LEN);
}

#[test]
fn a_reader_that_stalls_a_legacy_link_is_given_up_and_the_others_go_on() {
    let (_provider, caller) = pair(Dialer::ProviderOnLegacy);
    let (stalled, slowest) = caller.run(0, |shard| async move {
        let call = shard.call(CallRequest {
            headers: headers(&[("len", "100000000")]),
            ..request(&shard, "pattern")
        });
        call.response().await.expect("a head");
        let begin = rt::now().0;
        let mut slowest = 0;
        // At last the link is full of what nobody reads, and one of these waits behind it until the reader is given up.
        while rt::now().0 < begin + READER_STALL_MS + 2_000 {
            let before = rt::now().0;
            let other = exchange(&shard, request(&shard, "hello"), &[]).await;
            assert_eq!(other.expect("a response").text(), "Hello world!");
            slowest = slowest.max(rt::now().0 - before);
        }
        let mut check = body::Checker::default();
        let end = loop {
            match call.data().await {
                Ok(Some(bytes)) => check.take(&bytes),
                end => break end,
            }
        };
        assert!(check.len < 100_000_000);
        (end, slowest)
    });
    assert_eq!(stalled, Err(Fault::Stalled));
    assert!((1_000..20_000).contains(&slowest), "{slowest}");
}

#[test]
fn a_reader_that_stalls_on_flatend2_holds_nobody_up_and_loses_nothing() {
    let (_provider, caller) = pair(Dialer::Provider);
    let (len, others) = caller.run(0, |shard| async move {
        let call = shard.call(CallRequest {
            headers: headers(&[("len", "20000000")]),
            ..request(&shard, "pattern")
        });
        call.response().await.expect("a head");
        // Longer than a stalled reader is borne on legacy; meanwhile everybody else is served at once.
        let until = rt::now().0 + 11_000;
        let mut others = 0;
        while rt::now().0 < until {
            let before = rt::now().0;
            let other = exchange(&shard, request(&shard, "hello"), &[]).await;
            assert_eq!(other.expect("a response").text(), "Hello world!");
            assert!(rt::now().0 - before < 2_000);
            others += 1;
            rt::sleep(50).await;
        }
        let mut check = body::Checker::default();
        while let Some(bytes) = call.data().await.expect("a whole body") {
            check.take(&bytes);
        }
        (check.len, others)
    });
    assert_eq!(len, 20_000_000);
    assert!(others > 10, "{others}");
}
