//! SIGINT and SIGTERM: the first begins the drain, the second ends the process at once.
//!
//! Owns the control thread that waits for signals; nothing of the process runs in a signal handler. The
//! invariant that a change is likeliest to break: the thread must never wait for the drain, else a second Ctrl-C
//! would do nothing.

use std::{io, process, thread};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::{log, logs};

/// Which signal asked us to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM: a service manager or `kill`.
    Terminate,
}

impl Stop {
    fn of(signal: i32) -> Stop {
        if signal == SIGINT {
            Stop::Interrupt
        } else {
            Stop::Terminate
        }
    }

    /// Exit status of a process that this signal ended, as shells count it: 128 and the signal's number.
    #[must_use]
    pub fn exit_status(self) -> i32 {
        128 + match self {
            Stop::Interrupt => SIGINT,
            Stop::Terminate => SIGTERM,
        }
    }
}

/// Calls `begin_drain` on the control thread when the first signal comes; the second one ends the process with
/// the signal's status. Signals that come after this returned are never lost, also before the thread runs.
///
/// `begin_drain` must only pass the word on and return.
///
/// # Errors
/// The system has no thread or pipe to give.
pub fn on_stop(begin_drain: impl FnOnce(Stop) + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            let mut received = signals.forever().map(Stop::of);
            if let Some(stop) = received.next() {
                begin_drain(stop);
            }
            if let Some(stop) = received.next() {
                log!("Stopping at once.");
                logs::flush();
                process::exit(stop.exit_status());
            }
        })?;
    Ok(())
}
