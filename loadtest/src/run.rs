//! `loadtest run`: a plan against any server that speaks HTTP/1.1.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cli::RunOptions;
use crate::machine::Machine;
use crate::measure::{self, Run};
use crate::pattern::Pattern;
use crate::plan::{self, Plan};
use crate::process::on_core;
use crate::report::{self, Output, Report};
use crate::usage::{Meter, Watched};
use crate::{client::Job, idle, stop};

/// Runs the plan and prints what it found.
///
/// # Errors
/// A sentence: the plan is wrong, nobody is reached, a watched process has ended. Failed requests are no error here: they are reported.
pub(crate) fn run(options: &RunOptions) -> Result<(), String> {
    let plan = plan_of(options)?;
    let job = plan::job(&plan, None).map_err(|error| match &options.plan {
        Some(file) => format!("{}: {error}", file.display()),
        None => error,
    })?;
    let watched = options.watch.clone();
    if job.groups.is_empty() && watched.is_empty() {
        return Err("the plan only opens idle connections, to measure a server's memory, and no server's process is named: add --watch NAME=PID".to_owned());
    }
    let json = Output::open(options.json.as_ref())?;
    let markdown = Output::open(options.markdown.as_ref())?;
    let work = || runs(&plan, &job, &watched);
    let (runs, resting) = match options.core {
        Some(core) => on_core(core, work)??,
        None => work()?,
    };
    let (idle, idle_closed) = resting.map_or((Vec::new(), 0), |resting| {
        (resting.slopes.clone(), resting.closed())
    });
    let report = Report {
        title: if plan.title.is_empty() {
            "load".to_owned()
        } else {
            plan.title.clone()
        },
        command: report::command_line(),
        machine: Machine::read(),
        server: job.addr.to_string(),
        runs,
        idle,
        idle_closed,
    };
    let text = report::markdown(&report);
    print!("{text}");
    if let Some(file) = json {
        file.write_json(&report)?;
    }
    markdown.map_or(Ok(()), |file| file.write(&text))
}

/// The plan of the file or of the options, with what the options override.
fn plan_of(options: &RunOptions) -> Result<Plan, String> {
    let mut plan = match &options.plan {
        Some(file) => plan::load(file)?,
        None => options.flags.plan(),
    };
    let over = |own: &mut Duration, given: Option<Duration>| *own = given.unwrap_or(*own);
    over(&mut plan.duration, options.duration);
    over(&mut plan.warm_up, options.warm_up);
    plan.rounds = options.rounds.unwrap_or(plan.rounds);
    if options.url.is_some() {
        plan.url.clone_from(&options.url);
    }
    Ok(plan)
}

fn runs(
    plan: &Plan,
    job: &Job,
    watched: &[Watched],
) -> Result<(Vec<Run>, Option<idle::Resting>), String> {
    let resting = match &plan.idle {
        Some(idle) => {
            let first = idle.path.as_ref().map(|path| {
                let request = plan::Request::get(path);
                plan::template_of(&request, path, job.addr, &Arc::new(Pattern::new()))
            });
            Some(idle::open(
                job.addr,
                &job.sources,
                idle,
                first.transpose()?.as_ref(),
                watched,
            )?)
        }
        None => None,
    };
    let mut runs = Vec::new();
    for _ in 0..plan.rounds {
        if job.groups.is_empty() {
            rest(job.duration, watched)?;
            continue;
        }
        runs.push(measure::measure(job, watched)?);
    }
    Ok((runs, resting))
}

/// Nothing is sent: the idle connections stay, and the processes have to live.
fn rest(duration: Duration, watched: &[Watched]) -> Result<(), String> {
    let begin = Instant::now();
    let meter = Meter::start(watched, begin, Some(begin + duration));
    stop::poll_until(duration, || Ok(None::<()>))?;
    meter.finish().map(drop)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    /// Of a call on a server that nobody may reach: what is told is told before the first connection.
    fn refused(words: &[&str]) -> String {
        let words = ["loadtest", "run"].iter().chain(words);
        let Command::Run(options) = Cli::try_parse_from(words).unwrap().command else {
            panic!("run was asked for")
        };
        run(&options).unwrap_err()
    }

    #[test]
    fn what_cannot_be_measured_or_kept_is_told_before_the_run() {
        let plan = std::env::temp_dir().join(format!("loadtest-idle-{}.toml", std::process::id()));
        let name = plan.to_str().unwrap();
        fs::write(&plan, "[idle]\nconnections = 1\n").unwrap();
        let url = "--url=http://127.0.0.1:1";
        let unwatched = refused(&[name, url]);
        let unnamed = refused(&[name]);
        fs::remove_file(&plan).unwrap();
        assert!(unwatched.ends_with("add --watch NAME=PID"), "{unwatched}");
        assert!(
            unnamed.starts_with(&format!("{name}: the plan names no server")),
            "{unnamed}"
        );
        for flag in ["--json=/nowhere/x", "--markdown=/nowhere/x"] {
            let error = refused(&["--path=/", url, flag]);
            assert!(error.starts_with("cannot write /nowhere/x: "), "{error}");
        }
    }
}
