//! Files of lines in the state directory, replaced whole: who reads one meanwhile never sees half of it.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes `lines` to a file beside `path` that nobody else may read, and renames it to `path`.
///
/// # Errors
/// It cannot be written; `path` is as it was then.
pub(crate) fn lines(
    path: &Path,
    lines: impl Iterator<Item = impl std::fmt::Display>,
) -> io::Result<()> {
    let draft = path.with_extension("tmp");
    let mut options = fs::OpenOptions::new();
    let file = options
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)?;
    let mut file = io::BufWriter::new(file);
    for line in lines {
        writeln!(file, "{line}")?;
    }
    file.into_inner()?.sync_all()?;
    fs::rename(&draft, path)
}
