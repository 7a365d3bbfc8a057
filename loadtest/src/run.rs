//! `loadtest run`: a plan against any server that speaks HTTP/1.1.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cli::RunOptions;
use crate::machine::Machine;
use crate::measure::{self, GroupFigures, Run};
use crate::of_run::{self, Report};
use crate::pattern::Pattern;
use crate::plan::{self, Plan};
use crate::process::on_core;
use crate::report::{self, Output};
use crate::usage::{Meter, Watched};
use crate::{client::Job, idle, stop};

/// Runs the plan and prints what it found.
///
/// # Errors
/// A sentence: the plan is wrong, nobody is reached, a watched process has ended. Failed requests are no error here: they are reported,
/// as long as one went well.
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
    let text = of_run::markdown(&report);
    print!("{text}");
    if let Some(file) = json {
        file.write_json(&report)?;
    }
    if let Some(file) = markdown {
        file.write(&text)?;
    }
    nothing_went_well(&report.runs).map_or(Ok(()), Err)
}

/// A sentence if requests were meant to be sent and none was answered as expected: a script must not take that for a result.
fn nothing_went_well(runs: &[Run]) -> Option<String> {
    let groups = || runs.iter().flat_map(|run| &run.groups);
    let well = groups().any(|group| group.answered > 0 || group.completed > 0);
    if well || groups().next().is_none() {
        return None;
    }
    let sum = |of: fn(&GroupFigures) -> u64| groups().map(of).sum::<u64>();
    let (failed, unanswered, unsent) = (
        sum(|group| group.failed),
        sum(|group| group.unanswered),
        sum(|group| group.unsent),
    );
    let reasons = groups().flat_map(|group| &group.failures);
    let reason = reasons.max_by_key(|(_, count)| *count);
    let reason = reason.map_or(String::new(), |(reason, _)| {
        format!("; most often: {reason}")
    });
    Some(format!("no request went well: {failed} failed, {unanswered} were not answered and {unsent} not sent{reason}"))
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
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpListener};

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

    /// A server that answers the first request of each connection with `status`, and closes.
    fn server(status: &'static str) -> String {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut head = [0; 1024];
                let mut read = 0;
                while !head[..read].ends_with(b"\r\n\r\n") {
                    match stream.read(&mut head[read..]) {
                        Ok(bytes) if bytes > 0 => read += bytes,
                        _ => break,
                    }
                }
                let answer =
                    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).ok();
            }
        });
        url
    }

    fn run_against(url: &str) -> Result<(), String> {
        let words = [
            "loadtest",
            "run",
            "--warm-up",
            "0s",
            "--path",
            "/",
            "--requests",
            "3",
            "--url",
            url,
        ];
        let Command::Run(options) = Cli::try_parse_from(words).unwrap().command else {
            panic!("run was asked for")
        };
        run(&options)
    }

    #[test]
    fn a_run_in_which_nothing_went_well_is_an_error() {
        assert_eq!(run_against(&server("200 OK")), Ok(()));
        let error = run_against(&server("404 Not Found")).unwrap_err();
        assert!(
            error.starts_with("no request went well: 3 failed")
                && error.ends_with("most often: status 404 instead of 200"),
            "{error}"
        );
    }
}
