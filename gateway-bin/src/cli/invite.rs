//! The words of `flatend invite`.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches};

use super::agent::node;
use super::{path, wrong, Notice, CONFIG_DEFAULT};
use crate::config::Bootstrap;

/// Options of an invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteOptions {
    /// The gateway's configuration.
    pub config: PathBuf,
    /// Its label.
    pub name: Option<String>,
    /// Addresses instead of the configuration's.
    pub addrs: Vec<Bootstrap>,
}

const LONG: &str = "Prints a join token: one string that tells a service where this gateway is.

A service takes it as `flatend agent NAME=URL --join TOKEN`, in the environment variable
FLATEND_JOIN, or, with the SDK, as Node::builder().join(token). The address is the
configuration's `public_addr`, else its `addr`; with --addr it is what you say.

It pins the gateway's public key, once that is made: nobody else can answer in its place. It
holds no secret: who has it can do what who knows the address can. A token that was not copied
whole is refused.";

/// Its arguments and help.
pub(super) fn define(command: clap::Command, config: Arg) -> clap::Command {
    command
        .override_usage("flatend invite [-c FILE] [--addr HOST:PORT]… [--name LABEL]")
        .long_about(LONG)
        .arg(config)
        .arg(
            Arg::new("addr")
                .long("addr")
                .value_name("HOST:PORT")
                .action(ArgAction::Append)
                .help("Address at which services reach the gateway, HOST:PORT#KEY to pin its public key; may be given several times"),
        )
        .arg(
            Arg::new("name")
                .long("name")
                .value_name("LABEL")
                .help("Label of the token, for people: whom it is for"),
        )
}

/// What was asked for.
///
/// # Errors
/// What is wrong.
pub(super) fn parse(sub: &ArgMatches, top: &ArgMatches) -> Result<InviteOptions, Notice> {
    let addrs = sub.get_many::<String>("addr").into_iter().flatten();
    let addrs =
        addrs.map(|text| node(text).map_err(|why| wrong(why.replacen("--node", "--addr", 1))));
    Ok(InviteOptions {
        config: path(sub, "config")
            .or_else(|| path(top, "config"))
            .unwrap_or_else(|| CONFIG_DEFAULT.into()),
        name: sub.get_one::<String>("name").cloned(),
        addrs: addrs.collect::<Result<_, _>>()?,
    })
}
