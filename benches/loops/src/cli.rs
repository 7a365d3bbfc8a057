//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Serialize;

use crate::limits::{CLIENTS_MAX, PIECE_KIB_MAX, ROUNDS_MAX, SECONDS_MAX};
use crate::spec::Spec;

/// The loop of a shard with nothing around it: epoll with plain calls, and a ring of its own, in interleaved rounds.
#[derive(Debug, Parser)]
#[command(name = "loops", version, after_help = SPECS)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const SPECS: &str = "\
A loop is `epoll`, `splice` (bulk alone) or `ring`, with options behind it, such as `epoll+sends`, `ring+defer+batch80x8`.
epoll receives by recv(2), and sends by send(2) at once, or
  late     by send(2) at the end of the turn
  sends    as entries of a ring (DEFER_TASKRUN) that one call hands over at the end of the turn
  files    with that: from the ring's table of descriptors
  batch30  behind a busy turn: 30 µs of sleep
ring receives and sends by a ring, with COOP_TASKRUN, or
  defer    SINGLE_ISSUER and DEFER_TASKRUN
  files    direct descriptors: accepted into the ring's table
  plain    send(2) at once instead of entries of the ring
  zc       zero-copy sends
  batch80x8  behind a busy turn: a wait for as many completions as it had, at most 8, and after 80 µs for one
  buffers  registered buffers for zero-copy sends (bulk alone)";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Starts everything itself, prints Markdown, and writes report.md and report.json.
    Compare(CompareOptions),
    /// One server, until SIGTERM; then it prints what it counted. `compare` starts it.
    Serve(ServeOptions),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct CompareOptions {
    /// What is compared: requests answered at once, requests over a link to an upstream and back, a gigabyte from one connection to
    /// another.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "relay,answer,bulk"
    )]
    pub(crate) work: Vec<Work>,
    /// Loops that take part where they can; the first is what the others are compared with (default: a choice for each work).
    #[arg(long, value_delimiter = ',', value_name = "LOOP")]
    pub(crate) loops: Vec<Spec>,
    /// Connections of the client.
    #[arg(long, value_delimiter = ',', default_value = "64,8,1,256",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(CLIENTS_MAX)))]
    pub(crate) connections: Vec<u32>,
    /// KiB that a bulk relay takes at once.
    #[arg(long, value_delimiter = ',', default_value = "64,128,256", value_parser = piece)]
    pub(crate) pieces: Vec<usize>,
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=i64::from(ROUNDS_MAX)))]
    pub(crate) rounds: u32,
    /// Length of the measured part of a run of requests.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX))]
    pub(crate) seconds: u64,
    /// Milliseconds of the part before it.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(0..=SECONDS_MAX * 1000))]
    pub(crate) warm_up_ms: u64,
    /// The program `loadtest`, which is the client.
    #[arg(long, default_value = "loadtest")]
    pub(crate) loadtest: PathBuf,
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

#[derive(Clone, Debug, Args)]
pub(crate) struct ServeOptions {
    #[arg(value_enum)]
    pub(crate) role: Role,
    #[arg(long)]
    pub(crate) addr: SocketAddr,
    #[arg(long = "loop", default_value = "epoll", value_name = "LOOP")]
    pub(crate) spec: Spec,
    /// Where a relay's link leads.
    #[arg(long)]
    pub(crate) upstream: Option<SocketAddr>,
    /// KiB that a bulk relay takes at once.
    #[arg(long, default_value = "64", value_parser = piece)]
    pub(crate) piece_kib: usize,
}

/// What a server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Answers each request at once.
    Answer,
    /// Sends each request over its link, and answers when it comes back.
    Relay,
    /// Gives back what comes over links.
    Upstream,
    /// Carries what its first connection sends to its second one.
    Bulk,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Work {
    Answer,
    Relay,
    Bulk,
}

fn piece(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(kib) if (4..=PIECE_KIB_MAX).contains(&kib) => Ok(kib),
        _ => Err(format!("a piece has 4 to {PIECE_KIB_MAX} KiB")),
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
    fn pieces_are_bounded() {
        assert_eq!((piece("4"), piece("1024")), (Ok(4), Ok(1024)));
        assert!(["3", "1025", "", "-1", "64K"]
            .iter()
            .all(|text| piece(text).is_err()));
    }
}
