//! The command line: `flatend [-c FILE] [-h HOST] [-p PORT]` and its commands.
//!
//! Owns the words, their help and their mistakes. As in the seed `-h` is the host, so help is `--help` alone.
//! Runs nothing: `parse` gives a `Command`, or what to print instead. The invariant that a change is likeliest
//! to break: a command of a later version is known and refused in one sentence, and never listed.

mod agent;
mod call;
mod forget;
mod invite;

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{value_parser, Arg, ArgAction, ArgMatches};

use crate::config::suggest;

pub(crate) use agent::joined;
pub use agent::{AgentOptions, Offers};
pub use call::{BodyFrom, CallOptions};
pub use forget::ForgetOptions;
pub use invite::{InviteAction, InviteOptions};

/// What the user asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Run the gateway.
    Run(RunOptions),
    /// Run the demonstration.
    Demo,
    /// Check a configuration file.
    Check {
        /// The file.
        config: PathBuf,
    },
    /// Offer local HTTP servers on the mesh.
    Agent(AgentOptions),
    /// Call a service.
    Call(CallOptions),
    /// Print a join token.
    Invite(InviteOptions),
    /// Forget a key that was seen on flatend/2.
    Forget(ForgetOptions),
    /// Make a key file.
    Keygen {
        /// The file to make.
        file: PathBuf,
        /// A network key instead of a secret key.
        network: bool,
    },
}

/// Options of running the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOptions {
    /// Configuration file.
    pub config: PathBuf,
    /// Host of the mesh address; the file's `addr` wins.
    pub host: IpAddr,
    /// Port of the mesh address; the file's `addr` wins.
    pub port: u16,
}

/// What to print instead of running something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The text, ending in a line break.
    pub text: String,
    /// Exit status: 0 for help and version (standard output), 2 for a wrong command line (standard error).
    pub status: u8,
}

/// Commands that are listed: name, what it does.
const COMMANDS: [&str; 7] = [
    "demo", "call", "agent", "invite", "check", "keygen", "forget",
];

/// Commands of later versions.
const LATER: [&str; 2] = ["repl", "ctl"];

/// Default of `-c`.
const CONFIG_DEFAULT: &str = "config.toml";

/// Default of `-p`.
const PORT_DEFAULT: u16 = 9000;

/// Reads the arguments, the program's name first.
///
/// # Errors
/// Help, version, or what is wrong.
pub fn parse<I, A>(args: I) -> Result<Command, Notice>
where
    I: IntoIterator<Item = A>,
    A: Into<OsString> + Clone,
{
    let matches = definition()
        .try_get_matches_from(args)
        .map_err(|error| notice(&error))?;
    match matches.subcommand() {
        None => Ok(Command::Run(RunOptions {
            config: path(&matches, "config").unwrap_or_else(|| CONFIG_DEFAULT.into()),
            host: matches
                .get_one("host")
                .copied()
                .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            port: matches.get_one("port").copied().unwrap_or(PORT_DEFAULT),
        })),
        Some((name, sub)) => command(name, sub, &matches),
    }
}

fn command(name: &str, sub: &ArgMatches, top: &ArgMatches) -> Result<Command, Notice> {
    if !COMMANDS.contains(&name) {
        return Err(unknown(name));
    }
    for (id, option) in [("config", "-c"), ("host", "-h"), ("port", "-p")] {
        let given = top.value_source(id) == Some(ValueSource::CommandLine);
        if given && !(matches!(name, "check" | "agent" | "invite" | "forget") && id == "config") {
            return Err(wrong(format!(
                "{option} is an option of `flatend` alone, not of `flatend {name}`: remove it."
            )));
        }
    }
    match name {
        "demo" => Ok(Command::Demo),
        "invite" => Ok(Command::Invite(invite::parse(sub, top)?)),
        "forget" => Ok(Command::Forget(forget::parse(sub, top)?)),
        "call" => Ok(Command::Call(call::parse(sub)?)),
        "agent" => Ok(Command::Agent(agent::parse(sub, top)?)),
        "check" => Ok(Command::Check {
            config: path(sub, "file")
                .or_else(|| path(sub, "config"))
                .or_else(|| path(top, "config"))
                .unwrap_or_else(|| CONFIG_DEFAULT.into()),
        }),
        _ => {
            let network = sub.get_flag("network");
            let default = if network { "network.key" } else { "secret.key" };
            Ok(Command::Keygen {
                file: path(sub, "file").unwrap_or_else(|| default.into()),
                network,
            })
        }
    }
}

fn definition() -> clap::Command {
    let help = || {
        Arg::new("help")
            .long("help")
            .action(ArgAction::Help)
            .display_order(900)
            .help("Print this help")
    };
    let config = |help: &'static str| {
        Arg::new("config")
            .short('c')
            .long("config")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help(help)
    };
    let command = |name: &'static str, about: &'static str| {
        clap::Command::new(name)
            .about(about)
            .disable_help_flag(true)
            .arg(help())
    };
    clap::Command::new("flatend")
        .about("The flatend gateway: puts the services of a mesh on the web.")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .allow_external_subcommands(true)
        .override_usage("flatend [-c FILE] [-h HOST] [-p PORT]\n       flatend COMMAND")
        .subcommand_value_name("COMMAND")
        .arg(config("Configuration file [default: config.toml]"))
        .arg(
            Arg::new("host")
                .short('h')
                .long("host")
                .value_name("HOST")
                .value_parser(parse_host)
                .help("Mesh host if the file sets no `addr` [default: 127.0.0.1]"),
        )
        .arg(
            Arg::new("port")
                .short('p')
                .long("port")
                .value_name("PORT")
                .value_parser(value_parser!(u16))
                .help("Mesh port if the file sets no `addr` [default: 9000]"),
        )
        .arg(help())
        .subcommand(command("demo", "Run a gateway on :3000 with services and a page to try them, nothing else needed"))
        .subcommand(call::define(command("call", "Call a service of the mesh: the curl of services")))
        .subcommand(agent::define(
            command("agent", "Offer local HTTP servers as services of a mesh, from behind NAT too"),
            config("Configuration file with `[[services]]` [default: config.toml]"),
        ))
        .subcommand(invite::define(
            command("invite", "Print a join token: all that a service needs to find this gateway"),
            config("Configuration file of the gateway [default: config.toml]"),
        ))
        .subcommand(
            command("check", "Check a configuration file and everything that it names")
                .override_usage("flatend check [-c FILE]")
                .arg(config("Configuration file [default: config.toml]"))
                .arg(
                    Arg::new("file")
                        .value_name("FILE")
                        .value_parser(value_parser!(PathBuf))
                        .conflicts_with("config")
                        .hide(true),
                ),
        )
        .subcommand(forget::define(
            command("forget", "Forget a key, so that its node may speak legacy again"),
            config("Configuration file of the gateway [default: config.toml]"),
        ))
        .subcommand(
            command("keygen", "Make a secret key file and print its public key")
                .override_usage("flatend keygen [--network] [FILE]")
                .arg(
                    Arg::new("network")
                        .long("network")
                        .action(ArgAction::SetTrue)
                        .help("Make a network key, which all nodes of a mesh share"),
                )
                .arg(
                    Arg::new("file")
                        .value_name("FILE")
                        .value_parser(value_parser!(PathBuf))
                        .help("File to make, never written over [default: secret.key, or network.key]"),
                ),
        )
}

fn parse_host(text: &str) -> Result<IpAddr, String> {
    let inside = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    match inside {
        "localhost" => Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        inside => inside
            .parse()
            .map_err(|_| "write an IP address such as 127.0.0.1".to_owned()),
    }
}

fn path(matches: &ArgMatches, id: &str) -> Option<PathBuf> {
    matches.get_one::<PathBuf>(id).cloned()
}

fn wrong(sentence: String) -> Notice {
    Notice {
        text: format!("flatend: {sentence}\n"),
        status: 2,
    }
}

fn unknown(name: &str) -> Notice {
    if name == "help" {
        return Notice {
            text: definition().render_help().to_string(),
            status: 0,
        };
    }
    if LATER.contains(&name) {
        return wrong(format!("`flatend {name}` comes with a later version."));
    }
    let shown: String = name.escape_debug().to_string();
    match suggest::nearest(name, COMMANDS) {
        Some(near) => wrong(format!(
            "`{shown}` is not a command: write `flatend {near}`, or see `flatend --help`."
        )),
        None => wrong(format!(
            "`{shown}` is not a command: `flatend --help` lists them."
        )),
    }
}

/// What clap found, in our words where a user is likely to meet it.
fn notice(error: &clap::Error) -> Notice {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Notice { text: error.render().to_string(), status: 0 },
        ErrorKind::InvalidValue
            if context(ContextKind::InvalidArg).starts_with("--host") && context(ContextKind::InvalidValue).is_empty() =>
        {
            wrong("-h takes the host of the mesh address, such as -h 127.0.0.1; help is `flatend --help`.".to_owned())
        }
        ErrorKind::UnknownArgument => {
            let argument = context(ContextKind::InvalidArg).escape_debug().to_string();
            wrong(format!("`{argument}` is not an option here: `flatend --help` lists them."))
        }
        _ => {
            // "error: invalid value 'x' for '--port <PORT>': …" and lines of hints: the first says it all.
            let text = error.render().to_string();
            let first = text.lines().next().unwrap_or_default();
            wrong(format!("{}.", first.strip_prefix("error: ").unwrap_or(first)))
        }
    }
}
