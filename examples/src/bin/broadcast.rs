//! Asks every node that offers a name, and tells what each said. Start it several times, with a name each.
//! `broadcast NAME [GATEWAY]`

use std::time::Duration;

use flatend::{Node, Request};
use flatend_examples::{serve, GATEWAY};

/// What one node may answer.
const ANSWER_BYTES_MAX: usize = 1_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().ok_or("usage: broadcast NAME [GATEWAY]")?;
    let gateway = arguments.next().unwrap_or_else(|| GATEWAY.to_owned());
    serve(
        Node::builder()
            .bind("127.0.0.1:0")
            .bootstrap(gateway)
            .service("present", move |context| {
                let answer = format!("{name} is here");
                async move { context.send(answer).await }
            })
            .service("roll_call", |mut context| async move {
                let request = Request::to("present").deadline(Duration::from_secs(2));
                let answers = context.client().broadcast(request).await;
                let mut lines = Vec::new();
                for (provider, answer) in answers {
                    let said = match answer {
                        Ok(mut response) => response
                            .read_all(ANSWER_BYTES_MAX)
                            .await
                            .map_err(|error| error.to_string()),
                        Err(error) => Err(error.to_string()),
                    };
                    let line = match said {
                        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                        // One that is gone, or stops in the middle, does not spoil the answers of the others.
                        Err(error) => format!("{} did not answer: {error}", provider.name()),
                    };
                    lines.push(line + "\n");
                }
                lines.sort_unstable();
                context.set_header("content-type", "text/plain; charset=utf-8")?;
                context.send(lines.concat()).await
            }),
    )
}
