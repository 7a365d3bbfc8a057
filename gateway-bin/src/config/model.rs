//! The checked configuration: what the rest of the gateway consumes.
//!
//! Owns plain values, already validated and with every default filled in. Refuses nothing itself: a value of
//! these types is only made by `config::parse` or `Config::without_file`. The invariant that a change is
//! likeliest to break: a key that this version cannot run still parses into its field here, and then has an
//! entry in `Config::unsupported`; running with that list non-empty is refused.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::diag::Diagnostic;

/// Where something stands in the configuration file. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// The whole configuration of one gateway process.
#[derive(Debug, Clone)]
pub struct Config {
    /// The mesh side: our address, keys, bootstrap nodes.
    pub mesh: Mesh,
    /// One entry a `[[http]]` section, in file order; empty for a plain mesh node.
    pub http: Vec<Http>,
    /// One entry a `[[services]]` section (agent; not run by this version).
    pub services: Vec<LocalService>,
    /// What is legal but probably not meant. Running goes on; each is worth one log line.
    pub warnings: Vec<Diagnostic>,
    /// Keys of later versions. `check` warns of each; running with any is refused.
    pub unsupported: Vec<Diagnostic>,
}

/// The mesh side of the node.
#[derive(Debug, Clone)]
pub struct Mesh {
    /// Address that the mesh listener binds. `[::]` listens on IPv4 and IPv6. Port 0: any free port.
    pub addr: SocketAddr,
    /// Where `addr` was written; `None` if it came from the command line or the default.
    pub addr_at: Option<Position>,
    /// Address shown to peers in our ID, if it is not that of the connection (protocol.md section 4).
    pub public_addr: Option<SocketAddr>,
    /// Key file named by `secret_key`; `None`: the one in the state directory, made if absent.
    pub secret_key: Option<PathBuf>,
    /// Nodes dialed at start, in file order.
    pub bootstrap: Vec<Bootstrap>,
    /// Where the node keeps what must outlive it.
    pub state_dir: StateDir,
    /// Number of shards; `None`: one a core.
    pub shards: Option<usize>,
    /// Whether peers of the legacy protocol may connect (flatend2.md, Downgrade). Not run by this version.
    pub legacy: LegacyPolicy,
    /// File that holds the 32-byte network key (flatend2.md). Not run by this version.
    pub network_key: Option<PathBuf>,
    /// Keys that may connect and call; empty: everybody. Not run by this version.
    pub peers: Vec<PublicKey>,
    /// Names that a key may offer. Not run by this version.
    pub offers: Vec<(PublicKey, Vec<String>)>,
    /// Names that legacy peers may offer once a list of keys exists. Not run by this version.
    pub legacy_services: Vec<String>,
}

/// An Ed25519 public key as it stands in the file (64 hex digits).
pub type PublicKey = [u8; 32];

/// A node to dial at start: `"host:port"` or `"host:port#key"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bootstrap {
    /// Host name, IPv4 address or IPv6 address without brackets.
    pub host: String,
    /// TCP port, never 0.
    pub port: u16,
    /// The only public key that the node may show. Not run by this version.
    pub key: Option<PublicKey>,
}

impl fmt::Display for Bootstrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// The state directory, and how far we may insist on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateDir {
    /// Named by `state_dir` or `$STATE_DIRECTORY`: not being able to use it is an error.
    Named(PathBuf),
    /// `~/.local/state/flatend`: if it cannot be used the node runs with a key for this run only.
    Default(PathBuf),
    /// No home directory is known: nothing is kept.
    Unknown,
}

impl StateDir {
    /// The directory, if one is known.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            StateDir::Named(path) | StateDir::Default(path) => Some(path),
            StateDir::Unknown => None,
        }
    }
}

/// Whether legacy peers may connect (flatend2.md, Downgrade).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LegacyPolicy {
    /// Any legacy peer may connect: the default of a gateway.
    #[default]
    Allow,
    /// A key once seen on flatend/2 is never accepted on legacy again.
    Known,
    /// No legacy peer may connect.
    Refuse,
}

/// One `[[http]]` section: listeners that share routes and limits.
#[derive(Debug, Clone)]
pub struct Http {
    /// Addresses to listen on, without repetitions, never empty.
    pub addrs: Vec<ListenAddr>,
    /// Redirect `/a/` to `/a` (or back) if only the other form has a route.
    pub redirect_trailing_slash: bool,
    /// Redirect to the cleaned path compared without case, if that has a route.
    pub redirect_fixed_path: bool,
    /// How long a client may keep us waiting.
    pub timeout: Timeouts,
    /// Lower limits.
    pub min: Minimum,
    /// Upper limits.
    pub max: Maximum,
    /// Routes in file order.
    pub routes: Vec<Route>,
    /// Automatic HTTPS, or a certificate of one's own. Not run by this version.
    pub tls: Option<Tls>,
    /// Access log: file, or `"-"` for standard error. Not run by this version.
    pub access_log: Option<String>,
    /// Where the section begins.
    pub at: Position,
}

/// An address to listen on for HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddr {
    /// What to bind. `:3000` and `[::]:3000` give `[::]:3000`, which takes IPv4 clients too.
    pub socket: SocketAddr,
    /// The socket takes IPv4 and IPv6 clients (IPV6_V6ONLY off).
    pub dual_stack: bool,
    /// Where it was written; `None` for the default.
    pub at: Option<Position>,
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

/// HTTPS of one section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// `https = true`: certificates are fetched for `domains`.
    pub automatic: bool,
    /// Union of `domain` and `domains`, lower case, without repetitions.
    pub domains: Vec<String>,
    /// Certificate chain and its key, both PEM files.
    pub files: Option<(PathBuf, PathBuf)>,
}

/// How long a client may keep a connection waiting. Each is a wait for progress, never a total.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Longest wait for the client's next bytes of a body; counts only while there is room for them.
    pub read: Duration,
    /// Longest time for the whole request head.
    pub read_header: Duration,
    /// Longest pause between two requests.
    pub idle: Duration,
    /// Longest time that bytes wait for the client to take them.
    pub write: Duration,
    /// Longest drain at the end. Zero: connections are cut at once.
    pub shutdown: Duration,
}

/// `[http.min]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Minimum {
    /// Smallest request body, bytes.
    pub body_size: Option<u64>,
    /// Bytes a second that a body must average after a grace of 10 s. Not run by this version.
    pub rate: Option<u64>,
}

/// `[http.max]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Maximum {
    /// Largest request head, bytes.
    pub header_size: usize,
    /// Largest request body, bytes; `None`: no limit.
    pub body_size: Option<u64>,
}

/// A request method that a route may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names say it
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

impl Method {
    /// Every method that a route may name, in the order in which messages list them.
    pub const ALL: [Method; 7] = [
        Method::Get,
        Method::Head,
        Method::Post,
        Method::Put,
        Method::Patch,
        Method::Delete,
        Method::Options,
    ];

    /// The method as it stands in a request line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
            Method::Options => "OPTIONS",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One `[[http.routes]]` section.
#[derive(Debug, Clone)]
pub struct Route {
    /// `"METHOD /path/:param/*rest"`, the method in upper case, one space: what the router takes.
    pub pattern: String,
    /// The method; `None` for `ANY`.
    pub method: Option<Method>,
    /// The path part of `pattern`.
    pub path: String,
    /// Host that the route is for, lower case and without port; `None`: every host.
    pub host: Option<String>,
    /// What answers.
    pub target: Target,
    /// Longest wait for the response head; `None`: no limit.
    pub timeout: Option<Duration>,
    /// How long a request is held while nobody offers the service; `None`: the gateway's own rule.
    pub hold: Option<Duration>,
    /// When another provider may be tried.
    pub retry: Retry,
    /// Most requests that may be with one provider at once; `None`: no limit.
    pub max_in_flight: Option<u32>,
    /// Smallest request body, bytes: the route's own value, else the section's.
    pub min_body: Option<u64>,
    /// Largest request body, bytes: the route's own value, else the section's.
    pub max_body: Option<u64>,
    /// Answers must not be cached by the client.
    pub nocache: bool,
    /// WebSocket upgrades pass. Not run by this version.
    pub websocket: bool,
    /// gRPC passes. Not run by this version.
    pub grpc: bool,
    /// Where `path` was written.
    pub at: Position,
}

/// What answers a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Any node that offers one of these names, asked in this order. 1 to 255 names of 1 to 255 bytes.
    Services(Vec<String>),
    /// A file or a directory. Not run by this version.
    Static(StaticFiles),
    /// A redirect to this URL, which may hold `:param`s. Not run by this version.
    Redirect {
        /// The URL.
        location: String,
        /// 301, 302, 303, 307 or 308; `None`: 301 for GET, 308 otherwise.
        status: Option<u16>,
    },
    /// A bare status without a body. Not run by this version.
    Status(u16),
    /// Plain HTTP upstreams, `http://host:port`. Not run by this version.
    Proxy(Vec<String>),
}

/// A static target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticFiles {
    /// File or directory, relative to the working directory.
    pub path: PathBuf,
    /// Directories without index file are listed.
    pub listing: bool,
    /// File inside the directory that answers for paths that do not exist.
    pub fallback: Option<String>,
}

/// When a request may be sent to a second provider after the link was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Retry {
    /// GET, HEAD, OPTIONS, PUT and DELETE, while the body is still in the buffer.
    #[default]
    Auto,
    /// Every method, while the body is still in the buffer.
    Always,
    /// Never once a byte has left.
    Never,
}

/// One `[[services]]` section: a local HTTP server offered as a service (agent).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalService {
    /// Name that the service is offered under.
    pub name: String,
    /// `http://host:port` of the local server.
    pub upstream: String,
    /// Path that answers 2xx while the server is well.
    pub health: Option<String>,
    /// Where the section begins.
    pub at: Position,
}
