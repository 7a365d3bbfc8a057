//! Streams a file. The disk may block, so it is read on threads of its own. `file PATH [GATEWAY]`

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use flatend::{HandlerError, Node};
use flatend_examples::{argument, serve, GATEWAY};

/// Bytes of the file in memory for each request.
const PIECE_BYTES: u64 = 1024 * 1024;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path: Arc<str> = argument("Cargo.toml").into();
    let gateway = std::env::args()
        .nth(2)
        .unwrap_or_else(|| GATEWAY.to_owned());
    serve(
        Node::builder()
            .bootstrap(gateway)
            .service("file", move |mut context| {
                let path = path.clone();
                async move {
                    let shard = context.shard().clone();
                    let opened = shard.run_blocking(move || {
                        File::open(&*path).and_then(|file| Ok((file.metadata()?.len(), file)))
                    });
                    let (length, mut file) = opened.await.map_err(HandlerError::new)??;
                    // With its length a reader can tell a file that was cut from a whole one.
                    context.set_header("content-length", &length.to_string())?;
                    context.set_header("content-type", "text/plain; charset=utf-8")?;
                    let mut left = length;
                    while left > 0 {
                        let piece = shard.run_blocking(move || {
                            let mut bytes = Vec::new();
                            file.by_ref()
                                .take(left.min(PIECE_BYTES))
                                .read_to_end(&mut bytes)
                                .map(|_| (file, bytes))
                        });
                        let (back, bytes) = piece.await.map_err(HandlerError::new)??;
                        if bytes.is_empty() {
                            return Err(HandlerError::new(
                                "the file became shorter while it was read",
                            ));
                        }
                        context.write(&bytes).await?;
                        (file, left) = (back, left - bytes.len() as u64);
                    }
                    Ok(())
                }
            }),
    )
}
