//! What a server did in its life, printed when it is told to end.
//!
//! One thread counts and another prints, so these are atomics; they are loaded and stored, never locked on the way of a request.

use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use rustix::process::{set_parent_process_death_signal, Signal};
use serde::{Deserialize, Serialize};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Requests whose answers were sent, or pieces of a bulk relay.
pub(crate) static DONE: Counter = Counter(AtomicU64::new(0));
/// Waits: `epoll_wait` or `io_uring_enter`.
pub(crate) static TURNS: Counter = Counter(AtomicU64::new(0));
/// System calls, waits too.
pub(crate) static CALLS: Counter = Counter(AtomicU64::new(0));
/// Zero-copy sends that the kernel copied after all.
pub(crate) static COPIED: Counter = Counter(AtomicU64::new(0));

pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Of the one thread that counts.
    pub(crate) fn add(&self, more: u64) {
        let before = self.0.load(Ordering::Relaxed);
        self.0.store(before + more, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A reading.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) done: u64,
    pub(crate) turns: u64,
    pub(crate) calls: u64,
    pub(crate) copied: u64,
}

impl Counts {
    fn read() -> Counts {
        Counts {
            done: DONE.read(),
            turns: TURNS.read(),
            calls: CALLS.read(),
            copied: COPIED.read(),
        }
    }
}

/// Has this process print its counts as a line of JSON at SIGTERM, SIGINT or its parent's end, and end.
///
/// # Errors
/// The system refuses the handler.
pub(crate) fn print_at_end() -> Result<(), String> {
    let refused = |error: std::io::Error| format!("cannot watch for signals: {error}");
    let mut signals = Signals::new([SIGTERM, SIGINT]).map_err(refused)?;
    set_parent_process_death_signal(Some(Signal::TERM)).map_err(|error| refused(error.into()))?;
    thread::spawn(move || {
        signals.forever().next();
        let line = serde_json::to_string(&Counts::read());
        println!("{}", line.unwrap_or_else(|error| error.to_string()));
        process::exit(0);
    });
    Ok(())
}
