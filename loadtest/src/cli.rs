//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Load tests of the flatend gateway.
#[derive(Debug, Parser)]
#[command(name = "loadtest", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Compares the gateway with nginx as a proxy: a keep-alive hello, in interleaved rounds.
    Compare(CompareOptions),
    /// Sends and receives one large body through the gateway and watches its memory.
    Bulk(BulkOptions),
    /// The hello service, until standard input ends.
    #[command(hide = true)]
    ServeHello {
        /// The node to dial, `host:port`.
        #[arg(long)]
        node: String,
    },
    /// The services of `bulk`, until standard input ends.
    #[command(hide = true)]
    ServeBulk {
        /// The node to dial, `host:port`.
        #[arg(long)]
        node: String,
    },
}

/// What all measurements take.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// The gateway's binary [default: `flatend` beside this program].
    #[arg(long, value_name = "PATH")]
    pub(crate) gateway: Option<PathBuf>,
    /// Writes all figures as JSON, with every single run and the configurations.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Keeps configurations and logs here [default: a new directory for temporary files].
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Before each run, waits this many seconds at most for the other processes of the machine to be quiet.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(crate) quiet_wait: u64,
}

#[derive(Debug, Args)]
pub(crate) struct CompareOptions {
    /// Rounds; each runs every subject once.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: u32,
    /// Seconds of each run.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) seconds: u64,
    /// Keep-alive connections of the client; several numbers with commas between.
    #[arg(long, default_value = "64", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) connections: Vec<u32>,
    /// Throws a round away and repeats it if other processes used more than this share of all cores, in percent, during one
    /// of its runs; 100 keeps all.
    #[arg(long, value_name = "PERCENT", default_value_t = 100.0)]
    pub(crate) others_max: f64,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct BulkOptions {
    /// Downloads and uploads of each kind.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: u32,
    /// Bytes of each transfer.
    #[arg(long, default_value_t = 1_000_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) bytes: u64,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn defaults_are_those_of_the_documentation() {
        let cli = Cli::try_parse_from(["loadtest", "compare"]).unwrap();
        let Command::Compare(options) = cli.command else {
            panic!("compare was asked for")
        };
        assert_eq!((options.rounds, options.seconds), (5, 5));
        assert_eq!(options.connections, [64]);
        assert!(
            Cli::try_parse_from(["loadtest", "compare", "--connections", "1,64"]).is_ok()
                && Cli::try_parse_from(["loadtest", "compare", "--connections", "0"]).is_err()
        );
    }
}
