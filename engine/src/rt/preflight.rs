//! Can shards run here at all? Asked once at start, so that a missing io_uring is one sentence with the remedy and not a
//! panic inside a library.

use std::time::Duration;

use rustix::process::{getrlimit, Resource};

use super::limits::{MEMLOCK_BYTES_MIN, RINGS_LOOK_MS, RINGS_RELEASE_MS};

/// Why shards cannot run on this machine, with the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PreflightError {
    /// The kernel has no io_uring, or it is switched off.
    Missing,
    /// A seccomp profile or policy forbids it.
    Forbidden,
    /// The memlock limit is too small for the rings.
    Memlock {
        /// What the process may lock, in bytes.
        have_bytes: u64,
        /// What its shards need, in bytes.
        need_bytes: u64,
    },
    /// Another error of the system.
    Other(String),
}

impl std::fmt::Display for PreflightError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PreflightError::Missing => f.write_str(
                "this kernel has no io_uring (Linux 5.8 or later is needed, with `sysctl kernel.io_uring_disabled=0`)",
            ),
            PreflightError::Forbidden => f.write_str(
                "io_uring is forbidden here: in Docker run with `--security-opt seccomp=unconfined` or a profile that allows io_uring_setup, io_uring_enter and io_uring_register; on a host set `sysctl kernel.io_uring_disabled=0`",
            ),
            PreflightError::Memlock { have_bytes, need_bytes } => write!(
                f,
                "the limit of locked memory is {have_bytes} bytes and the shards need {need_bytes}: raise it with `ulimit -l {}` or `LimitMEMLOCK={need_bytes}` in the systemd unit, or run with fewer shards",
                need_bytes.div_ceil(1024)
            ),
            PreflightError::Other(text) => write!(f, "io_uring does not work here: {text}"),
        }
    }
}

impl std::error::Error for PreflightError {}

/// Raises the soft limit of open files to the hard one; gives the limit in force. Each connection is a descriptor.
pub fn raise_file_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = rustix::process::Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        // Refused only where a policy forbids it; the soft limit stays in force then.
        rustix::process::setrlimit(Resource::Nofile, raised).ok();
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Tries whether files can be read without holding a shard up: a ring of our own that knows the operations. For those who
/// serve files, at start.
///
/// # Errors
/// [`PreflightError`], whose text is fit for the user.
pub fn preflight_files() -> Result<(), PreflightError> {
    super::ring::probe().map_err(|err| match err.kind() {
        std::io::ErrorKind::PermissionDenied => PreflightError::Forbidden,
        std::io::ErrorKind::Unsupported => PreflightError::Missing,
        _ => PreflightError::Other(err.to_string()),
    })
}

/// Tries one ring and the memlock limit for `shards` shards.
///
/// # Errors
/// [`PreflightError`], whose text is fit for the user.
pub fn preflight(shards: usize) -> Result<(), PreflightError> {
    if let Some(have_bytes) = getrlimit(Resource::Memlock).current {
        let need_bytes = MEMLOCK_BYTES_MIN * shards as u64;
        let privileged = rustix::process::geteuid().is_root();
        if have_bytes < need_bytes && !privileged {
            return Err(PreflightError::Memlock {
                have_bytes,
                need_bytes,
            });
        }
    }
    let need_bytes = MEMLOCK_BYTES_MIN * shards as u64;
    let mut waited_ms = 0;
    loop {
        let mut params = rustix::io_uring::io_uring_params::default();
        // SAFETY: `params` is a valid, zeroed parameter block; the ring's descriptor is closed on drop and its memory is never mapped.
        match unsafe { rustix::io_uring::io_uring_setup(4, &mut params) } {
            Ok(_ring) => return Ok(()),
            Err(rustix::io::Errno::NOSYS) => return Err(PreflightError::Missing),
            Err(rustix::io::Errno::PERM | rustix::io::Errno::ACCESS) => {
                return Err(PreflightError::Forbidden)
            }
            Err(rustix::io::Errno::NOMEM) if waited_ms >= RINGS_RELEASE_MS => {
                let have_bytes = getrlimit(Resource::Memlock).current.unwrap_or(u64::MAX);
                return Err(PreflightError::Memlock {
                    have_bytes,
                    need_bytes,
                });
            }
            Err(rustix::io::Errno::NOMEM) => {}
            Err(err) => return Err(PreflightError::Other(err.to_string())),
        }
        // The memory of a process of this user that has just ended is given back a little later.
        std::thread::sleep(Duration::from_millis(RINGS_LOOK_MS));
        waited_ms += RINGS_LOOK_MS;
    }
}
