//! `flatend agent`: offers local HTTP servers on nodes of the mesh, which it dials; it listens nowhere.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use flatend::{JoinSecrets, Node};

use super::run;
use crate::cli::{joined, AgentOptions, Offers};
use crate::config::{self, Bootstrap, Context, LoadError, LocalService, Mesh};
use crate::gateway::Upstreams;
use crate::{agent, io_words, log, logs, trust};

/// Runs the agent until a signal ends it. The result is the process's exit status.
///
/// # Errors
/// Standard error cannot be written.
pub fn run(
    options: &AgentOptions,
    env: &config::env::Lookup<'_>,
    err: &mut impl Write,
) -> io::Result<u8> {
    let (named, joined) = match named_nodes(options, env) {
        Ok(named) => named,
        Err(sentence) => {
            writeln!(err, "flatend: {sentence}.")?;
            return Ok(2);
        }
    };
    let read;
    let (services, nodes, mesh) = match &options.offers {
        Offers::Named(services) => (services, named, None),
        Offers::File(file) => {
            let context = Context {
                env,
                fallback_addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 9000)),
                base_dir: PathBuf::new(),
            };
            let shown = file.display().to_string();
            read = match config::load(file, &context) {
                Ok(config) => config,
                Err(LoadError::Invalid(found)) => {
                    err.write_all(config::lines(&shown, &found).as_bytes())?;
                    return Ok(1);
                }
                Err(error) => {
                    writeln!(err, "flatend: {shown}: {error}; name a file with `-c`, or write what to offer: flatend agent NAME=http://127.0.0.1:8080 --node HOST:PORT")?;
                    return Ok(1);
                }
            };
            if let Some(sentence) = read.refusal(&shown) {
                writeln!(err, "flatend: cannot run {sentence}")?;
                return Ok(1);
            }
            if read.services.is_empty() {
                writeln!(
                    err,
                    "flatend: {shown} has no `[[services]]`: write one with its name and upstream"
                )?;
                return Ok(1);
            }
            let mut nodes = read.mesh.bootstrap.clone();
            nodes.extend(named);
            if nodes.is_empty() {
                writeln!(err, "flatend: {shown} names no node to dial: write bootstrap = [\"HOST:PORT\"], or give --node HOST:PORT or --join TOKEN")?;
                return Ok(1);
            }
            if !read.http.is_empty() {
                log!("The agent serves no HTTP: `[[http]]` of '{shown}' is for the gateway.");
            }
            for warning in &read.warnings {
                log!("{}", warning.line(&shown));
            }
            (&read.services, nodes, Some(&read.mesh))
        }
    };
    match start(services, &nodes, mesh, options.key.as_deref(), joined) {
        Ok(node) => Ok(run::wait(node, |_| {
            log!("An agent has nothing to read again: restart it for another file.")
        })),
        Err(sentence) => {
            logs::flush();
            writeln!(err, "flatend: {sentence}")?;
            Ok(1)
        }
    }
}

/// The nodes of the command line and of FLATEND_JOIN, and the secrets of the first tokens that have them.
fn named_nodes(
    options: &AgentOptions,
    env: &config::env::Lookup<'_>,
) -> Result<(Vec<Bootstrap>, JoinSecrets), String> {
    let (mut nodes, mut secrets) = (options.nodes.clone(), options.joined.clone());
    if let Some(token) = env("FLATEND_JOIN").filter(|token| !token.is_empty()) {
        let (named, more) = joined(&token).map_err(|why| format!("FLATEND_JOIN: {why}"))?;
        nodes.extend(named);
        secrets = secrets.or(more);
    }
    if nodes.is_empty() && matches!(options.offers, Offers::Named(_)) {
        return Err("the agent must know a node of the mesh to offer its services on: add --node HOST:PORT, the address at which the gateway listens for nodes, or --join TOKEN".to_owned());
    }
    Ok((nodes, secrets))
}

fn start(
    services: &[LocalService],
    nodes: &[Bootstrap],
    mesh: Option<&Mesh>,
    key: Option<&Path>,
    joined: JoinSecrets,
) -> Result<Node, String> {
    logs::start().map_err(|error| format!("cannot start the log: {}", io_words(&error)))?;
    flatend::rt::raise_file_limit();
    let targets = each_once(nodes.iter().map(Bootstrap::pinned));
    let shown = each_once(nodes.iter().map(ToString::to_string));
    // One link a node, so more shards than nodes would have nothing to do.
    let shards = mesh.and_then(|mesh| mesh.shards);
    let shards = shards.unwrap_or_else(|| flatend::rt::allowed_cpus().len().min(targets.len()));
    let mut builder = Node::builder().shards(shards).on_event(run::report);
    if let Some(key) = joined.network {
        // Where the file names one, that one goes first.
        builder = builder.network_key(key);
    }
    if let Some(mesh) = mesh {
        builder = trust::applied(builder.limits(mesh.limits()), mesh)?;
    }
    let in_file = mesh.and_then(|mesh| mesh.secret_key.as_deref());
    if let Some(path) = key.or(in_file) {
        builder = builder.secret_key_file(path);
    } else if let Some(key) = joined.key {
        builder = builder.secret_key(*key.seed());
    }
    for service in services {
        log!(
            "Offering '{}' from {} to {}.",
            service.name,
            service.upstream,
            shown.join(", ")
        );
    }
    for target in targets {
        builder = builder.bootstrap(target);
    }
    agent::offer(builder, services, &mut Upstreams::default())?
        .start()
        .map_err(|error| run::start_sentence(&error))
}

/// Each node once, wherever it was named again: in the file and on the command line, say.
fn each_once(all: impl Iterator<Item = String>) -> Vec<String> {
    let mut once = Vec::new();
    for target in all {
        if !once.contains(&target) {
            once.push(target);
        }
    }
    once
}

#[cfg(test)]
mod tests {
    use super::each_once;

    #[test]
    fn a_node_is_dialed_once_however_often_it_is_named() {
        let named = ["b:1", "a:1", "b:1", "b:1", "a:1"].map(str::to_owned);
        assert_eq!(each_once(named.into_iter()), ["b:1", "a:1"]);
    }
}
