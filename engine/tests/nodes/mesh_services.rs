//! Services that come and go on a node whose links live on: every peer hears of it, whoever dialed.

use flatend::{Context, Node, NodeEvent};

use crate::support::calls::get;
use crate::support::node::TestNode;
use crate::support::wait_until;

const ANY: &str = "127.0.0.1:0";

async fn late(context: Context) -> Result<(), flatend::HandlerError> {
    context.send("late").await?;
    Ok(())
}

/// Connections that a node has seen.
fn connections(node: &TestNode) -> usize {
    let is_new =
        |event: &&NodeEvent| matches!(event, NodeEvent::Accepted { .. } | NodeEvent::Dialed { .. });
    node.events().iter().filter(is_new).count()
}

#[test]
fn a_service_that_is_offered_later_is_announced_over_the_links_there_are() {
    let dialed = TestNode::with_shards(2, Node::builder().bind(ANY));
    let provider = TestNode::with_shards(
        2,
        Node::builder()
            .bind(ANY)
            .bootstrap(dialed.addr().to_string()),
    );
    let dialer = TestNode::start(
        Node::builder()
            .bind(ANY)
            .bootstrap(provider.addr().to_string()),
    );
    let anonymous = TestNode::start(Node::builder().bootstrap(provider.addr().to_string()));
    for node in [&dialed, &dialer] {
        wait_until("a mesh of three", || {
            node.node().snapshot().peers().len() == 2
        });
    }
    wait_until("everybody is linked", || {
        anonymous.node().snapshot().peers().len() == 3
    });
    let all = [&dialed, &dialer, &anonymous];
    let before = all.map(connections);
    for _ in 0..2 {
        provider.node().offer("late", late).expect("an offer");
        for node in all {
            node.wait_providers("late", 1);
            assert_eq!(get(node, 0, "late").expect("a response").text(), "late");
        }
        assert!(provider.node().withdraw("late").expect("a withdrawal"));
        for node in all {
            node.wait_providers("late", 0);
        }
    }
    assert_eq!(all.map(connections), before, "no link was made for it");
    // Who answers an announcement with what it offered before has not changed: no line for it.
    let reprobed = |node: &TestNode| {
        let events = node.events();
        let lines = events.iter();
        lines
            .filter(|event| matches!(event, NodeEvent::Reprobed { .. }))
            .count()
    };
    assert_eq!((reprobed(&provider), reprobed(&dialer)), (0, 4));
    for node in [anonymous, dialer, provider, dialed] {
        node.shutdown();
    }
}

#[test]
fn services_that_change_while_links_are_made_reach_everybody() {
    let provider = TestNode::with_shards(2, Node::builder().bind(ANY));
    let to = provider.addr().to_string();
    let joining: Vec<_> = (0..6)
        .map(|_| {
            let builder = Node::builder().bind(ANY).bootstrap(to.clone());
            std::thread::spawn(|| TestNode::start(builder))
        })
        .collect();
    for round in 0..20 {
        provider
            .node()
            .offer(format!("s{round}"), late)
            .expect("an offer");
    }
    let nodes: Vec<TestNode> = joining
        .into_iter()
        .map(|node| node.join().expect("a node"))
        .collect();
    for node in &nodes {
        for round in 0..20 {
            node.wait_providers(&format!("s{round}"), 1);
        }
    }
    nodes.into_iter().for_each(TestNode::shutdown);
    provider.shutdown();
}
