//! One module a command. Each takes its options and where to write, and gives the exit status.

pub mod agent;
pub mod call;
pub mod check;
pub mod demo;
pub mod forget;
mod in_force;
pub mod invite;
pub mod keygen;
pub mod run;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::config::{self, env::Lookup, Config, Context, LoadError, Mesh};

/// The mesh side of the gateway that `file` describes; the defaults if there is no such file.
///
/// # Errors
/// A sentence without its full stop.
fn mesh_of(file: &Path, env: &Lookup<'_>) -> Result<Mesh, String> {
    let context = Context {
        env,
        fallback_addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 9000)),
        base_dir: PathBuf::new(),
    };
    let shown = file.display();
    match config::load(file, &context) {
        Ok(config) => Ok(config.mesh),
        Err(LoadError::Missing) => Ok(Config::without_file(&context).mesh),
        Err(LoadError::Invalid(_)) => Err(format!(
            "'{shown}' has errors: see `flatend check -c {shown}`"
        )),
        Err(error) => Err(format!("'{shown}': {error}")),
    }
}
