//! Calls from service to service: flatend beside tonic (gRPC over HTTP/2) and NATS.
//!
//! Owns the processes that it starts and ends all of them. Refuses figures of a run in which a call failed. The invariant that a
//! change is likeliest to break: every system gets the same cores, the same bodies, the same loop and the same moments.

mod ask;
mod certificate;
mod cli;
mod compare;
mod limits;
mod load;
mod systems;
mod table;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command};
use flatend_loadtest::stop;
use systems::Setting;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Compare(options) => stop::watch().and_then(|()| compare::run(&options)),
        Command::Serve(options) => {
            let setting = Setting {
                addr: options.addr,
                threads: options.threads,
                dir: &options.dir,
            };
            options.system.serve(setting)
        }
        Command::Ask(options) => ask::run(&options).and_then(|figures| {
            let text = serde_json::to_string(&figures).map_err(|error| error.to_string())?;
            println!("{text}");
            Ok(())
        }),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("rpc: {sentence}");
            ExitCode::FAILURE
        }
    }
}
