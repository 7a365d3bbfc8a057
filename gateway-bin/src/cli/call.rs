//! The words of `flatend call`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches};

use super::agent::node;
use super::{wrong, Notice};
use crate::config::{duration, Bootstrap};
use crate::limits::{CALL_NODES_MAX, NAME_BYTES_MAX};

/// Options of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallOptions {
    /// The service.
    pub service: String,
    /// Headers of the request, in order.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: BodyFrom,
    /// Nodes to dial; at least one.
    pub nodes: Vec<Bootstrap>,
    /// Longest wait for the head of the response.
    pub timeout: Option<Duration>,
    /// Show the response's headers.
    pub include: bool,
    /// A status from 400 on is a failure.
    pub fail: bool,
}

/// Where the body of a call comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyFrom {
    /// Standard input if it is a pipe or a file; else there is none.
    Piped,
    /// Standard input, whatever it is.
    Stdin,
    /// A file.
    File(PathBuf),
    /// The command line.
    Text(String),
}

/// The node that is dialed if none is named: the gateway of this machine, at its default address.
const NODE_DEFAULT: &str = "127.0.0.1:9000";

const USAGE: &str =
    "flatend call SERVICE [-H 'NAME: VALUE']… [-d TEXT|@FILE|@-] [--node HOST:PORT]…";

const LONG: &str = "Calls a service: the curl of services.

Dials a node of the mesh and calls SERVICE there: on the node itself, on a node that it
names, or, if it relays (`relay = true` in its configuration), on one that only dialed it.
The body goes out and the response comes in as they are read, in any size.

The body is standard input if that is a pipe or a file, or what -d says. The response's
body goes to standard output.";

const AFTER: &str =
    "Exit status: 0 when a response has come whole, whatever its status; 22 for a status from
400 on with -f; 1 if there is no response, or it broke off; 2 for a wrong command line.

Examples:
  flatend call hello_world
  flatend call echo -d 'some text' --node gateway.example:9000
  flatend call upload -H 'content-type: image/png' -d @picture.png -i
  tar c folder | flatend call store -H 'query.name: folder' | tee receipt
  flatend call api -H ':method: GET' -H ':path: /users?page=2'    (a server behind an agent)";

/// Its arguments and help.
pub(super) fn define(command: clap::Command) -> clap::Command {
    let flag = |id: &'static str, short: char, help: &'static str| {
        Arg::new(id)
            .short(short)
            .long(id)
            .action(ArgAction::SetTrue)
            .help(help)
    };
    command
        .override_usage(USAGE)
        .long_about(LONG)
        .after_help(AFTER)
        .arg(
            Arg::new("service")
                .value_name("SERVICE")
                .required(true)
                .help("Name of the service"),
        )
        .arg(
            Arg::new("header")
                .short('H')
                .long("header")
                .value_name("NAME: VALUE")
                .action(ArgAction::Append)
                .help("Header of the request; may be given several times"),
        )
        .arg(
            Arg::new("data")
                .short('d')
                .long("data")
                .value_name("TEXT|@FILE|@-")
                .allow_hyphen_values(true)
                .help("Body: a text, a file, or standard input; -d '' is none"),
        )
        .arg(
            Arg::new("node")
                .long("node")
                .value_name("HOST:PORT")
                .action(ArgAction::Append)
                .help("Node of the mesh to dial; may be given several times [default: 127.0.0.1:9000]"),
        )
        .arg(
            Arg::new("timeout")
                .long("timeout")
                .value_name("TIME")
                .help("Longest wait for the response to begin, such as 500ms or 10s [default: none]"),
        )
        .arg(flag("include", 'i', "Show the response's headers before its body"))
        .arg(flag("fail", 'f', "For a status from 400 on show no body and end with status 22"))
}

/// What was asked for.
///
/// # Errors
/// What is wrong.
pub(super) fn parse(sub: &ArgMatches) -> Result<CallOptions, Notice> {
    let texts = |id| sub.get_many::<String>(id).into_iter().flatten();
    let text = |id| sub.get_one::<String>(id).map(String::as_str);
    let service = text("service").unwrap_or_default();
    if service.is_empty() || service.len() > NAME_BYTES_MAX {
        return Err(wrong(format!(
            "the name of a service has 1 to {NAME_BYTES_MAX} bytes, not {}.",
            service.len()
        )));
    }
    let headers = texts("header").map(|text| header(text).map_err(wrong));
    let headers = headers.collect::<Result<_, _>>()?;
    let nodes = texts("node").map(|text| node(text).map_err(wrong));
    let mut nodes: Vec<Bootstrap> = nodes.collect::<Result<_, _>>()?;
    if nodes.is_empty() {
        nodes.push(node(NODE_DEFAULT).map_err(wrong)?);
    }
    nodes.dedup();
    if nodes.len() > CALL_NODES_MAX {
        return Err(wrong(format!(
            "--node stands {} times: write at most {CALL_NODES_MAX}.",
            nodes.len()
        )));
    }
    let timeout = match text("timeout") {
        None => None,
        Some(time) => Some(
            duration::parse(time)
                .map_err(|why| wrong(format!("--timeout '{}' {why}.", time.escape_debug())))
                .and_then(|timeout| match timeout.is_zero() {
                    true => Err(wrong(format!(
                        "--timeout {time} leaves no time for an answer: leave it out to wait for ever."
                    ))),
                    false => Ok(timeout),
                })?,
        ),
    };
    Ok(CallOptions {
        service: service.to_owned(),
        headers,
        body: match text("data") {
            None => BodyFrom::Piped,
            Some("@-") => BodyFrom::Stdin,
            Some(text) => match text.strip_prefix('@') {
                Some(file) => BodyFrom::File(file.into()),
                None => BodyFrom::Text(text.to_owned()),
            },
        },
        nodes,
        timeout,
        include: sub.get_flag("include"),
        fail: sub.get_flag("fail"),
    })
}

/// `NAME: VALUE`; a name may begin with a colon, as `:method` does.
fn header(text: &str) -> Result<(String, String), String> {
    let colon = text.char_indices().skip(1).find(|(_, c)| *c == ':');
    let Some((at, _)) = colon else {
        return Err(format!(
            "-H '{}' is no header: write NAME: VALUE, such as -H 'content-type: text/plain'.",
            text.escape_debug()
        ));
    };
    let (name, value) = (&text[..at], text[at + 1..].trim_start());
    if name.len() > NAME_BYTES_MAX || value.len() > usize::from(u16::MAX) {
        return Err(format!(
            "-H '{}…' is too large: a name has at most {NAME_BYTES_MAX} bytes, a value 65,535.",
            name.chars().take(40).collect::<String>().escape_debug()
        ));
    }
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_cut_at_their_first_colon_but_for_one_in_front() {
        for (text, name, value) in [
            ("a:b", "a", "b"),
            ("A: b: c ", "A", "b: c "),
            (":method: GET", ":method", "GET"),
            ("a:", "a", ""),
        ] {
            assert_eq!(header(text), Ok((name.to_owned(), value.to_owned())));
        }
        for text in ["", "a", ":method", ":"] {
            assert!(header(text).is_err(), "{text}");
        }
        assert!(header(&format!("a:{}", "v".repeat(65_535))).is_ok());
        assert!(header(&format!("a:{}", "v".repeat(65_536))).is_err());
    }
}
