//! `flatend check`: everything that is wrong with a configuration file.
//!
//! Owns the order of the output and the status: 0 if the file can be run or only holds warnings, 1 if not. Binds
//! and dials nothing.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::config::{self, Context, LoadError};

/// Checks `file`; findings and the verdict go to `out`, what kept us from checking to `err`.
///
/// # Errors
/// Writing failed.
pub fn run(
    file: &Path,
    env: &config::env::Lookup<'_>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let context = Context {
        env,
        fallback_addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 9000)),
        base_dir: PathBuf::new(),
    };
    let name = file.display().to_string();
    let (found, status) = match config::load(file, &context) {
        Ok(config) => {
            let mut found = config.warnings;
            found.extend(config.unsupported);
            found.sort_by_key(|finding| finding.at);
            (found, 0)
        }
        Err(LoadError::Invalid(found)) => (found, 1),
        Err(LoadError::Missing) => {
            writeln!(
                err,
                "flatend: '{name}' does not exist: name the file with `flatend check -c FILE`."
            )?;
            return Ok(1);
        }
        Err(error) => {
            writeln!(err, "flatend: '{name}': {error}.")?;
            return Ok(1);
        }
    };
    out.write_all(config::report(&name, &found).as_bytes())?;
    Ok(status)
}
