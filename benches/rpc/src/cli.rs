//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Serialize;

use crate::limits::{BODY_BYTES_MAX, IN_FLIGHT_MAX, ROUNDS_MAX, SECONDS_MAX};
use crate::systems::System;

/// Calls from service to service over flatend, tonic and NATS, in interleaved rounds.
#[derive(Debug, Parser)]
#[command(name = "rpc", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Starts everything itself, prints Markdown, and writes report.md and report.json.
    Compare(CompareOptions),
    /// The service of one system, until standard input ends. `compare` starts it.
    Serve(ProcessOptions),
    /// The client of one system; prints what it found as JSON. `compare` starts it.
    Ask(AskOptions),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct CompareOptions {
    /// Systems that take part (default: all).
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) systems: Vec<System>,
    /// Cores: "one" gives service and client a core and a thread each, "two" gives both of them two threads on the same two cores.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "one,two")]
    pub(crate) cores: Vec<Cores>,
    /// Bytes of a body and calls in flight.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "64x1,64x64,65536x1,65536x16",
        value_name = "BYTESxCALLS"
    )]
    pub(crate) loads: Vec<Load>,
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=i64::from(ROUNDS_MAX)))]
    pub(crate) rounds: u32,
    /// Length of the measured part of a run.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX))]
    pub(crate) seconds: u64,
    /// Length of the part before it.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=SECONDS_MAX))]
    pub(crate) warm_up: u64,
    /// Percent of all cores that other processes may use in a round; else it is repeated.
    #[arg(long, default_value_t = 100.0)]
    pub(crate) others_max: f64,
    /// Seconds to wait for a quiet machine before each run.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=SECONDS_MAX))]
    pub(crate) quiet_wait: u64,
    /// Where logs and reports go (default: a new directory for temporary files).
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
}

/// What a process of one system is told.
#[derive(Clone, Debug, Args)]
pub(crate) struct ProcessOptions {
    #[arg(value_enum)]
    pub(crate) system: System,
    /// Where the service listens, or the broker.
    #[arg(long)]
    pub(crate) addr: SocketAddr,
    /// Shards or worker threads.
    #[arg(long)]
    pub(crate) threads: usize,
    /// Where certificate and key are.
    #[arg(long)]
    pub(crate) dir: PathBuf,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct AskOptions {
    #[command(flatten)]
    pub(crate) process: ProcessOptions,
    #[arg(long)]
    pub(crate) load: Load,
    #[arg(long)]
    pub(crate) seconds: u64,
    #[arg(long)]
    pub(crate) warm_up: u64,
    /// Process of the service.
    #[arg(long)]
    pub(crate) service: u32,
    /// Process of the broker, if there is one.
    #[arg(long)]
    pub(crate) broker: Option<u32>,
}

/// How many cores each process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Cores {
    One,
    Two,
}

impl Cores {
    /// Shards, or worker threads, of a process.
    pub(crate) fn threads(self) -> usize {
        match self {
            Cores::One => 1,
            Cores::Two => 2,
        }
    }
}

/// Bytes of a body and calls in flight, `64x1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Load {
    pub(crate) bytes: usize,
    pub(crate) in_flight: u32,
}

impl FromStr for Load {
    type Err = String;

    fn from_str(text: &str) -> Result<Load, String> {
        let parsed = text
            .split_once('x')
            .and_then(|(bytes, calls)| Some((bytes.parse().ok()?, calls.parse().ok()?)));
        match parsed {
            Some((bytes, in_flight)) if bytes <= BODY_BYTES_MAX && (1..=IN_FLIGHT_MAX).contains(&in_flight) => {
                Ok(Load { bytes, in_flight })
            }
            _ => Err(format!(
                "BYTESxCALLS is wanted, such as 64x1: at most {BODY_BYTES_MAX} bytes, 1 to {IN_FLIGHT_MAX} calls"
            )),
        }
    }
}

impl std::fmt::Display for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.bytes, self.in_flight)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_makes_sense() {
        Cli::command().debug_assert();
    }

    #[test]
    fn loads_are_read_and_bounded() {
        let load = |text: &str| text.parse::<Load>();
        let largest = Load {
            bytes: BODY_BYTES_MAX,
            in_flight: IN_FLIGHT_MAX,
        };
        assert_eq!(load(&largest.to_string()), Ok(largest));
        assert_eq!(
            load("0x1"),
            Ok(Load {
                bytes: 0,
                in_flight: 1
            })
        );
        for bad in [
            "",
            "64",
            "x",
            "64x",
            "64x0",
            "64x1025",
            "1048577x1",
            "-1x1",
            "64x1x1",
        ] {
            assert!(load(bad).is_err(), "{bad}");
        }
    }
}
