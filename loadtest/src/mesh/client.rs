//! The client process: a node of the Rust SDK that calls, and reads what it and the services used in the same window.
//!
//! Its result is one line of JSON on standard output. Invariant: the window of the figures is the window of the counters.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use clap::Args;
use flatend::{rt, Node};
use futures_lite::future::block_on;

use super::pacer;
use super::tasks::{Order, Tasks};
use super::work::{Doing, Work};
use crate::cli::watched;
use crate::client::{Tally, Window};
use crate::limits::{MESH_GRACE_MS, READY_TIMEOUT_MS};
use crate::measure::{self, Run};
use crate::stop;
use crate::usage::{Meter, Watched};

/// What reports call the client and each of the services.
pub(crate) const CLIENT: &str = "client";
pub(crate) const SERVICE: &str = "service";

/// What the client is told.
#[derive(Clone, Debug, Args)]
pub(crate) struct AskOptions {
    #[arg(long, value_enum)]
    pub(crate) work: Work,
    /// Where a provider listens; may stand several times.
    #[arg(long, required = true)]
    pub(crate) provider: Vec<SocketAddr>,
    /// Speaks as the published packages do.
    #[arg(long)]
    pub(crate) legacy: bool,
    /// Calls or streams under way at once, on all shards together.
    #[arg(long)]
    pub(crate) tasks: usize,
    #[arg(long)]
    pub(crate) shards: usize,
    /// Bytes of each body.
    #[arg(long)]
    pub(crate) bytes: u64,
    /// Open loop: so many a second.
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    /// Longest wait for all providers.
    #[arg(long, default_value_t = READY_TIMEOUT_MS)]
    pub(crate) reach_ms: u64,
    #[arg(long)]
    pub(crate) warm_up_ms: u64,
    #[arg(long)]
    pub(crate) duration_ms: u64,
    /// A process whose use is reported.
    #[arg(long, value_parser = watched)]
    pub(crate) watch: Vec<Watched>,
}

/// Asks as told and prints what was found.
///
/// # Errors
/// As [`run`].
pub(crate) fn ask(options: &AskOptions) -> Result<(), String> {
    let run = run(options)?;
    let text = serde_json::to_string(&run);
    println!("{}", text.map_err(|error| error.to_string())?);
    Ok(())
}

/// Asks as told. Failed calls are no error here: they are in what was found.
///
/// # Errors
/// A sentence: the node cannot start, a provider is not reached, a watched process has ended, or a signal came.
pub(crate) fn run(options: &AskOptions) -> Result<Run, String> {
    let node = connect(options)?;
    let found = load(&node, options);
    // What the load says explains more than what the shutdown then misses.
    let ended = node.shutdown();
    let run = found?;
    ended?;
    Ok(run)
}

fn connect(options: &AskOptions) -> Result<Node, String> {
    let mut builder = Node::builder()
        .shards(options.shards)
        .flatend2(!options.legacy)
        // Who calls needs an identity.
        .bind("127.0.0.1:0")
        .on_event(|_| {});
    for provider in &options.provider {
        builder = builder.bootstrap(provider.to_string());
    }
    let node = builder.start().map_err(|error| error.to_string())?;
    let (service, wanted) = (options.work.service(), options.provider.len());
    let reached = node
        .watch()
        .wait_until(Duration::from_millis(options.reach_ms), |state| {
            state.providers(service).len() == wanted
        });
    reached.map_err(|error| {
        let found = node.state().providers(service).len();
        format!(
            "{found} of {wanted} providers of '{service}' were reached within {} ms: {error}",
            options.reach_ms
        )
    })?;
    Ok(node)
}

fn load(node: &Node, options: &AskOptions) -> Result<Run, String> {
    let begin = Instant::now();
    let warm_up = Duration::from_millis(options.warm_up_ms);
    let length = Duration::from_millis(options.duration_ms);
    let grace = Duration::from_millis(MESH_GRACE_MS);
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let window = Window {
        begin_ns: nanos(warm_up),
        end_ns: nanos(warm_up + length),
    };
    let this = Watched {
        name: CLIENT.to_owned(),
        pid: std::process::id(),
    };
    let watched = [&[this], options.watch.as_slice()].concat();
    let meter = Meter::start(&watched, begin + warm_up, Some(begin + warm_up + length));

    let mailboxes = rt::mailboxes(options.shards).map_err(|error| {
        format!(
            "cannot make mailboxes for {} shards: {error}",
            options.shards
        )
    })?;
    let mut shards = Vec::new();
    for (index, (inbox, address)) in mailboxes.into_iter().enumerate() {
        shards.push(address);
        // Spread as evenly as it goes.
        let tasks = (0..options.tasks).skip(index).step_by(options.shards).len();
        let (work, bytes, is_open) = (options.work, options.bytes, options.rate.is_some());
        let started = node.handle().submit_to(index, move |shard| async move {
            let doing = Doing::new(work, bytes);
            let all = Tasks::new(shard.client(), doing, tasks, begin, window);
            if !is_open {
                all.loop_closed();
            }
            rt::spawn(all.serve(inbox));
        });
        block_on(started).map_err(|error| error.to_string())?;
    }
    let pacer = options
        .rate
        .map(|per_s| pacer::start(per_s, begin, window.end_ns, grace, shards.clone()));
    let end = begin + warm_up + length;
    stop::poll_until(end.saturating_duration_since(Instant::now()), || {
        Ok(None::<()>)
    })?;
    let untold = pacer.map_or(Ok(Vec::new()), |pacer| {
        pacer
            .join()
            .map_err(|_| "the thread that paces calls panicked".to_owned())
    })?;
    let mut all = Tally::new(window);
    for shard in &shards {
        all.merge(&collect(shard, end + grace)?);
    }
    for intended_ns in untold {
        all.leave_unsent(intended_ns, nanos(begin.elapsed()));
    }
    let usage = meter.finish()?;
    Ok(measure::of_tally(
        options.work.name(),
        &all,
        length.as_secs_f64(),
        usage,
        CLIENT,
    ))
}

/// What a shard found, when nothing is under way there any more, or at `last`.
fn collect(shard: &rt::Address<Order>, last: Instant) -> Result<Tally, String> {
    let ask = |cut| {
        let (to, answer) = mpsc::channel();
        let order = Order::Collect { cut, to };
        shard
            .post(order)
            .map_err(|_| "a shard of the client takes no orders any more".to_owned())?;
        answer
            .recv_timeout(Duration::from_millis(READY_TIMEOUT_MS))
            .map_err(|_| "a shard of the client does not answer".to_owned())
    };
    let left = last.saturating_duration_since(Instant::now());
    match stop::poll_until(left, || ask(false))? {
        Some(tally) => Ok(tally),
        None => ask(true)?.ok_or_else(|| "a shard of the client gives nothing".to_owned()),
    }
}
