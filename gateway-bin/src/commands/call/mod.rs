//! `flatend call`: one request from the command line to a service of the mesh.
//!
//! Owns the node that it makes for the time of the call, what it says when nothing comes, and the exit status. It shows an ID,
//! since nodes are not asked by somebody unknown, and ends its links in order, since old peers die of a reset.

mod input;
mod output;

use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use flatend::{CallError, Handle, HandleResponse, Node, NodeEvent, Request, RELAY_ERROR};
use futures_lite::future::block_on;

use super::run::start_sentence;
use crate::cli::CallOptions;
use crate::limits::CALL_CONNECT_MS;
use crate::{io_words, signals};
use input::Input;

/// Calls the service. The result is the process's exit status.
///
/// # Errors
/// The output cannot be written.
pub fn run(options: &CallOptions, out: &mut impl Write, err: &mut impl Write) -> io::Result<u8> {
    let said = match call(options, out) {
        Ok(status) => return Ok(status),
        // Who reads the output may go at any time.
        Err(Ended::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            return Err(error)
        }
        Err(Ended::Output(error)) => {
            let what = io_words(&error);
            writeln!(
                err,
                "flatend: cannot write the response to standard output: {what}."
            )?;
            return Ok(1);
        }
        Err(Ended::Signal(status)) => return Ok(status),
        Err(Ended::Sentence(sentence)) => Said(1, sentence),
        Err(Ended::Status(status)) => Said(
            22,
            format!("'{}' answered with status {status}", options.service),
        ),
    };
    out.flush()?;
    writeln!(err, "flatend: {}.", said.1)?;
    Ok(said.0)
}

/// An exit status and its sentence, without the full stop.
struct Said(u8, String);

/// Why the call ended otherwise than well.
enum Ended {
    Sentence(String),
    /// A status from 400 on, which counts as a failure.
    Status(u16),
    Signal(u8),
    Output(io::Error),
}

fn call(options: &CallOptions, out: &mut impl Write) -> Result<u8, Ended> {
    let input = Input::open(&options.body).map_err(Ended::Sentence)?;
    let stop = Stop::watch().map_err(Ended::Sentence)?;
    let (node, events) = start(options).map_err(Ended::Sentence)?;
    let result = connected(options, &events).and_then(|()| {
        let handle = node.handle();
        let work = exchange(options, &handle, input, out);
        block_on(futures_lite::future::or(stopped(&stop), work))
    });
    // What it says is about links that end; the call has said what counts.
    node.shutdown().ok();
    result.map(|()| 0)
}

/// A node for the time of the call. It listens on loopback alone: who dials it back from elsewhere finds nobody.
fn start(options: &CallOptions) -> Result<(Node, Receiver<NodeEvent>), String> {
    let (heard, events) = mpsc::channel();
    let mut builder = Node::builder()
        .shards(1)
        .pin(false)
        .bind("127.0.0.1:0")
        .on_event(move |event| {
            // Nobody listens any more once it is connected.
            heard.send(event).ok();
        });
    for node in &options.nodes {
        builder = builder.bootstrap(node.pinned());
    }
    let node = builder.start().map_err(|error| start_sentence(&error))?;
    Ok((node, events))
}

/// Waits for a link to one of the nodes.
fn connected(options: &CallOptions, events: &Receiver<NodeEvent>) -> Result<(), Ended> {
    let until = Instant::now() + Duration::from_millis(CALL_CONNECT_MS);
    let (mut failed, mut why) = (HashSet::new(), None);
    let nodes: Vec<String> = options.nodes.iter().map(ToString::to_string).collect();
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match events.recv_timeout(left) {
            Ok(NodeEvent::Dialed { .. }) => return Ok(()),
            Ok(NodeEvent::Redialing { target, .. }) => {
                failed.insert(target);
                if nodes.iter().all(|node| failed.contains(node)) {
                    break;
                }
            }
            Ok(NodeEvent::Trouble(what)) => why = Some(what),
            Ok(NodeEvent::PeerFault { what, .. }) => why = Some(format!("the node: {what}")),
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    let why = why.unwrap_or_else(|| format!("no answer within {} s", CALL_CONNECT_MS / 1_000));
    let why = match why.starts_with("cannot reach") {
        true => why,
        false => format!("no link to {}: {why}", nodes.join(" or ")),
    };
    Err(Ended::Sentence(format!(
        "{why}; name a node that listens with --node HOST:PORT"
    )))
}

/// The request and its response.
async fn exchange(
    options: &CallOptions,
    handle: &Handle,
    input: Input,
    out: &mut impl Write,
) -> Result<(), Ended> {
    let mut request = Request::to(&*options.service)
        .headers(options.headers.iter().map(|(name, value)| (name, value)))
        .through_relays(true);
    if let Some(timeout) = options.timeout {
        request = request.timeout(timeout);
    }
    let (called, trouble) = match input {
        Input::Whole(body) => (handle.call(request.body(body)).await, None),
        Input::Stream(source) => match handle.stream(request).await {
            Err(error) => (Err(error), None),
            Ok((body, response)) => {
                let trouble = source.copy_to(body).map_err(Ended::Sentence)?;
                (response.await, Some(trouble))
            }
        },
    };
    let response = called.map_err(|error| {
        let trouble = trouble.as_ref().and_then(input::Trouble::take);
        Ended::Sentence(trouble.unwrap_or_else(|| sentence(options, &error)))
    })?;
    shown(options, response, out).await.map_err(|ended| {
        match (ended, trouble.as_ref().and_then(input::Trouble::take)) {
            (Ended::Sentence(_), Some(trouble)) => Ended::Sentence(trouble),
            (ended, _) => ended,
        }
    })
}

async fn shown(
    options: &CallOptions,
    response: HandleResponse,
    out: &mut impl Write,
) -> Result<(), Ended> {
    let status = response.status();
    if let Some(why) = response.header(RELAY_ERROR) {
        let (service, why) = (&options.service, why.escape_debug());
        return Err(Ended::Sentence(format!(
            "'{service}' has not answered: {why} (status {status} of a node that relays)"
        )));
    }
    if options.include {
        output::head(&response, out).map_err(Ended::Output)?;
    }
    if options.fail && status >= 400 {
        return Err(Ended::Status(status));
    }
    output::body(response, out).await
}

/// What to say when there is no response.
fn sentence(options: &CallOptions, error: &CallError) -> String {
    let service = &options.service;
    let nodes: Vec<String> = options.nodes.iter().map(ToString::to_string).collect();
    let nodes = nodes.join(" or ");
    match (error, options.timeout) {
        (CallError::NoProvider, _) => format!(
            "no node offers '{service}': neither {nodes} nor a node that it names; for one that only dialed it, set relay = true there"
        ),
        (CallError::Refused, _) => {
            format!("no node offers '{service}': {nodes} reaches nobody who does, or who takes a request now")
        }
        (CallError::TimedOut, Some(timeout)) => format!(
            "'{service}' did not answer within {} (--timeout)",
            crate::config::duration::show(timeout)
        ),
        (error, _) => format!("'{service}': {error}"),
    }
}

/// The first signal, and who waits for it.
#[derive(Clone)]
struct Stop(Arc<Mutex<(Option<u8>, Option<Waker>)>>);

impl Stop {
    fn watch() -> Result<Stop, String> {
        let stop = Stop(Arc::default());
        let told = stop.clone();
        signals::on_stop(move |signal| {
            let mut state = told.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.0 = u8::try_from(signal.exit_status()).ok();
            let waker = state.1.take();
            drop(state);
            waker.into_iter().for_each(Waker::wake);
        })
        .map_err(|error| format!("cannot watch for signals: {}", io_words(&error)))?;
        Ok(stop)
    }
}

/// Waits for a signal; the call is given up then, and its links end in order.
async fn stopped(stop: &Stop) -> Result<(), Ended> {
    std::future::poll_fn(|cx| {
        let mut state = stop.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.0 {
            Some(status) => Poll::Ready(Err(Ended::Signal(status))),
            None => {
                state.1 = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    })
    .await
}
