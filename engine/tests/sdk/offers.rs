//! Services that come and go while a node runs.

use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use flatend::{Context, HandlerError, Node, OfferError};
use futures_lite::future::block_on;

use crate::support::node::TestNode;
use crate::support::peer::Peer;
use crate::support::raw::{data, service_request, Raw};
use crate::support::wait_until;

async fn hello(context: Context) -> Result<(), HandlerError> {
    context.send("hello").await
}

fn node(shards: usize) -> TestNode {
    let node = Node::builder().bind("127.0.0.1:0").service("first", hello);
    TestNode::with_shards(shards, node)
}

/// The names in the handshake of a link made now.
fn shown(node: &TestNode) -> Vec<String> {
    let peer = Peer::dial(node.addr(), Some(9), &[]);
    let conn = peer.conn.peer().expect("it shook hands");
    conn.services.clone()
}

/// Whether a service is answered on a link made now; by hand, for a peer of ours does not ask for what is not offered.
fn answered(node: &TestNode, service: &str) -> bool {
    let mut peer = Raw::joined(node.addr(), &[]);
    peer.send(0, &service_request(2, service));
    peer.send(0, &data(2, b""));
    loop {
        // Number, opcode of a ServiceResponse, stream, whether it was handled.
        let packet = peer.receive().expect("the link lives");
        if let [0, 0, 0, 0, 2, 0, 0, 0, 2, handled, ..] = *packet {
            return handled == 1;
        }
    }
}

#[test]
fn a_service_is_offered_answered_and_withdrawn() {
    let node = node(2);
    assert!(!answered(&node, "later"));
    node.node().offer("later", hello).expect("it is new");
    assert_eq!(node.node().state().offered(), ["first", "later"]);
    assert_eq!(shown(&node), ["first", "later"]);
    assert!(answered(&node, "later"));
    assert_eq!(node.node().withdraw("later"), Ok(true));
    assert_eq!(node.node().withdraw("later"), Ok(false));
    assert_eq!(shown(&node), ["first"]);
    assert!(!answered(&node, "later") && answered(&node, "first"));
    assert_eq!(node.node().withdraw("first"), Ok(true));
    assert!(shown(&node).is_empty());
}

/// Counts those that live.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn a_withdrawn_service_ends_what_runs_and_then_drops_what_it_kept() {
    let node = node(2);
    let (living, begun) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    let (end, ended) = (Arc::new(AtomicUsize::new(0)), begun.clone());
    let (count, may_end) = (living.clone(), end.clone());
    let made = node.node().offer_per_shard("kept", move |_shard| {
        count.fetch_add(1, Ordering::SeqCst);
        let kept = Rc::new(Counted(count.clone()));
        let (begun, may_end) = (ended.clone(), may_end.clone());
        Ok::<_, String>(move |context: Context| {
            let (kept, may_end) = (kept.clone(), may_end.clone());
            begun.fetch_add(1, Ordering::SeqCst);
            async move {
                while may_end.load(Ordering::SeqCst) == 0 {
                    flatend::rt::sleep(1).await;
                }
                let living = kept.0.load(Ordering::SeqCst);
                context.send(living.to_string()).await
            }
        })
    });
    made.expect("both shards make it");
    assert_eq!(living.load(Ordering::SeqCst), 2);
    let mut peer = Peer::dial(node.addr(), Some(9), &[]);
    let stream = peer.ask("kept", true);
    peer.flush();
    wait_until("its handler runs", || begun.load(Ordering::SeqCst) == 1);
    assert_eq!(node.node().withdraw("kept"), Ok(true));
    assert_eq!(
        living.load(Ordering::SeqCst),
        1,
        "that of the other shard is gone"
    );
    end.store(1, Ordering::SeqCst);
    assert_eq!(peer.response(stream), 1, "one byte: it was finished");
    wait_until("the rest is dropped", || living.load(Ordering::SeqCst) == 0);
}

#[test]
fn what_cannot_be_offered_changes_nothing() {
    let node = node(2);
    let refused = |name: &str| node.node().offer(name, hello).expect_err("it is wrong");
    let sentence = |text: &str| OfferError::Name(text.to_owned());
    let twice = "the service 'first' is given twice";
    assert_eq!(refused("first"), sentence(twice));
    let empty = "the service name '' has 0 bytes; 1 to 255 are possible";
    assert_eq!(refused(""), sentence(empty));
    for i in 0..15 {
        node.node()
            .offer(format!("{i:0>250}"), hello)
            .expect("it fits");
    }
    assert!(refused(&"n".repeat(250))
        .to_string()
        .contains("a Go peer takes"));
    let made = node
        .node()
        .offer_per_shard("half", |shard| match shard.index() {
            0 => Ok(hello),
            _ => Err("no second one"),
        });
    let why = "the service 'half' cannot be made on shard 1: no second one".to_owned();
    assert_eq!(made, Err(OfferError::Make(why)));
    // Shard 0 has made it, and forgets it again.
    for _ in 0..20 {
        assert!(!answered(&node, "half"));
    }
    assert_eq!(shown(&node).len(), 16);
}

#[test]
fn a_shard_and_a_node_that_ends_offer_nothing() {
    let builder = Node::builder().shards(1).pin(false).on_event(|_| {});
    let node = Arc::new(builder.start().expect("it starts"));
    let on_shard = node.clone();
    let offered = node.handle().submit_to(0, move |_shard| async move {
        [on_shard.offer("x", hello), on_shard.withdraw("x").map(drop)]
    });
    let refused = block_on(offered).expect("the shard runs it");
    assert_eq!(refused, [const { Err(OfferError::OnShard) }; 2]);
    node.drain();
    let mut last = Ok(());
    wait_until("nothing is offered any more", || {
        last = node.offer("y", hello);
        node.withdraw("y").ok();
        last.is_err()
    });
    assert_eq!(last, Err(OfferError::ShuttingDown));
}
