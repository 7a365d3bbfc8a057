//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::compare::Workload;
use crate::limits::{BODY_BYTES_MAX, ROUNDS_MAX, STATUS_MAX, STATUS_MIN};
use crate::mesh::{AskOptions, MeshOptions};
use crate::plan::{self, Plan};
use crate::soak::SoakOptions;
use crate::usage::Watched;

/// Load tests: any HTTP/1.1 server under a plan, and the flatend gateway beside nginx and HAProxy.
#[derive(Debug, Parser)]
#[command(name = "loadtest", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Loads a server as a plan says, and reports latencies, rates and what it cost.
    #[command(after_help = RUN_HELP)]
    Run(Box<RunOptions>),
    /// Compares the gateway with nginx and HAProxy, workload by workload, in interleaved rounds.
    #[command(after_help = COMPARE_HELP)]
    Compare(CompareOptions),
    /// Loads services over the mesh with a client of the Rust SDK: calls and streams, flatend/2 and legacy.
    #[command(after_help = MESH_HELP)]
    Mesh(MeshOptions),
    /// Sends a mix of everything through a gateway for long, and tells whether its memory and descriptors stay flat.
    #[command(after_help = SOAK_HELP)]
    Soak(SoakOptions),
    /// Services of the comparison, until standard input ends.
    #[command(hide = true)]
    ServeNode {
        /// The node to dial, `host:port`.
        #[arg(long)]
        node: String,
        /// Speaks as the published packages do.
        #[arg(long)]
        legacy: bool,
    },
    /// A provider of the mesh load, until standard input ends.
    #[command(hide = true)]
    ServeMesh {
        /// Where it listens, `host:port`.
        #[arg(long)]
        addr: std::net::SocketAddr,
        /// Speaks as the published packages do.
        #[arg(long)]
        legacy: bool,
    },
    /// The client of the mesh load; prints what it found as JSON.
    #[command(hide = true)]
    AskMesh(AskOptions),
    /// A server of the comparison that takes uploads, until standard input ends.
    #[command(hide = true)]
    ServeSink {
        /// Where it listens, `host:port`.
        #[arg(long)]
        addr: std::net::SocketAddr,
        /// A certificate, PEM: it speaks TLS 1.3 then.
        #[arg(long, requires = "key")]
        certificate: Option<std::path::PathBuf>,
        /// The certificate's key, PEM.
        #[arg(long, requires = "certificate")]
        key: Option<std::path::PathBuf>,
    },
}

const RUN_HELP: &str = "\
Examples:
  loadtest run --url http://127.0.0.1:3000 --path /hello --connections 64 --duration 10s --watch server=$(pidof -s nginx)
  loadtest run --url http://127.0.0.1:3000 --path /hello --connections 64 --rate 5000
  loadtest run loadtest/plans/hello.toml --url http://127.0.0.1:3000 --rounds 5 --json hello.json

Without --rate the loop is closed: a connection sends when its answer has come, so a server that stalls is asked less,
and its stall shows in few latencies. With --rate it is open: requests have intended times, and latency counts from there.";

const COMPARE_HELP: &str = "\
One worker, thread or shard each, on the first core of those allowed; the client and the servers behind on the second.
Configurations, logs, report.md and report.json stay in the directory that is named at the end.
nginx and HAProxy must be installed: apt-get install nginx-light haproxy. `download` also needs Node.js and the npm package
flatend 0.0.8 (npm ci in the project's folder interop), or --subjects gateway,nginx,haproxy, which leaves it out.";

const MESH_HELP: &str = "\
Examples:
  loadtest mesh call --tasks 64 --call-bytes 64 --rounds 5
  loadtest mesh call --rate 20000 --dialects flatend2
  loadtest mesh up down both --streams 4 --stream-bytes 64000000

Each run has new processes: the providers on the first core of those allowed, the client on the second, each with one shard
(--shards gives the client more). A run in which one call fails has no figures: it is an error that tells what failed how often.";

const SOAK_HELP: &str = "\
Examples:
  loadtest soak --duration 10m
  loadtest soak --duration 5m --restart-every 10s --kill
  loadtest soak my-mix.toml --duration 60m --event-streams 200

A gateway of one shard, two processes of services behind it that are restarted in turn, requests at the rates of the plan, event
streams that stay open. Memory and descriptors are flat if the line through their readings grows, over the last two thirds, by no
more than 5 % of their median, or 2 MiB and 4 descriptors. Growth, or a request that failed though no service was killed, is an
error. A plan may ask for /hello, /api/v1/resource-001/N to -200, /bytes/N, POST /count and /events.";

#[derive(Debug, Args)]
pub(crate) struct RunOptions {
    /// A plan file; without one, the flags below are the plan.
    #[arg(conflicts_with = "path")]
    pub(crate) plan: Option<PathBuf>,
    /// The server, `http://ADDRESS:PORT`; wins over the plan's.
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// Length of the measured part.
    #[arg(long, value_parser = plan::parse_duration)]
    pub(crate) duration: Option<Duration>,
    /// What is left out before it.
    #[arg(long, value_parser = plan::parse_duration)]
    pub(crate) warm_up: Option<Duration>,
    /// Runs, of which medians and ranges are reported.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=i64::from(ROUNDS_MAX)))]
    pub(crate) rounds: Option<u32>,
    /// A process whose CPU time and memory are reported, its children included; may stand several times.
    #[arg(long, value_name = "NAME=PID", value_parser = watched)]
    pub(crate) watch: Vec<Watched>,
    /// Keeps the client on this core.
    #[arg(long)]
    pub(crate) core: Option<usize>,
    /// Writes all figures of every single run as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Writes the printed report to a file too.
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) flags: PlanFlags,
}

/// A plan of one group.
#[derive(Debug, Args)]
pub(crate) struct PlanFlags {
    /// Path of the request; `{1..200}` in it stands for each number in turn.
    #[arg(long, required_unless_present = "plan")]
    path: Option<String>,
    #[arg(long, conflicts_with = "plan", default_value = "GET")]
    method: String,
    /// `name: value`; may stand several times.
    #[arg(long, conflicts_with = "plan")]
    field: Vec<String>,
    /// The request's body.
    #[arg(long, conflicts_with = "plan")]
    body: Option<String>,
    /// A body of so many bytes of a test pattern instead.
    #[arg(long, conflicts_with_all = ["plan", "body"])]
    body_bytes: Option<u64>,
    /// Status that the answer must have.
    #[arg(long, conflicts_with = "plan", default_value_t = 200,
        value_parser = clap::value_parser!(u16).range(i64::from(STATUS_MIN)..=i64::from(STATUS_MAX)))]
    expect_status: u16,
    /// Bytes that the answer's body must have.
    #[arg(long, conflicts_with = "plan")]
    expect_length: Option<u64>,
    /// Text that the answer's body must be.
    #[arg(long, conflicts_with = "plan")]
    expect_body: Option<String>,
    /// Connections.
    #[arg(long, conflicts_with = "plan", default_value_t = 1)]
    connections: u32,
    /// Requests that a connection has outstanding at once.
    #[arg(long, conflicts_with = "plan", default_value_t = 1)]
    pipeline: u32,
    /// Closes a connection after so many requests.
    #[arg(long, conflicts_with = "plan")]
    requests_a_connection: Option<u64>,
    /// Ends after so many requests instead of a time.
    #[arg(long, conflicts_with_all = ["plan", "rate"])]
    requests: Option<u64>,
    /// Open loop: so many requests a second, whatever the answers do.
    #[arg(long, conflicts_with = "plan")]
    rate: Option<f64>,
}

impl PlanFlags {
    /// The plan that the flags say.
    pub(crate) fn plan(&self) -> Plan {
        let request = plan::Request {
            method: self.method.clone(),
            fields: self.field.clone(),
            body: self.body.clone(),
            body_bytes: self.body_bytes,
            expect: plan::Expect {
                status: self.expect_status,
                length: self.expect_length,
                body: self.expect_body.clone(),
                ..plan::Expect::default()
            },
            ..plan::Request::get(self.path.as_deref().unwrap_or("/"))
        };
        Plan::of(plan::Group {
            name: request.path.clone(),
            connections: self.connections,
            pipeline: self.pipeline,
            requests_a_connection: self.requests_a_connection,
            requests: self.requests,
            rate: self.rate,
            requests_sent: vec![request],
        })
    }
}

fn percent(text: &str) -> Result<f64, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| format!("\"{text}\" is no number"))?;
    if (0.0..=100.0).contains(&number) {
        Ok(number)
    } else {
        Err(format!("\"{text}\" is not from 0 to 100"))
    }
}

pub(crate) fn watched(text: &str) -> Result<Watched, String> {
    let wrong = || format!("\"{text}\" is no process: write NAME=PID, like gateway=4711");
    let (name, pid) = text.split_once('=').ok_or_else(wrong)?;
    let pid = pid.parse().map_err(|_| wrong())?;
    Ok(Watched {
        name: name.to_owned(),
        pid,
    })
}

#[derive(Debug, Args)]
pub(crate) struct CompareOptions {
    /// What is compared; all of it if nothing is named.
    #[arg(value_enum)]
    pub(crate) workloads: Vec<Workload>,
    /// Rounds; each runs every subject once.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=i64::from(ROUNDS_MAX)))]
    pub(crate) rounds: u32,
    /// Seconds of the measured part of each run.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) seconds: u64,
    /// Keep-alive connections of the client for small requests; several numbers with commas between.
    #[arg(long, default_value = "64", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=8_000))]
    pub(crate) connections: Vec<u32>,
    /// Bytes of each bulk transfer.
    #[arg(long, default_value_t = 1_000_000_000, value_parser = clap::value_parser!(u64).range(1..=BODY_BYTES_MAX))]
    pub(crate) bytes: u64,
    /// Only subjects whose name begins so: `gateway`, `nginx`, `haproxy`, `npm` (downloads); several with commas between.
    #[arg(long, value_delimiter = ',')]
    pub(crate) subjects: Vec<String>,
    /// Throws a round away and repeats it if other processes used more than this share of all cores, in percent, during one
    /// of its runs; 100 keeps all.
    #[arg(long, value_name = "PERCENT", default_value_t = 100.0, value_parser = percent)]
    pub(crate) others_max: f64,
    /// Before each run, waits this many seconds at most for the other processes of the machine to be quiet.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=3600))]
    pub(crate) quiet_wait: u64,
    /// The gateway's binary [default: `flatend` beside this program].
    #[arg(long, value_name = "PATH")]
    pub(crate) gateway: Option<PathBuf>,
    /// The npm package that `download` has as a service: its folder, or one with a `node_modules` [default: `interop` of the
    /// project that this is called in, or built in].
    #[arg(long, value_name = "DIR")]
    pub(crate) npm: Option<PathBuf>,
    /// Keeps configurations, logs and reports here [default: a new directory for temporary files].
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

#[cfg(test)]
#[path = "cli_tests.rs"]
mod tests;
