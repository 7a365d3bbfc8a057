//! CPU time of a process and its descendants between two moments.
//!
//! The scheduler counts each thread in nanoseconds, the process as a whole is told in ticks of 10 ms, which is too coarse for short
//! runs. Invariant: no time is lost; where a thread has ended between the two readings, the ticks count, which keep it.

use std::collections::BTreeMap;
use std::fs;

use crate::proc_stat::{self, of_family, process_stat};

/// A reading.
#[derive(Clone, Debug, PartialEq)]
pub struct CpuTime {
    ticks: u64,
    /// Nanoseconds on a core of each thread; empty if the kernel does not count them.
    threads_ns: BTreeMap<u32, u64>,
}

impl CpuTime {
    /// Reads all members of a family.
    ///
    /// # Errors
    /// The first one has ended, or `/proc` cannot be read.
    pub fn read(family: &[u32]) -> Result<CpuTime, String> {
        let ticks = of_family(family, |pid| {
            let stat = process_stat(&pid.to_string())?;
            Ok(stat.ticks + stat.waited_ticks)
        })?;
        let threads = family.iter().flat_map(|pid| threads_of(*pid));
        Ok(CpuTime {
            ticks: ticks.iter().sum(),
            threads_ns: threads.collect(),
        })
    }

    /// Seconds that passed since `earlier`, a reading of the same family.
    pub fn since(&self, earlier: &CpuTime) -> f64 {
        let known = |thread: &u32| self.threads_ns.contains_key(thread);
        if earlier.threads_ns.is_empty() || !earlier.threads_ns.keys().all(known) {
            return proc_stat::seconds(self.ticks.saturating_sub(earlier.ticks));
        }
        let before = |thread| earlier.threads_ns.get(thread).copied().unwrap_or_default();
        let passed = self
            .threads_ns
            .iter()
            .map(|(thread, ns)| ns.saturating_sub(before(thread)));
        passed.sum::<u64>() as f64 / 1e9
    }
}

/// Each thread of a process and its time. A thread may end between the listing and the reading.
fn threads_of(pid: u32) -> Vec<(u32, u64)> {
    let entries = fs::read_dir(format!("/proc/{pid}/task"));
    let entries = entries.into_iter().flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names
        .filter_map(|name| {
            let text = fs::read_to_string(format!("/proc/{pid}/task/{name}/schedstat")).ok()?;
            Some((name.parse().ok()?, parse_schedstat(&text)?))
        })
        .collect()
}

/// The first number of `schedstat`: nanoseconds on a core.
fn parse_schedstat(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(ticks: u64, threads: &[(u32, u64)]) -> CpuTime {
        CpuTime {
            ticks,
            threads_ns: threads.iter().copied().collect(),
        }
    }

    #[test]
    fn threads_count_exactly_and_new_ones_too() {
        let before = reading(100, &[(1, 5_000_000), (2, 7_000_000)]);
        let after = reading(101, &[(1, 6_500_000), (2, 7_000_000), (3, 2_000_000)]);
        assert_eq!(after.since(&before), 0.0035);
    }

    #[test]
    fn where_a_thread_has_ended_ticks_count() {
        let tick = proc_stat::seconds(1);
        let before = reading(100, &[(1, 5_000_000), (2, 7_000_000)]);
        assert_eq!(reading(103, &[(1, 6_000_000)]).since(&before), 3.0 * tick);
        assert_eq!(reading(3, &[(1, 1)]).since(&reading(1, &[])), 2.0 * tick);
    }

    #[test]
    fn this_process_is_read() {
        let family = [std::process::id()];
        let before = CpuTime::read(&family).unwrap();
        let begin = proc_stat::thread_seconds();
        while proc_stat::thread_seconds() < begin + 0.02 {
            std::hint::black_box(begin);
        }
        let passed = CpuTime::read(&family).unwrap().since(&before);
        // Other tests may have ended a thread: ticks count then, and one may be missing.
        assert!(passed >= 0.009, "{passed}");
        assert!(CpuTime::read(&[u32::MAX >> 1]).is_err());
    }

    #[test]
    fn a_line_of_schedstat_is_parsed() {
        assert_eq!(parse_schedstat("115698 101741 2\n"), Some(115_698));
        assert_eq!(parse_schedstat(""), None);
        assert_eq!(parse_schedstat("x 1 2"), None);
    }
}
