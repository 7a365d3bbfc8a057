//! State that all shards share: one atomic number. `counter [GATEWAY]`

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use flatend::Node;
use flatend_examples::{argument, serve, GATEWAY};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count = Arc::new(AtomicU64::new(0));
    serve(
        Node::builder()
            .bootstrap(argument(GATEWAY))
            .service("counter", move |mut context| {
                // The handler is called once a request, on whichever shard owns the link it came by.
                let count = count.fetch_add(1, Ordering::Relaxed) + 1;
                async move {
                    context.set_header("content-type", "application/json")?;
                    context.send(format!("{{\"count\":{count}}}\n")).await
                }
            }),
    )
}
