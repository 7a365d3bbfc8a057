//! Streams a body back as it comes, whatever its size: when the reader is slow, writing waits, so nothing is read, so the
//! link and at last the sender wait. `pipe [GATEWAY]`

use flatend::Node;
use flatend_examples::{argument, serve, GATEWAY};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    serve(
        Node::builder()
            .bootstrap(argument(GATEWAY))
            .service("pipe", |context| async move {
                let body = context.reader();
                context.pipe(body).await
            }),
    )
}
