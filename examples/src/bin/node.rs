//! A node that others can dial: it listens, has a key of its own, and joins a mesh.
//! `examples-node --listen IP:PORT [--bootstrap IP:PORT]…`

use flatend::{Node, NodeBuilder};
use flatend_examples::serve;

const USAGE: &str = "usage: examples-node --listen IP:PORT [--bootstrap IP:PORT]...";

fn main() {
    let result = configure().and_then(serve);
    if let Err(err) = result {
        eprintln!("{err}");
        std::process::exit(1);
    }
}

fn configure() -> Result<NodeBuilder, Box<dyn std::error::Error>> {
    // A node that listens and is given no secret key makes one for this run.
    let mut node = Node::builder().service("hello_world", |context| async move {
        context.send("Hello world!").await
    });
    let (mut arguments, mut listens) = (std::env::args().skip(1), false);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or(USAGE)?;
        node = match &*name {
            "--listen" => {
                listens = true;
                node.bind(value)
            }
            "--bootstrap" => node.bootstrap(value),
            _ => return Err(USAGE.into()),
        };
    }
    if listens {
        Ok(node)
    } else {
        Err(USAGE.into())
    }
}
