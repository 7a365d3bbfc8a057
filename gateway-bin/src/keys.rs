//! The gateway's own key: the file that the configuration names, or one in the state directory. The files themselves are
//! [`flatend::keys`].

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

pub use flatend::keys::{
    check_file, load_network, load_secret, make_network, make_secret, KeyError, Kind, SecretKey,
};

use crate::config::{Mesh, StateDir};

/// Name of the node's own key in the state directory.
pub const STATE_KEY_FILE: &str = "secret.key";

/// Where a node's key came from; worth a log line except for `File`.
#[derive(Debug)]
pub enum Origin {
    /// Read from this file.
    File(PathBuf),
    /// Made now and written to this file.
    Made(PathBuf),
    /// For this run only, because the default state directory cannot be used: peers that pin the key must be
    /// told of a new one after each start.
    ThisRun(String),
}

/// The node's secret key: the file that `secret_key` names, else the one in the state directory, made if absent.
///
/// # Errors
/// The path, and what is wrong with it. A default state directory that cannot be used is no error.
pub fn identity(mesh: &Mesh) -> Result<(SecretKey, Origin), (PathBuf, KeyError)> {
    if let Some(path) = &mesh.secret_key {
        return match load_secret(path) {
            Ok(secret) => Ok((secret, Origin::File(path.clone()))),
            Err(error) => Err((path.clone(), error)),
        };
    }
    let this_run = |reason: String| match SecretKey::generate() {
        Ok(secret) => Ok((secret, Origin::ThisRun(reason))),
        Err(error) => Err((PathBuf::new(), error)),
    };
    let Some(directory) = mesh.state_dir.path() else {
        return this_run("no state directory is known".to_owned());
    };
    let path = directory.join(STATE_KEY_FILE);
    match load_or_make(directory, &path) {
        Ok((secret, false)) => Ok((secret, Origin::File(path))),
        Ok((secret, true)) => Ok((secret, Origin::Made(path))),
        // A file that is there and wrong is never passed over: the node's identity would change in silence.
        Err(error @ KeyError::Io(_))
            if matches!(mesh.state_dir, StateDir::Default(_)) && !path.exists() =>
        {
            this_run(
                format!("'{}' cannot be written ({error})", path.display())
                    .replace("which cannot be used: ", ""),
            )
        }
        Err(error) => Err((path, error)),
    }
}

fn load_or_make(directory: &Path, path: &Path) -> Result<(SecretKey, bool), KeyError> {
    match load_secret(path) {
        Err(KeyError::Missing(_)) => {}
        loaded => return loaded.map(|secret| (secret, false)),
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(KeyError::Io)?;
    flatend::keys::load_or_make_secret(path)
}
