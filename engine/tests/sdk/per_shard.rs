//! Services that are made once on each shard.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use flatend::{Node, NodeBuilder};

use crate::support::calls::get;
use crate::support::node::TestNode;
use crate::support::wait_until;

/// Tells when it is dropped, and must be dropped where it was made.
struct OfShard {
    count: Cell<usize>,
    made_on: std::thread::ThreadId,
    dropped: Arc<AtomicUsize>,
}

impl Drop for OfShard {
    fn drop(&mut self) {
        assert_eq!(self.made_on, std::thread::current().id());
        self.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

fn counting(made: Arc<AtomicUsize>, dropped: Arc<AtomicUsize>) -> NodeBuilder {
    Node::builder().service_per_shard("counter", move |shard| {
        made.fetch_add(1, Ordering::SeqCst);
        let state = Rc::new(OfShard {
            count: Cell::new(0),
            made_on: std::thread::current().id(),
            dropped: dropped.clone(),
        });
        move |context| {
            // It keeps the shard, which keeps it: no reason to live for ever.
            let (state, shard) = (state.clone(), shard.clone());
            async move {
                assert_eq!(shard.index(), context.shard().index());
                flatend::rt::yield_now().await;
                state.count.set(state.count.get() + 1);
                context
                    .send(format!("{} on {}", state.count.get(), shard.index()))
                    .await
            }
        }
    })
}

#[test]
fn each_shard_makes_its_own_state_before_the_first_request_and_drops_it_at_the_end() {
    let (made, dropped) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    let callers = [(); 2].map(|()| TestNode::start(Node::builder().bind("127.0.0.1:0")));
    let mut node = counting(made.clone(), dropped.clone());
    for caller in &callers {
        node = node.bootstrap(caller.addr().to_string());
    }
    let provider = TestNode::with_shards(2, node);
    assert_eq!(made.load(Ordering::SeqCst), 2);
    let mut counts = [0; 2];
    for _ in 1..=3 {
        for caller in &callers {
            caller.wait_providers("counter", 1);
            let reply = get(caller, 0, "counter").expect("a response");
            let (count, shard) = reply.text().split_once(" on ").expect("what it says");
            let of_shard = &mut counts[shard.parse::<usize>().expect("a number")];
            *of_shard += 1;
            assert_eq!(count, of_shard.to_string(), "on shard {shard}");
        }
    }
    assert_eq!(counts.iter().sum::<usize>(), 6);
    assert_eq!(dropped.load(Ordering::SeqCst), 0);
    provider.shutdown();
    wait_until("the state of both shards is dropped", || {
        dropped.load(Ordering::SeqCst) == 2
    });
}

fn refused(node: NodeBuilder) -> String {
    let started = node.shards(2).pin(false).start();
    started.err().expect("it does not start").to_string()
}

#[test]
fn a_service_that_cannot_be_made_stops_the_start_with_a_sentence() {
    let failing = Node::builder().try_service_per_shard("todo", |shard| match shard.index() {
        1 => Err("unable to open database file"),
        _ => Ok(|context: flatend::Context| async move { context.send("").await }),
    });
    assert_eq!(
        refused(failing),
        "the service 'todo' cannot be made on shard 1: unable to open database file"
    );
    let panicking = Node::builder().service_per_shard("todo", |shard| {
        assert_eq!(shard.index(), 0, "no second one");
        |context| async move { context.send("").await }
    });
    let sentence = refused(panicking);
    assert!(
        sentence.starts_with("the service 'todo' cannot be made on shard 1: it panicked: ")
            && sentence.contains("no second one"),
        "{sentence}"
    );
}
