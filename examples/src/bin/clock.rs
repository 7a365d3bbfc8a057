//! One node calls another by name. `clock time` offers the time; `clock greeting` greets with it and asks whoever offers it, found
//! through the node that both have dialed. `clock time|greeting [GATEWAY]`

use std::time::{Duration, SystemTime};

use flatend::{Node, Request};
use flatend_examples::{serve, GATEWAY};

const USAGE: &str = "usage: clock time|greeting [GATEWAY]";

/// What the other node may answer at most.
const TIME_BYTES_MAX: usize = 1_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let part = arguments.next().ok_or(USAGE)?;
    let gateway = arguments.next().unwrap_or_else(|| GATEWAY.to_owned());
    // Who listens has an identity and can be found; without one a node may not ask old Go nodes.
    let node = Node::builder().bind("127.0.0.1:0").bootstrap(gateway);
    serve(match &*part {
        "time" => node.service("clock", |context| async move {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
            context.send(now.as_secs().to_string()).await
        }),
        "greeting" => node.service("greeting", |context| async move {
            let request = Request::to("clock").deadline(Duration::from_secs(2));
            // Nobody there becomes a 503, no whole answer in time a 504.
            let mut response = context.client().call(request).await?;
            let time = response.read_all(TIME_BYTES_MAX).await?;
            let time = String::from_utf8_lossy(&time);
            let greeting = format!("Hello! {time} seconds have passed since 1970.\n");
            context.send(greeting).await
        }),
        _ => return Err(USAGE.into()),
    })
}
