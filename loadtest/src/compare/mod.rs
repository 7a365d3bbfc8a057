//! `loadtest compare`: the gateway, nginx and HAProxy under the same client, workload by workload, in interleaved rounds.
//!
//! Owns the order of things and the report. Everything of a workload is started once and idles while the others are measured, except
//! where memory is compared: there every run has new processes.

mod entrant;
mod pace;
mod rounds;
mod table;
#[cfg(test)]
mod tests;
mod workload;

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::CompareOptions;
use crate::machine::Machine;
use crate::pattern::Pattern;
use crate::placement::{self, Cores};
use crate::subjects::npm::Package;
use crate::subjects::{self, Place, Subject};
use crate::{report, stop};
use entrant::Entrant;
use rounds::{Sample, Series};
use workload::Kind;

pub(crate) use workload::Workload;

const SMALL_FILE_BYTES: u64 = 1_024;
const LARGE_FILE_BYTES: u64 = 100_000_000;

/// All of a comparison.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Comparison {
    pub(crate) command: String,
    pub(crate) machine: Machine,
    /// What the rivals say of themselves.
    pub(crate) versions: Vec<String>,
    pub(crate) cores: Cores,
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
    let workloads = match options.workloads.as_slice() {
        [] => Workload::all(),
        named => named,
    };
    let entrants_of = |workload: Workload| {
        let mut entrants = workload.entrants();
        entrants.retain(|entrant| takes_part(&options.subjects, *entrant));
        entrants
    };
    if let Some(workload) = workloads
        .iter()
        .find(|workload| entrants_of(**workload).is_empty())
    {
        return Err(format!(
            "nobody takes part in {}: --subjects knows gateway, nginx, haproxy, and npm for downloads",
            workload.name()
        ));
    }
    let cores = Cores::choose(&flatend::rt::allowed_cpus())?;
    let gateway = subjects::gateway::binary(options.gateway.as_deref())?;
    let mut versions = versions(workloads.iter().flat_map(|workload| entrants_of(*workload)))?;
    versions.push(subjects::gateway::age(&gateway)?);
    let npm_takes_part = workloads
        .iter()
        .flat_map(|workload| entrants_of(*workload))
        .any(|entrant| entrant == Entrant::NPM);
    let npm = match npm_takes_part {
        true => Some(Package::find(options.npm.as_deref())?),
        false => None,
    };
    if let Some(package) = &npm {
        versions.push(package.versions()?);
    }
    let dir = placement::directory(options.dir.as_deref())?;
    let mut comparison = Comparison {
        command: report::command_line(),
        machine: Machine::read(),
        versions,
        cores,
        rounds: options.rounds,
        discarded: 0,
        samples: Vec::new(),
    };
    let files = dir.join("files");
    let _files = Removed(files.clone());
    eprintln!("configurations, logs and reports: {}", dir.display());
    write_files(&files, workloads, options.bytes)?;
    let place = |workload: Workload, entrant: &Entrant| Place {
        gateway: gateway.clone(),
        npm: npm.clone(),
        cores,
        dir: dir.join(workload.name()).join(entrant.directory()),
        files: files.clone(),
        connections: options.connections.iter().copied().max().unwrap_or(1),
    };
    // What does not start is told now, not after the workloads before it.
    eprintln!("rehearsal: every subject is started once");
    for workload in workloads {
        for entrant in entrants_of(*workload) {
            stop::check()?;
            drop(entrant.start(workload.task(), &place(*workload, &entrant))?);
        }
    }
    for workload in workloads {
        let entrants = entrants_of(*workload);
        let places: Vec<Place> = entrants
            .iter()
            .map(|entrant| place(*workload, entrant))
            .collect();
        measure(*workload, options, &entrants, &places, &mut comparison)?;
        // Each time, so that a later failure does not lose it.
        report::write_text(&dir.join("report.md"), &table::markdown(&comparison))?;
        report::write_json(&dir.join("report.json"), &comparison)?;
    }
    print!("{}", table::markdown(&comparison));
    Ok(())
}

/// A folder that goes with the run, however it ends: its files may be gigabytes.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("cannot remove {}: {error}", self.0.display());
        }
    }
}

fn measure(
    workload: Workload,
    options: &CompareOptions,
    entrants: &[Entrant],
    places: &[Place],
    comparison: &mut Comparison,
) -> Result<(), String> {
    let plan = workload.plan(options.bytes)?;
    let kind = workload.kind();
    let own = plan
        .idle
        .map_or(1, |idle| idle.connections)
        .max(plan.groups.iter().map(|group| group.connections).sum());
    let counts = if kind == Kind::Requests {
        options.connections.clone()
    } else {
        vec![own]
    };
    let mut subjects: Vec<Subject> = Vec::new();
    if kind != Kind::Connections {
        for (entrant, place) in entrants.iter().zip(places) {
            stop::check()?;
            subjects.push(entrant.start(workload.task(), place)?);
        }
    }
    for connections in counts {
        let series = |pace| Series {
            workload,
            connections,
            pace,
            options,
            entrants,
            places,
            subjects: &subjects,
        };
        let paces = match workload {
            Workload::Paced => pace::shares_of(series(None).top_of_nginx()?),
            _ => vec![None],
        };
        for pace in paces {
            let (samples, discarded) = series(pace).measure()?;
            comparison.samples.extend(samples);
            comparison.discarded += discarded;
        }
    }
    Ok(())
}

fn takes_part(wanted: &[String], entrant: Entrant) -> bool {
    wanted.is_empty()
        || wanted
            .iter()
            .any(|name| !name.is_empty() && entrant.name().starts_with(name.as_str()))
}

/// The versions of the rivals that take part.
fn versions(entrants: impl Iterator<Item = Entrant>) -> Result<Vec<String>, String> {
    let (mut nginx, mut haproxy) = (false, false);
    for entrant in entrants {
        nginx |= !matches!(entrant, Entrant::Gateway(_));
        haproxy |= matches!(entrant, Entrant::Haproxy(..));
    }
    let mut versions = Vec::new();
    if nginx {
        versions.push(subjects::version("nginx", subjects::nginx::INSTALL)?);
    }
    if haproxy {
        versions.push(subjects::version("haproxy", subjects::haproxy::INSTALL)?);
    }
    Ok(versions)
}

/// Makes the files that the workloads need, of the test pattern.
fn write_files(dir: &Path, workloads: &[Workload], bulk_bytes: u64) -> Result<(), String> {
    let failed =
        |error: std::io::Error| format!("cannot write files in {}: {error}", dir.display());
    fs::create_dir_all(dir).map_err(failed)?;
    let pattern = Pattern::new();
    let write = |name: &str, bytes: u64| {
        let mut file = BufWriter::new(File::create(dir.join(name))?);
        let mut written = 0;
        while written < bytes {
            stop::check().map_err(std::io::Error::other)?;
            let piece = pattern.piece(written, bytes - written);
            file.write_all(piece)?;
            written += piece.len() as u64;
        }
        file.flush()
    };
    write("small.bin", SMALL_FILE_BYTES).map_err(failed)?;
    if workloads.contains(&Workload::Static100m) {
        write("large.bin", LARGE_FILE_BYTES).map_err(failed)?;
    }
    if workloads.contains(&Workload::Download) || workloads.contains(&Workload::Duplex) {
        write("bulk.bin", bulk_bytes).map_err(failed)?;
    }
    Ok(())
}
