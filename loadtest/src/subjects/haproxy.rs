//! HAProxy as a proxy in front of the same servers as nginx.
//!
//! Owns its configurations, which are the best that we know for each task; the template says why.

use std::path::Path;
use std::process::Command;

use super::behind::{self, Addrs};
use super::template::render;
use super::{check, route, write, Fields, Place, Subject, Task, Upstream, ROUTES};
use crate::process;

/// How to get it.
pub(crate) const INSTALL: &str = "apt-get install haproxy";

const FIELDS: &str = "    option forwardfor
    unique-id-format %{+X}o%ci:%cp_%fi:%fp_%Ts_%rt:%pid
    unique-id-header X-Request-Id
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-response set-header X-Request-Id %[unique-id]
";
/// Lines go to standard output, which is a file: the cheapest sink that it has without a second process. It does not gather them.
const LOG_GLOBAL: &str = "    log stdout format raw local0\n";
const LOG_OPTIONS: &str = "    log global\n    option httplog\n";
const BULK_GLOBAL: &str = "    tune.bufsize 65536\n";
/// Bodies move between sockets without being copied.
const BULK_OPTIONS: &str = "    option splice-request\n    option splice-response\n";

/// The certificate is made anew for each run, and nobody is there to pretend.
const TLS: &str = " ssl verify none force-tlsv13";

/// The configuration; `routes` is the file of routes.
fn config(
    task: Task,
    fields: Fields,
    behind: Upstream,
    addrs: Addrs,
    routes: &Path,
) -> Result<String, String> {
    let (global, options) = match task {
        Task::Browser => (LOG_GLOBAL, LOG_OPTIONS),
        task if task.is_bulk() => (BULK_GLOBAL, BULK_OPTIONS),
        _ => ("", ""),
    };
    let tls = if behind == Upstream::Tls { TLS } else { "" };
    let uploads = match task {
        Task::Duplex => format!(
            "\nbackend uploads\n    server uploads {}{tls}\n",
            addrs.uploads
        ),
        _ => String::new(),
    };
    let route = match task {
        Task::Browser => format!(
            "    use_backend %[path,map_beg({})] if {{ path,map_beg({0}) -m found }}\n",
            routes.display()
        ),
        Task::Duplex => "    use_backend uploads if { path /count }\n".to_owned(),
        _ => String::new(),
    };
    render(
        include_str!("../../configs/haproxy.cfg"),
        &[
            ("HTTP", &addrs.http.to_string()),
            ("UPSTREAM", &format!("{}{tls}", addrs.upstream)),
            // Pipes for splicing count too.
            ("CLIENTS", if task.is_bulk() { "1000" } else { "10100" }),
            ("GLOBAL", global),
            ("OPTIONS", options),
            (
                "FIELDS",
                if fields == Fields::AsTheGateway {
                    FIELDS
                } else {
                    ""
                },
            ),
            ("ROUTES", &route),
            ("UPLOADS", &uploads),
        ],
    )
}

/// The file of routes: a beginning of a path and its backend a line.
fn routes() -> String {
    (1..=ROUTES)
        .map(|number| format!("{} behind\n", route(number)))
        .collect()
}

/// Starts HAProxy, and the server behind it.
///
/// # Errors
/// HAProxy or nginx is missing, refuses a configuration or does not answer.
pub(crate) fn start(
    task: Task,
    fields: Fields,
    behind: Upstream,
    place: &Place,
) -> Result<Subject, String> {
    let addrs = Addrs::free()?;
    let servers = behind::start(task, behind, addrs, place)?;
    let home = place.dir.join("haproxy");
    let (file, map) = (home.join("haproxy.cfg"), home.join("routes.map"));
    write(&map, &routes())?;
    write(&file, &config(task, fields, behind, addrs, &map)?)?;
    let command = || {
        let mut command = Command::new("haproxy");
        command.arg("-f").arg(&file);
        command
    };
    check("haproxy", command().arg("-c"), place, INSTALL)?;
    let proxy = process::start(
        "haproxy",
        command().arg("-db"),
        &[place.cores.proxy],
        &place.dir,
        INSTALL,
    )?;
    Subject::once_it_answers(addrs.http, proxy, servers, "/hello")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(task: Task, fields: Fields) -> String {
        let addrs = crate::subjects::behind::tests::addrs();
        let text = config(task, fields, Upstream::Plain, addrs, Path::new("/r.map")).unwrap();
        for always in [
            "nbthread 1",
            "bind 127.0.0.1:1000 ",
            "server behind 127.0.0.1:2000",
            "http-reuse always",
        ] {
            assert!(text.contains(always), "{always} in {text}");
        }
        text
    }

    #[test]
    fn each_task_has_its_configuration() {
        let hello = made(Task::Hello, Fields::Bare);
        assert!(
            !hello.contains("log global")
                && !hello.contains("unique-id")
                && !hello.contains("splice")
        );
        assert!(made(Task::Hello, Fields::AsTheGateway).contains("unique-id-header X-Request-Id"));
        let browser = made(Task::Browser, Fields::Bare);
        assert!(
            browser.contains("option httplog") && browser.contains("log stdout format raw local0")
        );
        assert!(browser
            .contains("use_backend %[path,map_beg(/r.map)] if { path,map_beg(/r.map) -m found }"));
        assert!(made(Task::Upload, Fields::Bare).contains("option splice-request"));
        let duplex = made(Task::Duplex, Fields::Bare);
        for part in [
            "use_backend uploads if { path /count }\n    default_backend behind",
            "server uploads 127.0.0.1:3000\n",
            "option splice-response",
        ] {
            assert!(duplex.contains(part), "{part} in {duplex}");
        }
        let routes = routes();
        assert_eq!(routes.lines().count(), ROUTES);
        assert!(routes.starts_with("/api/v1/resource-001/ behind\n"));
    }
}
