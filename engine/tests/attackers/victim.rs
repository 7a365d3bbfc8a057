//! The node that is attacked, and an honest pair of eyes on it.

use std::time::{Duration, Instant};

use flatend::Node;

use crate::support::node::TestNode;
use crate::support::peer::Peer;

/// A node with a service that answers and one that never does.
pub(crate) fn victim() -> TestNode {
    let node = Node::builder()
        .bind("127.0.0.1:0")
        .service("hello", |context| async move {
            context.send("Hello world!").await
        })
        .service("silent", |_context| std::future::pending());
    TestNode::start(node)
}

/// A peer that keeps the rules and must be served all the while.
pub(crate) struct Honest(Peer);

impl Honest {
    pub(crate) fn join(node: &TestNode) -> Honest {
        Honest(Peer::dial(node.addr(), Some(200), &[]))
    }

    /// Asks, and gets its answer in a time that says "nobody is in the way".
    pub(crate) fn is_served(&mut self) {
        let begun = Instant::now();
        let asked = self.0.ask("hello", true);
        assert_eq!(self.0.response(asked), "Hello world!".len());
        assert!(
            begun.elapsed() < Duration::from_secs(3),
            "{:?}",
            begun.elapsed()
        );
    }
}
