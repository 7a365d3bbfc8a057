//! The command line of `loadtest soak`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::limits::EVENT_STREAMS_MAX;
use crate::plan::{parse_duration, parse_some_duration};

#[derive(Debug, Args)]
pub(crate) struct SoakOptions {
    /// A plan file whose groups are sent; all of them have a rate. Without one, that of loadtest/plans/soak.toml.
    pub(crate) plan: Option<PathBuf>,
    /// How long it runs; wins over the plan's.
    #[arg(long, value_parser = parse_some_duration)]
    pub(crate) duration: Option<Duration>,
    /// Event streams that stay open beside the load.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=i64::from(EVENT_STREAMS_MAX)))]
    pub(crate) event_streams: u32,
    /// How long each of them stays before its client leaves and another comes.
    #[arg(long, default_value = "20s", value_parser = parse_some_duration)]
    pub(crate) event_lasts: Duration,
    /// Each time one of the two processes of services ends and another begins; `0s`: never.
    #[arg(long, default_value = "20s", value_parser = parse_duration)]
    pub(crate) restart_every: Duration,
    /// Kills every second pair of them instead of letting them say goodbye. Requests fail then, and are only counted.
    #[arg(long)]
    pub(crate) kill: bool,
    /// Time between two readings of the gateway's memory and descriptors.
    #[arg(long, default_value = "2s", value_parser = parse_some_duration)]
    pub(crate) sample: Duration,
    /// The gateway's binary [default: `flatend` beside this program].
    #[arg(long, value_name = "PATH")]
    pub(crate) gateway: Option<PathBuf>,
    /// Keeps configuration, logs, report.md and report.json here [default: a new directory for temporary files].
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}
