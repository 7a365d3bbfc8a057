//! The systems that are compared. Each offers a service that answers with the body it was sent, and a client that asks it.
//!
//! The invariant that a change is likeliest to break: each is used as its own documentation shows it, with one client object a
//! process and what that opens by itself; bodies are raw bytes everywhere, encoded by nobody.

mod flatend;
mod grpc;
mod nats;

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::ValueEnum;
use flatend_loadtest::histogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::limits::{CONNECT_PAUSE_MS, CONNECT_TIMEOUT_MS};
use crate::load::{together, Caller, Work};

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum System {
    /// flatend, called from tasks of the client's shards.
    Flatend,
    /// flatend, called from a tokio runtime through a `Handle`.
    FlatendHandle,
    /// gRPC over HTTP/2, in the clear.
    Tonic,
    /// gRPC over HTTP/2 and TLS 1.3.
    TonicTls,
    /// Request and reply through a broker, in the clear.
    Nats,
}

/// How the processes of a run are set up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting<'s> {
    /// Where the service, or the broker, listens.
    pub(crate) addr: SocketAddr,
    /// Shards, or worker threads, of the process.
    pub(crate) threads: usize,
    /// Where certificate and key are.
    pub(crate) dir: &'s Path,
}

impl System {
    /// All of them.
    pub(crate) const ALL: [System; 5] = [
        System::Flatend,
        System::FlatendHandle,
        System::Tonic,
        System::TonicTls,
        System::Nats,
    ];

    /// In tables.
    pub(crate) fn title(self) -> &'static str {
        match self {
            System::Flatend => "flatend, `Client`",
            System::FlatendHandle => "flatend, `Handle`",
            System::Tonic => "tonic",
            System::TonicTls => "tonic, TLS",
            System::Nats => "NATS",
        }
    }

    /// How the bytes on the wire are protected.
    pub(crate) fn protection(self) -> &'static str {
        match self {
            System::Flatend | System::FlatendHandle => "AES-256-GCM",
            System::Tonic | System::Nats => "none",
            System::TonicTls => "TLS 1.3, AES-256-GCM",
        }
    }

    /// On the command line.
    pub(crate) fn word(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Serves until the process is told to end by the end of its standard input.
    ///
    /// # Errors
    /// It cannot listen, or cannot reach the broker.
    pub(crate) fn serve(self, setting: Setting<'_>) -> Result<(), String> {
        match self {
            System::Flatend | System::FlatendHandle => flatend::serve(setting),
            System::Tonic => grpc::serve(setting, false),
            System::TonicTls => grpc::serve(setting, true),
            System::Nats => nats::serve(setting),
        }
    }

    /// Connects, calls once, and then gives a function that does the work which `begin` makes.
    ///
    /// # Errors
    /// The service is not reached, a call fails, or an answer is wrong.
    pub(crate) fn ask(
        self,
        setting: Setting<'_>,
        begin: impl FnOnce() -> Work,
    ) -> Result<Histogram, String> {
        match self {
            System::Flatend => flatend::ask(setting, begin),
            System::FlatendHandle => flatend::ask_from_tokio(setting, begin),
            System::Tonic => grpc::ask(setting, false, begin),
            System::TonicTls => grpc::ask(setting, true, begin),
            System::Nats => nats::ask(setting, begin),
        }
    }
}

/// A runtime with so many worker threads; with one it is tokio's single-threaded one, which is quicker than one worker.
///
/// # Errors
/// The system gives no threads or descriptors.
fn runtime(threads: usize) -> Result<tokio::runtime::Runtime, String> {
    let mut builder = match threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    if threads > 1 {
        builder.worker_threads(threads);
    }
    let built = builder.enable_all().build();
    built.map_err(|error| format!("cannot start a tokio runtime: {error}"))
}

/// Runs `tasks` on tokio and puts together what they find.
///
/// # Errors
/// That of a task.
async fn on_tokio<F>(tasks: impl Iterator<Item = F>) -> Result<Histogram, String>
where
    F: Future<Output = Result<Histogram, String>> + Send + 'static,
{
    let tasks: Vec<_> = tasks.map(tokio::spawn).collect();
    let mut ended = Vec::with_capacity(tasks.len());
    for task in tasks {
        ended.push(
            task.await
                .map_err(|error| format!("a task failed: {error}"))?,
        );
    }
    together(ended)
}

/// Calls until there is an answer: the service may still be connecting to a broker.
///
/// # Errors
/// The last error, when the time is over.
async fn until_reached(caller: &mut impl Caller) -> Result<(), String> {
    let deadline = Instant::now() + Duration::from_millis(CONNECT_TIMEOUT_MS);
    loop {
        match caller.call(Bytes::new()).await {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() >= deadline => {
                return Err(format!(
                    "the service is not reached within {CONNECT_TIMEOUT_MS} ms: {error}"
                ))
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(CONNECT_PAUSE_MS)).await,
        }
    }
}

/// Waits for the end of standard input, by which whoever started this process ends it.
fn until_input_ends() {
    // An error ends it too.
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).ok();
}
