//! The mesh of real nodes: who is found through a third one, what goes on without the bootstrap node, and after its return.

use std::collections::HashSet;

use flatend::{Node, NodeEvent};

use crate::services::provider;
use crate::support::calls::get;
use crate::support::node::TestNode;
use crate::support::wait_until;

const ANY: &str = "127.0.0.1:0";

fn joins(bootstrap: &TestNode) -> flatend::NodeBuilder {
    Node::builder()
        .bind(ANY)
        .bootstrap(bootstrap.addr().to_string())
}

fn key(node: &TestNode) -> [u8; 32] {
    node.node().public_key().expect("an identity")
}

/// Waits until each of `nodes` is linked with all the others and with nobody else.
fn wait_full(nodes: &[&TestNode]) {
    let all: HashSet<[u8; 32]> = nodes.iter().map(|node| key(node)).collect();
    for node in nodes {
        let mut others = all.clone();
        others.remove(&key(node));
        wait_until("a full mesh", || {
            let snapshot = node.node().snapshot();
            let peers: HashSet<_> = snapshot.peers().map(|peer| peer.public_key).collect();
            peers == others
        });
    }
}

#[test]
fn a_service_is_found_through_a_third_node() {
    let seed = TestNode::with_shards(2, Node::builder().bind(ANY));
    let to = seed.addr().to_string();
    let provider = TestNode::start(provider().bind(ANY).bootstrap(to.clone()));
    seed.wait_providers("hello", 1);
    // It knows the seed alone, which has no such service.
    let caller = TestNode::with_shards(2, joins(&seed));
    caller.wait_providers("hello", 1);
    let reply = get(&caller, 0, "hello").expect("a response");
    assert_eq!(reply.text(), "Hello world!");
    let found = caller.wait_event("the seed's line", |event| match event {
        NodeEvent::Discovered { peers } => Some(*peers),
        _ => None,
    });
    assert_eq!(found, 1, "the provider, and not who was dialed");
    // Somebody anonymous finds it too.
    let anonymous = TestNode::start(Node::builder().bootstrap(to));
    anonymous.wait_providers("hello", 1);
    wait_full(&[&seed, &provider, &caller]);
    for node in [anonymous, caller, provider, seed] {
        node.shutdown();
    }
}

#[test]
fn the_mesh_lives_without_its_bootstrap_node_and_takes_it_back() {
    let seed = TestNode::start(Node::builder().bind(ANY).secret_key([42; 32]));
    let addr = seed.addr().to_string();
    let provider = TestNode::start(provider().bind(ANY).bootstrap(addr.clone()));
    let caller = TestNode::with_shards(2, joins(&seed));
    wait_full(&[&seed, &provider, &caller]);
    seed.shutdown();
    wait_full(&[&provider, &caller]);
    for shard in [0, 1] {
        let reply = get(&caller, shard, "hello").expect("a response");
        assert_eq!(reply.text(), "Hello world!");
    }
    // Who comes now and knows another address only finds both.
    let late = TestNode::start(joins(&provider));
    wait_full(&[&provider, &caller, &late]);
    let seed = TestNode::start(Node::builder().bind(addr).secret_key([42; 32]));
    wait_full(&[&seed, &provider, &caller, &late]);
    for node in [late, caller, provider, seed] {
        node.shutdown();
    }
}

#[test]
fn nodes_that_start_at_once_find_each_other() {
    let seed = TestNode::start(Node::builder().bind(ANY));
    let to = seed.addr().to_string();
    let starting: Vec<_> = (0..8)
        .map(|_| {
            let builder = Node::builder().bind(ANY).bootstrap(to.clone());
            std::thread::spawn(|| TestNode::start(builder))
        })
        .collect();
    let mut nodes = vec![seed];
    nodes.extend(
        starting
            .into_iter()
            .map(|node| node.join().expect("a node")),
    );
    wait_full(&nodes.iter().collect::<Vec<_>>());
    nodes.into_iter().for_each(TestNode::shutdown);
}

#[test]
fn two_nodes_that_dial_each_other_keep_one_link_of_two_on_flatend2_and_are_one_provider() {
    for flatend2 in [true, false] {
        dial_each_other(flatend2);
    }
}

fn dial_each_other(flatend2: bool) {
    // Ports must be known before the nodes start.
    let first = TestNode::start(Node::builder().bind(ANY));
    let second = TestNode::start(Node::builder().bind(ANY));
    let addrs = [first.addr().to_string(), second.addr().to_string()];
    first.shutdown();
    second.shutdown();
    let provider = provider().flatend2(flatend2);
    let provider = TestNode::start(provider.bind(&*addrs[0]).bootstrap(&*addrs[1]));
    let caller = Node::builder().flatend2(flatend2);
    let caller = TestNode::start(caller.bind(&*addrs[1]).bootstrap(&*addrs[0]));
    let wanted = if flatend2 { 1 } else { 2 };
    let links = |caller: &TestNode| {
        let providers = caller.node().snapshot().providers(["hello"]);
        providers
            .iter()
            .map(|one| one.links.len())
            .collect::<Vec<_>>()
    };
    // Neither is short of a link: the first dial of either may find nobody yet.
    let full = || links(&caller) == [wanted] && provider.node().state().links().len() == wanted;
    wait_until("one provider", full);
    assert_eq!(
        get(&caller, 0, "hello").expect("a response").text(),
        "Hello world!"
    );
    assert_eq!(links(&caller), [wanted]);
    caller.shutdown();
    provider.shutdown();
}

#[test]
fn an_id_that_leads_nowhere_or_to_somebody_else_is_dialed_once_and_rests() {
    let node = TestNode::start(Node::builder().bind(ANY));
    let somebody = TestNode::start(Node::builder().bind(ANY));
    let mut liar = crate::support::peer::Peer::dial(node.addr(), Some(7), &[]);
    let nowhere = std::net::TcpListener::bind(ANY).expect("a port");
    let closed = nowhere.local_addr().expect("an address");
    drop(nowhere);
    let ids = [
        flatend::NodeId::new([1; 32], closed),
        flatend::NodeId::new([2; 32], somebody.addr()),
        flatend::NodeId::new([3; 32], node.addr()),
        flatend::NodeId::new([4; 32], "224.0.0.1:9000".parse().expect("an address")),
    ];
    crate::discovery::answer_next_lookup(&mut liar, &ids);
    // What answers at a wrong name is a peer all the same; the name is gone.
    wait_until("the link with whoever answers", || {
        let snapshot = node.node().snapshot();
        let peers: Vec<_> = snapshot.peers().map(|peer| peer.public_key).collect();
        peers.contains(&key(&somebody))
    });
    for _ in 0..3 {
        crate::discovery::answer_next_lookup(&mut liar, &ids);
    }
    let links = node.run(0, |shard| async move { shard.link_count() });
    assert_eq!(links, 2, "the liar and somebody, once");
    node.shutdown();
    somebody.shutdown();
}
