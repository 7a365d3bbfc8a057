//! The command line of `loadtest mesh`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::work::Work;
use crate::limits::{
    BODY_BYTES_MAX, CALL_BYTES_MAX, PROVIDERS_MAX, RATE_MAX, ROUNDS_MAX, TASKS_MAX,
};

/// What the nodes speak with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Dialect {
    /// flatend/2: encrypted, each side proves its key, a window for each stream.
    Flatend2,
    /// What the published packages speak.
    Legacy,
}

impl Dialect {
    /// Its name in reports.
    pub(super) fn name(self) -> &'static str {
        match self {
            Dialect::Flatend2 => "flatend/2",
            Dialect::Legacy => "legacy",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct MeshOptions {
    /// What is done; all of it if nothing is named.
    #[arg(value_enum)]
    pub(crate) work: Vec<Work>,
    /// What the nodes speak; several with commas between.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "flatend2,legacy"
    )]
    pub(crate) dialects: Vec<Dialect>,
    /// Calls under way at once.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=TASKS_MAX))]
    pub(crate) tasks: u64,
    /// Streams under way at once.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=TASKS_MAX))]
    pub(crate) streams: u64,
    /// Bytes of a call's body; the answer has as many.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(0..=CALL_BYTES_MAX))]
    pub(crate) call_bytes: u64,
    /// Bytes of a stream, each way that it has.
    #[arg(long, default_value_t = 64_000_000, value_parser = clap::value_parser!(u64).range(1..=BODY_BYTES_MAX))]
    pub(crate) stream_bytes: u64,
    /// Providers of the services, each a process of its own.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=PROVIDERS_MAX))]
    pub(crate) providers: u64,
    /// Shards of the client; two or more run on both cores.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub(crate) shards: u64,
    /// Open loop: so many calls or streams a second, whatever the answers do.
    #[arg(long, value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// Rounds; each runs every dialect once.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=i64::from(ROUNDS_MAX)))]
    pub(crate) rounds: u32,
    /// Length of the measured part of each run.
    #[arg(long, default_value = "3s", value_parser = crate::plan::parse_some_duration)]
    pub(crate) duration: std::time::Duration,
    /// What is left out before it.
    #[arg(long, default_value = "1s", value_parser = crate::plan::parse_duration)]
    pub(crate) warm_up: std::time::Duration,
    /// Before each run, waits this many seconds at most for the other processes of the machine to be quiet.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=3600))]
    pub(crate) quiet_wait: u64,
    /// Keeps logs, report.md and report.json here [default: a new directory for temporary files].
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= RATE_MAX => Ok(rate),
        _ => Err(format!(
            "\"{text}\" is not above 0 and at most {RATE_MAX:?} calls a second"
        )),
    }
}
