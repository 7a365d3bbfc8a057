//! A certificate for the server behind a proxy, made by the command line of OpenSSL.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::Place;
use crate::limits::CHECK_TIMEOUT_MS;
use crate::process;

const INSTALL: &str = "apt-get install openssl";

/// A certificate and its key, as files.
pub(super) struct Certificate {
    pub(super) file: PathBuf,
    pub(super) key: PathBuf,
}

/// Makes a certificate for a day, with a key on P-256.
///
/// # Errors
/// OpenSSL is missing or refuses.
pub(super) fn make(place: &Place) -> Result<Certificate, String> {
    let (file, key) = (place.dir.join("behind.pem"), place.dir.join("behind.key"));
    let words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost";
    let mut command = Command::new("openssl");
    command.args(words.split(' '));
    command.arg("-out").arg(&file).arg("-keyout").arg(&key);
    process::start(
        "certificate",
        &mut command,
        &[place.cores.others],
        &place.dir,
        INSTALL,
    )?
    .output(Duration::from_millis(CHECK_TIMEOUT_MS))
    .map_err(|error| format!("no certificate could be made: {error}"))?;
    Ok(Certificate { file, key })
}
