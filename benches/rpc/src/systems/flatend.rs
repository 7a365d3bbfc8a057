//! flatend: the service listens, the client dials it and listens too, as nodes of a mesh do.
//! Events are told nobody.

use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use flatend::{rt, Client, Handle, Node, NodeBuilder, Request};
use flatend_loadtest::histogram::Histogram;
use futures_lite::future::block_on;

use super::{on_tokio, runtime, until_input_ends, Setting};
use crate::limits::{BODY_BYTES_MAX, CONNECT_TIMEOUT_MS};
use crate::load::{together, Caller, Work};

fn builder(setting: Setting<'_>) -> NodeBuilder {
    Node::builder().shards(setting.threads).on_event(|_| {})
}

/// The service.
pub(super) fn serve(setting: Setting<'_>) -> Result<(), String> {
    let node = builder(setting)
        .bind(setting.addr.to_string())
        .service("echo", |mut context| async move {
            let body = context.read_all(BODY_BYTES_MAX).await?;
            context.send(body).await
        })
        .start()
        .map_err(text)?;
    until_input_ends();
    node.shutdown()
}

fn request(body: Bytes) -> Request {
    Request::to("echo").body(body)
}

impl Caller for Client {
    async fn call(&mut self, body: Bytes) -> Result<Bytes, String> {
        let called = Client::call(self, request(body)).await;
        let answer = called.map_err(text)?.read_all(BODY_BYTES_MAX).await;
        answer.map_err(text)
    }
}

impl Caller for Handle {
    async fn call(&mut self, body: Bytes) -> Result<Bytes, String> {
        let called = Handle::call(self, request(body)).await;
        let answer = called.map_err(text)?.read_all(BODY_BYTES_MAX).await;
        answer.map_err(text)
    }
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

fn connect(setting: Setting<'_>) -> Result<Node, String> {
    let node = builder(setting)
        .bind("127.0.0.1:0")
        .bootstrap(setting.addr.to_string())
        .start()
        .map_err(text)?;
    // Held until the two have met.
    let first = request(Bytes::new()).hold(Duration::from_millis(CONNECT_TIMEOUT_MS));
    block_on(node.handle().call(first)).map_err(text)?;
    Ok(node)
}

/// The client as a program of shards: the tasks are spread over them, and run beside each other on each.
pub(super) fn ask(setting: Setting<'_>, begin: impl FnOnce() -> Work) -> Result<Histogram, String> {
    let node = connect(setting)?;
    let handle = node.handle();
    let (found, finds) = mpsc::channel();
    let work = begin();
    for index in 0..setting.threads {
        let found = found.clone();
        let tasks = (0..work.in_flight).skip(index).step_by(setting.threads);
        let spawned = handle.submit_to(index, move |shard| async move {
            for task in tasks {
                let (found, client) = (found.clone(), shard.client());
                rt::spawn(async move {
                    // Nobody listens any more if another task has failed.
                    found.send(work.ask(task, client).await).ok();
                });
            }
        });
        block_on(spawned).map_err(text)?;
    }
    // The channel ends with the last task.
    drop(found);
    let latencies = together(finds)?;
    node.shutdown()?;
    Ok(latencies)
}

/// The client as a tokio program that embeds a node.
pub(super) fn ask_from_tokio(
    setting: Setting<'_>,
    begin: impl FnOnce() -> Work,
) -> Result<Histogram, String> {
    let node = connect(setting)?;
    let handle = node.handle();
    let latencies = runtime(setting.threads)?.block_on(async {
        let work = begin();
        on_tokio((0..work.in_flight).map(|task| work.ask(task, handle.clone()))).await
    })?;
    node.shutdown()?;
    Ok(latencies)
}
