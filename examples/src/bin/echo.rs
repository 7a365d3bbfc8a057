//! Reads a whole body, within a limit, and sends it back with its own content type. `echo [GATEWAY]`

use flatend::Node;
use flatend_examples::{argument, serve, GATEWAY};

/// What one request may hold in memory; `pipe` needs no such limit.
const BODY_BYTES_MAX: usize = 1024 * 1024;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    serve(
        Node::builder()
            .bootstrap(argument(GATEWAY))
            .service("echo", |mut context| async move {
                // A larger one is an error of status 413.
                let body = context.read_all(BODY_BYTES_MAX).await?;
                if let Some(kind) = context.header("content-type").map(str::to_owned) {
                    context.set_header("content-type", &kind)?;
                }
                context.send(body).await
            }),
    )
}
