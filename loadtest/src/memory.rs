//! The memory of a process over time.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::limits::{MEMORY_POINTS_SHOWN, MEMORY_SAMPLE_MS};
use crate::proc_stat;

/// Reads a process's resident memory every [`MEMORY_SAMPLE_MS`] until asked for what it read.
#[derive(Debug)]
pub(crate) struct Watch {
    stop: Sender<()>,
    thread: JoinHandle<Vec<u64>>,
}

impl Watch {
    /// Begins to watch.
    pub(crate) fn start(pid: u32) -> Watch {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut resident_kib = Vec::new();
            loop {
                // A process that has ended has no memory; whoever uses it notices.
                resident_kib.extend(proc_stat::memory(pid).map(|memory| memory.resident_kib));
                let pause = stopped.recv_timeout(Duration::from_millis(MEMORY_SAMPLE_MS));
                if pause != Err(RecvTimeoutError::Timeout) {
                    return resident_kib;
                }
            }
        });
        Watch { stop, thread }
    }

    /// What was read, KiB, in order.
    ///
    /// # Errors
    /// The watching thread panicked.
    pub(crate) fn finish(self) -> Result<Vec<u64>, String> {
        // An error means that the thread has ended already.
        self.stop.send(()).ok();
        let panicked = |_| "the thread that watches memory panicked".to_owned();
        self.thread.join().map_err(panicked)
    }
}

/// At most [`MEMORY_POINTS_SHOWN`] of `series`, evenly spread, the first and the last among them.
pub(crate) fn points(series: &[u64]) -> Vec<u64> {
    let last = series.len().saturating_sub(1);
    let shown = series.len().min(MEMORY_POINTS_SHOWN);
    (0..shown)
        .filter_map(|at| series.get(at * last / (shown - 1).max(1)).copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_watched_until_asked() {
        let watch = Watch::start(std::process::id());
        let series = watch.finish().unwrap();
        assert!(!series.is_empty() && series.iter().all(|kib| *kib > 0));
    }

    #[test]
    fn points_are_spread_evenly() {
        assert!(points(&[]).is_empty());
        assert_eq!(points(&[7]), [7]);
        assert_eq!(points(&[7, 8]), [7, 8]);
        let series: Vec<u64> = (0..100).collect();
        assert_eq!(points(&series), [0, 11, 22, 33, 44, 55, 66, 77, 88, 99]);
    }
}
