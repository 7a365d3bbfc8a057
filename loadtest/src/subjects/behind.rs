//! What stands behind nginx and HAProxy: an nginx that answers from memory and sends one file, and a server of ours that takes uploads.
//!
//! Invariant: all of it is on the core that the client has too, as the services behind the gateway are.

use std::net::SocketAddr;
use std::path::Path;

use super::certificate::{self, Certificate};
use super::nginx;
use super::template::render;
use super::{Place, Task, Upstream};
use super::{HELLO_BODY, HELLO_TYPE, PAGE_LINE, PAGE_LINES, PAGE_TYPE};
use crate::placement::free_addrs;
use crate::process::{self, Running};

/// Where a proxy listens, and where what is behind it does.
#[derive(Clone, Copy)]
pub(super) struct Addrs {
    pub(super) http: SocketAddr,
    pub(super) upstream: SocketAddr,
    /// Of the server that takes uploads where another one sends downloads.
    pub(super) uploads: SocketAddr,
}

impl Addrs {
    /// Such as are free.
    pub(super) fn free() -> Result<Addrs, String> {
        let [http, upstream, uploads] = free_addrs()?;
        Ok(Addrs {
            http,
            upstream,
            uploads,
        })
    }
}

/// The configuration of the server behind a proxy.
fn upstream_config(
    addr: SocketAddr,
    files: &Path,
    tls: Option<&Certificate>,
) -> Result<String, String> {
    let listen = match tls {
        None => format!("listen {addr} backlog=4096;"),
        Some(Certificate { file, key }) => format!(
            "listen {addr} ssl backlog=4096;\n        ssl_protocols TLSv1.3;\n        ssl_certificate {};\n        ssl_certificate_key {};",
            file.display(),
            key.display()
        ),
    };
    render(
        include_str!("../../configs/nginx-upstream.conf"),
        &[
            ("LISTEN", &listen),
            ("FILES", &files.display().to_string()),
            ("HELLO_TYPE", HELLO_TYPE),
            ("HELLO_BODY", &HELLO_BODY.escape_default().to_string()),
            ("PAGE_TYPE", PAGE_TYPE),
            (
                "PAGE_QUARTER",
                &PAGE_LINE
                    .escape_default()
                    .to_string()
                    .repeat(PAGE_LINES / 4),
            ),
        ],
    )
}

/// Starts what stands behind nginx and HAProxy: nginx, and for uploads a server of ours, because nginx would answer before it has
/// read them.
pub(super) fn start(
    task: Task,
    behind: Upstream,
    addrs: Addrs,
    place: &Place,
) -> Result<Vec<Running>, String> {
    let tls = match behind {
        Upstream::Plain => None,
        Upstream::Tls => Some(certificate::make(place)?),
    };
    let tls = tls.as_ref();
    match task {
        Task::Upload => Ok(vec![start_sink(tls, addrs.upstream, place)?]),
        Task::Duplex => Ok(vec![
            start_upstream(tls, addrs.upstream, place)?,
            start_sink(tls, addrs.uploads, place)?,
        ]),
        _ => Ok(vec![start_upstream(tls, addrs.upstream, place)?]),
    }
}

fn start_sink(
    tls: Option<&Certificate>,
    addr: SocketAddr,
    place: &Place,
) -> Result<Running, String> {
    let mut words = vec![
        "serve-sink".to_owned(),
        "--addr".to_owned(),
        addr.to_string(),
    ];
    if let Some(Certificate { file, key }) = tls {
        for (word, file) in [("--certificate", file), ("--key", key)] {
            words.extend([word.to_owned(), file.display().to_string()]);
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut server = process::start_this(&words, "sink", &[place.cores.others], &place.dir)?;
    match tls {
        None => server.answers(addr, "/hello")?,
        Some(_) => server.listens(addr)?,
    }
    Ok(server)
}

fn start_upstream(
    tls: Option<&Certificate>,
    addr: SocketAddr,
    place: &Place,
) -> Result<Running, String> {
    let mut server = nginx::run(
        "nginx-upstream",
        &upstream_config(addr, &place.files, tls)?,
        place.cores.others,
        place,
    )?;
    match tls {
        None => server.answers(addr, "/hello")?,
        Some(_) => server.listens(addr)?,
    }
    Ok(server)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::subjects) fn addrs() -> Addrs {
        let addr = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Addrs {
            http: addr(1000),
            upstream: addr(2000),
            uploads: addr(3000),
        }
    }

    #[test]
    fn the_server_behind_answers_all_tasks() {
        let text = upstream_config(
            SocketAddr::from(([127, 0, 0, 1], 2000)),
            Path::new("/f"),
            None,
        )
        .unwrap();
        assert!(text.contains(r#"return 200 "Hello world!\n";"#), "{text}");
        assert!(text.contains("root /f;"));
        let line = r"<p>fifteen</p>\r\n";
        assert_eq!(text.matches(line).count(), PAGE_LINES / 4);
        let word = text.lines().map(str::len).max().unwrap_or_default();
        assert!(
            word < 4096,
            "nginx takes no word of over 4,095 bytes: {word}"
        );
    }
}
