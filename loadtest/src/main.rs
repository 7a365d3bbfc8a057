//! Load tests: any HTTP/1.1 server under a plan, and the flatend gateway beside nginx and HAProxy.
//!
//! Owns the processes that it starts and ends all of them, whatever happens. Refuses to judge: it prints figures and what disturbed
//! them. The invariant that a change is likeliest to break: all subjects of a comparison get the same cores, the same client and the
//! same moments.

mod cli;
mod client;
mod compare;
mod idle;
mod measure;
mod mesh;
mod of_run;
mod pattern;
mod plan;
mod run;
mod services;
mod sink;
mod soak;
mod subjects;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command};
// What the library has; the modules here find it as `crate::…`.
use flatend_loadtest::{
    histogram, latency, limits, machine, placement, proc_stat, process, report, stats, stop, usage,
};

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(options) => stop::watch().and_then(|()| run::run(&options)),
        Command::Compare(options) => stop::watch().and_then(|()| compare::run(&options)),
        Command::Mesh(options) => stop::watch().and_then(|()| mesh::run(&options)),
        Command::Soak(options) => stop::watch().and_then(|()| soak::run(&options)),
        Command::ServeNode { node, legacy } => services::serve_node(&node, legacy),
        Command::ServeMesh { addr, legacy } => services::serve_mesh(addr, legacy),
        Command::AskMesh(options) => mesh::ask(&options),
        Command::ServeSink {
            addr,
            certificate,
            key,
        } => sink::serve(addr, certificate.zip(key).as_ref()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("loadtest: {sentence}");
            ExitCode::FAILURE
        }
    }
}
