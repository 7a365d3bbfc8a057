//! Streams a file, this very one if no other is named. The shard's ring reads it: no thread waits for the disk.
//! `file [GATEWAY [PATH]]`

use std::path::Path;
use std::sync::Arc;

use flatend::Node;
use flatend_examples::{argument, serve, GATEWAY};

/// Where the source of this program was when it was built.
const ITSELF: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bin/file.rs");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(2).unwrap_or_else(|| ITSELF.to_owned());
    let path: Arc<Path> = Path::new(&path).into();
    serve(
        Node::builder()
            .bootstrap(argument(GATEWAY))
            .service("file", move |mut context| {
                let path = path.clone();
                async move {
                    context.set_header("content-type", "text/plain; charset=utf-8")?;
                    context.send_file(path).await
                }
            }),
    )
}
