//! Load tests: any HTTP/1.1 server under a plan, and the flatend gateway beside nginx and HAProxy.
//!
//! Owns the processes that it starts and ends all of them, whatever happens. Refuses to judge: it prints figures and what disturbed
//! them. The invariant that a change is likeliest to break: all subjects of a comparison get the same cores, the same client and the
//! same moments.

mod cli;
mod client;
mod compare;
mod cpu_time;
mod histogram;
mod idle;
mod limits;
mod machine;
mod measure;
mod pattern;
mod placement;
mod plan;
mod proc_stat;
mod process;
mod report;
mod run;
mod services;
mod sink;
mod stats;
mod stop;
mod subjects;
mod usage;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command};

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(options) => stop::watch().and_then(|()| run::run(&options)),
        Command::Compare(options) => stop::watch().and_then(|()| compare::run(&options)),
        Command::ServeNode { node } => services::serve_node(&node),
        Command::ServeSink { addr } => sink::serve(addr),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("loadtest: {sentence}");
            ExitCode::FAILURE
        }
    }
}
