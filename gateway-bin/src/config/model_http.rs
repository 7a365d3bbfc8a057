//! The checked configuration of the HTTP side: sections, limits, routes and their targets.
//!
//! Part of `model`, whose head says what holds for both.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use flatend::rt::Congestion;

use super::model::Position;
use super::redirect::Location;

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
    /// Where one line a request goes, and in which form.
    pub access_log: Option<AccessLog>,
    /// How fast responses leave, if not as the system says.
    pub congestion: Option<Congestion>,
    /// Where the section begins.
    pub at: Position,
}

/// `access_log` and `access_log_format`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    /// Where lines go.
    pub to: AccessTo,
    /// Their form.
    pub format: AccessFormat,
}

/// Where the lines of an access log go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessTo {
    /// `"-"`: standard output. The log of the process has standard error.
    Stdout,
    /// A file that is appended to.
    File(PathBuf),
}

impl fmt::Display for AccessTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AccessTo::Stdout => f.write_str("on standard output"),
            AccessTo::File(path) => write!(f, "'{}'", path.display()),
        }
    }
}

/// The form of an access log's lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AccessFormat {
    /// Close to the combined format, with `name=value` behind.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
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
    /// Bytes a second that a body must average after a grace of 10 s.
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

impl Route {
    /// Whether a directory of files answers.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        matches!(&self.target, Target::Static(files) if files.is_directory)
    }

    /// What the router takes of the route. A directory at `/x` is two patterns, `/x` and `/x/*…`; one at `/` is one alone: it
    /// serves what no route takes, which no pattern can say beside others.
    #[must_use]
    pub fn patterns(&self) -> Vec<String> {
        let own = vec![self.pattern.clone()];
        if !self.is_directory() || self.path == "/" || self.path.contains("/*") {
            return own;
        }
        let base = self.pattern.trim_end_matches('/');
        // No parameter of the user's may have the same name.
        let mut name = "file".to_owned();
        while self.path.contains(&format!(":{name}")) {
            name.push('_');
        }
        vec![base.to_owned(), format!("{base}/*{name}")]
    }
}

/// What answers a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Any node that offers one of these names, asked in this order. 1 to 255 names of 1 to 255 bytes.
    Services(Vec<String>),
    /// A file or a directory.
    Static(StaticFiles),
    /// A redirect to this URL, which may hold `:param`s.
    Redirect {
        /// The URL.
        location: Location,
        /// 301, 302, 303, 307 or 308; `None`: 301 for GET and HEAD, 308 otherwise.
        status: Option<u16>,
    },
    /// A bare status, 200 to 599.
    Status(u16),
    /// Plain HTTP upstreams.
    Proxy(Proxy),
}

/// Plain HTTP upstreams of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// `http://host:port`, without repetitions, never empty.
    pub upstreams: Vec<String>,
    /// How their health is checked, if it is.
    pub health: Option<Health>,
}

/// How the health of an upstream is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Path that answers 200 to 399 while the server is well.
    pub path: String,
    /// From one check to the next.
    pub interval: Duration,
}

/// A static target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticFiles {
    /// File or directory, relative to the working directory.
    pub path: PathBuf,
    /// It is a directory: what lies below the route's path is served.
    pub is_directory: bool,
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
