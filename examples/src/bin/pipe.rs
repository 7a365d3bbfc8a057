//! Streams a body back as it comes, whatever its size: when the reader is slow, `write` waits, so `read` is not called,
//! so the link and at last the sender wait. `pipe [GATEWAY]`

use flatend::Node;
use flatend_examples::{argument, serve, GATEWAY};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    serve(
        Node::builder()
            .bootstrap(argument(GATEWAY))
            .service("pipe", |mut context| async move {
                while let Some(bytes) = context.read().await? {
                    context.write(&bytes).await?;
                }
                Ok(())
            }),
    )
}
