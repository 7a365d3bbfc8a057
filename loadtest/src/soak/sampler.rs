//! Reads a process's memory, descriptors and threads every few seconds.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::flat::Point;
use crate::proc_stat;

/// Reads at once and then each `every`, until `stop` is told or its other end has gone. `failed` is told at once of what keeps it from
/// reading: the process has ended, say.
pub(super) fn start(
    pid: u32,
    begin: Instant,
    every: Duration,
    stop: Receiver<()>,
    failed: fn(String),
) -> JoinHandle<Result<Vec<Point>, String>> {
    thread::spawn(move || {
        let mut points = Vec::new();
        loop {
            points.push(read(pid, begin).inspect_err(|error| failed(error.clone()))?);
            if stop.recv_timeout(every) != Err(RecvTimeoutError::Timeout) {
                return Ok(points);
            }
        }
    })
}

fn read(pid: u32, begin: Instant) -> Result<Point, String> {
    Ok(Point {
        at_s: begin.elapsed().as_secs_f64(),
        resident_kib: proc_stat::memory(pid)?.resident_kib,
        descriptors: proc_stat::entries(pid, "fd")?,
        threads: proc_stat::entries(pid, "task")?,
    })
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn this_process_is_read_until_it_is_told_to_stop() {
        let pid = std::process::id();
        let begin = Instant::now();
        let before = read(pid, begin).unwrap();
        assert!(before.resident_kib > 0 && before.threads > 0 && before.descriptors > 2);
        let held: Vec<File> = (0..50).map(|_| File::open("/dev/null").unwrap()).collect();
        let (stop, stopped) = mpsc::channel();
        let sampling = start(pid, begin, Duration::from_millis(1), stopped, |_| ());
        // Read at least once, whenever it is told.
        drop(stop);
        let points = sampling.join().unwrap().unwrap();
        // Other tests open and close some too.
        assert!(points[0].descriptors >= 50, "{points:?}");
        drop(held);
        let (_stop, stopped) = mpsc::channel();
        let gone = start(
            u32::MAX >> 1,
            begin,
            Duration::from_millis(1),
            stopped,
            |_| (),
        );
        assert!(gone
            .join()
            .unwrap()
            .unwrap_err()
            .starts_with("cannot read /proc/"));
    }
}
