//! The words of `flatend forget`.

use std::path::PathBuf;

use clap::{Arg, ArgMatches};

use super::{path, wrong, Notice, CONFIG_DEFAULT};
use crate::config::addr::parse_public_key;
use crate::config::PublicKey;

/// What is to be forgotten, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgetOptions {
    /// The gateway's configuration: its state directory holds the keys.
    pub config: PathBuf,
    /// The key.
    pub key: PublicKey,
}

const LONG: &str = "Forgets a key that was seen on flatend/2.

With `legacy = \"known\"` a gateway remembers each key that has spoken flatend/2, and takes it on
the old protocol no more: whoever shows it there is not its node. If that node was really set
back to an old version, forget its key here, and send the gateway a SIGHUP.";

/// Its arguments and help.
pub(super) fn define(command: clap::Command, config: Arg) -> clap::Command {
    command
        .override_usage("flatend forget [-c FILE] KEY")
        .long_about(LONG)
        .arg(config)
        .arg(
            Arg::new("key")
                .value_name("KEY")
                .help("Public key, 64 hex digits"),
        )
}

/// What was asked for.
///
/// # Errors
/// What is wrong.
pub(super) fn parse(sub: &ArgMatches, top: &ArgMatches) -> Result<ForgetOptions, Notice> {
    let Some(text) = sub.get_one::<String>("key") else {
        return Err(wrong(
            "`flatend forget` wants a public key, 64 hex digits, as its log line names it."
                .to_owned(),
        ));
    };
    let key = parse_public_key(text).map_err(|why| wrong(format!("the command line {why}.")))?;
    Ok(ForgetOptions {
        config: path(sub, "config")
            .or_else(|| path(top, "config"))
            .unwrap_or_else(|| CONFIG_DEFAULT.into()),
        key,
    })
}
