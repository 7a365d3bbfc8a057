//! The gateway under test, with one shard, and a provider of services in a process of its own that dials it.

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{self, Running};

/// Where a gateway listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addrs {
    pub(crate) http: SocketAddr,
    pub(crate) mesh: SocketAddr,
}

/// The gateway's binary: the given one, or `flatend` beside this program.
///
/// # Errors
/// It is not there.
pub(crate) fn binary(given: Option<&Path>) -> Result<PathBuf, String> {
    let path = match given {
        Some(path) => path.to_owned(),
        None => env::current_exe()
            .map_err(|error| format!("cannot find this program: {error}"))?
            .with_file_name("flatend"),
    };
    // Absolute, because a bare name would be searched for in PATH.
    path.canonicalize().map_err(|error| {
        format!(
            "no gateway at {} ({error}): cargo build --release -p flatend-gateway, or name one with --gateway",
            path.display()
        )
    })
}

/// A configuration with one shard and these routes: (pattern, service).
pub(crate) fn config(addrs: Addrs, routes: &[(&str, &str)]) -> String {
    let mut text = format!(
        "addr = \"{}\"\nshards = 1\nstate_dir = \"state\"\n\n[[http]]\naddr = \"{}\"\n",
        addrs.mesh, addrs.http
    );
    for (path, service) in routes {
        text.push_str(&format!(
            "\n[[http.routes]]\npath = \"{path}\"\nservice = \"{service}\"\n"
        ));
    }
    text
}

/// Starts the gateway on `core`.
///
/// # Errors
/// Its files cannot be written, or it cannot be started.
pub(crate) fn start(
    binary: &Path,
    config: &str,
    core: usize,
    dir: &Path,
) -> Result<Running, String> {
    let home = dir.join("gateway");
    let file = home.join("config.toml");
    fs::create_dir_all(home.join("state"))
        .and_then(|()| fs::write(&file, config))
        .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    let mut command = Command::new(binary);
    command.arg("-c").arg(&file).current_dir(&home);
    process::start(
        "gateway",
        &mut command,
        core,
        dir,
        "cargo build --release -p flatend-gateway",
    )
}

/// Starts this program again as a provider, on `core`. It ends with us.
///
/// # Errors
/// It cannot be started.
pub(crate) fn start_provider(
    command_name: &str,
    mesh: SocketAddr,
    core: usize,
    dir: &Path,
) -> Result<Running, String> {
    let program =
        env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    let mut command = Command::new(program);
    command.args([command_name, "--node", &mesh.to_string()]);
    process::start("provider", &mut command, core, dir, "build it again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_gateway_is_told_with_the_remedy() {
        let error = binary(Some(Path::new("/nowhere/flatend"))).unwrap_err();
        assert!(
            error.starts_with("no gateway at /nowhere/flatend") && error.contains("cargo build"),
            "{error}"
        );
    }

    #[test]
    fn a_configuration_has_one_shard_and_all_routes() {
        let addr = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let addrs = Addrs {
            http: addr(3000),
            mesh: addr(9000),
        };
        assert_eq!(
            config(addrs, &[("GET /hello", "hello")]),
            "addr = \"127.0.0.1:9000\"\nshards = 1\nstate_dir = \"state\"\n\n[[http]]\naddr = \"127.0.0.1:3000\"\n\n\
             [[http.routes]]\npath = \"GET /hello\"\nservice = \"hello\"\n"
        );
    }
}
