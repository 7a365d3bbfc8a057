//! The words of `flatend agent`.

use std::path::PathBuf;

use clap::{value_parser, Arg, ArgAction, ArgMatches};
use flatend::{JoinError, JoinSecrets, JoinToken};

use super::{path, wrong, Notice, CONFIG_DEFAULT};
use crate::config::{addr, upstream, Bootstrap, LocalService, Position};
use crate::invited::now_s;
use crate::limits::{AGENT_NODES_MAX, AGENT_SERVICES_MAX, NAME_BYTES_MAX};

/// Options of the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentOptions {
    /// What to offer.
    pub offers: Offers,
    /// Nodes to dial, those of a file beside.
    pub nodes: Vec<Bootstrap>,
    /// Its key file.
    pub key: Option<PathBuf>,
    /// The secrets of join tokens, for an agent without files of them.
    pub joined: JoinSecrets,
}

/// Where the agent learns what to offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offers {
    /// From `[[services]]` of this file.
    File(PathBuf),
    /// From the command line.
    Named(Vec<LocalService>),
}

const USAGE: &str = "flatend agent [-c FILE] [--node HOST:PORT]…\n       flatend agent NAME=http://HOST:PORT… --node HOST:PORT…|--join TOKEN";

const LONG: &str = "Offers local HTTP servers as services of a mesh.

The agent dials nodes of the mesh, such as a gateway, and offers a name there for each
local server. Whoever calls the name is answered by the server: a gateway whose route says
`service = \"NAME\"`, or a program with the SDK. The agent itself listens nowhere, so it
works behind NAT and firewalls. It dials again for ever when a node goes away, and finishes
what runs when it is told to end (SIGTERM, Ctrl-C). A server that is not up yet, or goes
down, is no error: its requests are refused, so that the gateway asks another node that
offers the name.

Without NAME=URL it reads a configuration file: `bootstrap` names the nodes, and each
`[[services]]` has `name`, `upstream` and perhaps `health` (a path that is asked every
`health_interval`, 5s by default; 200 to 399 means that the server is well) and `timeout`
(the longest wait for the head of a response, none by default).

A join token names nodes and holds a key, which is the agent's unless it has a key file. Others
on this machine may see a command line: hand the token over in FLATEND_JOIN.";

const EXAMPLES: &str = "Examples:
  flatend agent api=http://127.0.0.1:8080 --node gateway.example:9000
  flatend agent api=http://127.0.0.1:8080 shop=http://127.0.0.1:8081 --node 10.0.0.1:9000 --node 10.0.0.2:9000
  flatend agent api=http://127.0.0.1:8080 --join flatend-join-1-…
  flatend agent -c agent.toml";

/// Its arguments and help.
pub(super) fn define(command: clap::Command, config: Arg) -> clap::Command {
    command
        .override_usage(USAGE)
        .long_about(LONG)
        .after_help(EXAMPLES)
        .arg(config)
        .arg(
            Arg::new("node")
                .long("node")
                .value_name("HOST:PORT")
                .action(ArgAction::Append)
                .help("Node of the mesh to offer the services on, HOST:PORT#KEY to pin its public key; may be given several times"),
        )
        .arg(
            Arg::new("join")
                .long("join")
                .value_name("TOKEN")
                .action(ArgAction::Append)
                .help("Join token, as `flatend invite` prints it; also taken from FLATEND_JOIN"),
        )
        .arg(
            Arg::new("key")
                .long("key")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Key file of the agent, where the gateway has lists of keys; made if it is not there"),
        )
        .arg(
            Arg::new("offer")
                .value_name("NAME=URL")
                .action(ArgAction::Append)
                .help("Name of a service and the local server behind it"),
        )
}

/// What was asked for.
///
/// # Errors
/// What is wrong.
pub(super) fn parse(sub: &ArgMatches, top: &ArgMatches) -> Result<AgentOptions, Notice> {
    let texts = |id| sub.get_many::<String>(id).into_iter().flatten();
    let (mut nodes, mut secrets) = (Vec::new(), JoinSecrets::default());
    for text in texts("node") {
        nodes.push(node(text).map_err(wrong)?);
    }
    for token in texts("join") {
        let (named, more) = joined(token).map_err(|why| wrong(format!("--join: {why}.")))?;
        nodes.extend(named);
        secrets = secrets.or(more);
    }
    if nodes.len() > AGENT_NODES_MAX {
        return Err(wrong(format!(
            "--node stands {} times: write at most {AGENT_NODES_MAX}.",
            nodes.len()
        )));
    }
    let mut services: Vec<LocalService> = Vec::new();
    for text in texts("offer") {
        let service = offer(text).map_err(wrong)?;
        if services.iter().any(|other| other.name == service.name) {
            return Err(wrong(format!(
                "'{}' is offered twice: write each name once.",
                service.name.escape_debug()
            )));
        }
        services.push(service);
    }
    if services.len() > AGENT_SERVICES_MAX {
        return Err(wrong(format!(
            "{} services are more than a node can offer: write at most {AGENT_SERVICES_MAX}.",
            services.len()
        )));
    }
    let file = path(sub, "config").or_else(|| path(top, "config"));
    if services.is_empty() {
        return Ok(AgentOptions {
            offers: Offers::File(file.unwrap_or_else(|| CONFIG_DEFAULT.into())),
            nodes,
            key: path(sub, "key"),
            joined: secrets,
        });
    }
    if file.is_some() {
        return Err(wrong(
            "-c and NAME=URL do not go together: write the services into the file, or leave -c out.".to_owned(),
        ));
    }
    Ok(AgentOptions {
        offers: Offers::Named(services),
        nodes,
        key: path(sub, "key"),
        joined: secrets,
    })
}

/// A node to dial.
///
/// # Errors
/// A sentence.
pub(super) fn node(text: &str) -> Result<Bootstrap, String> {
    match addr::parse_bootstrap(text) {
        Ok(node) => Ok(node),
        Err(why) => Err(format!("--node {why}.")),
    }
}

/// The nodes of a join token, and its key.
///
/// # Errors
/// A sentence without its full stop.
pub(crate) fn joined(token: &str) -> Result<(Vec<Bootstrap>, JoinSecrets), String> {
    let words = |error: JoinError| error.to_string();
    let token: JoinToken = token.parse().map_err(words)?;
    token.good_at(now_s()).map_err(words)?;
    let nodes = token.addrs().iter().map(|addr| addr::parse_bootstrap(addr));
    let nodes = nodes
        .collect::<Result<_, _>>()
        .map_err(|why| format!("the join token's address {why}"))?;
    Ok((nodes, token.secrets().clone()))
}

fn offer(text: &str) -> Result<LocalService, String> {
    let shown = text.escape_debug();
    let Some((name, url)) = text.split_once('=') else {
        return Err(format!(
            "'{shown}' is not NAME=URL: write the service's name and its server, such as api=http://127.0.0.1:8080."
        ));
    };
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        return Err(format!(
            "'{shown}' has no name that a service can have: write 1 to {NAME_BYTES_MAX} bytes before the '='."
        ));
    }
    upstream::check_upstream(url)
        .map_err(|why| format!("the server of '{}' {why}.", name.escape_debug()))?;
    Ok(LocalService {
        name: name.to_owned(),
        upstream: url.to_owned(),
        health: None,
        timeout: None,
        at: Position { line: 1, column: 1 },
    })
}
