//! nginx: as a proxy, as the server behind one, and as a server of files.
//!
//! Owns its configurations, which are the best that we know for each task; the templates say why.

use std::process::Command;

use super::behind::{self, Addrs};
use super::template::render;
use super::{check, route, write, Fields, Place, Subject, Task, Upstream, ROUTES};
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
    addrs: Addrs,
) -> Result<String, String> {
    let pass = match behind {
        Upstream::Plain => "proxy_pass http",
        Upstream::Tls => "proxy_ssl_protocols TLSv1.3; proxy_pass https",
    };
    let location = |path: &str| format!("        location {path} {{ {pass}://behind; }}\n");
    let pool = 2 * place.connections;
    let (uploads, to_uploads) = match task {
        Task::Duplex => (
            format!(
                "    upstream uploads {{\n        server {};\n        keepalive {pool};\n        keepalive_timeout 1h;\n    }}\n",
                addrs.uploads
            ),
            format!("        location = /count {{ {pass}://uploads; }}\n"),
        ),
        _ => (String::new(), String::new()),
    };
    let routes = match task {
        Task::Browser => (1..=ROUTES).map(route).collect(),
        _ => Vec::new(),
    };
    let mut routes: String = routes
        .iter()
        .map(String::as_str)
        .chain(["/"])
        .map(location)
        .collect();
    routes.push_str(&to_uploads);
    render(
        include_str!("../../configs/nginx-proxy.conf"),
        &[
            ("HTTP", &addrs.http.to_string()),
            ("UPSTREAM", &addrs.upstream.to_string()),
            ("UPLOADS", &uploads),
            ("POOL", &pool.to_string()),
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
    let addrs = Addrs::free()?;
    if task == Task::Static {
        let config = render(
            include_str!("../../configs/nginx-static.conf"),
            &[
                ("HTTP", &addrs.http.to_string()),
                ("FILES", &place.files.display().to_string()),
            ],
        )?;
        let proxy = run("nginx-static", &config, place.cores.proxy, place)?;
        return Subject::once_it_answers(addrs.http, proxy, Vec::new(), "/files/small.bin");
    }
    let servers = behind::start(task, behind, addrs, place)?;
    let config = proxy_config(task, fields, behind, place, addrs)?;
    let proxy = run("nginx-proxy", &config, place.cores.proxy, place)?;
    Subject::once_it_answers(addrs.http, proxy, servers, "/hello")
}

pub(super) fn run(name: &str, config: &str, core: usize, place: &Place) -> Result<Running, String> {
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
    use crate::subjects::behind::tests::addrs;

    fn place() -> Place {
        Place {
            gateway: "flatend".into(),
            npm: None,
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
        let text = proxy_config(task, fields, Upstream::Plain, &place(), addrs()).unwrap();
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
        for task in [Task::Download, Task::Upload, Task::Duplex] {
            let bulk = proxy(task, Fields::Bare);
            let two = bulk.contains("server 127.0.0.1:3000;")
                && bulk.contains("location = /count { proxy_pass http://uploads; }");
            assert_eq!(two, task == Task::Duplex, "{bulk}");
            assert!(
                bulk.contains("proxy_max_temp_file_size 0;")
                    && bulk.contains("proxy_request_buffering off;")
            );
        }
    }
}
