//! `flatend invite`: a join token for this gateway. Owns which address is told; the token alone goes to standard output, so that a
//! script can take it.

use std::io::{self, Write};

use flatend::JoinToken;

use super::mesh_of;
use crate::cli::InviteOptions;
use crate::config::{env::Lookup, Bootstrap, Mesh};
use crate::keys;

/// Prints a token.
///
/// # Errors
/// Writing failed.
pub fn run(
    options: &InviteOptions,
    env: &Lookup<'_>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let addrs = match addrs(options, env) {
        Ok(addrs) => addrs,
        Err(sentence) => {
            writeln!(err, "flatend: {sentence}.")?;
            return Ok(1);
        }
    };
    match JoinToken::new(addrs, options.name.as_deref()) {
        Ok(token) => {
            writeln!(out, "{token}")?;
            Ok(0)
        }
        Err(error) => {
            writeln!(err, "flatend: {error}.")?;
            Ok(1)
        }
    }
}

/// The addresses to tell, each with the gateway's key unless another was given.
///
/// # Errors
/// A sentence without its full stop.
fn addrs(options: &InviteOptions, env: &Lookup<'_>) -> Result<Vec<String>, String> {
    let mesh = mesh_of(&options.config, env)?;
    let key = own_key(&mesh)?;
    let pinned = |mut node: Bootstrap| {
        node.key = node.key.or(key);
        node.pinned()
    };
    if !options.addrs.is_empty() {
        return Ok(options.addrs.iter().cloned().map(pinned).collect());
    }
    let addr = mesh.public_addr.unwrap_or(mesh.addr);
    if addr.ip().is_unspecified() || addr.port() == 0 {
        return Err(format!(
            "{addr} cannot be dialed: set `public_addr` in '{}', or give --addr HOST:PORT",
            options.config.display()
        ));
    }
    Ok(vec![pinned(Bootstrap {
        host: addr.ip().to_string(),
        port: addr.port(),
        key: None,
    })])
}

/// The gateway's public key, which its services then expect of it; none if it has not been made yet.
///
/// # Errors
/// A sentence: the key's file is there and cannot be used.
fn own_key(mesh: &Mesh) -> Result<Option<[u8; 32]>, String> {
    let in_state = || Some(mesh.state_dir.path()?.join(keys::STATE_KEY_FILE));
    let Some(path) = mesh.secret_key.clone().or_else(in_state) else {
        return Ok(None);
    };
    match keys::load_secret(&path) {
        Ok(secret) => Ok(Some(secret.public())),
        Err(keys::KeyError::Missing(_)) => Ok(None),
        Err(error) => Err(format!("the secret key '{}', {error}", path.display())),
    }
}
