//! The words of `flatend invite`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches};

use super::agent::node;
use super::{path, wrong, Notice, CONFIG_DEFAULT};
use crate::config::{duration, Bootstrap};
use crate::limits::{AGENT_SERVICES_MAX, NAME_BYTES_MAX};

/// Options of an invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteOptions {
    /// The gateway's configuration.
    pub config: PathBuf,
    /// What is to be done.
    pub action: InviteAction,
}

/// What is done with invitations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InviteAction {
    /// Print a token.
    Invite {
        /// Its label.
        name: Option<String>,
        /// Addresses instead of the configuration's.
        addrs: Vec<Bootstrap>,
        /// How long it is good; `None`: for ever.
        expires: Option<Duration>,
        /// Names that it may offer and no others.
        offers: Option<Vec<String>>,
    },
    /// Say who was invited.
    List,
    /// Keep out those with this key or label.
    Revoke(String),
}

const USAGE: &str =
    "flatend invite [-c FILE] [--addr HOST:PORT]… [--name LABEL] [--expires TIME] [--offers NAME,…]
       flatend invite [-c FILE] --list
       flatend invite [-c FILE] --revoke KEY|LABEL";

const LONG: &str = "Prints a join token: one string that tells a service where this gateway is, and who the service is.

A service takes it as `flatend agent NAME=URL --join TOKEN`, in the environment variable
FLATEND_JOIN, or, with the SDK, as Node::builder().join(token). The address is the
configuration's `public_addr`, else its `addr`; with --addr it is what you say.

It pins the gateway's public key, once that is made: nobody else can answer in its place. And
it holds a secret key that is made for it: a service without a key of its own joins with that
one. Keep a token as you keep a key file, and make one for each service: by its key the gateway
tells them apart, and lets each in until it expires or is revoked. The public key is put on the
list `invited` in the gateway's state directory; --list shows it. A token that was not copied
whole is refused.";

const AFTER: &str = "Send a gateway that runs a SIGHUP after each change (`kill -HUP PID`): it reads the list again, and
ends the links of those that were revoked. An expiry is looked at when a link is made and at each
SIGHUP; a link that is up then stays.

Where the configuration has `peers`, only those keys and the invited ones connect and call, so
who was revoked or has expired is out. Without `peers` the key is out (and with --offers, kept to
its names), and no more than the key: the mesh is open, and whoever held it can come back with
another one.

Examples:
  flatend invite --addr gateway.example:9000 --name laptop
  flatend invite --name ci --expires 24h --offers api,preview
  flatend invite --revoke laptop && kill -HUP PID";

/// Its arguments and help.
pub(super) fn define(command: clap::Command, config: Arg) -> clap::Command {
    let option = |id: &'static str, value: &'static str, help: &'static str| {
        Arg::new(id).long(id).value_name(value).help(help)
    };
    const OF_A_TOKEN: [&str; 4] = ["addr", "name", "expires", "offers"];
    command
        .override_usage(USAGE)
        .long_about(LONG)
        .after_help(AFTER)
        .arg(config)
        .arg(
            option("addr", "HOST:PORT", "Address at which services reach the gateway, HOST:PORT#KEY to pin its public key; may be given several times")
                .action(ArgAction::Append),
        )
        .arg(option("name", "LABEL", "Label of the token, for people: whom it is for"))
        .arg(option("expires", "TIME", "How long it is good, such as 30m or 24h [default: for ever]"))
        .arg(
            option("offers", "NAME,…", "Names that who joins with it may offer, and no others [default: what `offers` in the file lets it]")
                .action(ArgAction::Append)
                .value_delimiter(','),
        )
        .arg(
            Arg::new("list")
                .long("list")
                .action(ArgAction::SetTrue)
                .conflicts_with_all(OF_A_TOKEN)
                .help("Show whom tokens were made for: key, until when, label, names"),
        )
        .arg(
            option("revoke", "KEY|LABEL", "Keep out the key, or all keys with the label")
                .conflicts_with_all(OF_A_TOKEN)
                .conflicts_with("list"),
        )
}

/// What was asked for.
///
/// # Errors
/// What is wrong.
pub(super) fn parse(sub: &ArgMatches, top: &ArgMatches) -> Result<InviteOptions, Notice> {
    let text = |id| sub.get_one::<String>(id).cloned();
    let action = match text("revoke") {
        Some(word) if word.is_empty() => {
            return Err(wrong(
                "--revoke wants a key or a label, as `flatend invite --list` shows them."
                    .to_owned(),
            ))
        }
        Some(word) => InviteAction::Revoke(word),
        None if sub.get_flag("list") => InviteAction::List,
        None => {
            let addrs = sub.get_many::<String>("addr").into_iter().flatten();
            let addrs = addrs
                .map(|text| node(text).map_err(|why| wrong(why.replacen("--node", "--addr", 1))));
            InviteAction::Invite {
                name: text("name"),
                addrs: addrs.collect::<Result<_, _>>()?,
                expires: text("expires").map(|text| expires(&text)).transpose()?,
                offers: offers(sub)?,
            }
        }
    };
    Ok(InviteOptions {
        config: path(sub, "config")
            .or_else(|| path(top, "config"))
            .unwrap_or_else(|| CONFIG_DEFAULT.into()),
        action,
    })
}

fn expires(text: &str) -> Result<Duration, Notice> {
    match duration::parse(text) {
        Ok(time) if time.is_zero() => Err(wrong(format!(
            "--expires {text} makes a token that is good for nobody: leave it out for one that is good for ever."
        ))),
        Ok(time) => Ok(time),
        Err(why) => Err(wrong(format!("--expires '{}' {why}.", text.escape_debug()))),
    }
}

fn offers(sub: &ArgMatches) -> Result<Option<Vec<String>>, Notice> {
    let Some(names) = sub.get_many::<String>("offers") else {
        return Ok(None);
    };
    let names: Vec<String> = names.cloned().collect();
    let is_name = |name: &&String| {
        (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control)
    };
    if let Some(name) = names.iter().find(|name| !is_name(name)) {
        return Err(wrong(format!(
            "--offers names '{}', which no service can be called: write names of 1 to {NAME_BYTES_MAX} bytes with commas between, such as --offers api,shop.",
            name.escape_debug()
        )));
    }
    if names.len() > AGENT_SERVICES_MAX {
        return Err(wrong(format!(
            "--offers has {} names, more than a node can offer: write at most {AGENT_SERVICES_MAX}.",
            names.len()
        )));
    }
    Ok(Some(names))
}
