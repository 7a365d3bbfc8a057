//! `flatend demo`: the gateway and a node with real services in one process, connected over TCP like any two nodes.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use flatend::Node;

use super::run;
use crate::config::{self, Context, StateDir};
use crate::{demo, log, logs};

/// Runs the demonstration until a signal ends it. The result is the process's exit status.
///
/// # Errors
/// Standard error cannot be written.
pub fn run(err: &mut impl Write) -> io::Result<u8> {
    let context = Context {
        env: &|_| None,
        fallback_addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 9000)),
        base_dir: PathBuf::new(),
    };
    let mut config = match config::parse(demo::CONFIG, &context) {
        Ok(config) => config,
        Err(found) => {
            // The file is part of this program and tested; a user can do nothing about it but tell us.
            err.write_all(config::report("the demonstration's configuration", &found).as_bytes())?;
            return Ok(1);
        }
    };
    // The demonstration leaves nothing behind: its key is for this run.
    config.mesh.state_dir = StateDir::Unknown;
    let gateway = match run::start(&config, |builder| builder) {
        Ok(node) => node,
        Err(sentence) => {
            logs::flush();
            writeln!(err, "flatend: {sentence}")?;
            return Ok(1);
        }
    };
    // Where the gateway really listens; the services dial it as any node would, from a shard of their own.
    let target = gateway
        .addrs()
        .first()
        .map_or_else(|| config.mesh.addr.to_string(), ToString::to_string);
    let services =
        demo::services(Node::builder().bootstrap(target).shards(1).pin(false)).on_event(|_| {});
    let services = match services.start() {
        Ok(node) => node,
        Err(error) => {
            logs::flush();
            writeln!(
                err,
                "flatend: the demonstration's services did not start: {error}"
            )?;
            return Ok(1);
        }
    };
    log!("The demonstration runs: open http://localhost:3000/ or try `curl localhost:3000/hello`.");
    let status = run::wait(gateway, |_| {
        log!("The demonstration has no file to read again.")
    });
    drop(services);
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_configuration_is_valid() {
        let context = Context {
            env: &|_| None,
            fallback_addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 9000)),
            base_dir: PathBuf::new(),
        };
        let config = config::parse(demo::CONFIG, &context).expect("it is valid");
        assert!(config.unsupported.is_empty() && config.warnings.is_empty());
    }
}
