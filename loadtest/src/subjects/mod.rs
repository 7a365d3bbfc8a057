//! What is compared: proxies with the servers behind them, each as processes of its own.
//!
//! Owns configurations and processes. Refuses to run a configuration that its own program does not accept. Invariant: every subject has
//! one worker on the same core, and everything behind it is on the other.

mod behind;
mod certificate;
pub(crate) mod gateway;
pub(crate) mod haproxy;
pub(crate) mod nginx;
pub(crate) mod npm;
mod template;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::limits::CHECK_TIMEOUT_MS;
use crate::placement::Cores;
use crate::process::{self, Running};
use crate::usage::Watched;
use npm::Package;

/// The body and the type that every hello answers with.
pub(crate) const HELLO_BODY: &str = "Hello world!\n";
pub(crate) const HELLO_TYPE: &str = "text/plain; charset=utf-8";
/// The answer to a browser: this, 256 times, 4 KiB.
pub(crate) const PAGE_LINE: &str = "<p>fifteen</p>\r\n";
pub(crate) const PAGE_LINES: usize = 256;
pub(crate) const PAGE_TYPE: &str = "text/html; charset=utf-8";
/// Routes that the browser's requests are spread over: `/api/v1/resource-001/` and on.
pub(crate) const ROUTES: usize = 200;

/// The watched process that is compared, and the one behind it.
pub(crate) const PROXY: &str = "proxy";
pub(crate) const SERVER: &str = "server behind";

/// What a proxy tells the server behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fields {
    /// Nothing: the least that it can do.
    Bare,
    /// What the gateway always tells: where the request came from, its host, and an id that the client gets too.
    AsTheGateway,
}

/// How a proxy reaches the server behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upstream {
    /// HTTP in the clear.
    Plain,
    /// HTTP in TLS 1.3 with AES-256-GCM, the work that the gateway's link does.
    Tls,
}

/// What the gateway's link to its services speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// flatend/2: each shard has a link of its own.
    Flatend2,
    /// What peers of before speak: one link, which shards share.
    Legacy,
    /// The same, spoken by the published npm package as the service.
    Npm,
}

/// How the gateway is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setup {
    /// One, on the proxy's core, or two, on both.
    pub(crate) shards: usize,
    pub(crate) link: Link,
}

impl Setup {
    /// The one that is compared with others.
    pub(crate) const USUAL: Setup = Setup {
        shards: 1,
        link: Link::Flatend2,
    };
}

/// What a workload asks of the subjects' configurations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// One route, no log.
    Hello,
    /// 200 routes, each request in the access log.
    Browser,
    /// One large answer at a time.
    Download,
    /// One large request at a time.
    Upload,
    /// One of each at once.
    Duplex,
    /// All of these but files, and event streams; each request in the access log.
    Soak,
    /// Files, with nobody behind.
    Static,
}

impl Task {
    /// Whether a request moves as many bytes as the command line says.
    pub(crate) fn is_bulk(self) -> bool {
        matches!(self, Task::Download | Task::Upload | Task::Duplex)
    }
}

/// Where a subject is put.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The gateway's binary.
    pub(crate) gateway: PathBuf,
    /// The npm package, where it takes part.
    pub(crate) npm: Option<Package>,
    pub(crate) cores: Cores,
    /// For configurations and logs of this subject.
    pub(crate) dir: PathBuf,
    /// The files that are served.
    pub(crate) files: PathBuf,
    /// Connections of the client at most.
    pub(crate) connections: u32,
}

/// A proxy and what is behind it, running.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) addr: SocketAddr,
    // Ended in this order: the proxy first.
    proxy: Running,
    servers: Vec<Running>,
}

impl Subject {
    /// The subject, when `path` is answered at `addr`.
    fn once_it_answers(
        addr: SocketAddr,
        mut proxy: Running,
        servers: Vec<Running>,
        path: &str,
    ) -> Result<Subject, String> {
        proxy.answers(addr, path)?;
        Ok(Subject {
            addr,
            proxy,
            servers,
        })
    }

    /// The processes to be watched.
    pub(crate) fn watched(&self) -> Vec<Watched> {
        let named = |name: &str, running: &Running| Watched {
            name: name.to_owned(),
            pid: running.pid(),
        };
        let mut all = vec![named(PROXY, &self.proxy)];
        all.extend(self.servers.iter().map(|server| named(SERVER, server)));
        all
    }
}

/// The path of the browser's route with this number, from 1 on, up to its last segment.
fn route(number: usize) -> String {
    format!("/api/v1/resource-{number:03}/")
}

/// Writes a configuration.
fn write(file: &Path, text: &str) -> Result<(), String> {
    file.parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(file, text))
        .map_err(|error| format!("cannot write {}: {error}", file.display()))
}

/// Runs a program's own check of a configuration.
fn check(name: &str, command: &mut Command, place: &Place, install: &str) -> Result<(), String> {
    let name = format!("{name}-check");
    process::start(&name, command, &[place.cores.others], &place.dir, install)?
        .output(Duration::from_millis(CHECK_TIMEOUT_MS))
        .map(drop)
        .map_err(|error| format!("a generated configuration is refused: {error}"))
}

/// The first line that a program says of its version.
///
/// # Errors
/// It is missing; `install` says how to get it.
pub(crate) fn version(program: &str, install: &str) -> Result<String, String> {
    let output = Command::new(program).arg("-v").output();
    let output = output.map_err(|error| format!("{program} is not there ({error}): {install}"))?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().next().unwrap_or("unknown version").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_rival_is_told_with_the_remedy() {
        let error = version("no-such-program-at-all", haproxy::INSTALL).unwrap_err();
        assert!(
            error.starts_with("no-such-program-at-all is not there (")
                && error.ends_with("): apt-get install haproxy"),
            "{error}"
        );
        assert!(version("true", "").is_ok());
    }
}
