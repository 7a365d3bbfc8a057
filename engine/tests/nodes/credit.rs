//! Grants of requests on flatend/2 in the choice of a provider: who takes no more for now is passed over as long as another does.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;

use flatend::{rt, CallError, Node, NodeLimits};

use crate::support::calls::{get, request, rest, Failure};
use crate::support::node::{Running, TestNode};
use crate::support::wait_until;

/// A provider of `work` that takes so many requests at a time; each waits until `open`.
fn worker(to: &TestNode, requests: usize, open: &Arc<AtomicBool>) -> (TestNode, Arc<AtomicU64>) {
    let (begun, open) = (Arc::new(AtomicU64::new(0)), open.clone());
    let count = begun.clone();
    let builder = Node::builder()
        .bootstrap(to.addr().to_string())
        .limits(NodeLimits {
            handler_streams: requests,
            ..NodeLimits::default()
        })
        .service("work", move |context| {
            let open = open.clone();
            count.fetch_add(1, Ordering::SeqCst);
            async move {
                while !open.load(Ordering::SeqCst) {
                    rt::sleep(2).await;
                }
                context.send("done").await
            }
        });
    (TestNode::start(builder), begun)
}

/// Begins a call; gives how many providers were asked.
fn begin(caller: &TestNode, shard: usize) -> Running<u32> {
    caller.begin(shard, |shard| async move {
        let call = shard.call(request(&shard, "work"));
        call.response().await.expect("a response");
        assert_eq!(rest(&call).await.expect("whole"), b"done");
        call.tries()
    })
}

#[test]
fn requests_go_where_there_is_credit_at_the_first_try() {
    for shards in [1, 2] {
        let open = Arc::new(AtomicBool::new(false));
        let caller = TestNode::with_shards(shards, Node::builder().bind("127.0.0.1:0"));
        let (small, of_small) = worker(&caller, 2, &open);
        let (_large, of_large) = worker(&caller, 1_000, &open);
        caller.wait_providers("work", 2);
        let both = || of_small.load(Ordering::SeqCst) + of_large.load(Ordering::SeqCst);
        let mut running = Vec::new();
        for n in 0..60 {
            running.push(begin(&caller, n % shards));
            // None waits for those before it to end.
            wait_until("the request to begin", || both() == n as u64 + 1);
        }
        assert!(of_small.load(Ordering::SeqCst) >= 2, "it is asked too");
        open.store(true, Ordering::SeqCst);
        for one in running {
            assert_eq!(one.wait(), 1, "tries on {shards} shard(s)");
        }
        // What was granted anew is used again.
        let before = of_small.load(Ordering::SeqCst);
        wait_until("the small one to be asked again", || {
            for shard in 0..shards {
                // The one that has its link prefers it.
                assert_eq!(begin(&caller, shard).wait(), 1);
            }
            of_small.load(Ordering::SeqCst) > before
        });
        small.shutdown();
    }
}

#[test]
fn where_nobody_has_credit_the_answer_is_at_once_that_all_are_busy() {
    let open = Arc::new(AtomicBool::new(false));
    let caller = TestNode::start(Node::builder().bind("127.0.0.1:0"));
    let (_one, begun) = worker(&caller, 1, &open);
    caller.wait_providers("work", 1);
    let running = begin(&caller, 0);
    wait_until("it is busy", || begun.load(Ordering::SeqCst) == 1);
    let refused = get(&caller, 0, "work");
    assert_eq!(refused, Err(Failure::Call(CallError::Saturated)));
    open.store(true, Ordering::SeqCst);
    assert_eq!(running.wait(), 1);
    assert_eq!(begin(&caller, 0).wait(), 1, "there is credit again");
}
