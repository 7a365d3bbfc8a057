//! The services of `flatend demo`: small, real, in one node of their own that dials the gateway over TCP like any other.

mod todos;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use flatend::{Context, HandlerError, NodeBuilder};

/// The page at `/`.
const PAGE: &str = include_str!("page.html");

/// The configuration of the demonstration's gateway, as a user would write it.
pub(crate) const CONFIG: &str = include_str!("config.toml");

/// Adds the demonstration's services to a node.
pub(crate) fn services(node: NodeBuilder) -> NodeBuilder {
    let count = Arc::new(AtomicU64::new(0));
    let list = todos::Todos::default();
    node.service("page", |mut context| async move {
        context.set_header("content-type", "text/html; charset=utf-8")?;
        context.send(PAGE).await
    })
    .service("hello_world", |mut context| async move {
        context.set_header("content-type", "text/plain; charset=utf-8")?;
        context.send("Hello world!\n").await
    })
    .service("counter", move |mut context| {
        let count = count.fetch_add(1, Ordering::Relaxed) + 1;
        async move {
            context.set_header("content-type", "application/json")?;
            context.send(format!("{{\"count\":{count}}}\n")).await
        }
    })
    .service("echo", echo)
    .service("file", |mut context| async move {
        context.set_header("content-type", "text/plain; charset=utf-8")?;
        context.send(include_str!("mod.rs")).await
    })
    .service("todos", move |context| {
        let list = list.clone();
        async move { todos::serve(&list, context).await }
    })
}

/// Sends every piece of the body back as it comes, with its content type.
async fn echo(mut context: Context) -> Result<(), HandlerError> {
    let kind = context
        .header("content-type")
        .unwrap_or("application/octet-stream")
        .to_owned();
    context.set_header("content-type", &kind)?;
    while let Some(bytes) = context.read().await? {
        context.write(&bytes).await?;
    }
    context.send("").await
}
