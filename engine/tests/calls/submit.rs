//! Closures that run on a shard of somebody else's choice.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use flatend::limits::SUBMITS_MAX;
use flatend::{rt, Node, SubmitError};
use futures_lite::future::block_on;

use crate::support::node::TestNode;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

fn node() -> TestNode {
    TestNode::with_shards(2, Node::builder())
}

#[test]
fn a_thread_runs_closures_on_each_shard() {
    let node = node();
    let handle = node.node().handle();
    assert_eq!(handle.shards(), 2);
    for index in 0..2 {
        let seen = block_on(handle.submit_to(index, |shard| async move {
            // What lives there need not be Send.
            let kept = Rc::new(RefCell::new(vec![shard.index()]));
            rt::sleep(4).await;
            kept.borrow_mut().push(shard.count());
            kept.take()
        }));
        assert_eq!(seen, Ok(vec![index, 2]));
    }
    let error = block_on(handle.submit_to(2, |_| async {}));
    assert_eq!(error, Err(SubmitError::NoShard { index: 2, count: 2 }));
}

#[test]
fn a_panic_is_an_error_of_the_caller_and_not_the_end_of_the_shard() {
    let node = node();
    let handle = node.node().handle();
    for _ in 0..3 {
        let early = block_on(handle.submit_to(0, |_| -> std::future::Ready<()> {
            panic!("before there is a future");
        }));
        let text = "before there is a future".to_owned();
        assert_eq!(early, Err(SubmitError::Panicked(text)));
        let late = block_on(handle.submit_to(0, |_| async {
            rt::yield_now().await;
            panic!("on purpose");
        }));
        assert_eq!(
            late,
            Err::<(), _>(SubmitError::Panicked("on purpose".to_owned()))
        );
    }
    assert_eq!(block_on(handle.submit_to(0, |_| async { 7 })), Ok(7));
    node.wait_event("the panic in the log", |event| {
        event.to_string().contains("on purpose").then_some(())
    });
    // From a shard too.
    let panicked = node.run(1, |shard| async move {
        shard.submit_to(0, |_| async { panic!("again") }).await
    });
    assert_eq!(
        panicked,
        Err::<(), _>(SubmitError::Panicked("again".to_owned()))
    );
}

#[test]
fn shards_run_closures_on_each_other_and_on_themselves() {
    let node = node();
    for from in 0..2 {
        let sums = node.run(from, move |shard| async move {
            let mut sums = Vec::new();
            for to in 0..2 {
                let many = SUBMITS_MAX + 500;
                let calls = (0..many).map(|_| {
                    let submitted = shard.submit_to(to, |there| async move {
                        COUNT.set(COUNT.get() + 1);
                        there.index()
                    });
                    async move { assert_eq!(submitted.await, Ok(to)) }
                });
                rt::join_all(calls.collect()).await;
                let there = shard.submit_to(to, |_| async { COUNT.get() }).await;
                sums.push(there.expect("a result") / many);
            }
            let error = shard.submit_to(2, |_| async {}).await;
            assert_eq!(error, Err(SubmitError::NoShard { index: 2, count: 2 }));
            sums
        });
        assert_eq!(sums, [from + 1, from + 1], "each ran once, and there");
    }
}

#[test]
fn work_that_nobody_waits_for_any_more_goes_on() {
    let node = node();
    let handle = node.node().handle();
    node.run(0, |shard| async move {
        let long = shard.submit_to(1, |_| async {
            rt::sleep(40).await;
            COUNT.set(99);
        });
        assert!(rt::timeout(8, long).await.is_err());
    });
    crate::support::wait_until("it has run", || {
        block_on(handle.submit_to(1, |_| async { COUNT.get() })) == Ok(99)
    });
}

#[test]
fn work_that_the_shards_end_cuts_off_is_an_error() {
    let node = node();
    let handle = node.node().handle();
    let cut = std::thread::spawn({
        let work = handle.submit_to(0, |_| std::future::pending::<()>());
        move || block_on(work)
    });
    // A place is taken before the node ends.
    let begun = block_on(handle.submit_to(0, |_| rt::sleep(20)));
    assert_eq!(begun, Ok(()));
    // A task that the node waits for at its end, and that waits for the other shard.
    let waiting = node.begin(1, |shard| async move {
        let cut = shard.submit_to(0, |_| std::future::pending::<()>());
        rt::timeout(Duration::from_secs(5).as_millis() as u64, cut)
            .await
            .ok()
    });
    node.shutdown();
    assert_eq!(cut.join().expect("it ends"), Err(SubmitError::ShuttingDown));
    drop(waiting);
}

#[test]
fn work_that_was_submitted_may_submit_more_than_there_are_permits() {
    let node = node();
    let done = node.run(0, |shard| async move {
        let right = Rc::new(Cell::new(0));
        let outer = (0..SUBMITS_MAX + 500).map(|_| {
            let (shard, right) = (shard.clone(), right.clone());
            async move {
                let work = shard.submit_to(0, |shard| async move {
                    shard
                        .submit_to(1, |shard| async move { shard.index() })
                        .await
                });
                let is_right = work.await == Ok(Ok(1));
                right.set(right.get() + usize::from(is_right));
            }
        });
        let all = rt::join_all(outer.collect());
        rt::timeout(20_000, all).await.expect("no deadlock");
        right.get()
    });
    assert_eq!(done, SUBMITS_MAX + 500);
}

#[test]
fn a_node_that_is_dropped_on_its_own_shard_drains_and_ends() {
    let node = Node::builder()
        .bind("127.0.0.1:0")
        .shards(1)
        .on_event(|_| ());
    let node = node.start().expect("it starts");
    let (handle, mut watch) = (node.handle(), node.watch());
    let dropped = block_on(handle.submit_to(0, move |_| async move { node.shutdown() }));
    let sentence = dropped.expect("the shard lives").expect_err("nobody waits");
    assert!(sentence.contains("on a shard"), "{sentence}");
    let ended = watch.wait_until(Duration::from_secs(20), |_| false);
    assert_eq!(ended.expect_err("it ends"), flatend::WatchError::Ended);
}
