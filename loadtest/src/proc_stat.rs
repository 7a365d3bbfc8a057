//! What the kernel counts: CPU time of processes and of the machine, memory of processes (proc(5)).
//!
//! Owns the parsers, which take text and refuse what they do not understand, and the readings that use them.

use std::fs;

use serde::{Deserialize, Serialize};

/// Of `/proc/PID/stat`, in clock ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessStat {
    /// Who started it.
    pub parent: u32,
    /// Own time, user and system.
    pub ticks: u64,
    /// Time of the children that were waited for.
    pub waited_ticks: u64,
}

/// Of the first line of `/proc/stat`, in clock ticks since boot, all cores together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MachineStat {
    /// What was worked.
    pub busy: u64,
    /// What nobody wanted.
    pub idle: u64,
    /// Time that the hypervisor gave to others while we wanted to run.
    pub steal: u64,
}

/// Of `/proc/PID/status`, in KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// What is resident.
    pub resident_kib: u64,
    /// The most that was.
    pub peak_kib: u64,
}

/// Parses `/proc/PID/stat`; the name in brackets may hold anything.
pub fn parse_process_stat(text: &str) -> Option<ProcessStat> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // `state` is field 3 of proc(5) and index 0 here.
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(ProcessStat {
        parent: u32::try_from(number(4)?).ok()?,
        ticks: number(14)? + number(15)?,
        waited_ticks: number(16)? + number(17)?,
    })
}

/// Parses the first line of `/proc/stat`. Guest time is part of user time and not counted again.
pub fn parse_machine_stat(text: &str) -> Option<MachineStat> {
    let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = line
        .split_ascii_whitespace()
        .map(|number| number.parse().ok())
        .collect::<Option<_>>()?;
    let [user, nice, system, idle, iowait, irq, softirq, steal, ..] = ticks[..] else {
        return None;
    };
    Some(MachineStat {
        busy: user + nice + system + irq + softirq,
        idle: idle + iowait,
        steal,
    })
}

/// Whether `/proc/PID/status` is of a process that has ended and was not waited for yet: it has no memory.
fn has_ended(text: &str) -> bool {
    let state = text.lines().find_map(|line| line.strip_prefix("State:"));
    state.is_some_and(|state| state.trim_start().starts_with(['Z', 'X']))
}

/// Parses `/proc/PID/status`.
pub fn parse_memory(text: &str) -> Option<Memory> {
    let kib = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
    };
    Some(Memory {
        resident_kib: kib("VmRSS:")?,
        peak_kib: kib("VmHWM:")?,
    })
}

/// Shares of the machine's time that passed between two readings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shares {
    /// What was worked.
    pub busy: f64,
    /// What the hypervisor gave to others.
    pub steal: f64,
    /// All cores together.
    pub total_s: f64,
}

impl MachineStat {
    /// Reads the machine's counters.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn read() -> Result<MachineStat, String> {
        let text = read_text("/proc/stat")?;
        parse_machine_stat(&text).ok_or_else(|| "cannot understand /proc/stat".to_owned())
    }

    /// What happened since `earlier`.
    pub fn since(self, earlier: MachineStat) -> Shares {
        let busy = self.busy.saturating_sub(earlier.busy);
        let steal = self.steal.saturating_sub(earlier.steal);
        let total = busy + steal + self.idle.saturating_sub(earlier.idle);
        let share = |part: u64| part as f64 / total.max(1) as f64;
        Shares {
            busy: share(busy),
            steal: share(steal),
            total_s: seconds(total),
        }
    }
}

/// A process and its descendants, as they are now.
///
/// # Errors
/// The process has ended, or `/proc` cannot be read.
pub fn family(pid: u32) -> Result<Vec<u32>, String> {
    process_stat(&pid.to_string())?;
    let entries = fs::read_dir("/proc").map_err(|error| format!("cannot read /proc: {error}"))?;
    let parents: Vec<(u32, u32)> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok()?.parse().ok())
        // A process may end between the listing and the reading; it is none of ours then.
        .filter_map(|child: u32| Some((child, process_stat(&child.to_string()).ok()?.parent)))
        .collect();
    let mut family = vec![pid];
    let mut at = 0;
    while let Some(parent) = family.get(at).copied() {
        family.extend(
            parents
                .iter()
                .filter(|(child, of)| *of == parent && *child != parent)
                .map(|(child, _)| *child),
        );
        at += 1;
    }
    Ok(family)
}

/// What `read` says of each member; a child may have ended meanwhile, and is its parent's ended child then.
///
/// # Errors
/// That of the first member.
pub fn of_family<T>(
    family: &[u32],
    read: impl Fn(u32) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let (first, children) = family.split_first().ok_or("a family without members")?;
    let mut all = vec![read(*first)?];
    all.extend(children.iter().filter_map(|pid| read(*pid).ok()));
    Ok(all)
}

/// CPU seconds of the calling thread.
pub fn thread_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Memory of a family: what is resident now, and the sum of their peaks.
///
/// # Errors
/// The first one has ended, or `/proc` cannot be read.
pub fn memory_of(family: &[u32]) -> Result<Memory, String> {
    let all = of_family(family, memory)?;
    Ok(Memory {
        resident_kib: all.iter().map(|one| one.resident_kib).sum(),
        peak_kib: all.iter().map(|one| one.peak_kib).sum(),
    })
}

/// Makes the peaks of these processes begin anew (proc(5), clear_refs). False if the system does not allow it.
pub fn reset_peaks(family: &[u32]) -> bool {
    family
        .iter()
        .all(|pid| fs::write(format!("/proc/{pid}/clear_refs"), "5").is_ok())
}

/// Memory of a process.
///
/// # Errors
/// The process has ended, or `/proc` cannot be read.
pub fn memory(pid: u32) -> Result<Memory, String> {
    let path = format!("/proc/{pid}/status");
    let text = read_text(&path)?;
    parse_memory(&text).ok_or_else(|| {
        if has_ended(&text) {
            format!("process {pid} ended while it was watched: its log may say why")
        } else {
            format!("cannot understand {path}")
        }
    })
}

/// How many entries a folder of a process has: its descriptors are in `fd`, its threads in `task`.
///
/// # Errors
/// The process has ended, or `/proc` cannot be read.
pub fn entries(pid: u32, folder: &str) -> Result<u64, String> {
    let path = format!("/proc/{pid}/{folder}");
    let entries = fs::read_dir(&path).map_err(|error| format!("cannot read {path}: {error}"))?;
    Ok(entries.count() as u64)
}

/// Counters of a process; `self` is this one.
///
/// # Errors
/// It has ended, or `/proc` cannot be read.
pub fn process_stat(pid: &str) -> Result<ProcessStat, String> {
    let path = format!("/proc/{pid}/stat");
    parse_process_stat(&read_text(&path)?).ok_or_else(|| format!("cannot understand {path}"))
}

/// Seconds of clock ticks.
pub fn seconds(ticks: u64) -> f64 {
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

/// Reads a file of `/proc` or `/sys`.
///
/// # Errors
/// It is not there.
pub fn read_text(path: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "4242 (a ) (b) S 17 4242 4242 0 -1 4194560 1 2 3 4 150 50 7 3 20 0 2 0 99";

    #[test]
    fn a_process_is_parsed_whatever_its_name() {
        let expected = ProcessStat {
            parent: 17,
            ticks: 200,
            waited_ticks: 10,
        };
        assert_eq!(parse_process_stat(STAT), Some(expected));
    }

    #[test]
    fn a_process_cut_before_its_times_is_refused() {
        let last = STAT.find(" 20 0 2").unwrap();
        assert!(parse_process_stat(&STAT[..last]).is_some());
        let short = STAT[..last].rsplit_once(' ').unwrap().0;
        assert_eq!(parse_process_stat(short), None);
        assert_eq!(parse_process_stat(""), None);
        assert_eq!(parse_process_stat("1 (x) S minus"), None);
    }

    #[test]
    fn the_machine_is_parsed_and_guests_count_once() {
        let text = "cpu  100 1 50 1000 9 2 3 40 30 1\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        let expected = MachineStat {
            busy: 156,
            idle: 1009,
            steal: 40,
        };
        assert_eq!(parse_machine_stat(text), Some(expected));
        assert_eq!(parse_machine_stat("cpu  1 2 3 4 5 6 7\n"), None);
        assert_eq!(parse_machine_stat("cpu0 1 2 3 4 5 6 7 8\n"), None);
        assert_eq!(parse_machine_stat("cpu  1 2 3 4 x 6 7 8\n"), None);
    }

    #[test]
    fn shares_are_of_all_time() {
        let at = |busy, idle, steal| MachineStat { busy, idle, steal };
        let shares = at(160, 130, 110).since(at(100, 100, 100));
        assert_eq!((shares.busy, shares.steal), (0.6, 0.1));
        assert!(at(1, 1, 1).since(at(1, 1, 1)).busy == 0.0);
    }

    #[test]
    fn memory_is_parsed() {
        let text = "Name:\tx\nVmHWM:\t   2048 kB\nVmRSS:\t   1024 kB\n";
        let expected = Memory {
            resident_kib: 1024,
            peak_kib: 2048,
        };
        assert_eq!(parse_memory(text), Some(expected));
        assert!(has_ended("Name:\tx\nState:\tZ (zombie)\n") && !has_ended(text));
        assert_eq!(parse_memory("VmRSS:\t1 kB\n"), None);
        assert_eq!(parse_memory("VmHWM:\t1 MB\nVmRSS:\t1 kB\n"), None);
    }

    #[test]
    fn this_process_can_be_read() {
        let pid = std::process::id();
        let family = family(pid).unwrap();
        assert!(family.contains(&pid) && thread_seconds() > 0.0);
        let memory = memory_of(&[pid]).unwrap();
        assert!(memory.resident_kib > 0 && memory.peak_kib >= memory.resident_kib);
        let gone = u32::MAX >> 1;
        assert!(memory_of(&[pid, gone]).is_ok());
        assert!(memory_of(&[gone, pid]).is_err() && memory_of(&[]).is_err());
        assert!(MachineStat::read().unwrap().idle > 0);
    }
}
