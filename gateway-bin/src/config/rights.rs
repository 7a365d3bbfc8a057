//! What this process may do with a file or a directory, asked of the system without opening or making anything.
//!
//! Owns the question and the sentence. The invariant that a change is likeliest to break: `check` leaves nothing behind. Root may do nearly
//! everything, so a check by root cannot show what the user that runs the gateway lacks.

use std::path::Path;

use rustix::fs::{accessat, Access, AtFlags, CWD};

use super::schema::shorten;
use crate::io_words;

/// Who has to be let in.
const REMEDY: &str = "let the user that runs the gateway";

/// Whether files can be made in `directory`.
pub(super) fn may_make_in(directory: &Path) -> Result<(), String> {
    may(directory, Access::WRITE_OK | Access::EXEC_OK).map_err(|words| {
        format!(
            "nothing can be made in \"{}\" ({words}): {REMEDY} write there, or write another path",
            shown(directory)
        )
    })
}

/// Whether `file` can be written.
pub(super) fn may_write(file: &Path) -> Result<(), String> {
    may(file, Access::WRITE_OK).map_err(|words| {
        format!("it cannot be written ({words}): {REMEDY} write it, or write another path")
    })
}

/// Whether what lies in `directory` can be reached, and be listed if `is_listed`.
pub(super) fn may_enter(directory: &Path, is_listed: bool) -> Result<(), String> {
    let read = if is_listed {
        Access::READ_OK
    } else {
        Access::empty()
    };
    may(directory, Access::EXEC_OK | read).map_err(|words| {
        format!("what lies in it cannot be read ({words}): {REMEDY} read it (`chmod o+rx`)")
    })
}

/// Whether `file` can be read.
pub(super) fn may_read(file: &Path) -> Result<(), String> {
    may(file, Access::READ_OK)
        .map_err(|words| format!("it cannot be read ({words}): {REMEDY} read it"))
}

/// The nearest directory above `path` that exists; the working directory for a bare name.
pub(super) fn existing_above(path: &Path) -> &Path {
    let above = path.ancestors().skip(1);
    above
        .map(|above| {
            if above.as_os_str().is_empty() {
                Path::new(".")
            } else {
                above
            }
        })
        .find(|above| above.exists())
        .unwrap_or(Path::new("."))
}

fn shown(path: &Path) -> String {
    shorten(&path.display().to_string())
}

fn may(path: &Path, access: Access) -> Result<(), String> {
    match accessat(CWD, path, access, AtFlags::EACCESS) {
        // A system that cannot say has not refused.
        Ok(()) | Err(rustix::io::Errno::NOSYS) => Ok(()),
        Err(error) => Err(io_words(&std::io::Error::from(error))),
    }
}
