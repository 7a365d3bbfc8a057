//! SIGINT and SIGTERM: the first begins the drain, the second ends the process at once. SIGHUP: files are read again.
//!
//! Owns the control thread that waits for signals; nothing of the process runs in a signal handler. The
//! invariant that a change is likeliest to break: the thread must never wait for the drain, else a second Ctrl-C
//! would do nothing.

use std::{io, process, thread};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
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
/// `begin_drain` and `reload`, which is for each SIGHUP before that, must only pass the word on and return.
///
/// # Errors
/// The system has no thread or pipe to give.
pub fn watch(
    begin_drain: impl FnOnce(Stop) + Send + 'static,
    reload: impl Fn() + Send + 'static,
) -> io::Result<()> {
    serve(
        Signals::new([SIGINT, SIGTERM, SIGHUP])?,
        begin_drain,
        reload,
    )
}

/// As [`watch`] where there is nothing to read again: SIGHUP ends the process, as it does without us.
///
/// # Errors
/// As [`watch`].
pub fn on_stop(begin_drain: impl FnOnce(Stop) + Send + 'static) -> io::Result<()> {
    serve(Signals::new([SIGINT, SIGTERM])?, begin_drain, || ())
}

fn serve(
    mut signals: Signals,
    begin_drain: impl FnOnce(Stop) + Send + 'static,
    reload: impl Fn() + Send + 'static,
) -> io::Result<()> {
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            let mut begin_drain = Some(begin_drain);
            for signal in signals.forever() {
                match (signal, begin_drain.take()) {
                    (SIGHUP, begin) => {
                        if begin.is_some() {
                            reload();
                        }
                        begin_drain = begin;
                    }
                    (signal, Some(begin_drain)) => begin_drain(Stop::of(signal)),
                    (signal, None) => {
                        log!("Stopping at once.");
                        logs::flush();
                        process::exit(Stop::of(signal).exit_status());
                    }
                }
            }
        })?;
    Ok(())
}
