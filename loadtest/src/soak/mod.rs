//! `loadtest soak`: a mix of everything through a gateway for long, and whether it stays as it is.
//!
//! Owns the run and its verdict: an error if memory or descriptors grow, or if a request failed where none had to. Invariant: all that
//! it started has ended when it returns, whatever happened.

mod events;
mod flat;
mod options;
mod providers;
mod sampler;
mod table;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{mpsc, Arc};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::client::{Job, Pace};
use crate::limits::{READINGS_MIN, RESTART_EVERY_MIN_MS};
use crate::machine::Machine;
use crate::measure::{self, Run};
use crate::placement::{self, Cores};
use crate::plan::{self, Plan};
use crate::process::on_core;
use crate::report;
use crate::stop;
use crate::subjects::{self, Place, Task, PROXY};
use crate::usage::Watched;
use events::{Found, Streams};
use flat::{Point, Trend};
use providers::{Providers, Restarts};

pub(crate) use options::SoakOptions;

/// All of a soak.
#[derive(Clone, Debug, Serialize)]
struct Report {
    command: String,
    machine: Machine,
    cores: Cores,
    gateway: String,
    event_streams: u32,
    event_lasts_s: f64,
    restarts: Restarts,
    events: Found,
    run: Run,
    trends: Vec<Trend>,
    points: Vec<Point>,
}

/// Runs the soak and prints what it found.
///
/// # Errors
/// A sentence: what is missing, what failed, or what is not flat. All processes are ended then.
pub(crate) fn run(options: &SoakOptions) -> Result<(), String> {
    let plan = plan_of(options)?;
    let every = options.restart_every;
    if !every.is_zero() && every < Duration::from_millis(RESTART_EVERY_MIN_MS) {
        return Err(format!("--restart-every {every:?} is too short for a service to end and begin: at least {RESTART_EVERY_MIN_MS} ms, or 0s for never"));
    }
    let readings = plan.duration.as_nanos() / options.sample.as_nanos().max(1);
    if readings < u128::from(READINGS_MIN) {
        return Err(format!("--sample {:?} gives {readings} readings in {:?}, which show no slope: at least {READINGS_MIN}, so a shorter one or a longer --duration", options.sample, plan.duration));
    }
    let cores = Cores::choose(&flatend::rt::allowed_cpus())?;
    let gateway = subjects::gateway::binary(options.gateway.as_deref())?;
    let dir = placement::directory(options.dir.as_deref())?;
    let place = Place {
        gateway: gateway.clone(),
        npm: None,
        cores,
        dir: dir.clone(),
        files: dir.clone(),
        connections: 1,
    };
    let report = soak(options, &plan, &place)?;
    let text = table::markdown(&report);
    report::write_text(&dir.join("report.md"), &text)?;
    report::write_json(&dir.join("report.json"), &report)?;
    print!("{text}");
    eprintln!("configuration, logs and reports: {}", dir.display());
    verdict(&report, options.kill)
}

fn soak(options: &SoakOptions, plan: &Plan, place: &Place) -> Result<Report, String> {
    let mut alone = subjects::gateway::start_alone(Task::Soak, 1, place)?;
    let core = place.cores.others;
    let providers = Providers::start(alone.mesh, core, place.dir.clone())?;
    alone.proxy.answers(alone.addr, "/hello")?;
    let job = job(plan, alone.addr)?;

    let begin = Instant::now();
    let (stop, stopped) = mpsc::channel();
    let sampling = sampler::start(alone.proxy.pid(), begin, options.sample, stopped, |error| {
        stop::fail(format!("the gateway cannot be watched: {error}"));
    });
    let over = Arc::new(AtomicBool::new(false));
    let events = Streams {
        addr: alone.addr,
        path: "/events",
        count: options.event_streams,
        lasts: options.event_lasts,
    };
    let (end, ended) = mpsc::channel();
    let every = match options.restart_every.is_zero() {
        true => Duration::MAX,
        false => options.restart_every,
    };
    let restarting = providers.restart(every, options.kill, ended);
    let events = events.start(over.clone());
    let watched = Watched {
        name: PROXY.to_owned(),
        pid: alone.proxy.pid(),
    };
    let run = on_core(core, || measure::measure(&job, &[watched]));

    // Event streams first: the services go with the thread that restarts them, and cut those that are still open.
    over.store(true, Ordering::Relaxed);
    let panicked = |_| "a thread of the soak panicked".to_owned();
    let events = events.join().map_err(panicked);
    // Each of the others ends when the other end of its channel has gone.
    drop((stop, end));
    let points = sampling.join().map_err(panicked);
    let restarts = restarting.join().map_err(panicked);
    // What a restart or a reading met explains more than what the load then missed.
    let (restarts, points, run) = (restarts??, points??, run??);
    Ok(Report {
        command: report::command_line(),
        machine: Machine::read(),
        cores: place.cores,
        gateway: subjects::gateway::age(&place.gateway)?,
        event_streams: options.event_streams,
        event_lasts_s: options.event_lasts.as_secs_f64(),
        restarts,
        events: events?,
        run,
        trends: flat::judge(&points),
        points,
    })
}

fn plan_of(options: &SoakOptions) -> Result<Plan, String> {
    let mut plan = match &options.plan {
        Some(file) => plan::load(file)?,
        None => plan::parse("soak", include_str!("../../plans/soak.toml"))?,
    };
    plan.duration = options.duration.unwrap_or(plan.duration);
    if plan.idle.is_some() {
        let file = options.plan.as_deref().unwrap_or(Path::new("the plan"));
        return Err(format!(
            "{}: [idle] is not for a soak: leave it out",
            file.display()
        ));
    }
    Ok(plan)
}

/// The plan's job; what is not bounded in rate would only show how fast the machine is.
fn job(plan: &Plan, addr: std::net::SocketAddr) -> Result<Job, String> {
    let job = plan::job(plan, Some(&format!("http://{addr}")))?;
    match job.groups.iter().find(|group| !matches!(group.pace, Pace::Open { .. })) {
        Some(group) => Err(format!("{}: a soak is bounded in rate: write rate = 100.0, or how many requests a second are meant", group.name)),
        None => Ok(job),
    }
}

/// An error if the gateway did not stay as it was.
fn verdict(report: &Report, kill: bool) -> Result<(), String> {
    let mut wrong: Vec<String> = report
        .trends
        .iter()
        .filter(|trend| !trend.is_flat)
        .map(|trend| {
            format!(
                "{} grew by {:.1} {} in the last two thirds, and {:.1} count as flat",
                trend.what, trend.growth, trend.unit, trend.growth_max
            )
        })
        .collect();
    let groups = || report.run.groups.iter();
    let events: u64 = report.events.failures.iter().map(|(_, count)| count).sum();
    let failed: u64 = groups()
        .map(|group| group.failed + group.unanswered + group.unsent)
        .sum();
    if !kill && failed + events > 0 {
        wrong.push(format!(
            "{failed} requests and {events} event streams failed, though no service was killed"
        ));
    }
    if groups().any(|group| group.completed == 0) {
        wrong.push("of a group no request was answered".to_owned());
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(format!("the soak is not passed: {}", wrong.join("; "))),
    }
}
