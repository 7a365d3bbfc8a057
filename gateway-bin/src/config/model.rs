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

use flatend::rt::Congestion;
use flatend::NodeLimits;

use super::diag::Diagnostic;
pub use super::model_http::*;

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
    /// One entry a `[[services]]` section: local HTTP servers offered on the mesh.
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
    /// Whether the node answers for those that it is connected to.
    pub relay: bool,
    /// Bytes that peers on flatend/2 may send a shard before it has read them; `None`: what the memory allows.
    pub receive_budget: Option<usize>,
    /// How fast links send, if not as the system says.
    pub congestion: Option<Congestion>,
    /// Whether peers of the legacy protocol may connect (flatend2.md, Downgrade).
    pub legacy: LegacyPolicy,
    /// File that holds the 32-byte network key (flatend2.md).
    pub network_key: Option<PathBuf>,
    /// Keys that may connect and call; empty: everybody.
    pub peers: Vec<PublicKey>,
    /// Names that a key may offer.
    pub offers: Vec<(PublicKey, Vec<String>)>,
    /// Names that legacy peers may offer once a list of keys exists.
    pub legacy_services: Vec<String>,
}

impl Mesh {
    /// What peers may use of the node.
    #[must_use]
    pub fn limits(&self) -> NodeLimits {
        NodeLimits {
            receive_bytes: self.receive_budget,
            ..NodeLimits::default()
        }
    }
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
    /// The only public key that the node may show.
    pub key: Option<PublicKey>,
}

impl Bootstrap {
    /// `host:port#key`, or `host:port` without one.
    #[must_use]
    pub fn pinned(&self) -> String {
        match &self.key {
            Some(key) => format!("{self}#{}", flatend::hex::encode(key)),
            None => self.to_string(),
        }
    }
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

/// One `[[services]]` section: a local HTTP server offered as a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalService {
    /// Name that the service is offered under.
    pub name: String,
    /// `http://host:port` of the local server.
    pub upstream: String,
    /// How its health is checked, if it is.
    pub health: Option<Health>,
    /// Longest wait for the head of its response.
    pub timeout: Option<Duration>,
    /// Where the section begins.
    pub at: Position,
}
