//! A certificate for one run, signed by itself.

use std::fs;
use std::path::Path;

use rcgen::generate_simple_self_signed;

/// The file of the certificate.
pub(crate) const CERTIFICATE: &str = "certificate.pem";
/// The file of its key.
pub(crate) const KEY: &str = "key.pem";
/// Whom it names.
pub(crate) const NAME: &str = "localhost";

/// Makes certificate and key in `dir`.
///
/// # Errors
/// The files cannot be written.
pub(crate) fn make(dir: &Path) -> Result<(), String> {
    let made = generate_simple_self_signed([NAME.to_owned()])
        .map_err(|error| format!("cannot make a certificate: {error}"))?;
    let write = |name: &str, text: String| {
        let path = dir.join(name);
        fs::write(&path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
    };
    write(CERTIFICATE, made.cert.pem())?;
    write(KEY, made.signing_key.serialize_pem())
}
