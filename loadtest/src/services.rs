//! The services behind the gateway and of the mesh load: nodes with one shard, in a process of their own, until standard input ends.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use flatend::{rt, Context, HandlerError, Node, NodeBuilder};

use crate::limits::{CALL_BYTES_MAX, EVENT_EVERY_MS};
use crate::pattern::Pattern;
use crate::subjects::{HELLO_BODY, HELLO_TYPE, PAGE_LINE, PAGE_LINES, PAGE_TYPE};

/// What `events` sends, again and again.
pub(crate) const EVENT: &str = "data: tick\n\n";

/// Dials the node at `node` and offers all services until standard input ends.
///
/// # Errors
/// The node cannot start.
pub(crate) fn serve_node(node: &str, legacy: bool) -> Result<(), String> {
    serve(offers(legacy).bootstrap(node))
}

/// Listens at `addr` and offers all services until standard input ends.
///
/// # Errors
/// The node cannot start.
pub(crate) fn serve_mesh(addr: SocketAddr, legacy: bool) -> Result<(), String> {
    // Events of each link are nobody's concern here.
    let node = offers(legacy).on_event(|_| {});
    serve(node.bind(addr.to_string()))
}

/// A node of one shard with all services: `hello` and `page`, which answer what the upstream of nginx answers, header for header;
/// `bytes`, which sends as many bytes as `params.count` says; `count`, which counts and checks those of the request; `echo`, which
/// answers with the whole body, and `mirror`, which sends it back as it comes; `events`, which sends an event a second until its reader or the node goes.
pub(crate) fn offers(legacy: bool) -> NodeBuilder {
    let pattern = Arc::new(Pattern::new());
    let same = pattern.clone();
    let page: Arc<str> = PAGE_LINE.repeat(PAGE_LINES).into();
    Node::builder()
        .shards(1)
        .flatend2(!legacy)
        .service("hello", move |context| {
            send_text(context, HELLO_TYPE, HELLO_BODY.into())
        })
        .service("page", move |context| {
            send_text(context, PAGE_TYPE, page.clone())
        })
        .service("bytes", move |context| send_bytes(pattern.clone(), context))
        .service("count", move |context| count_bytes(same.clone(), context))
        .service("echo", echo)
        .service("mirror", mirror)
        .service("events", events)
}

fn serve(builder: NodeBuilder) -> Result<(), String> {
    let node = builder.start().map_err(|error| error.to_string())?;
    // Who started us holds the other end; it is closed when that process ends, however it ends.
    io::copy(&mut io::stdin().lock(), &mut io::sink())
        .map_err(|error| format!("cannot wait for the end of standard input: {error}"))?;
    node.shutdown()
}

async fn echo(mut context: Context) -> Result<(), HandlerError> {
    let body = context.read_all(CALL_BYTES_MAX as usize).await?;
    context.send(body).await
}

async fn mirror(mut context: Context) -> Result<(), HandlerError> {
    // The caller may wait for the head before it goes on.
    context.start()?;
    while let Some(bytes) = context.read().await? {
        context.write(bytes).await?;
    }
    context.send("").await
}

async fn send_text(mut context: Context, kind: &str, body: Arc<str>) -> Result<(), HandlerError> {
    context.set_header("content-type", kind)?;
    context.set_header("content-length", &body.len().to_string())?;
    context.send(body.as_bytes()).await
}

async fn events(mut context: Context) -> Result<(), HandlerError> {
    context.set_header("content-type", "text/event-stream")?;
    let shard = context.shard().clone();
    loop {
        context.write(EVENT).await?;
        let next = rt::timeout(EVENT_EVERY_MS, shard.draining().wait());
        if next.await.is_ok() {
            // Whoever reads comes again, to another provider.
            return context.send("").await;
        }
    }
}

async fn send_bytes(pattern: Arc<Pattern>, mut context: Context) -> Result<(), HandlerError> {
    let count = context.header("params.count").map(str::to_owned);
    let total: u64 = count
        .and_then(|count| count.parse().ok())
        .ok_or_else(|| HandlerError::with_status(400, "the path ends with a number of bytes"))?;
    context.set_header("content-type", "application/octet-stream")?;
    context.set_header("content-length", &total.to_string())?;
    let mut sent = 0;
    while sent < total {
        let piece = pattern.piece(sent, total - sent);
        context.write(piece).await?;
        sent += piece.len() as u64;
    }
    context.send("").await
}

async fn count_bytes(pattern: Arc<Pattern>, mut context: Context) -> Result<(), HandlerError> {
    let mut counted = 0;
    while let Some(bytes) = context.read().await? {
        if !pattern.matches(counted, &bytes) {
            let sentence = format!("altered within {} bytes from {counted} on", bytes.len());
            return Err(HandlerError::with_status(422, sentence));
        }
        counted += bytes.len() as u64;
    }
    let answer = counted.to_string();
    context.set_header("content-type", "text/plain")?;
    context.set_header("content-length", &answer.len().to_string())?;
    context.send(answer).await
}
