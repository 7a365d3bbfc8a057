//! FindNode: who is asked for peers names those that can be dialed, each once a link, never the asker itself.

use std::collections::HashSet;

use flatend::Node;

use crate::support::node::TestNode;
use crate::support::peer::{Peer, Seen};
use crate::support::wait_until;

fn ask_for_nodes(peer: &mut Peer, target: [u8; 32]) -> Vec<flatend::NodeId> {
    let now = peer.now();
    peer.conn.find_node(now, target).expect("a question");
    match peer.wait(|seen| matches!(seen, Seen::Nodes(_))) {
        Seen::Nodes(ids) => ids,
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn each_id_is_named_once_a_link_and_the_asker_never() {
    let node = TestNode::with_shards(2, Node::builder().bind("127.0.0.1:0"));
    let listen = "127.0.0.1:0";
    let to = node.addr().to_string();
    let others: Vec<TestNode> = (0..5)
        .map(|_| TestNode::start(Node::builder().bind(listen).bootstrap(to.clone())))
        .collect();
    wait_until("five peers are known", || {
        node.node().snapshot().peers().len() == 5
    });
    let mut asker = Peer::dial(node.addr(), Some(7), &[]);
    // The answer to the dialer's own first lookup comes first.
    let mut named: Vec<flatend::NodeId> = match asker.wait(|seen| matches!(seen, Seen::Nodes(_))) {
        Seen::Nodes(ids) => ids,
        other => unreachable!("{other:?}"),
    };
    assert_eq!(named.len(), 5);
    for byte in 0..20 {
        named.extend(ask_for_nodes(&mut asker, [byte; 32]));
    }
    assert_eq!(
        named.len(),
        5,
        "npm's bootstrap never ends if an ID is repeated"
    );
    let keys: HashSet<[u8; 32]> = named.iter().map(|id| id.public_key).collect();
    let expected: HashSet<[u8; 32]> = others
        .iter()
        .filter_map(|other| other.node().public_key())
        .collect();
    assert_eq!(keys, expected);
    let addrs: HashSet<_> = named.iter().map(|id| id.address).collect();
    let expected: HashSet<_> = others.iter().map(TestNode::addr).collect();
    assert_eq!(addrs, expected);
    // On another link the same nodes are named again.
    let mut second = Peer::dial(node.addr(), Some(8), &[]);
    let again = match second.wait(|seen| matches!(seen, Seen::Nodes(_))) {
        Seen::Nodes(ids) => ids,
        other => unreachable!("{other:?}"),
    };
    assert!(again.len() >= 5 && again.iter().all(|id| id.public_key != second_key()));
}

/// The public key of the peer with seed 8.
fn second_key() -> [u8; 32] {
    ed25519_dalek::SigningKey::from_bytes(&[8; 32])
        .verifying_key()
        .to_bytes()
}

/// Waits until the node asks `peer` and answers with `ids`.
pub(crate) fn answer_next_lookup(peer: &mut Peer, ids: &[flatend::NodeId]) {
    let Seen::FindNode(token, _) = peer.wait(|seen| matches!(seen, Seen::FindNode(..))) else {
        unreachable!("that was waited for");
    };
    let now = peer.now();
    let answered = peer.conn.nodes(now, token, ids.iter());
    answered.expect("an answer");
    peer.flush();
}
