//! The smallest service. `hello_world [GATEWAY]`

use flatend::Node;
use flatend_examples::{argument, serve, GATEWAY};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    serve(
        Node::builder()
            .bootstrap(argument(GATEWAY))
            .service("hello_world", |context| async move {
                context.send("Hello world!\n").await
            }),
    )
}
