//! `flatend forget`: takes a key out of the file of those that were seen on flatend/2.

use std::fs;
use std::io::{self, Write};

use super::mesh_of;
use crate::cli::ForgetOptions;
use crate::config::env::Lookup;
use crate::trust::KNOWN_KEYS_FILE;
use crate::{hex, io_words, replace};

/// Forgets the key.
///
/// # Errors
/// Writing to `err` failed.
pub fn run(options: &ForgetOptions, env: &Lookup<'_>, err: &mut dyn Write) -> io::Result<u8> {
    match forget(options, env) {
        Ok(sentence) => {
            writeln!(err, "{sentence}")?;
            Ok(0)
        }
        Err(sentence) => {
            writeln!(err, "flatend: {sentence}.")?;
            Ok(1)
        }
    }
}

/// What was done.
///
/// # Errors
/// A sentence without its full stop.
fn forget(options: &ForgetOptions, env: &Lookup<'_>) -> Result<String, String> {
    let mesh = mesh_of(&options.config, env)?;
    let Some(directory) = mesh.state_dir.path() else {
        return Err("no state directory is known: set `state_dir`".to_owned());
    };
    let path = directory.join(KNOWN_KEYS_FILE);
    let key = hex::encode(&options.key);
    let words = |error: &io::Error| format!("'{}': {}", path.display(), io_words(error));
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(words(&error)),
    };
    let is_it = |line: &&str| line.trim().eq_ignore_ascii_case(&key);
    if !text.lines().any(|line| is_it(&line)) {
        return Err(format!(
            "the key {key} is not among those in '{}'",
            path.display()
        ));
    }
    let rest = text.lines().filter(|line| !is_it(line));
    replace::lines(&path, rest).map_err(|error| words(&error))?;
    Ok(format!(
        "Forgot the key {key}. A gateway that runs reads the file again on SIGHUP."
    ))
}
