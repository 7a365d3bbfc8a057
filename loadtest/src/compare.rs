//! `loadtest compare`: the gateway and nginx, each as a proxy in front of a hello, in interleaved rounds of the same client.
//!
//! Owns the runs and their figures. Everything is started once and idles while the other is measured.

use std::net::SocketAddr;
use std::path::Path;

use serde::Serialize;

use crate::cli::CompareOptions;
use crate::limits::{DISCARDS_A_ROUND_MAX, WARM_UP_S};
use crate::machine::{self, Machine};
use crate::nginx::Fields;
use crate::plan::{self, Cores};
use crate::proc_stat::{cpu_seconds, waited_seconds, MachineStat};
use crate::process::Running;
use crate::{gateway, nginx, report, stop, wrk};

const PATH: &str = "/hello";

/// A proxy and the server behind it.
#[derive(Debug)]
struct Subject {
    name: &'static str,
    addr: SocketAddr,
    // Ended in this order: the proxy first.
    proxy: Running,
    server: Running,
}

/// One run of the client.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sample {
    pub(crate) subject: &'static str,
    pub(crate) connections: u32,
    pub(crate) round: u32,
    pub(crate) requests: u64,
    pub(crate) requests_per_s: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// CPU time of the proxy, microseconds a request; so the two below.
    pub(crate) proxy_cpu_us: f64,
    pub(crate) server_cpu_us: f64,
    pub(crate) client_cpu_us: f64,
    /// Share of all cores' time that the hypervisor took.
    pub(crate) steal_share: f64,
    /// Share of all cores' time that neither of the three used: other processes, and this one.
    pub(crate) other_share: f64,
    /// Whether the machine was quiet before the run; false too if nobody looked.
    pub(crate) quiet_before: bool,
}

/// All of a comparison.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Comparison {
    pub(crate) command: String,
    pub(crate) machine: Machine,
    pub(crate) cores: Cores,
    pub(crate) seconds: u64,
    pub(crate) rounds: u32,
    /// Rounds that others disturbed too much, which were repeated.
    pub(crate) discarded: u32,
    pub(crate) samples: Vec<Sample>,
    /// Name and text of each configuration.
    pub(crate) configurations: Vec<(&'static str, String)>,
}

/// Runs the comparison and prints it.
///
/// # Errors
/// A sentence: what is missing, what failed. All processes are ended then.
pub(crate) fn run(options: &CompareOptions) -> Result<(), String> {
    let cores = Cores::choose(&flatend::rt::allowed_cpus())?;
    let binary = gateway::binary(options.common.gateway.as_deref())?;
    let dir = plan::directory(options.common.dir.as_deref())?;
    let [http, mesh, proxy, telling, upstream, behind] = plan::free_addrs()?;
    let most = options.connections.iter().copied().max().unwrap_or(1);

    let gateway_config = gateway::config(gateway::Addrs { http, mesh }, &[("GET /hello", "hello")]);
    let proxy_config = nginx::proxy_config(proxy, upstream, most, Fields::None);
    let telling_config = nginx::proxy_config(telling, behind, most, Fields::AsTheGateway);
    let upstream_config = nginx::upstream_config(upstream);
    let subjects = [
        start_gateway(&binary, &gateway_config, (http, mesh), cores, &dir)?,
        start_nginx(
            ("nginx", "nginx-proxy", "nginx-upstream"),
            (&proxy_config, &upstream_config),
            (proxy, upstream),
            cores,
            &dir,
        )?,
        start_nginx(
            (
                "nginx, fields as the gateway",
                "nginx-telling",
                "nginx-behind",
            ),
            (&telling_config, &nginx::upstream_config(behind)),
            (telling, behind),
            cores,
            &dir,
        )?,
    ];

    let machine = Machine::read();
    let (samples, discarded) = measure(options, &subjects, cores, &dir)?;
    drop(subjects);
    let comparison = Comparison {
        command: report::command_line(),
        machine,
        cores,
        seconds: options.seconds,
        rounds: options.rounds,
        discarded,
        samples,
        configurations: vec![
            ("gateway", gateway_config),
            ("nginx-proxy", proxy_config),
            ("nginx-telling", telling_config),
            ("nginx-upstream", upstream_config),
        ],
    };
    print!("{}", report::comparison(&comparison));
    println!("\nConfigurations and logs: {}", dir.display());
    report::write_json(options.common.json.as_deref(), &comparison)
}

fn start_gateway(
    binary: &Path,
    config: &str,
    (http, mesh): (SocketAddr, SocketAddr),
    cores: Cores,
    dir: &Path,
) -> Result<Subject, String> {
    let mut proxy = gateway::start(binary, config, cores.proxy, dir)?;
    // The provider dials at once then, without a pause before a second try.
    let server = proxy
        .listens(mesh)
        .and_then(|()| gateway::start_provider("serve-hello", mesh, cores.others, dir))?;
    proxy.answers(http, PATH)?;
    Ok(Subject {
        name: "gateway",
        addr: http,
        proxy,
        server,
    })
}

fn start_nginx(
    (name, proxy_name, server_name): (&'static str, &str, &str),
    (proxy_config, upstream_config): (&str, &str),
    (addr, upstream): (SocketAddr, SocketAddr),
    cores: Cores,
    dir: &Path,
) -> Result<Subject, String> {
    let mut server = nginx::start(server_name, upstream_config, cores.others, dir)?;
    server.answers(upstream, PATH)?;
    let mut proxy = nginx::start(proxy_name, proxy_config, cores.proxy, dir)?;
    proxy.answers(addr, PATH)?;
    Ok(Subject {
        name,
        addr,
        proxy,
        server,
    })
}

fn measure(
    options: &CompareOptions,
    subjects: &[Subject],
    cores: Cores,
    dir: &Path,
) -> Result<(Vec<Sample>, u32), String> {
    let discards_max = options.rounds.saturating_mul(DISCARDS_A_ROUND_MAX);
    let mut samples = Vec::new();
    let mut discarded = 0;
    for &connections in &options.connections {
        for subject in subjects {
            wrk::run(
                subject.addr,
                PATH,
                connections,
                WARM_UP_S,
                cores.others,
                dir,
            )?;
        }
        for round in 0..options.rounds {
            loop {
                let found = measure_round(options, subjects, connections, round, cores, dir)?;
                let disturbed = found
                    .iter()
                    .any(|sample| sample.other_share * 100.0 > options.others_max);
                if !disturbed || discarded >= discards_max {
                    samples.extend(found);
                    break;
                }
                eprintln!("the round is repeated: others disturbed it");
                discarded += 1;
            }
        }
    }
    Ok((samples, discarded))
}

fn measure_round(
    options: &CompareOptions,
    subjects: &[Subject],
    connections: u32,
    round: u32,
    cores: Cores,
    dir: &Path,
) -> Result<Vec<Sample>, String> {
    let mut samples = Vec::with_capacity(subjects.len());
    for subject in plan::order(subjects.len(), round).filter_map(|at| subjects.get(at)) {
        stop::check()?;
        let quiet_before = machine::wait_quiet(options.common.quiet_wait)?;
        let run = || {
            wrk::run(
                subject.addr,
                PATH,
                connections,
                options.seconds,
                cores.others,
                dir,
            )
        };
        let sample = sample(subject, connections, round, quiet_before, run)?;
        eprintln!("{}", report::progress(&sample));
        samples.push(sample);
    }
    Ok(samples)
}

fn sample(
    subject: &Subject,
    connections: u32,
    round: u32,
    quiet_before: bool,
    run: impl FnOnce() -> Result<wrk::Outcome, String>,
) -> Result<Sample, String> {
    let read = || {
        Ok::<_, String>((
            cpu_seconds(subject.proxy.pid())?,
            cpu_seconds(subject.server.pid())?,
            waited_seconds()?,
            MachineStat::read()?,
        ))
    };
    let before = read()?;
    let outcome = run().map_err(|error| format!("{}: {error}", subject.name))?;
    let after = read()?;
    let (proxy_s, server_s, client_s) =
        (after.0 - before.0, after.1 - before.1, after.2 - before.2);
    let shares = after.3.since(before.3);
    let ours = (proxy_s + server_s + client_s) / shares.total_s.max(f64::MIN_POSITIVE);
    let a_request = |seconds: f64| seconds * 1e6 / outcome.requests as f64;
    Ok(Sample {
        subject: subject.name,
        connections,
        round,
        requests: outcome.requests,
        requests_per_s: outcome.requests_per_s,
        p50_us: outcome.p50_us,
        p99_us: outcome.p99_us,
        proxy_cpu_us: a_request(proxy_s),
        server_cpu_us: a_request(server_s),
        client_cpu_us: a_request(client_s),
        steal_share: shares.steal,
        other_share: (shares.busy - ours).max(0.0),
        quiet_before,
    })
}
