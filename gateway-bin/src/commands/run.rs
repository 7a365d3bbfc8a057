//! `flatend`: runs the gateway until a signal drains it.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use flatend::rt::{allowed_cpus, ListenOptions, Listener};
use flatend::{Node, NodeEvent, Shard, StartError};
use flatend_http::limits::Limits;
use flatend_http::server::{self, Timeouts};

use crate::access::ShardLog;
use crate::cli::RunOptions;
use crate::config::{self, env::Lookup, Config, Context, Http, ListenAddr, LoadError, Target};
use crate::gateway::{Bridge, RouteTable, Upstreams};
use crate::limits::{DIAGNOSTICS_MAX, DRAIN_BODY_BYTES_MAX};
use crate::{access, agent, io_words, keys, log, logs, signals};

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
            for finding in found.iter().take(DIAGNOSTICS_MAX) {
                writeln!(err, "{}", finding.line(&file))?;
            }
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
        Ok(node) => Ok(wait(node)),
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
    let listening = sections.addrs.clone();
    let mut builder = Node::builder()
        .bind(config.mesh.addr.to_string())
        .secret_key(*secret.seed())
        .shards(shards)
        .on_event(report);
    if let Some(addr) = config.mesh.public_addr {
        builder = builder.public_addr(addr);
    }
    for target in &config.mesh.bootstrap {
        builder = builder.bootstrap(target.to_string());
    }
    for service in &config.services {
        log!("Offering '{}' from {}.", service.name, service.upstream);
    }
    let sections = Arc::new(sections);
    builder = builder.on_each_shard(move |shard| {
        let sections = sections.clone();
        async move { sections.serve(shard).await }
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
    Ok(node)
}

/// Waits for a signal, drains, and gives the exit status. A shard that dies ends the process: half a gateway would leave
/// connections hanging that a restart serves.
pub fn wait(node: Node) -> u8 {
    let stop = stop_channel().0.clone();
    let watching = signals::on_stop(move |_| {
        // The receiver lives as long as the process.
        stop.send(Stop::Signal).ok();
    });
    if let Err(error) = watching {
        log!("Cannot watch for signals: {}.", io_words(&error));
        logs::flush();
        return 1;
    }
    if let Ok(Stop::ShardDied) | Err(_) = stop_channel().1.recv() {
        logs::flush();
        std::process::exit(1);
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

/// Why the gateway ends.
enum Stop {
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

/// The log lines of a node; those that a peer can cause at will are limited.
pub(super) fn report(event: NodeEvent) {
    static LINKS: logs::Kind = logs::Kind::new("links that came and went");
    static FAULTS: logs::Kind = logs::Kind::new("peers that broke the protocol");
    static HEALTH: logs::Kind = logs::Kind::new("providers set aside and back");
    static TROUBLE: logs::Kind = logs::Kind::new("trouble");
    match &event {
        NodeEvent::SetAside { .. } | NodeEvent::Back { .. } => HEALTH.line(format_args!("{event}")),
        NodeEvent::PeerFault { .. } => FAULTS.line(format_args!("{event}")),
        NodeEvent::Trouble(_) => TROUBLE.line(format_args!("{event}")),
        NodeEvent::Listening(_) => log!("{event}"),
        NodeEvent::ShardDied { .. } => {
            log!("{event}");
            // The receiver lives as long as the process.
            stop_channel().0.send(Stop::ShardDied).ok();
        }
        _ => LINKS.line(format_args!("{event}")),
    }
}

/// The HTTP side: listeners bound, tables built, waiting for the shards.
struct Sections {
    addrs: Vec<SocketAddr>,
    sections: Vec<Section>,
}

struct Section {
    table: Arc<RouteTable>,
    limits: Limits,
    timeouts: Timeouts,
    access: Option<Arc<access::Sink>>,
    /// One set of descriptors a shard; each shard takes its own.
    listeners: Mutex<Vec<Vec<OwnedFd>>>,
}

impl Sections {
    fn bind(config: &Config, upstreams: &mut Upstreams, shards: usize) -> Result<Sections, String> {
        let mut all = Sections {
            addrs: Vec::new(),
            sections: Vec::new(),
        };
        for http in &config.http {
            let table = RouteTable::new(http, upstreams)?;
            let access = match &http.access_log {
                Some(log) => Some(access::open(log).map_err(|error| {
                    format!(
                        "cannot open the access log {}: {}",
                        log.to,
                        io_words(&error)
                    )
                })?),
                None => None,
            };
            let mut per_shard: Vec<Vec<OwnedFd>> = (0..shards).map(|_| Vec::new()).collect();
            for addr in &http.addrs {
                if clashes(addr, config.mesh.addr) {
                    return Err(format!(
                        "cannot listen for HTTP requests on '{addr}': the mesh listens on '{}'; give [[http]] or addr another port",
                        config.mesh.addr
                    ));
                }
                let options = ListenOptions {
                    only_v6: !addr.dual_stack,
                    congestion: None,
                };
                let (bound, group) = Listener::bind_group(addr.socket, shards, &options)
                    .map_err(|error| listen_sentence(addr, &error))?;
                all.addrs.push(bound);
                for (listeners, fd) in per_shard.iter_mut().zip(group) {
                    listeners.push(fd);
                }
            }
            all.sections.push(Section {
                table: Arc::new(table),
                limits: limits(http),
                timeouts: timeouts(http),
                access,
                listeners: Mutex::new(per_shard),
            });
        }
        Ok(all)
    }

    /// Serves every section on one shard until the node drains.
    async fn serve(&self, shard: std::rc::Rc<Shard>) {
        let mut serving = Vec::new();
        for (number, section) in self.sections.iter().enumerate() {
            let fds = {
                let mut listeners = section
                    .listeners
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                std::mem::take(&mut listeners[shard.index()])
            };
            let mut listeners = Vec::with_capacity(fds.len());
            for fd in fds {
                match Listener::adopt(fd) {
                    Ok(listener) => listeners.push(listener),
                    Err(error) => log!(
                        "Shard {} cannot watch an HTTP listener: {}.",
                        shard.index(),
                        io_words(&error)
                    ),
                }
            }
            let access = section.access.clone().map(ShardLog::new);
            let bridge = Bridge::new(shard.clone(), section.table.clone(), number, access.clone());
            let serve = server::serve(
                shard.clone(),
                listeners,
                bridge,
                section.limits,
                section.timeouts,
                |sentence| {
                    report(NodeEvent::Trouble(sentence));
                },
            );
            serving.push(async move {
                serve.await;
                if let Some(access) = access {
                    access.flush();
                }
            });
        }
        flatend::rt::join_all(serving).await;
    }
}

fn clashes(addr: &ListenAddr, mesh: SocketAddr) -> bool {
    let same_ip = addr.socket.ip() == mesh.ip()
        || (addr.dual_stack && addr.socket.ip().is_unspecified())
        || (mesh.ip().is_unspecified() && mesh.is_ipv4() == addr.socket.is_ipv4());
    addr.socket.port() != 0 && addr.socket.port() == mesh.port() && same_ip
}

fn listen_sentence(addr: &ListenAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => format!("cannot listen for HTTP requests on '{addr}': the address is in use by another process; stop it or choose another port"),
        io::ErrorKind::PermissionDenied => {
            format!("cannot listen for HTTP requests on '{addr}': ports below 1024 need the right to bind them (CAP_NET_BIND_SERVICE); choose another port or grant it")
        }
        _ => format!("cannot listen for HTTP requests on '{addr}': {}", io_words(error)),
    }
}

fn limits(http: &Http) -> Limits {
    let defaults = Limits::default();
    Limits {
        head_bytes_max: http.max.header_size,
        // One limit for the whole head: a target as long as it is a head too large.
        target_bytes_max: http.max.header_size,
        body_bytes_min: http.min.body_size.unwrap_or(0),
        body_bytes_max: http.max.body_size.unwrap_or(u64::MAX),
        drain_body_bytes_max: DRAIN_BODY_BYTES_MAX,
        ..defaults
    }
}

fn timeouts(http: &Http) -> Timeouts {
    let ms = |duration: std::time::Duration| duration.as_millis() as u64;
    Timeouts {
        read_ms: ms(http.timeout.read),
        body_rate_min: http.min.rate,
        read_header_ms: ms(http.timeout.read_header),
        idle_ms: ms(http.timeout.idle),
        write_ms: ms(http.timeout.write),
        shutdown_ms: ms(http.timeout.shutdown),
    }
}
