//! The SDK as the author of a service meets it: handlers, their context, what a node is told and what it tells, over real links.

#[path = "../support/mod.rs"]
mod support;

mod bodies;
mod context;
mod failures;
mod heads;
mod offers;
mod per_shard;
mod starting;
mod state;
mod trailers;

use flatend::{CallRequest, Node, NodeBuilder};

use support::calls::{exchange, headers, request, Reply};
use support::node::TestNode;

/// A caller that listens, and a provider that dialed it.
struct Pair {
    caller: TestNode,
    provider: TestNode,
}

impl Pair {
    /// Waits until the provider's service `ready` is known.
    fn start(ready: &str, provider: NodeBuilder) -> Pair {
        let caller = TestNode::start(Node::builder().bind("127.0.0.1:0"));
        let provider = TestNode::start(provider.bootstrap(caller.addr().to_string()));
        caller.wait_providers(ready, 1);
        Pair { caller, provider }
    }

    /// Asks for a service with headers and a body.
    fn ask(&self, service: &str, pairs: &[(&str, &str)], body: &[u8]) -> Reply {
        let (service, sent, body) = (service.to_owned(), headers(pairs), body.to_vec());
        let reply = self.caller.run(0, move |shard| async move {
            let request = CallRequest {
                headers: sent,
                has_body: !body.is_empty(),
                ..request(&shard, &service)
            };
            exchange(&shard, request, &body).await
        });
        reply.expect("a response")
    }
}

/// A response's status, and its body.
fn status(reply: &Reply) -> (&str, &str) {
    (reply.header(":status").unwrap_or("200"), reply.text())
}
