//! Asks every node that offers a name, and tells what each said. Start it several times, with a name each.
//! `broadcast NAME [GATEWAY]`

use std::time::Duration;

use flatend::{HandlerError, Node, Request};
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
                let request = Request::to("present").timeout(Duration::from_secs(2));
                let answers = context.client().broadcast(request).await;
                let mut lines = Vec::new();
                for (provider, answer) in answers {
                    let line = match answer {
                        Ok(mut response) => said(response.read_all(ANSWER_BYTES_MAX).await?)?,
                        // One that is gone does not spoil the answers of the others.
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

fn said(bytes: flatend::Bytes) -> Result<String, HandlerError> {
    Ok(String::from_utf8(bytes.to_vec())?)
}
