//! One run against one server: the client is `loadtest run`, or for bulk two threads of ours. Owns the figures of a run; refuses those
//! of a run in which anything went wrong.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use flatend_loadtest::placement::{free_addrs, Cores};
use flatend_loadtest::process::{self, Running};
use serde::{Deserialize, Serialize};

use crate::bulk;
use crate::cli::{CompareOptions, Work};
use crate::counters::Counts;
use crate::limits::CLIENT_GRACE_MS;
use crate::spec::Spec;

const LOADTEST_BUILD: &str =
    "cargo build --release -p flatend-loadtest, and say with --loadtest where it is";

/// What one run found. A unit of work is a request, or 10^9 bytes of bulk.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Figures {
    /// The server's seconds on a core a unit.
    pub(crate) cpu_s: f64,
    /// The upstream's.
    pub(crate) upstream_cpu_s: Option<f64>,
    /// Units a second.
    pub(crate) rate: f64,
    pub(crate) p50_us: Option<f64>,
    pub(crate) p99_us: Option<f64>,
    /// System calls a request or a piece, warm-up too.
    pub(crate) calls: f64,
    /// Requests or pieces a wait, warm-up too.
    pub(crate) a_turn: f64,
    /// Bytes of a piece.
    pub(crate) piece_bytes: Option<f64>,
    /// Share of the zero-copy sends that were copied.
    pub(crate) copied: f64,
    /// Share of all cores that the hypervisor took.
    pub(crate) steal: f64,
    /// Share of all cores that others used.
    pub(crate) others: f64,
}

/// What is asked of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Load {
    pub(crate) work: Work,
    /// Connections, or KiB of a piece.
    pub(crate) size: usize,
}

/// Where runs take place.
pub(crate) struct Place<'o> {
    pub(crate) cores: Cores,
    pub(crate) dir: PathBuf,
    pub(crate) options: &'o CompareOptions,
}

impl Place<'_> {
    /// # Errors
    /// A process does not start, or fails; requests failed.
    pub(crate) fn run(&self, load: Load, spec: Spec) -> Result<Figures, String> {
        match load.work {
            Work::Bulk => self.bulk(load.size, spec),
            Work::Answer => self.requests(load.size, spec, false),
            Work::Relay => self.requests(load.size, spec, true),
        }
    }

    fn serve(&self, words: &[&str], name: &str, core: usize) -> Result<Running, String> {
        let words = [&["serve"], words].concat();
        process::start_this(&words, name, &[core], &self.dir)
    }

    fn requests(&self, connections: usize, spec: Spec, relays: bool) -> Result<Figures, String> {
        let [addr, behind] = free_addrs()?;
        let (addr_text, behind_text, spec_text) =
            (addr.to_string(), behind.to_string(), spec.to_string());
        let mut upstream = None;
        let mut words = vec!["answer", "--addr", &addr_text, "--loop", &spec_text];
        if relays {
            let words_behind = ["upstream", "--addr", &behind_text];
            let mut started = self.serve(&words_behind, "upstream", self.cores.others)?;
            started.listens(behind)?;
            upstream = Some(started);
            words[0] = "relay";
            words.extend(["--upstream", &behind_text]);
        }
        let mut server = self.serve(&words, "server", self.cores.proxy)?;
        server.listens(addr)?;
        let run = self.client(addr, connections, &server, upstream.as_ref())?;
        let counts = counts_of(server, &self.dir)?;
        let requests = run.groups.iter().map(|group| group.completed).sum::<u64>() as f64;
        let group = run.groups.first().ok_or("the client reports no group")?;
        let cpu_s = |name: &str| {
            let own = run.usage.processes.iter().find(|one| one.name == name);
            own.map(|own| own.cpu_s / requests)
        };
        Ok(Figures {
            cpu_s: cpu_s("server").ok_or("the client does not report the server")?,
            upstream_cpu_s: cpu_s("upstream"),
            rate: requests / run.seconds,
            p50_us: Some(group.latency.p50_us),
            p99_us: Some(group.latency.p99_us),
            calls: counts.calls as f64 / counts.done as f64,
            a_turn: counts.done as f64 / counts.turns as f64,
            piece_bytes: None,
            copied: counts.copied as f64 / counts.done as f64,
            steal: run.usage.machine.steal,
            others: run.others_share,
        })
    }

    fn client(
        &self,
        addr: SocketAddr,
        connections: usize,
        server: &Running,
        upstream: Option<&Running>,
    ) -> Result<Run, String> {
        let json = self.dir.join("client.json");
        let (seconds, warm_up_ms) = (self.options.seconds, self.options.warm_up_ms);
        let mut command = Command::new(&self.options.loadtest);
        command
            .args(["run", "--path", "/hello", "--expect-length", "13"])
            .args(["--url", &format!("http://{addr}")])
            .args(["--connections", &connections.to_string()])
            .args(["--duration", &format!("{seconds}s")])
            .args(["--warm-up", &format!("{warm_up_ms}ms")])
            .args(["--watch", &format!("server={}", server.pid())])
            .arg("--json")
            .arg(&json);
        if let Some(upstream) = upstream {
            command.args(["--watch", &format!("upstream={}", upstream.pid())]);
        }
        let timeout =
            Duration::from_secs(seconds) + Duration::from_millis(warm_up_ms + CLIENT_GRACE_MS);
        process::start(
            "client",
            &mut command,
            &[self.cores.others],
            &self.dir,
            LOADTEST_BUILD,
        )?
        .output(timeout)?;
        let text = read(&json)?;
        let report: Report = serde_json::from_str(&text).map_err(|error| {
            format!(
                "{}: {error}; is --loadtest of this working tree?",
                json.display()
            )
        })?;
        let run = report
            .runs
            .into_iter()
            .next()
            .ok_or("the client reports no run")?;
        match run
            .groups
            .iter()
            .map(|group| group.failed + group.unanswered)
            .sum::<u64>()
        {
            0 => Ok(run),
            failed => Err(format!("{failed} requests failed: see {}", json.display())),
        }
    }

    fn bulk(&self, piece_kib: usize, spec: Spec) -> Result<Figures, String> {
        let [addr] = free_addrs()?;
        let (addr_text, spec_text, kib) =
            (addr.to_string(), spec.to_string(), piece_kib.to_string());
        let words = [
            "bulk",
            "--addr",
            &addr_text,
            "--loop",
            &spec_text,
            "--piece-kib",
            &kib,
        ];
        let mut server = self.serve(&words, "server", self.cores.proxy)?;
        let passed = bulk::carry(addr, &mut server, self.cores.others)?;
        let counts = counts_of(server, &self.dir)?;
        let units = passed.bytes as f64 / 1e9;
        Ok(Figures {
            cpu_s: passed.server_cpu_s / units,
            upstream_cpu_s: None,
            rate: units / passed.seconds,
            p50_us: None,
            p99_us: None,
            calls: counts.calls as f64 / counts.done as f64,
            a_turn: counts.done as f64 / counts.turns as f64,
            piece_bytes: Some(passed.bytes as f64 / counts.done as f64),
            copied: counts.copied as f64 / counts.done as f64,
            steal: passed.steal,
            others: passed.others,
        })
    }
}

/// Ends a server and reads what it counted.
fn counts_of(server: Running, dir: &Path) -> Result<Counts, String> {
    drop(server);
    let log = dir.join("server.log");
    let text = read(&log)?;
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last).map_err(|_| format!("{}: the server failed: {last}", log.display()))
}

fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))
}

/// What is of interest here in the JSON of `loadtest run`.
#[derive(Deserialize)]
struct Report {
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    seconds: f64,
    groups: Vec<Group>,
    usage: Usage,
    others_share: f64,
}

#[derive(Deserialize)]
struct Group {
    completed: u64,
    failed: u64,
    unanswered: u64,
    latency: Latency,
}

#[derive(Deserialize)]
struct Latency {
    p50_us: f64,
    p99_us: f64,
}

#[derive(Deserialize)]
struct Usage {
    processes: Vec<Process>,
    machine: Shares,
}

#[derive(Deserialize)]
struct Process {
    name: String,
    cpu_s: f64,
}

#[derive(Deserialize)]
struct Shares {
    steal: f64,
}
