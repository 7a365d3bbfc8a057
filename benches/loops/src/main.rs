//! The loop of a shard with nothing of the gateway around it: epoll with plain calls beside a ring of its own.
//!
//! Owns the processes that it starts and ends all of them. Refuses figures of a run in which anything went wrong. The invariant that a
//! change is likeliest to break: every loop gets the same bytes to do the same with; only how they come and go differs.

mod bulk;
mod cli;
mod clients;
mod compare;
mod counters;
mod epoll;
mod limits;
mod load;
mod memory;
mod ring;
mod serve;
mod spec;
mod table;
#[cfg(test)]
mod tests;
mod upstream;
mod wire;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command};
use flatend_loadtest::stop;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Compare(options) => stop::watch().and_then(|()| compare::run(&options)),
        Command::Serve(options) => serve::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("loops: {sentence}");
            ExitCode::FAILURE
        }
    }
}
