//! The builder: collects what a node is, checks it, and starts it.

use std::future::Future;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use ed25519_dalek::SigningKey;

use super::context::Context;
use super::credentials::now_s;
use super::events::{Events, NodeEvent};
use super::handler_error::HandlerError;
use super::handlers::Service;
use super::node_limits::NodeLimits;
use super::reconnect::Reconnect;
use super::running::Node;
use super::start;
use crate::error::StartError;
use crate::join::{JoinError, JoinToken};
use crate::keys::{load_or_make_secret, SecretKey};
use crate::shard::Shard;
use crate::trust::Trust;

pub(super) type ShardTask =
    Arc<dyn Fn(Rc<Shard>) -> std::pin::Pin<Box<dyn Future<Output = ()>>> + Send + Sync>;

/// Describes a node; [`NodeBuilder::start`] runs it. Nothing is looked at before that, and then all of it: every mistake has its
/// sentence in the error.
///
/// ```
/// use std::time::Duration;
///
/// use flatend::{Node, Reconnect};
///
/// let node = Node::builder()
///     .bind("127.0.0.1:0") // to be called by others; without it the node dials only
///     .bootstrap("127.0.0.1:9000") // whoever is there knows the others
///     .reconnect(Reconnect {
///         max: Duration::from_secs(5),
///         ..Reconnect::default()
///     })
///     .shards(1) // one a processor if not said
///     .service("hello", |context| async move { context.send("hi").await })
///     .start()?;
/// # node.shutdown()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct NodeBuilder {
    pub(super) bind: Vec<String>,
    pub(super) public_addr: Option<SocketAddr>,
    pub(super) secret_key: Option<[u8; 32]>,
    pub(super) secret_key_file: Option<PathBuf>,
    pub(super) joined_key: Option<SecretKey>,
    pub(super) bootstrap: Vec<String>,
    pub(super) services: Vec<Service>,
    pub(super) shards: Option<usize>,
    pub(super) pin: bool,
    pub(super) events: Events,
    pub(super) shard_tasks: Vec<ShardTask>,
    pub(super) reconnect: Reconnect,
    pub(super) limits: NodeLimits,
    pub(super) congestion: Option<String>,
    pub(super) relays: bool,
    pub(super) flatend2: bool,
    pub(super) network_key: Option<[u8; 32]>,
    pub(super) trust: Trust,
    pub(super) known_keys_file: Option<PathBuf>,
}

impl Default for NodeBuilder {
    fn default() -> Self {
        NodeBuilder {
            bind: Vec::new(),
            public_addr: None,
            secret_key: None,
            secret_key_file: None,
            joined_key: None,
            bootstrap: Vec::new(),
            services: Vec::new(),
            shards: None,
            pin: true,
            events: Arc::new(|event| eprintln!("{event}")),
            shard_tasks: Vec::new(),
            reconnect: Reconnect::default(),
            limits: NodeLimits::default(),
            congestion: None,
            relays: false,
            flatend2: true,
            network_key: None,
            trust: Trust::default(),
            known_keys_file: None,
        }
    }
}

impl NodeBuilder {
    /// Whether the node answers requests for names that it does not offer itself by asking those that it is connected to (default:
    /// no). So nodes that only dialed in are reached by others. It announces that it relays, not the names. It needs an identity,
    /// as every node that calls others does: see [`NodeBuilder::bind`].
    #[must_use]
    pub fn relay(mut self, relays: bool) -> Self {
        self.relays = relays;
        self
    }

    /// Whether the node speaks flatend/2 with peers that do (default: yes). Without it the node is as an old one: nothing proves
    /// who its peers are, and a reader that stops holds up all others of its link. For tests and measurements.
    #[must_use]
    pub fn flatend2(mut self, speaks: bool) -> Self {
        self.flatend2 = speaks;
        self
    }

    /// The key that all nodes of the network share ([`keys::load_network`](crate::keys::load_network)): who has another one, or
    /// none, cannot connect, and neither can legacy peers.
    #[must_use]
    pub fn network_key(mut self, key: [u8; 32]) -> Self {
        self.network_key = Some(key);
        self
    }

    /// Who may connect, call and offer what (default: everybody, but for legacy peers whose key was seen on flatend/2).
    /// [`Node::set_trust`](super::Node::set_trust) changes it.
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// Remembers the keys that were seen on flatend/2 in the file at `path`, one of 64 hex digits a line; without one they are
    /// forgotten at the end.
    #[must_use]
    pub fn known_keys_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.known_keys_file = Some(path.into());
        self
    }

    /// Listens for peers on `addr`, `HOST:PORT` (`127.0.0.1:9000`; port 0 for any), on each shard. May be called again for more
    /// addresses; of a name that has several the first is taken. A node that listens has an identity: a secret key is made for
    /// this run if none is given, and peers are told the port of the first address.
    #[must_use]
    pub fn bind(mut self, addr: impl Into<String>) -> Self {
        self.bind.push(addr.into());
        self
    }

    /// The address by which others dial this node, if it is not that of the listener: behind a forwarded port, say.
    #[must_use]
    pub fn public_addr(mut self, addr: SocketAddr) -> Self {
        self.public_addr = Some(addr);
        self
    }

    /// The 32-byte Ed25519 seed of the node's key: a secret. [`NodeBuilder::secret_key_file`] keeps one in a file. A node that neither
    /// listens nor has a public address proves it to peers that speak flatend/2, and is anonymous to all others. Each node
    /// needs a key of its own: two processes with one key are two providers, but a node that looks the key up finds one of them, and on
    /// legacy each takes the other for itself.
    #[must_use]
    pub fn secret_key(mut self, seed: [u8; 32]) -> Self {
        self.secret_key = Some(seed);
        self
    }

    /// Keeps the node's identity in the file at `path`: read if it is there, made with mode 0600 if not, in a directory that is
    /// there. It holds 64 hex digits (the seed) or 128 (the seed and its public key), as `flatend keygen` writes them; a file that
    /// others may read or write is refused.
    #[must_use]
    pub fn secret_key_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.secret_key_file = Some(path.into());
        self
    }

    /// Dials `target` (`host:port`, or `host:port#key` with the public key, 64 hex digits, that alone may answer there) at start and
    /// whenever its link is lost.
    #[must_use]
    pub fn bootstrap(mut self, target: impl Into<String>) -> Self {
        self.bootstrap.push(target.into());
        self
    }

    /// Dials what a join token says, as [`NodeBuilder::bootstrap`]: all that a service needs to be told. `flatend invite` prints one.
    /// If it holds a key and the node is given none ([`NodeBuilder::secret_key`], [`NodeBuilder::secret_key_file`]), that one is the
    /// node's; of several tokens the first one's. So with the network key.
    ///
    /// # Errors
    /// [`JoinError`]: the text is no token, or not a whole one, or it has expired.
    pub fn join(mut self, token: &str) -> Result<Self, JoinError> {
        let token: JoinToken = token.parse()?;
        token.good_at(now_s())?;
        self.joined_key = self.joined_key.or_else(|| token.secret().cloned());
        self.network_key = self.network_key.or(token.network_key());
        for addr in token.addrs() {
            if !self.bootstrap.contains(addr) {
                self.bootstrap.push(addr.clone());
            }
        }
        Ok(self)
    }

    /// As [`NodeBuilder::join`], with the token in the environment variable `FLATEND_JOIN`: a service that needs no configuration.
    ///
    /// ```no_run
    /// use flatend::Node;
    ///
    /// // FLATEND_JOIN=$(flatend invite) cargo run
    /// let node = Node::builder()
    ///     .join_from_env()?
    ///     .service("hello_world", |context| async move { context.send("Hello world!").await })
    ///     .start()?;
    /// std::thread::park();
    /// # node.shutdown()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`JoinError`]; also if the variable is not set.
    pub fn join_from_env(self) -> Result<Self, JoinError> {
        match std::env::var("FLATEND_JOIN") {
            Ok(token) => self.join(&token),
            Err(_) => Err(JoinError(
                "FLATEND_JOIN is not set: set it to what `flatend invite` printed".to_owned(),
            )),
        }
    }

    /// Offers a service. `handler` runs once a request, on the shard that owns the link it came by; its future need not
    /// be `Send`.
    #[must_use]
    pub fn service<F, Fut>(self, name: impl AsRef<str>, handler: F) -> Self
    where
        F: Fn(Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), HandlerError>> + 'static,
    {
        self.offer(Service::shared(name.as_ref(), handler))
    }

    /// Offers a service with a handler for each shard. `make` runs once on each shard, before the node listens or dials; what it
    /// gives is called for the requests of that shard alone, so it may keep what belongs to one core, without locks:
    ///
    /// ```
    /// use std::{cell::Cell, rc::Rc};
    ///
    /// let node = flatend::Node::builder().service_per_shard("counter", |shard| {
    ///     let count = Rc::new(Cell::new(0u64));
    ///     move |context| {
    ///         count.set(count.get() + 1);
    ///         let answer = format!("request {} of shard {}", count.get(), shard.index());
    ///         async move { context.send(answer).await }
    ///     }
    /// });
    /// # let _ = node;
    /// ```
    ///
    /// A request comes to the shard that owns the link by which it came: a caller with one link to this node always meets the
    /// same shard. State that belongs to a key rather than a core needs [`Shard::count`] and a message to the right shard.
    ///
    /// A panic in `make` is an error of [`NodeBuilder::start`]; so is an error of [`NodeBuilder::try_service_per_shard`].
    #[must_use]
    pub fn service_per_shard<M, F, Fut>(self, name: impl AsRef<str>, make: M) -> Self
    where
        M: Fn(Rc<Shard>) -> F + Send + Sync + 'static,
        F: Fn(Context) -> Fut + 'static,
        Fut: Future<Output = Result<(), HandlerError>> + 'static,
    {
        self.try_service_per_shard(name, move |shard| Ok::<_, String>(make(shard)))
    }

    /// As [`NodeBuilder::service_per_shard`] for what can fail to be made: an open database, say. The error's text is in that
    /// of [`NodeBuilder::start`].
    #[must_use]
    pub fn try_service_per_shard<M, F, Fut, E>(self, name: impl AsRef<str>, make: M) -> Self
    where
        M: Fn(Rc<Shard>) -> Result<F, E> + Send + Sync + 'static,
        F: Fn(Context) -> Fut + 'static,
        Fut: Future<Output = Result<(), HandlerError>> + 'static,
        E: std::fmt::Display,
    {
        self.offer(Service::per_shard(name.as_ref(), make))
    }

    fn offer(mut self, service: Service) -> Self {
        self.services.push(service);
        self
    }

    /// When an address of [`NodeBuilder::bootstrap`] is dialed again, in place of the defaults.
    #[must_use]
    pub fn reconnect(mut self, reconnect: Reconnect) -> Self {
        self.reconnect = reconnect;
        self
    }

    /// What peers may use of this node, in place of the defaults.
    #[must_use]
    pub fn limits(mut self, limits: NodeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The TCP congestion control of the node's links, those that it accepts and those that it dials: `cubic`, `bbr`, or what else the
    /// system has and allows this process; the system's default if not said. Each end decides for what it sends. One that cannot be
    /// used is an error of [`NodeBuilder::start`].
    #[must_use]
    pub fn congestion(mut self, name: impl Into<String>) -> Self {
        self.congestion = Some(name.into());
        self
    }

    /// How many shards to run; one a processor that the process may use if not said.
    #[must_use]
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = Some(shards);
        self
    }

    /// Whether each shard is pinned to a processor of its own (default: yes).
    #[must_use]
    pub fn pin(mut self, pin: bool) -> Self {
        self.pin = pin;
        self
    }

    /// Where events go; standard error if not said.
    ///
    /// ```
    /// use flatend::{Node, NodeEvent};
    ///
    /// let node = Node::builder().on_event(|event| match event {
    ///     NodeEvent::ShardDied { .. } => {
    ///         eprintln!("{event}");
    ///         std::process::exit(1);
    ///     }
    ///     NodeEvent::Accepted { .. } | NodeEvent::Disconnected { .. } => {}
    ///     other => eprintln!("{other}"),
    /// });
    /// # let _ = node;
    /// ```
    /// Called wherever it happens: on the shards, on the control thread, and on the thread in [`NodeBuilder::start`]. It must not
    /// block, for what happens waits for it. A panic in it costs that event.
    #[must_use]
    pub fn on_event(mut self, events: impl Fn(NodeEvent) + Send + Sync + 'static) -> Self {
        self.events = Arc::new(move |event| {
            // A link must not end, and be left behind half ended, because a log line could not be written.
            std::panic::catch_unwind(AssertUnwindSafe(|| events(event))).ok();
        });
        self
    }

    /// Runs `task` on every shard, beside the mesh. At shutdown the node waits for it before it closes its links, so the
    /// task watches [`Shard::draining`].
    #[must_use]
    pub fn on_each_shard<F, Fut>(mut self, task: F) -> Self
    where
        F: Fn(Rc<Shard>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        self.shard_tasks
            .push(Arc::new(move |shard| Box::pin(task(shard))));
        self
    }

    /// Starts the node and returns when it listens and its shards run.
    ///
    /// # Errors
    /// [`StartError`]: the machine cannot run shards, an address is taken, a setting makes no sense.
    pub fn start(self) -> Result<Node, StartError> {
        start::start(self)
    }

    /// The identity's key: the given one, that of a join token, a fresh one for a node that listens, none for an anonymous node.
    /// With the path of its file, if that was made now.
    pub(super) fn signing_key(&self) -> Result<(Option<SigningKey>, Option<PathBuf>), StartError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error| StartError::SecretKey { path, error }
        };
        let (key, made) = match (self.secret_key, &self.secret_key_file, &self.joined_key) {
            (Some(seed), _, _) => (SecretKey::from_seed(seed), None),
            (None, Some(path), _) => {
                let (key, made) = load_or_make_secret(path).map_err(failed(path))?;
                (key, made.then(|| path.clone()))
            }
            (None, None, Some(key)) => (key.clone(), None),
            (None, None, None) if self.bind.is_empty() => return Ok((None, None)),
            (None, None, None) => {
                let key = SecretKey::generate().map_err(|_| {
                    StartError::Setting(
                        "the system gave no random numbers for a secret key: try again".to_owned(),
                    )
                })?;
                (key, None)
            }
        };
        Ok((Some(SigningKey::from_bytes(key.seed())), made))
    }
}
