//! SIGINT, SIGTERM and SIGHUP: noted in a flag, looked at wherever we wait, so that every process that was started is ended on the way out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::limits::POLL_MS;

static STOPPED: OnceLock<Arc<AtomicBool>> = OnceLock::new();
/// Why nothing that is under way makes sense any more.
static FAILED: OnceLock<String> = OnceLock::new();

/// Begins to note signals.
///
/// # Errors
/// The system refuses the handler.
pub fn watch() -> Result<(), String> {
    let flag = STOPPED.get_or_init(Arc::default);
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, flag.clone())
            .map_err(|error| format!("cannot watch for signals: {error}"))?;
    }
    Ok(())
}

/// Ends what is under way as a signal would, with this error; the first one counts.
pub fn fail(reason: String) {
    FAILED.get_or_init(|| reason);
}

/// An error once a signal came, or something failed.
///
/// # Errors
/// A signal came, or that of [`fail`].
pub fn check() -> Result<(), String> {
    if let Some(reason) = FAILED.get() {
        return Err(reason.clone());
    }
    match STOPPED.get() {
        Some(flag) if flag.load(Ordering::Relaxed) => {
            Err("stopped by a signal; all processes are ended".to_owned())
        }
        _ => Ok(()),
    }
}

/// Asks `ready` again and again until it gives something. `Ok(None)` when `timeout` has passed.
///
/// # Errors
/// That of `ready`, or a signal came.
pub fn poll_until<T>(
    timeout: Duration,
    mut ready: impl FnMut() -> Result<Option<T>, String>,
) -> Result<Option<T>, String> {
    let deadline = Instant::now() + timeout;
    loop {
        check()?;
        if let Some(value) = ready()? {
            return Ok(Some(value));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(POLL_MS));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polling_ends_by_value_error_or_time() {
        let mut asked = 0;
        let third = poll_until(Duration::from_secs(10), || {
            asked += 1;
            Ok((asked == 3).then_some(asked))
        });
        assert_eq!(third, Ok(Some(3)));
        let failed = poll_until::<()>(Duration::from_secs(10), || Err("no".to_owned()));
        assert_eq!(failed, Err("no".to_owned()));
        assert_eq!(poll_until::<()>(Duration::ZERO, || Ok(None)), Ok(None));
    }
}
