//! Reads a whole body, within a limit, and sends it back with its own content type. `echo [GATEWAY]`

use flatend::{HandlerError, Node, ReadError};
use flatend_examples::{argument, serve, GATEWAY};

/// What one request may hold in memory; `pipe` needs no such limit.
const BODY_BYTES_MAX: usize = 1024 * 1024;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    serve(
        Node::builder()
            .bootstrap(argument(GATEWAY))
            .service("echo", |mut context| async move {
                let body = match context.read_all(BODY_BYTES_MAX).await {
                    Ok(body) => body,
                    Err(err @ ReadError::TooLarge { .. }) => {
                        return Err(HandlerError::with_status(413, err.to_string()))
                    }
                    Err(err) => return Err(err.into()),
                };
                if let Some(kind) = context.header("content-type").map(str::to_owned) {
                    context.set_header("content-type", &kind)?;
                }
                context.send(body).await
            }),
    )
}
