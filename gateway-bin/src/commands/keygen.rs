//! `flatend keygen`: a new key file.
//!
//! Owns what is printed: the public key alone on standard output, so that a script can take it; a sentence on
//! standard error. Never prints a secret and never writes over a file.

use std::io::{self, Write};
use std::path::Path;

use crate::{hex, keys};

/// Makes `file`; a network key with `network`, a secret key else.
///
/// # Errors
/// Writing to `out` or `err` failed.
pub fn run(file: &Path, network: bool, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let name = file.display();
    let made = if network {
        keys::make_network(file).map(|()| None)
    } else {
        keys::make_secret(file).map(Some)
    };
    match made {
        Ok(Some(secret)) => {
            writeln!(
                err,
                "Wrote a secret key to '{name}' (mode 0600). Use it with: secret_key = {}",
                quoted(file)
            )?;
            writeln!(err, "Its public key:")?;
            err.flush()?;
            writeln!(out, "{}", hex::encode(&secret.public()))?;
        }
        Ok(None) => {
            writeln!(err, "Wrote a network key to '{name}' (mode 0600). Give it to every node of the mesh, and to nobody else.")?;
        }
        Err(error) => {
            writeln!(err, "flatend: cannot make the key file '{name}', {error}.")?;
            return Ok(1);
        }
    }
    Ok(0)
}

/// A path as a TOML string.
fn quoted(file: &Path) -> String {
    format!(
        "\"{}\"",
        file.display()
            .to_string()
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
    )
}
