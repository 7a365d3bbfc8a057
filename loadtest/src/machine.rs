//! What a figure was measured on.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde::Serialize;

use crate::limits::{QUIET_SHARE_MAX, QUIET_WINDOW_MS};
use crate::proc_stat::{read_text, MachineStat};
use crate::stop;

/// The machine and the code.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The model of its processor.
    pub processor: String,
    /// Cores that we may use.
    pub cores: usize,
    /// All of its memory.
    pub memory_mib: u64,
    /// Its release.
    pub kernel: String,
    /// That of TCP.
    pub congestion_control: String,
    /// Of the load test, and of the working tree if that is another; the binaries under test may be older.
    pub commit: String,
}

impl Machine {
    /// Reads what this machine is; what cannot be read is called unknown.
    pub fn read() -> Machine {
        let text = |path| read_text(path).map(|text| text.trim().to_owned());
        let unknown = |_| "unknown".to_owned();
        Machine {
            processor: read_text("/proc/cpuinfo")
                .ok()
                .and_then(|text| field(&text, "model name"))
                .unwrap_or_else(|| "unknown".to_owned()),
            cores: flatend::rt::allowed_cpus().len(),
            memory_mib: read_text("/proc/meminfo")
                .ok()
                .and_then(|text| field(&text, "MemTotal"))
                .and_then(|size| size.strip_suffix(" kB")?.parse::<u64>().ok())
                .map_or(0, |kib| kib / 1024),
            kernel: text("/proc/sys/kernel/osrelease").unwrap_or_else(unknown),
            congestion_control: text("/proc/sys/net/ipv4/tcp_congestion_control")
                .unwrap_or_else(unknown),
            commit: commit(),
        }
    }
}

/// The value of the first `NAME : value` line.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim().to_owned())
}

/// The commit that this program was built of; where it runs inside the project's working tree, that of the tree too if it is another.
fn commit() -> String {
    let built = env!("FLATEND_COMMIT");
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let ours = |top: &String| Path::new(top).join("loadtest/Cargo.toml").is_file();
    let tree = git(&["rev-parse", "--show-toplevel"])
        .filter(ours)
        .and_then(|_| git(&["describe", "--always", "--dirty"]));
    match tree {
        Some(tree) if tree != built => {
            format!("{tree} in the working tree, load test built of {built}")
        }
        _ => built.to_owned(),
    }
}

/// Waits until the machine has been quiet for a moment, at most `seconds`. Gives whether it was.
///
/// # Errors
/// `/proc` cannot be read, or a signal came.
pub fn wait_quiet(seconds: u64) -> Result<bool, String> {
    for _ in 0..seconds.saturating_mul(1000) / QUIET_WINDOW_MS {
        stop::check()?;
        let before = MachineStat::read()?;
        thread::sleep(Duration::from_millis(QUIET_WINDOW_MS));
        if MachineStat::read()?.since(before).busy <= QUIET_SHARE_MAX {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "model\t: 1\nmodel name\t: A chip: fast\nMemTotal:  42 kB\n";
        assert_eq!(field(text, "model name").as_deref(), Some("A chip: fast"));
        assert_eq!(field(text, "MemTotal").as_deref(), Some("42 kB"));
        assert_eq!(field(text, "name"), None);
    }

    #[test]
    fn this_machine_is_known() {
        let machine = Machine::read();
        assert!(machine.cores > 0 && machine.memory_mib > 0);
        assert_ne!(machine.kernel, "unknown");
    }
}
