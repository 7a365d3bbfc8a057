//! `loadtest mesh`: a client of the Rust SDK calls services over the mesh, each in a process of its own.
//!
//! Owns the order of runs and the report. Every run has new processes, so that memory is that of the run; dialects take turns. Refuses
//! figures of a run in which anything failed.

mod client;
mod options;
mod pacer;
mod table;
mod tasks;
#[cfg(test)]
mod tests;
mod work;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

use crate::limits::{MESH_GRACE_MS, READY_TIMEOUT_MS};
use crate::machine::{self, Machine};
use crate::measure::Run;
use crate::placement::{self, order, Cores};
use crate::process::{self, Running};
use crate::{report, stop};
use client::SERVICE;
use work::Work;

pub(crate) use client::{ask, AskOptions};
pub(crate) use options::{Dialect, MeshOptions};

/// One run of the client.
#[derive(Clone, Debug, Serialize)]
struct Sample {
    work: Work,
    dialect: Dialect,
    round: u32,
    /// Whether the machine was quiet before the run; false too if nobody looked.
    quiet_before: bool,
    run: Run,
}

/// What the runs of one work had in common.
#[derive(Clone, Copy, Debug, Serialize)]
struct Setting {
    tasks: u64,
    call_bytes: u64,
    streams: u64,
    stream_bytes: u64,
    providers: u64,
    client_shards: u64,
    /// Of an open loop.
    per_s: Option<f64>,
}

/// All of a mesh load.
#[derive(Clone, Debug, Serialize)]
struct Report {
    command: String,
    machine: Machine,
    cores: Cores,
    setting: Setting,
    rounds: u32,
    samples: Vec<Sample>,
}

/// Runs the load and prints what it found.
///
/// # Errors
/// A sentence: a call failed, a process ended, or a signal came. All processes are ended then.
pub(crate) fn run(options: &MeshOptions) -> Result<(), String> {
    let works = match options.work.as_slice() {
        [] => Work::value_variants(),
        named => named,
    };
    let cores = Cores::choose(&flatend::rt::allowed_cpus())?;
    let dir = placement::directory(options.dir.as_deref())?;
    let mut report = Report {
        command: report::command_line(),
        machine: Machine::read(),
        cores,
        setting: Setting {
            tasks: options.tasks,
            call_bytes: options.call_bytes,
            streams: options.streams,
            stream_bytes: options.stream_bytes,
            providers: options.providers,
            client_shards: options.shards,
            per_s: options.rate,
        },
        rounds: options.rounds,
        samples: Vec::new(),
    };
    for work in works {
        for round in 0..options.rounds {
            for at in order(options.dialects.len(), round) {
                let Some(dialect) = options.dialects.get(at).copied() else {
                    continue;
                };
                stop::check()?;
                let quiet_before = machine::wait_quiet(options.quiet_wait)?;
                let run = one(*work, dialect, options, cores, &dir)
                    .map_err(|error| format!("{}, {}: {error}", work.name(), dialect.name()))?;
                let sample = Sample {
                    work: *work,
                    dialect,
                    round,
                    quiet_before,
                    run,
                };
                eprintln!("{}", table::progress(&sample));
                report.samples.push(sample);
            }
        }
        // Each time, so that a later failure does not lose it.
        report::write_text(&dir.join("report.md"), &table::markdown(&report))?;
        report::write_json(&dir.join("report.json"), &report)?;
    }
    print!("{}", table::markdown(&report));
    eprintln!("logs and reports: {}", dir.display());
    Ok(())
}

/// One run with processes of its own.
fn one(
    work: Work,
    dialect: Dialect,
    options: &MeshOptions,
    cores: Cores,
    dir: &Path,
) -> Result<Run, String> {
    let legacy = match dialect {
        Dialect::Flatend2 => &[][..],
        Dialect::Legacy => &["--legacy"],
    };
    let (tasks, bytes) = match work.is_stream() {
        false => (options.tasks, options.call_bytes),
        true => (options.streams, options.stream_bytes),
    };
    let mut words: Vec<String> = ["ask-mesh", "--work", work.name()]
        .iter()
        .chain(legacy)
        .map(|word| (*word).to_owned())
        .collect();
    let mut tell = |name: &str, value: &dyn ToString| {
        words.extend([format!("--{name}"), value.to_string()]);
    };
    tell("tasks", &tasks);
    tell("bytes", &bytes);
    tell("shards", &options.shards);
    tell("warm-up-ms", &options.warm_up.as_millis());
    tell("duration-ms", &options.duration.as_millis());
    if let Some(rate) = options.rate {
        tell("rate", &rate);
    }
    let mut providers = Vec::new();
    for number in 1..=options.providers {
        let (addr, running) = provider(number, legacy, cores, dir)?;
        tell("provider", &addr);
        tell("watch", &format!("{SERVICE}={}", running.pid()));
        providers.push(running);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let on = match options.shards {
        1 => vec![cores.others],
        _ => vec![cores.proxy, cores.others],
    };
    let client = process::start_this(&words, "client", &on, dir)?;
    let longest = Duration::from_millis(2 * READY_TIMEOUT_MS + 2 * MESH_GRACE_MS);
    let printed = client.output(options.warm_up + options.duration + longest)?;
    let run: Run = serde_json::from_str(&printed)
        .map_err(|error| format!("the client printed what cannot be read ({error}): {printed}"))?;
    run.expect_clean()?;
    Ok(run)
}

fn provider(
    number: u64,
    legacy: &[&str],
    cores: Cores,
    dir: &Path,
) -> Result<(SocketAddr, Running), String> {
    let [addr] = placement::free_addrs()?;
    let text = addr.to_string();
    let words = [&["serve-mesh", "--addr", &text], legacy].concat();
    let name = format!("service-{number}");
    let mut running = process::start_this(&words, &name, &[cores.proxy], dir)?;
    running.listens(addr)?;
    Ok((addr, running))
}
