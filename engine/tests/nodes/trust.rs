//! Who may connect, call and offer what: lists of keys, network keys, pinned keys, legacy peers, and lists that change live.

use std::io::Write;

use flatend::keys::SecretKey;
use flatend::{CallError, JoinToken, Legacy, Node, NodeBuilder, NodeEvent, Trust};

use crate::services::provider;
use crate::support::calls::{get, Failure};
use crate::support::node::TestNode;
use crate::support::peer::{Peer, Seen};
use crate::support::{raw, wait_until};

const ANY: &str = "127.0.0.1:0";

/// The public key of the node with this seed.
fn key(seed: u8) -> [u8; 32] {
    SecretKey::from_seed([seed; 32]).public()
}

fn listening(builder: NodeBuilder, seed: u8) -> TestNode {
    TestNode::start(builder.bind(ANY).secret_key([seed; 32]))
}

/// A node with this seed that dials `to`.
fn dialing(to: &TestNode, builder: NodeBuilder, seed: u8) -> TestNode {
    listening(builder.bootstrap(to.addr().to_string()), seed)
}

fn says(node: &TestNode, what: &'static str) {
    node.wait_event(what, move |event| {
        event.to_string().contains(what).then_some(())
    });
}

#[test]
fn a_peer_that_is_not_on_the_list_does_not_get_in_and_one_that_is_does() {
    let trust = Trust::default().peer(key(2));
    let node = listening(provider().trust(trust), 1);
    let stranger = dialing(&node, Node::builder(), 3);
    says(&node, "is not among the peers of this node");
    let friend = dialing(&node, Node::builder(), 2);
    friend.wait_providers("hello", 1);
    assert_eq!(
        get(&friend, 0, "hello").expect("a response").text(),
        "Hello world!"
    );
    assert_eq!(
        get(&stranger, 0, "hello"),
        Err(Failure::Call(CallError::NoProvider))
    );
}

#[test]
fn a_key_that_is_taken_off_the_list_is_out_at_once_and_one_that_is_put_on_comes_in() {
    let (first, both) = (Trust::default().peer(key(2)), Trust::default().peer(key(2)));
    let node = listening(provider().trust(both.peer(key(3))), 1);
    let [second, third] = [2, 3].map(|seed| dialing(&node, Node::builder(), seed));
    second.wait_providers("hello", 1);
    third.wait_providers("hello", 1);
    node.node().set_trust(first).expect("no file");
    third.wait_providers("hello", 0);
    assert_eq!(second.node().state().providers("hello").len(), 1);
    node.node().set_trust(Trust::default()).expect("no file");
    third.wait_providers("hello", 1);
}

#[test]
fn names_that_a_key_may_not_offer_are_dropped_and_the_rest_stands() {
    let trust = Trust::default().offer(key(2), ["hello"]);
    let node = listening(Node::builder().trust(trust), 1);
    let _provider = dialing(&node, provider(), 2);
    node.wait_providers("hello", 1);
    says(&node, "offers what its key may not");
    assert!(node.node().state().providers("echo").is_empty());
    let more = Trust::default().offer(key(2), ["hello", "echo"]);
    node.node().set_trust(more).expect("no file");
    node.wait_providers("echo", 1);
    let none = Trust::default().offer(key(9), ["hello"]);
    node.node().set_trust(none).expect("no file");
    node.wait_providers("hello", 0);
}

#[test]
fn who_joins_with_an_invited_key_is_let_in_until_it_is_revoked() {
    let trust = Trust::default().peer(key(9)).invite(key(2), None);
    let node = listening(provider().trust(trust.clone()), 1);
    let token = JoinToken::new([node.addr().to_string()], None).expect("its address");
    let token = token.with_secret(SecretKey::from_seed([2; 32])).to_string();
    let joining = |builder: NodeBuilder| builder.bind(ANY).join(&token).expect("a token");
    let invited = TestNode::start(joining(Node::builder()));
    invited.wait_providers("hello", 1);
    assert_eq!(
        get(&invited, 0, "hello").expect("a response").text(),
        "Hello world!"
    );
    // A key of its own goes before that of the token.
    let other = TestNode::start(joining(Node::builder().secret_key([3; 32])));
    says(&node, "is not among the peers of this node");
    assert!(other.node().state().providers("hello").is_empty());
    node.node()
        .set_trust(trust.revoke(key(2)))
        .expect("no file");
    says(&node, "was revoked");
    invited.wait_providers("hello", 0);
}

#[test]
fn with_a_list_legacy_peers_offer_what_they_may_and_call_nothing() {
    let trust = Trust::default().peer(key(9)).legacy_services(["old"]);
    let node = listening(provider().trust(trust), 1);
    let mut old = Peer::dial(node.addr(), Some(9), &["old", "hello"]);
    node.wait_providers("old", 1);
    assert!(node.node().state().providers("hello").is_empty());
    let asked = old.ask("hello", true);
    old.wait(|seen| matches!(seen, Seen::Refused(stream) if *stream == asked));
}

#[test]
fn a_network_key_keeps_out_who_has_another_one_or_none() {
    let node = listening(provider().network_key([7; 32]), 1);
    // The acceptor speaks first: it is the dialer who finds that out.
    let other = dialing(&node, Node::builder().network_key([8; 32]), 2);
    says(&other, "network key");
    let none = dialing(&node, Node::builder(), 4);
    says(&none, "network key");
    let friend = dialing(&node, Node::builder().network_key([7; 32]), 3);
    friend.wait_providers("hello", 1);
    // Who speaks legacy alone has proved nothing, and has no key to prove it with.
    let mut old = raw::connect(node.addr());
    old.write_all(&[9; 32]).expect("the node reads");
    raw::until_fin(&mut old);
}

#[test]
fn a_pinned_key_keeps_us_from_whoever_else_answers_there() {
    let node = listening(provider(), 1);
    let pinned = |seed: u8| {
        let digits = flatend::hex::encode(&key(seed));
        let to = format!("{}#{digits}", node.addr());
        TestNode::start(Node::builder().bind(ANY).bootstrap(to))
    };
    let right = pinned(1);
    right.wait_providers("hello", 1);
    let wrong = pinned(2);
    says(&wrong, "the key is not the expected one");
    assert!(wrong.node().state().peers().is_empty());
}

#[test]
fn a_key_seen_on_flatend2_is_not_taken_on_legacy_until_it_is_forgotten() {
    let path = std::env::temp_dir().join(format!("flatend-known-nodes-{}", std::process::id()));
    // One of an earlier run of the test.
    std::fs::remove_file(&path).ok();
    let node = listening(provider().known_keys_file(&path), 1);
    let modern = dialing(&node, Node::builder(), 2);
    modern.wait_providers("hello", 1);
    wait_until("the key is written down", || {
        std::fs::read_to_string(&path)
            .is_ok_and(|text| text.contains(&flatend::hex::encode(&key(2))))
    });
    modern.shutdown();
    let replayed = dialing(&node, Node::builder().flatend2(false), 2);
    says(&node, "was seen on flatend/2");
    assert!(replayed.node().state().providers("hello").is_empty());
    std::fs::write(&path, "").expect("writable");
    node.node().set_trust(Trust::default()).expect("the file");
    replayed.wait_providers("hello", 1);
    std::fs::remove_file(&path).expect("there");
}

#[test]
fn who_refuses_legacy_is_found_by_new_peers_alone() {
    let node = listening(provider().trust(Trust::default().legacy(Legacy::Refuse)), 1);
    let old = dialing(&node, Node::builder().flatend2(false), 2);
    node.wait_event("the refusal", |event| {
        matches!(event, NodeEvent::PeerFault { .. }).then_some(())
    });
    assert!(old.node().state().peers().is_empty());
    let new = dialing(&node, Node::builder(), 3);
    new.wait_providers("hello", 1);
}

#[test]
fn two_processes_with_one_key_are_two_providers() {
    let node = listening(Node::builder(), 1);
    let replicas = [2, 2].map(|seed| dialing(&node, provider(), seed));
    node.wait_providers("hello", 2);
    let [first, second] = replicas;
    first.shutdown();
    node.wait_providers("hello", 1);
    assert_eq!(
        get(&node, 0, "hello").expect("a response").text(),
        "Hello world!"
    );
    second.shutdown();
}
