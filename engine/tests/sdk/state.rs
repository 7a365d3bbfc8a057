//! What a node says of its mesh, and waiting for it to change.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use flatend::{Node, NodeState, WatchError};
use futures_lite::future::block_on;

use crate::support::node::TestNode;
use crate::support::peer::Peer;
use crate::support::DEADLINE;

fn listening() -> TestNode {
    TestNode::start(
        Node::builder()
            .bind("127.0.0.1:0")
            .service("own", |context| async move { context.send("").await }),
    )
}

fn offers(service: &'static str) -> impl Fn(&NodeState) -> bool {
    move |state| !state.providers(service).is_empty()
}

#[test]
fn the_state_names_links_peers_and_services() {
    let node = listening();
    let mut watch = node.node().watch();
    assert!(watch.state().peers().is_empty());
    let _known = Peer::dial(node.addr(), Some(7), &["b", "a"]);
    let _anonymous = Peer::dial(node.addr(), None, &["a"]);
    let state = watch
        .wait_until(DEADLINE, |state| state.providers("a").len() == 2)
        .expect("both are there");
    assert_eq!(state.offered(), ["own"]);
    assert_eq!(state.services(), ["a", "b"]);
    assert_eq!(state.links().len(), 2);
    let peers = state.peers();
    let names: Vec<String> = peers.iter().map(|peer| peer.name.to_string()).collect();
    assert_eq!(names, ["127.0.0.1:1", "<anon>"]);
    let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    assert_eq!(peers[0].public_key, Some(key.verifying_key().to_bytes()));
    assert_eq!(peers[0].services, ["a", "b"]);
    assert!(peers.iter().all(|peer| peer.ready && peer.links == 1));
}

#[test]
fn a_thread_waits_for_what_comes_and_goes_and_not_longer_than_it_wants() {
    let node = listening();
    let mut watch = node.node().watch();
    let begun = Instant::now();
    let short = Duration::from_millis(30);
    assert_eq!(watch.wait(short).err(), Some(WatchError::TimedOut));
    assert!(begun.elapsed() >= short);
    let peer = Peer::dial(node.addr(), Some(7), &["a"]);
    let there = watch.wait_until(DEADLINE, offers("a")).expect("it comes");
    drop(peer);
    let gone = watch.wait_until(DEADLINE, |state| state.peers().is_empty());
    assert!(gone.expect("it goes").generation() > there.generation());
}

#[test]
fn futures_of_other_threads_and_of_a_shard_see_the_change() {
    let node = listening();
    let (began, begun) = mpsc::channel();
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let (mut watch, began) = (node.node().watch(), began.clone());
            std::thread::spawn(move || {
                block_on(async move {
                    began.send(()).expect("the test waits");
                    watch
                        .until(offers("a"))
                        .await
                        .map(|state| state.generation())
                })
            })
        })
        .collect();
    let on_shard = node.begin(0, move |shard| async move {
        began.send(()).expect("the test waits");
        let mut state = shard.state();
        while !offers("a")(&state) {
            state = shard.changed(&state).await;
        }
        state.services().len()
    });
    for _ in 0..3 {
        begun.recv_timeout(DEADLINE).expect("three wait");
    }
    let _peer = Peer::dial(node.addr(), Some(7), &["a"]);
    for thread in waiting {
        assert!(thread.join().expect("no panic").expect("a state") > 0);
    }
    assert_eq!(on_shard.wait(), 1);
}

#[test]
fn who_waits_for_a_node_that_ends_is_told() {
    let node = listening();
    let (mut blocking, mut polled) = (node.node().watch(), node.node().watch());
    let mut later = node.node().watch();
    let blocking = std::thread::spawn(move || blocking.wait(DEADLINE).err());
    let polled = std::thread::spawn(move || block_on(polled.changed()).err());
    node.shutdown();
    assert_eq!(blocking.join().expect("no panic"), Some(WatchError::Ended));
    assert_eq!(polled.join().expect("no panic"), Some(WatchError::Ended));
    assert_eq!(later.wait(DEADLINE).err(), Some(WatchError::Ended));
    assert!(later.state().peers().is_empty());
}

#[test]
fn a_shard_does_not_wait_for_other_threads() {
    let node = listening();
    let mut watch = node.node().watch();
    let refused = node.run(0, move |_shard| async move {
        let blocking = watch.wait(DEADLINE).err();
        [blocking, watch.changed().await.err()]
    });
    assert_eq!(refused, [Some(WatchError::OnShard); 2]);
}

#[test]
fn what_the_node_offers_itself_is_a_change_too() {
    let node = listening();
    let mut watch = node.node().watch();
    let before = watch.state().generation();
    let late = |context: flatend::Context| async move { context.send("").await };
    node.node().offer("late", late).expect("a new name");
    let state = watch.wait(DEADLINE).expect("it is a change");
    assert_eq!(state.offered(), ["late", "own"]);
    assert!(state.generation() > before);
    assert_eq!(node.node().withdraw("late"), Ok(true));
    let state = watch.wait_until(DEADLINE, |state| state.offered().len() == 1);
    assert_eq!(state.expect("it is a change").offered(), ["own"]);
}
