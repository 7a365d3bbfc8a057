//! The memory of this process, and the right to measure it alone.

use std::sync::{Mutex, MutexGuard, PoisonError};

static ALONE: Mutex<()> = Mutex::new(());

/// Held by the one test that measures now.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    // A test that failed has left nothing behind that matters here.
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Resident memory now, in bytes.
pub(crate) fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kib: usize = kib
        .and_then(|kib| kib.parse().ok())
        .expect("a number of kB");
    kib * 1024
}
