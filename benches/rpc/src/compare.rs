//! `rpc compare`: every system once a round, in an order that turns round, each run with new processes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use flatend_loadtest::machine::{wait_quiet, Machine};
use flatend_loadtest::placement::{directory, free_addrs, order};
use flatend_loadtest::process::{self, Running};
use flatend_loadtest::{report, stop};
use serde::Serialize;

use crate::ask::Figures;
use crate::certificate;
use crate::cli::{CompareOptions, Cores, Load};
use crate::limits::{CLIENT_GRACE_MS, DISCARDS_A_ROUND_MAX};
use crate::systems::System;
use crate::table;

const NATS_INSTALL: &str = "apt-get install nats-server, or leave it out with --systems";

/// One run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sample {
    pub(crate) cores: Cores,
    pub(crate) load: Load,
    pub(crate) system: System,
    pub(crate) round: u32,
    /// Whether the machine was quiet before; false too if nobody looked.
    pub(crate) quiet_before: bool,
    pub(crate) figures: Figures,
}

/// All of a comparison.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Comparison {
    pub(crate) command: String,
    pub(crate) machine: Machine,
    pub(crate) versions: Vec<String>,
    pub(crate) rounds: u32,
    /// Rounds that others disturbed too much, which were repeated.
    pub(crate) discarded: u32,
    pub(crate) samples: Vec<Sample>,
}

/// Runs the comparison and prints it.
///
/// # Errors
/// A sentence: what is missing, what failed. All processes are ended then.
pub(crate) fn run(options: &CompareOptions) -> Result<(), String> {
    let systems = match options.systems.as_slice() {
        [] => &System::ALL,
        some => some,
    };
    let cores = match *flatend::rt::allowed_cpus() {
        [first, second, ..] => [first, second],
        _ => {
            return Err(
                "two cores are needed, for service and client; this process may use one".to_owned(),
            )
        }
    };
    let dir = directory(options.dir.as_deref())?;
    certificate::make(&dir)?;
    let mut comparison = Comparison {
        command: report::command_line(),
        machine: Machine::read(),
        versions: versions(systems, &dir, cores)?,
        rounds: options.rounds,
        discarded: 0,
        samples: Vec::new(),
    };
    let discards_max = options.rounds.saturating_mul(DISCARDS_A_ROUND_MAX);
    for round in 0..options.rounds {
        for (cores_of, load) in options
            .cores
            .iter()
            .flat_map(|cores| options.loads.iter().map(|load| (*cores, *load)))
        {
            let place = Place {
                cores: cores_of,
                numbers: cores,
                load,
                dir: dir.clone(),
            };
            loop {
                let found = one_round(&place, systems, round, options)?;
                let others = found
                    .iter()
                    .map(|sample| sample.figures.others)
                    .fold(0.0, f64::max);
                if others * 100.0 <= options.others_max || comparison.discarded >= discards_max {
                    comparison.samples.extend(found);
                    break;
                }
                eprintln!("the round is repeated: others disturbed it");
                comparison.discarded += 1;
            }
        }
        // Each time, so that a later failure does not lose it.
        report::write_text(&dir.join("report.md"), &table::markdown(&comparison))?;
        report::write_json(&dir.join("report.json"), &comparison)?;
    }
    print!("{}", table::markdown(&comparison));
    eprintln!("logs and reports: {}", dir.display());
    Ok(())
}

fn one_round(
    place: &Place,
    systems: &[System],
    round: u32,
    options: &CompareOptions,
) -> Result<Vec<Sample>, String> {
    let mut samples = Vec::with_capacity(systems.len());
    for system in order(systems.len(), round).filter_map(|at| systems.get(at)) {
        stop::check()?;
        let quiet_before = wait_quiet(options.quiet_wait)?;
        let figures = place.run(*system, options)?;
        let sample = Sample {
            cores: place.cores,
            load: place.load,
            system: *system,
            round,
            quiet_before,
            figures,
        };
        eprintln!("{}", table::progress(&sample));
        samples.push(sample);
    }
    Ok(samples)
}

/// Where the processes of a run go.
struct Place {
    cores: Cores,
    numbers: [usize; 2],
    load: Load,
    dir: PathBuf,
}

impl Place {
    /// The cores of the service, of the client and of the broker. With a core each for service and client the broker, a third
    /// process, is on whichever of the two is free.
    fn cores(&self) -> [&[usize]; 3] {
        let all = &self.numbers[..];
        match self.cores {
            Cores::One => [&self.numbers[..1], &self.numbers[1..], all],
            Cores::Two => [all, all, all],
        }
    }

    fn run(&self, system: System, options: &CompareOptions) -> Result<Figures, String> {
        let [addr] = free_addrs::<1>()?;
        let [of_service, of_client, of_broker] = self.cores();
        let threads = self.cores.threads().to_string();
        let (word, addr_text) = (system.word(), addr.to_string());
        let dir = self.dir.to_string_lossy().into_owned();
        let told = [
            word.as_str(),
            "--addr",
            &addr_text,
            "--threads",
            &threads,
            "--dir",
            &dir,
        ];
        let broker = match system {
            System::Nats => Some(broker(addr.port(), &threads, of_broker, &self.dir)?),
            _ => None,
        };
        let words = [&["serve"], &told[..]].concat();
        let mut service = process::start_this(&words, "service", of_service, &self.dir)?;
        service.listens(addr)?;
        let (load, service_pid) = (self.load.to_string(), service.pid().to_string());
        let (seconds, warm_up) = (options.seconds.to_string(), options.warm_up.to_string());
        let mut words = [&["ask"], &told[..]].concat();
        words.extend([
            "--load",
            &load,
            "--seconds",
            &seconds,
            "--warm-up",
            &warm_up,
            "--service",
            &service_pid,
        ]);
        let broker_pid = broker.as_ref().map(|broker| broker.pid().to_string());
        if let Some(pid) = &broker_pid {
            words.extend(["--broker", pid]);
        }
        let timeout = Duration::from_secs(options.seconds + options.warm_up)
            + Duration::from_millis(CLIENT_GRACE_MS);
        let text = process::start_this(&words, "client", of_client, &self.dir)?.output(timeout)?;
        let last = text.lines().last().unwrap_or_default();
        serde_json::from_str(last).map_err(|error| format!("the client printed {last:?}: {error}"))
    }
}

/// The broker, which listens when this is over.
fn broker(port: u16, threads: &str, cores: &[usize], dir: &Path) -> Result<Running, String> {
    let mut command = Command::new("nats-server");
    command
        .args(["-a", "127.0.0.1", "-p", &port.to_string()])
        .env("GOMAXPROCS", threads);
    let mut broker = process::start("broker", &mut command, cores, dir, NATS_INSTALL)?;
    broker.listens(([127, 0, 0, 1], port).into())?;
    Ok(broker)
}

/// What takes part, as far as it is not of this working tree.
fn versions(systems: &[System], dir: &Path, cores: [usize; 2]) -> Result<Vec<String>, String> {
    let lock = include_str!("../Cargo.lock");
    let of = |name: &str| {
        let found = lock
            .split("[[package]]")
            .find(|one| one.contains(&format!("name = \"{name}\"\n")));
        let version = found.and_then(|one| one.split("version = \"").nth(1)?.split('"').next());
        format!("{name} {}", version.unwrap_or("unknown"))
    };
    let mut versions = vec![["tonic", "h2", "hyper", "rustls", "async-nats", "tokio"]
        .map(of)
        .join(", ")];
    if systems.contains(&System::Nats) {
        let mut command = Command::new("nats-server");
        let asked = process::start(
            "version",
            command.arg("--version"),
            &cores,
            dir,
            NATS_INSTALL,
        )?;
        versions.push(
            asked
                .output(Duration::from_millis(CLIENT_GRACE_MS))?
                .trim()
                .to_owned(),
        );
    }
    Ok(versions)
}
