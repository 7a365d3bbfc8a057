//! `flatend`: runs the gateway until a signal drains it.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flatend::rt::allowed_cpus;
use flatend::{Node, NodeEvent, StartError};

use super::in_force;
use crate::cli::RunOptions;
use crate::config::{self, env::Lookup, Config, Context, LoadError, Target};
use crate::gateway::{Sections, Upstreams};
use crate::{access, agent, io_words, keys, log, logs, signals, trust};

/// Runs the gateway that `options` describe. The result is the process's exit status.
///
/// # Errors
/// Standard error cannot be written.
pub fn run(options: &RunOptions, env: &Lookup<'_>, err: &mut impl Write) -> io::Result<u8> {
    let file = options.config.display().to_string();
    let context = Context {
        env,
        fallback_addr: SocketAddr::new(options.host, options.port),
        base_dir: PathBuf::new(),
    };
    let config = match config::load(&options.config, &context) {
        Ok(config) => config,
        Err(LoadError::Missing) => {
            log!("Unable to find a configuration file '{file}'.");
            Config::without_file(&context)
        }
        Err(LoadError::Invalid(found)) => {
            err.write_all(config::lines(&file, &found).as_bytes())?;
            return Ok(1);
        }
        Err(error) => {
            writeln!(err, "flatend: {file}: {error}")?;
            return Ok(1);
        }
    };
    if let Some(sentence) = config.refusal(&file) {
        writeln!(err, "flatend: cannot run {sentence}")?;
        return Ok(1);
    }
    for warning in &config.warnings {
        log!("{}", warning.line(&file));
    }
    match start(&config, |builder| builder) {
        Ok(node) => Ok(wait(node, |node| {
            trust::reload(node, &options.config, &context)
        })),
        Err(sentence) => {
            logs::flush();
            writeln!(err, "flatend: {sentence}")?;
            Ok(1)
        }
    }
}

/// Starts the node and the HTTP side of `config`. `more` may add to the node.
///
/// # Errors
/// One sentence: what could not be started, and what to do.
pub fn start(
    config: &Config,
    more: impl FnOnce(flatend::NodeBuilder) -> flatend::NodeBuilder,
) -> Result<Node, String> {
    logs::start().map_err(|error| format!("cannot start the log: {}", io_words(&error)))?;
    flatend::rt::raise_file_limit();
    let shards = config.mesh.shards.unwrap_or_else(|| allowed_cpus().len());
    let mut routes = config.http.iter().flat_map(|http| &http.routes);
    if routes.any(|route| matches!(route.target, Target::Static(_))) {
        flatend::rt::preflight_files()
            .map_err(|error| format!("cannot serve files here: {error}"))?;
    }
    // The mesh's address first, so that a clash is told of the address that the user thinks of first.
    let mut upstreams = Upstreams::default();
    let sections = Sections::bind(config, &mut upstreams, shards)?;
    let (secret, origin) = keys::identity(&config.mesh)
        .map_err(|(path, error)| format!("the secret key '{}', {error}", path.display()))?;
    let key_file = match &origin {
        keys::Origin::File(path) | keys::Origin::Made(path) => Some(path.clone()),
        keys::Origin::ThisRun(_) => None,
    };
    let listening = sections.addrs.clone();
    let mut builder = Node::builder()
        .bind(config.mesh.addr.to_string())
        .secret_key(*secret.seed())
        .shards(shards)
        .relay(config.mesh.relay)
        .limits(config.mesh.limits())
        .on_event(move |event| match event {
            NodeEvent::OwnKey { .. } => own_key(&event, key_file.as_deref()),
            event => report(event),
        });
    if let Some(congestion) = &config.mesh.congestion {
        builder = builder.congestion(congestion.name());
    }
    if let Some(addr) = config.mesh.public_addr {
        builder = builder.public_addr(addr);
    }
    for target in &config.mesh.bootstrap {
        builder = builder.bootstrap(target.pinned());
    }
    builder = trust::applied(builder, &config.mesh)?;
    for service in &config.services {
        log!("Offering '{}' from {}.", service.name, service.upstream);
    }
    let sections = Arc::new(sections);
    builder = builder.on_each_shard(move |shard| {
        let sections = sections.clone();
        async move { sections.serve(shard, trouble).await }
    });
    builder = agent::offer(builder, &config.services, &mut upstreams)?;
    let node = more(builder)
        .start()
        .map_err(|error| start_sentence(&error))?;
    match &origin {
        keys::Origin::File(_) => {}
        keys::Origin::Made(path) => {
            log!("Made a secret key for this node in '{}'.", path.display())
        }
        keys::Origin::ThisRun(reason) => log!("Using a secret key for this run only: {reason}."),
    }
    for addr in listening {
        log!("Listening for HTTP requests on '{addr}'.");
    }
    let receive_bytes = config.mesh.limits().receive_bytes_of(shards);
    log!(
        "{}",
        in_force::line(config, shards, &allowed_cpus(), receive_bytes as u64)
    );
    Ok(node)
}

/// Waits for a signal, drains, and gives the exit status. `reload` is called for each SIGHUP. A shard that dies ends the process: half a gateway would leave
/// connections hanging that a restart serves.
pub fn wait(node: Node, reload: impl Fn(&Node)) -> u8 {
    // The receiver lives as long as the process.
    let tell = |word: fn() -> Stop| {
        let stop = stop_channel().0.clone();
        move || drop(stop.send(word()))
    };
    let begin_drain = tell(|| Stop::Signal);
    let watching = signals::watch(move |_| begin_drain(), tell(|| Stop::Reload));
    if let Err(error) = watching {
        log!("Cannot watch for signals: {}.", io_words(&error));
        logs::flush();
        return 1;
    }
    loop {
        match stop_channel().1.recv() {
            Ok(Stop::Reload) => reload(&node),
            Ok(Stop::Signal) => break,
            Ok(Stop::ShardDied) | Err(_) => {
                logs::flush();
                std::process::exit(1);
            }
        }
    }
    log!("Shutting down: finishing what runs. A second signal stops at once.");
    let status = match node.shutdown() {
        Ok(()) => 0,
        Err(sentence) => {
            log!("{sentence}");
            1
        }
    };
    access::flush();
    logs::flush();
    status
}

/// What the gateway waits for.
enum Stop {
    /// It does not: files are read again.
    Reload,
    Signal,
    ShardDied,
}

/// One channel a process: a process has one gateway, and shards may die before anybody waits.
fn stop_channel() -> &'static (
    crossbeam_channel::Sender<Stop>,
    crossbeam_channel::Receiver<Stop>,
) {
    static CHANNEL: std::sync::OnceLock<(
        crossbeam_channel::Sender<Stop>,
        crossbeam_channel::Receiver<Stop>,
    )> = std::sync::OnceLock::new();
    CHANNEL.get_or_init(crossbeam_channel::unbounded)
}

pub(super) fn start_sentence(error: &StartError) -> String {
    match error {
        StartError::Preflight(_) => format!("cannot run here: {error}"),
        _ => error.to_string(),
    }
}

fn trouble(sentence: String) {
    report(NodeEvent::Trouble(sentence));
}

/// A peer with the node's own key: two gateways of one user share the key of the default state directory.
fn own_key(event: &NodeEvent, file: Option<&Path>) {
    static SAME_KEY: logs::Kind = logs::Kind::new("peers with this node's own key");
    match file {
        Some(file) => SAME_KEY.line(format_args!(
            "{event}. A key of its own: `flatend keygen FILE`, and `secret_key = \"FILE\"` beside its `addr`; this node has the one in '{}'.",
            file.display()
        )),
        None => SAME_KEY.line(format_args!("{event}.")),
    }
}

/// The log lines of a node; those that a peer can cause at will are limited.
pub(super) fn report(event: NodeEvent) {
    static LINKS: logs::Kind = logs::Kind::new("links that came and went");
    static FAULTS: logs::Kind = logs::Kind::new("peers that broke the protocol");
    static HEALTH: logs::Kind = logs::Kind::new("providers set aside and back");
    static TROUBLE: logs::Kind = logs::Kind::new("trouble");
    match &event {
        NodeEvent::SetAside { .. } | NodeEvent::Back { .. } => HEALTH.line(format_args!("{event}")),
        NodeEvent::PeerFault { .. } | NodeEvent::OwnKey { .. } => {
            FAULTS.line(format_args!("{event}"))
        }
        NodeEvent::Trouble(_)
        | NodeEvent::HandlerPanicked { .. }
        | NodeEvent::OverBudget { .. } => TROUBLE.line(format_args!("{event}")),
        NodeEvent::Listening(_) => log!("{event}"),
        NodeEvent::ShardDied { .. } => {
            log!("{event}");
            // The receiver lives as long as the process.
            stop_channel().0.send(Stop::ShardDied).ok();
        }
        _ => LINKS.line(format_args!("{event}")),
    }
}
