//! nginx, as the proxy that we compare with and as the server behind it.
//!
//! Owns the two configurations. They are the best that we know for a small keep-alive proxy: one worker, no access log, a pool of
//! keep-alive connections to the upstream larger than the client's, no limit on requests a connection, HTTP/1.1 to the upstream, no
//! file touched by a request.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::process::{self, Running};

const INSTALL: &str = "apt-get install nginx-light";

/// The body and the type that every hello answers with.
pub(crate) const HELLO_BODY: &str = "Hello world!\n";
pub(crate) const HELLO_TYPE: &str = "text/plain; charset=utf-8";

/// The configuration of the server that says hello.
pub(crate) fn upstream_config(addr: SocketAddr) -> String {
    let server = format!(
        "    server {{\n        listen {addr};\n        default_type \"{HELLO_TYPE}\";\n        location / {{ return 200 \"{}\"; }}\n    }}\n",
        HELLO_BODY.escape_default()
    );
    config(&server)
}

/// What a proxy tells the server behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fields {
    /// Nothing: the least that nginx can do.
    None,
    /// What the gateway always tells: where the request came from, its host, and an id that the client gets too.
    AsTheGateway,
}

impl Fields {
    fn lines(self) -> &'static str {
        match self {
            Fields::None => "",
            Fields::AsTheGateway => {
                "            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Request-Id $request_id;
            add_header X-Request-Id $request_id;
"
            }
        }
    }
}

/// The configuration of the proxy in front of it, with room in its pool for `connections` clients.
pub(crate) fn proxy_config(
    addr: SocketAddr,
    upstream: SocketAddr,
    connections: u32,
    fields: Fields,
) -> String {
    let (pool, fields) = (2 * connections, fields.lines());
    let server = format!(
        "    upstream hello {{
        server {upstream};
        keepalive {pool};
        keepalive_requests 1000000000;
        keepalive_timeout 1h;
    }}
    server {{
        listen {addr};
        location / {{
            proxy_pass http://hello;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
{fields}        }}
    }}
"
    );
    config(&server)
}

fn config(servers: &str) -> String {
    format!(
        "daemon off;
worker_processes 1;
worker_rlimit_nofile 65536;
pid nginx.pid;
events {{
    worker_connections 32768;
    multi_accept on;
}}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    tcp_nodelay on;
    client_body_temp_path temp-body;
    proxy_temp_path temp-proxy;
    fastcgi_temp_path temp-fastcgi;
    uwsgi_temp_path temp-uwsgi;
    scgi_temp_path temp-scgi;
{servers}}}
"
    )
}

/// Starts nginx as `name` with `config` on `core`.
///
/// # Errors
/// nginx is missing, or its files cannot be written.
pub(crate) fn start(name: &str, config: &str, core: usize, dir: &Path) -> Result<Running, String> {
    let home = dir.join(name);
    let file = home.join("nginx.conf");
    fs::create_dir_all(&home)
        .and_then(|()| fs::write(&file, config))
        .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    let mut command = Command::new("nginx");
    command.arg("-p").arg(&home).arg("-c").arg(&file);
    command.args(["-e", "stderr"]);
    process::start(name, &mut command, core, dir, INSTALL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn the_pool_holds_every_client() {
        let config = proxy_config(addr(1000), addr(2000), 64, Fields::None);
        assert!(!config.contains("X-Request-Id"));
        let more = proxy_config(addr(1000), addr(2000), 64, Fields::AsTheGateway);
        assert!(more.contains("add_header X-Request-Id $request_id;"));
        for part in [
            "listen 127.0.0.1:1000;",
            "server 127.0.0.1:2000;",
            "keepalive 128;",
            "worker_processes 1;",
            "access_log off;",
        ] {
            assert!(config.contains(part), "{part} in {config}");
        }
    }

    #[test]
    fn the_upstream_answers_hello() {
        let config = upstream_config(addr(2000));
        assert!(
            config.contains(r#"return 200 "Hello world!\n";"#),
            "{config}"
        );
        assert_eq!(config.matches('{').count(), config.matches('}').count());
    }
}
