//! State that all shards share: one atomic number. State of each shard is in `per_core`. `counter [GATEWAY]`

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use flatend::Node;
use flatend_examples::{argument, serve, GATEWAY};
use serde::Serialize;

#[derive(Serialize)]
struct Counted {
    count: u64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count = Arc::new(AtomicU64::new(0));
    serve(
        Node::builder()
            .bootstrap(argument(GATEWAY))
            .service("counter", move |context| {
                // The handler is called once a request, on whichever shard owns the link it came by.
                let count = count.fetch_add(1, Ordering::Relaxed) + 1;
                async move { context.json(&Counted { count }).await }
            }),
    )
}
