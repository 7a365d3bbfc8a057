//! Two shards: a link belongs to one, and calls of the other reach it through the mailbox.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use flatend::{CallError, CallRequest, HandlerError, NodeEvent};

use crate::services::{pair_of, provider, Dialer};
use crate::support::body;
use crate::support::calls::{exchange, get, headers, request, stream_through, Failure};
use crate::support::wait_until;

/// The shards that own a link of the node: one of two here, so that the other has to go through the mailbox.
fn owners(node: &crate::support::node::TestNode) -> Vec<usize> {
    let owned = |&shard: &usize| node.run(shard, |shard| async move { shard.link_count() > 0 });
    (0..2).filter(owned).collect()
}

#[test]
fn both_shards_call_over_the_one_link() {
    for dialer in Dialer::ALL {
        let (_provider, caller) = pair_of(dialer, 2, provider());
        assert_eq!(
            owners(&caller).len(),
            1,
            "one link, so one call is local and one is not"
        );
        for shard in 0..2 {
            assert_eq!(
                get(&caller, shard, "hello").expect("a response").text(),
                "Hello world!"
            );
            let reply = get(&caller, shard, "fail").expect("a response");
            assert_eq!(reply.header(":status"), Some("418"));
            assert_eq!(
                get(&caller, shard, "nobody"),
                Err(Failure::Call(CallError::NoProvider))
            );
        }
    }
}

#[test]
fn large_bodies_cross_the_mailbox_both_ways() {
    const LEN: u64 = 16 * 1024 * 1024;
    for dialer in Dialer::ALL {
        let (_provider, caller) = pair_of(dialer, 2, provider());
        for shard in 0..2 {
            let counted = caller.run(shard, |shard| async move {
                let request = CallRequest {
                    has_body: true,
                    ..request(&shard, "count")
                };
                exchange(&shard, request, &body::bytes(0, LEN as usize)).await
            });
            assert_eq!(counted.expect("a response").text(), LEN.to_string());
            let down = caller.run(shard, |shard| async move {
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
}

#[test]
fn bodies_are_piped_from_both_shards_at_once() {
    let (_provider, caller) = pair_of(Dialer::Provider, 2, provider());
    let running: Vec<_> = (0..2)
        .map(|shard| {
            caller.begin(shard, |shard| async move {
                stream_through(&shard, "pipe", 8 * 1024 * 1024).await;
            })
        })
        .collect();
    for one in running {
        one.wait();
    }
}

#[test]
fn a_body_that_nobody_reads_stops_its_sender_across_the_mailbox() {
    let open = Arc::new(AtomicBool::new(false));
    let gate = open.clone();
    let provider = provider().service("late", move |mut context| {
        let gate = gate.clone();
        async move {
            while !gate.load(Ordering::SeqCst) {
                flatend::rt::sleep(2).await;
            }
            let mut check = body::Checker::default();
            while let Some(bytes) = context.read().await? {
                check.take(&bytes);
            }
            context.send(check.len.to_string()).await
        }
    });
    let (_provider, caller) = pair_of(Dialer::Provider, 2, provider);
    const LEN: u64 = 64 * 1024 * 1024;
    let running: Vec<_> = (0..2)
        .map(|shard| {
            let sent = Arc::new(std::sync::atomic::AtomicU64::new(0));
            let progress = sent.clone();
            let job = caller.begin(shard, move |shard| async move {
                let call = shard.call(CallRequest {
                    has_body: true,
                    ..request(&shard, "late")
                });
                let send = async {
                    let mut offset = 0;
                    while offset < LEN {
                        call.send(body::bytes(offset, 64 * 1024).into())
                            .await
                            .expect("taken");
                        offset += 64 * 1024;
                        progress.store(offset, Ordering::SeqCst);
                    }
                    call.finish();
                };
                let (_, head) = futures_lite::future::zip(send, call.response()).await;
                head.expect("a head");
                crate::support::calls::rest(&call).await
            });
            (sent, job)
        })
        .collect();
    for (sent, _) in &running {
        let rest = crate::support::settled(std::time::Duration::from_millis(300), || {
            sent.load(Ordering::SeqCst)
        });
        assert!(
            rest < LEN / 2,
            "{rest} bytes were taken although nobody reads"
        );
    }
    open.store(true, Ordering::SeqCst);
    for (_, job) in running {
        assert_eq!(job.wait().expect("a body"), LEN.to_string().as_bytes());
    }
}

#[test]
fn a_call_that_is_dropped_cuts_the_body_of_its_handler_from_either_shard() {
    for (shard, dialer) in (0..2).flat_map(|shard| {
        let dialers = [Dialer::Provider, Dialer::ProviderOnLegacy];
        dialers.map(|dialer| (shard, dialer))
    }) {
        let cut = Arc::new(AtomicBool::new(false));
        let (told, begun) = (cut.clone(), Arc::new(AtomicBool::new(false)));
        let begin = begun.clone();
        let provider = provider().service("wait_for_more", move |mut context| {
            let (told, begin) = (told.clone(), begin.clone());
            async move {
                begin.store(true, Ordering::SeqCst);
                while let Some(_bytes) = context
                    .read()
                    .await
                    .inspect_err(|_| told.store(true, Ordering::SeqCst))?
                {}
                Err::<(), _>(HandlerError::new("an end was invented"))
            }
        });
        let (provider, caller) = pair_of(dialer, 2, provider);
        caller.run(shard, {
            let begun = begun.clone();
            move |shard| async move {
                let call = shard.call(CallRequest {
                    has_body: true,
                    ..request(&shard, "wait_for_more")
                });
                let send = async {
                    call.send(vec![1; 10_000].into()).await.expect("taken");
                    while !begun.load(Ordering::SeqCst) {
                        flatend::rt::sleep(2).await;
                    }
                };
                futures_lite::future::or(send, async { drop(call.response().await) }).await;
            }
        });
        // A legacy link has no way to say it: the handler hears of it when the link ends.
        assert_eq!(
            get(&caller, 1 - shard, "hello")
                .expect("the link lives")
                .text(),
            "Hello world!"
        );
        if let Dialer::Provider = dialer {
            wait_until("the handler's body is cut", || cut.load(Ordering::SeqCst));
        }
        assert_eq!(
            cut.load(Ordering::SeqCst),
            matches!(dialer, Dialer::Provider)
        );
        caller.shutdown();
        wait_until("the handler's body is cut", || cut.load(Ordering::SeqCst));
        provider.wait_event("the end of the link", |event| {
            matches!(event, NodeEvent::Disconnected { .. }).then_some(())
        });
    }
}
