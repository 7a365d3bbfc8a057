//! Bodies end to end with checksums: `upload` tells the size and BLAKE2b checksum of what came, `download` sends so many bytes and
//! says their checksum before. `b2sum` computes the same. `e2e [GATEWAY]`

use blake2::{Blake2b512, Digest};
use flatend::{hex, Node, OrStatus};
use flatend_examples::{argument, pattern, serve, GATEWAY};
use serde::Serialize;

/// The most that is made up for one download; twice, for the checksum travels first.
const DOWNLOAD_BYTES_MAX: u64 = 10_000_000_000;

#[derive(Serialize)]
struct Received {
    bytes: u64,
    b2sum: String,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    serve(
        Node::builder()
            // Who listens has an identity and can be found, by npm nodes too.
            .bind("127.0.0.1:0")
            .bootstrap(argument(GATEWAY))
            .service("upload", |mut context| async move {
                let (mut hash, mut bytes) = (Blake2b512::new(), 0);
                // A body that is cut is an error here, never an end.
                while let Some(piece) = context.read().await? {
                    hash.update(&piece);
                    bytes += piece.len() as u64;
                }
                let b2sum = hex::encode(&hash.finalize());
                context.json(&Received { bytes, b2sum }).await
            })
            .service("download", |mut context| async move {
                let bytes = context.query("bytes").or_status(400, "say ?bytes=NUMBER")?;
                let bytes: u64 = bytes.parse().or_status(400, "bytes is not a number")?;
                if bytes > DOWNLOAD_BYTES_MAX {
                    let most = format!("{DOWNLOAD_BYTES_MAX} bytes at most");
                    return None.or_status(400, &most);
                }
                let mut hash = Blake2b512::new();
                for piece in pattern(bytes) {
                    hash.update(&piece);
                    // A long computation lets the shard's other requests go on.
                    flatend::rt::yield_now().await;
                }
                context.set_header("x-b2sum", &hex::encode(&hash.finalize()))?;
                context.set_header("content-length", &bytes.to_string())?;
                for piece in pattern(bytes) {
                    context.write(&piece).await?;
                }
                Ok(())
            }),
    )
}
