//! nginx: as a proxy, as the server behind one, and as a server of files.
//!
//! Owns its configurations, which are the best that we know for each task; the templates say why.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::certificate::Certificate;
use super::template::render;
use super::{certificate, check, route, write, Fields, Place, Subject, Task, Upstream};
use super::{HELLO_BODY, HELLO_TYPE, PAGE_LINE, PAGE_LINES, PAGE_TYPE, ROUTES};
use crate::placement::free_addrs;
use crate::process::{self, Running};

/// How to get it.
pub(crate) const INSTALL: &str = "apt-get install nginx-light";

const FIELDS: &str = "        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Forwarded-Host $http_host;
        proxy_set_header X-Request-Id $request_id;
        add_header X-Request-Id $request_id;
";
const SMALL_BUFFERS: &str = "        proxy_buffer_size 16k;\n        proxy_buffers 8 16k;\n";
/// No disk, and large steps; the best of four that were tried.
const BULK_BUFFERS: &str = "        proxy_buffer_size 64k;
        proxy_buffers 16 64k;
        proxy_busy_buffers_size 512k;
        proxy_max_temp_file_size 0;
        proxy_request_buffering off;
        client_body_buffer_size 256k;
";

/// The proxy's configuration.
fn proxy_config(
    task: Task,
    fields: Fields,
    behind: Upstream,
    place: &Place,
    addr: SocketAddr,
    upstream: SocketAddr,
) -> Result<String, String> {
    let pass = match behind {
        Upstream::Plain => "proxy_pass http",
        Upstream::Tls => "proxy_ssl_protocols TLSv1.3; proxy_pass https",
    };
    let location = |path: &str| format!("        location {path} {{ {pass}://behind; }}\n");
    let routes = match task {
        Task::Browser => (1..=ROUTES).map(route).collect(),
        _ => Vec::new(),
    };
    let routes: String = routes
        .iter()
        .map(String::as_str)
        .chain(["/"])
        .map(location)
        .collect();
    render(
        include_str!("../../configs/nginx-proxy.conf"),
        &[
            ("HTTP", &addr.to_string()),
            ("UPSTREAM", &upstream.to_string()),
            ("POOL", &(2 * place.connections).to_string()),
            (
                "ACCESS_LOG",
                if task == Task::Browser {
                    "access.log combined buffer=64k flush=1s"
                } else {
                    "off"
                },
            ),
            (
                "BUFFERS",
                if task.is_bulk() {
                    BULK_BUFFERS
                } else {
                    SMALL_BUFFERS
                },
            ),
            (
                "FIELDS",
                if fields == Fields::AsTheGateway {
                    FIELDS
                } else {
                    ""
                },
            ),
            ("ROUTES", &routes),
        ],
    )
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

/// Starts nginx as a proxy, and the server behind it.
///
/// # Errors
/// nginx is missing, refuses a configuration or does not answer.
pub(crate) fn start(
    task: Task,
    fields: Fields,
    behind: Upstream,
    place: &Place,
) -> Result<Subject, String> {
    let [addr, upstream] = free_addrs()?;
    if task == Task::Static {
        let config = render(
            include_str!("../../configs/nginx-static.conf"),
            &[
                ("HTTP", &addr.to_string()),
                ("FILES", &place.files.display().to_string()),
            ],
        )?;
        let proxy = run("nginx-static", &config, place.cores.proxy, place)?;
        return Subject::once_it_answers(addr, proxy, None, "/files/small.bin");
    }
    let server = start_behind(task, behind, upstream, place)?;
    let config = proxy_config(task, fields, behind, place, addr, upstream)?;
    let proxy = run("nginx-proxy", &config, place.cores.proxy, place)?;
    Subject::once_it_answers(addr, proxy, Some(server), "/hello")
}

/// Starts what stands behind nginx and HAProxy: nginx, or for uploads a server of ours, because nginx would answer before it has
/// read them.
pub(super) fn start_behind(
    task: Task,
    behind: Upstream,
    addr: SocketAddr,
    place: &Place,
) -> Result<Running, String> {
    let tls = match behind {
        Upstream::Plain => None,
        Upstream::Tls => Some(certificate::make(place)?),
    };
    let mut server = if task == Task::Upload {
        process::start_this(
            &["serve-sink", "--addr", &addr.to_string()],
            "sink",
            &[place.cores.others],
            &place.dir,
        )?
    } else {
        run(
            "nginx-upstream",
            &upstream_config(addr, &place.files, tls.as_ref())?,
            place.cores.others,
            place,
        )?
    };
    match behind {
        Upstream::Plain => server.answers(addr, "/hello")?,
        Upstream::Tls => server.listens(addr)?,
    }
    Ok(server)
}

fn run(name: &str, config: &str, core: usize, place: &Place) -> Result<Running, String> {
    let home = place.dir.join(name);
    let file = home.join("nginx.conf");
    write(&file, config)?;
    let command = || {
        let mut command = Command::new("nginx");
        command
            .arg("-p")
            .arg(&home)
            .arg("-c")
            .arg(&file)
            .args(["-e", "stderr"]);
        command
    };
    check(name, command().arg("-t"), place, INSTALL)?;
    process::start(name, &mut command(), &[core], &place.dir, INSTALL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::Cores;

    pub(in crate::subjects) fn place() -> Place {
        Place {
            gateway: "flatend".into(),
            cores: Cores {
                proxy: 0,
                others: 1,
            },
            dir: "/d".into(),
            files: "/f".into(),
            connections: 64,
        }
    }

    fn proxy(task: Task, fields: Fields) -> String {
        let addr = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let text = proxy_config(
            task,
            fields,
            Upstream::Plain,
            &place(),
            addr(1000),
            addr(2000),
        )
        .unwrap();
        assert_eq!(
            text.matches('{').count(),
            text.matches('}').count(),
            "{text}"
        );
        for always in [
            "listen 127.0.0.1:1000 backlog",
            "server 127.0.0.1:2000;",
            "keepalive 128;",
            "worker_processes 1;",
            "location / {",
        ] {
            assert!(text.contains(always), "{always} in {text}");
        }
        text
    }

    #[test]
    fn each_task_has_its_configuration() {
        let hello = proxy(Task::Hello, Fields::Bare);
        assert!(
            hello.contains("access_log off;")
                && !hello.contains("X-Request-Id")
                && hello.contains("proxy_buffers 8 16k;")
        );
        let fields = proxy(Task::Hello, Fields::AsTheGateway);
        assert!(fields.contains("add_header X-Request-Id $request_id;"));
        let browser = proxy(Task::Browser, Fields::Bare);
        assert!(browser.contains("access_log access.log combined buffer=64k flush=1s;"));
        assert!(
            browser.contains("location /api/v1/resource-001/ {")
                && browser.contains("location /api/v1/resource-200/ {")
        );
        for task in [Task::Download, Task::Upload] {
            let bulk = proxy(task, Fields::Bare);
            assert!(
                bulk.contains("proxy_max_temp_file_size 0;")
                    && bulk.contains("proxy_request_buffering off;")
            );
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
