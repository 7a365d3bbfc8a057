//! Load tests of the flatend gateway: beside nginx with small requests, and alone with bulk.
//!
//! Owns the processes that it starts and ends all of them, whatever happens. Refuses to judge: it prints figures and what disturbed
//! them. The invariant that a change is likeliest to break: both subjects of a comparison get the same cores, the same client and the
//! same moments.

mod bulk;
mod cli;
mod client;
mod compare;
mod gateway;
mod limits;
mod machine;
mod memory;
mod nginx;
mod pattern;
mod plan;
mod proc_stat;
mod process;
mod report;
mod services;
mod stats;
mod stop;
mod wrk;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command};

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Compare(options) => stop::watch().and_then(|()| compare::run(&options)),
        Command::Bulk(options) => stop::watch().and_then(|()| bulk::run(&options)),
        Command::ServeHello { node } => services::serve_hello(&node),
        Command::ServeBulk { node } => services::serve_bulk(&node),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("loadtest: {sentence}");
            ExitCode::FAILURE
        }
    }
}
