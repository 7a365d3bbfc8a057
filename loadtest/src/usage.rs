//! What processes and the machine used while a load ran.
//!
//! A thread of its own reads the counters at both ends of the window and memory in between, so that the client is not kept from sending.
//! Invariant: both readings are of the same processes; children that
//! come within the window count once they have ended and were waited for.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::cpu_time::CpuTime;
use crate::limits::{MEMORY_POINTS, MEMORY_SAMPLE_MS};
use crate::proc_stat::{self, MachineStat, Shares};

/// A process whose use is of interest, with its descendants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// What reports call it.
    pub name: String,
    /// The first process.
    pub pid: u32,
}

/// What one process and its descendants used.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProcessUse {
    /// What reports call it.
    pub name: String,
    /// Seconds on a core.
    pub cpu_s: f64,
    /// Largest memory within the window: the sum of the processes' peaks.
    pub peak_kib: u64,
    /// Resident memory over the window, evenly spread readings.
    pub resident_kib: Vec<u64>,
}

/// All that was used within the window.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Usage {
    /// Each that was watched, in the order given.
    pub processes: Vec<ProcessUse>,
    /// All cores.
    pub machine: Shares,
}

/// The reading thread.
#[derive(Debug)]
pub struct Meter {
    stop: Sender<()>,
    thread: JoinHandle<Result<Usage, String>>,
}

impl Meter {
    /// Reads from `begin` to `end`, or until [`Meter::finish`] if there is no end.
    pub fn start(watched: &[Watched], begin: Instant, end: Option<Instant>) -> Meter {
        let (stop, stopped) = mpsc::channel();
        let watched = watched.to_vec();
        let thread = thread::spawn(move || read(&watched, begin, end, &stopped));
        Meter { stop, thread }
    }

    /// What was read.
    ///
    /// # Errors
    /// A process has ended, or the run was over before its window began.
    pub fn finish(self) -> Result<Usage, String> {
        // An error means that the thread has ended already.
        self.stop.send(()).ok();
        self.thread
            .join()
            .map_err(|_| "the thread that reads counters panicked".to_owned())?
    }
}

struct Family {
    name: String,
    members: Vec<u32>,
    cpu: CpuTime,
    peaks_reset: bool,
    resident_kib: Vec<u64>,
}

fn read(
    watched: &[Watched],
    begin: Instant,
    end: Option<Instant>,
    stopped: &Receiver<()>,
) -> Result<Usage, String> {
    let mut families = watched
        .iter()
        .map(|process| {
            let ended = |error| format!("{}: {error}", process.name);
            let members = proc_stat::family(process.pid).map_err(ended)?;
            Ok(Family {
                name: process.name.clone(),
                cpu: CpuTime::read(&members).map_err(ended)?,
                members,
                peaks_reset: false,
                resident_kib: Vec::new(),
            })
        })
        .collect::<Result<Vec<_>, String>>()?;
    if stopped.recv_timeout(begin.saturating_duration_since(Instant::now()))
        != Err(RecvTimeoutError::Timeout)
    {
        return Err("the run was over before its measured part began: ask for more (--bytes) or for longer (--seconds, --duration)".to_owned());
    }
    for family in &mut families {
        family.peaks_reset = proc_stat::reset_peaks(&family.members);
        family.cpu = CpuTime::read(&family.members)?;
    }
    let machine = MachineStat::read()?;
    loop {
        for family in &mut families {
            family
                .resident_kib
                .push(proc_stat::memory_of(&family.members)?.resident_kib);
        }
        let pause = Duration::from_millis(MEMORY_SAMPLE_MS);
        let left = end.map_or(pause, |end| {
            end.saturating_duration_since(Instant::now()).min(pause)
        });
        let told = stopped.recv_timeout(left);
        if told != Err(RecvTimeoutError::Timeout) || end.is_some_and(|end| Instant::now() >= end) {
            break;
        }
    }
    let machine = MachineStat::read()?.since(machine);
    let processes = families
        .into_iter()
        .map(use_of)
        .collect::<Result<Vec<_>, String>>()?;
    Ok(Usage { processes, machine })
}

fn use_of(family: Family) -> Result<ProcessUse, String> {
    let cpu_s = CpuTime::read(&family.members)?.since(&family.cpu);
    let peak_kib = proc_stat::memory_of(&family.members)?.peak_kib;
    let read_kib = family
        .resident_kib
        .iter()
        .copied()
        .max()
        .unwrap_or_default();
    Ok(ProcessUse {
        name: family.name,
        cpu_s,
        // Without a new beginning the peak may be that of another run.
        peak_kib: if family.peaks_reset {
            peak_kib
        } else {
            read_kib
        },
        resident_kib: points(&family.resident_kib),
    })
}

/// At most [`MEMORY_POINTS`] of `series`, evenly spread, the first and the last among them.
fn points(series: &[u64]) -> Vec<u64> {
    let last = series.len().saturating_sub(1);
    let shown = series.len().min(MEMORY_POINTS);
    (0..shown)
        .filter_map(|at| series.get(at * last / (shown - 1).max(1)).copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn this() -> Vec<Watched> {
        vec![Watched {
            name: "this".to_owned(),
            pid: std::process::id(),
        }]
    }

    #[test]
    fn work_and_memory_of_the_window_are_seen() {
        let begin = Instant::now();
        let meter = Meter::start(&this(), begin, None);
        // Memory is taken and given back, time is used: both have to show.
        let mut block = vec![0u8; 64 << 20];
        let mut state = 1u64;
        while begin.elapsed() < Duration::from_millis(200) {
            for byte in block.iter_mut().step_by(4096) {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                *byte = (state >> 60) as u8;
            }
        }
        drop(std::hint::black_box(block));
        let usage = meter.finish().unwrap();
        let own = &usage.processes[0];
        assert!(own.cpu_s >= 0.03, "{usage:?}");
        assert!(own.peak_kib >= 64 << 10, "{usage:?}");
        assert!(usage.machine.total_s > 0.0 && !own.resident_kib.is_empty());
    }

    #[test]
    fn an_ended_process_and_a_run_without_a_window_are_told() {
        let nobody = [Watched {
            name: "gone".to_owned(),
            pid: u32::MAX >> 1,
        }];
        let meter = Meter::start(&nobody, Instant::now(), None);
        assert!(meter
            .finish()
            .unwrap_err()
            .starts_with("gone: cannot read /proc/"));
        let meter = Meter::start(&this(), Instant::now() + Duration::from_secs(3600), None);
        assert_eq!(
            meter.finish().unwrap_err(),
            "the run was over before its measured part began: ask for more (--bytes) or for longer (--seconds, --duration)"
        );
    }

    #[test]
    fn points_are_spread_evenly() {
        assert!(points(&[]).is_empty());
        assert_eq!(points(&[7]), [7]);
        let series: Vec<u64> = (0..100).collect();
        assert_eq!(points(&series), [0, 11, 22, 33, 44, 55, 66, 77, 88, 99]);
    }
}
