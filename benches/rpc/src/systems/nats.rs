//! NATS: request and reply through a broker. The service answers from the task that reads its subscription, which is the quickest way.

use async_nats::Client;
use bytes::Bytes;
use flatend_loadtest::histogram::Histogram;
use futures_lite::StreamExt;

use super::{on_tokio, runtime, until_input_ends, until_reached, Setting};
use crate::load::{Caller, Work};

const SUBJECT: &str = "echo";

async fn connect(setting: Setting<'_>) -> Result<Client, String> {
    let connected = async_nats::connect(setting.addr.to_string()).await;
    connected.map_err(|error| format!("cannot connect to the broker at {}: {error}", setting.addr))
}

/// The service.
pub(super) fn serve(setting: Setting<'_>) -> Result<(), String> {
    let runtime = runtime(setting.threads)?;
    let client = runtime.block_on(connect(setting))?;
    let thread = std::thread::spawn(move || {
        runtime.block_on(async {
            let subscribed = client.subscribe(SUBJECT).await;
            let mut requests = subscribed.map_err(|error| error.to_string())?;
            while let Some(request) = requests.next().await {
                if let Some(reply) = request.reply {
                    let sent = client.publish(reply, request.payload).await;
                    sent.map_err(|error| error.to_string())?;
                }
            }
            Ok::<(), String>(())
        })
    });
    std::thread::spawn(move || {
        if let Ok(Err(error)) = thread.join() {
            eprintln!("{error}");
            std::process::exit(1);
        }
    });
    until_input_ends();
    Ok(())
}

impl Caller for Client {
    async fn call(&mut self, body: Bytes) -> Result<Bytes, String> {
        let answer = self.request(SUBJECT, body).await;
        answer
            .map(|message| message.payload)
            .map_err(|error| error.to_string())
    }
}

/// The client: one connection to the broker, of which each task has a clone.
pub(super) fn ask(setting: Setting<'_>, begin: impl FnOnce() -> Work) -> Result<Histogram, String> {
    runtime(setting.threads)?.block_on(async {
        let mut client = connect(setting).await?;
        until_reached(&mut client).await?;
        let work = begin();
        on_tokio((0..work.in_flight).map(|task| work.ask(task, client.clone()))).await
    })
}
