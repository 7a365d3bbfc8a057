//! How much memory this process may use: that of the machine, or of its control group if that has less. What groups above it may have
//! is not looked at.

use std::fs;

/// Bytes of memory that this process may use; `None` where the system does not say.
#[must_use]
pub fn memory_bytes() -> Option<u64> {
    memory_of(|path| fs::read_to_string(path).ok())
}

/// The least that any of the files says. `read` gives a file's text, if it is there.
fn memory_of(read: impl Fn(&str) -> Option<String>) -> Option<u64> {
    let machine = read("/proc/meminfo").and_then(|text| total(&text));
    let groups = read("/proc/self/cgroup").unwrap_or_default();
    let limits = groups.lines().filter_map(limit_files);
    let limits = limits.flatten().filter_map(|path| limit(&read(&path)?));
    machine.into_iter().chain(limits).min()
}

/// `MemTotal` in `/proc/meminfo`, which counts KiB.
fn total(meminfo: &str) -> Option<u64> {
    let mut lines = meminfo.lines();
    let total = lines.find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = total.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kib.checked_mul(1024)
}

/// Where the limit of a group stands, of one line of `/proc/self/cgroup` (`id:controllers:path`); in a container its own group is
/// often shown as the root.
fn limit_files(line: &str) -> Option<[String; 2]> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, path) = (parts.next()?, parts.next()?.trim_end_matches('/'));
    let (root, file) = match controllers {
        "" => ("/sys/fs/cgroup", "memory.max"),
        _ if controllers.split(',').any(|name| name == "memory") => {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
        }
        _ => return None,
    };
    Some([format!("{root}{path}/{file}"), format!("{root}/{file}")])
}

/// A limit, unless it is the word `max`.
fn limit(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal:       24683868 kB\nMemFree:         8020452 kB\n";
    const MACHINE: u64 = 24_683_868 * 1024;

    fn with(files: &[(&str, &str)]) -> Option<u64> {
        memory_of(|path| {
            let (_, text) = files.iter().find(|(name, _)| *name == path)?;
            Some((*text).to_owned())
        })
    }

    #[test]
    fn the_least_of_machine_and_group_counts_in_both_versions_of_groups() {
        let machine = ("/proc/meminfo", MEMINFO);
        assert_eq!(with(&[]), None);
        assert_eq!(with(&[machine]), Some(MACHINE));
        let v2 = ("/proc/self/cgroup", "0::/system.slice/flatend.service\n");
        let own = "/sys/fs/cgroup/system.slice/flatend.service/memory.max";
        assert_eq!(with(&[machine, v2, (own, "max\n")]), Some(MACHINE));
        assert_eq!(with(&[machine, v2, (own, "1048576\n")]), Some(1 << 20));
        assert_eq!(
            with(&[machine, v2, (own, "99999999999999\n")]),
            Some(MACHINE)
        );
        let container = ("/proc/self/cgroup", "0::/\n");
        let root = ("/sys/fs/cgroup/memory.max", "536870912\n");
        assert_eq!(with(&[machine, container, root]), Some(1 << 29));
        let v1 = (
            "/proc/self/cgroup",
            "9:name=systemd:/\n4:memory:/a/b\n0::/\n",
        );
        let unlimited = (
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "9223372036854771712\n",
        );
        assert_eq!(with(&[machine, v1, unlimited]), Some(MACHINE));
        let own = ("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "4096\n");
        assert_eq!(with(&[machine, v1, unlimited, own]), Some(4096));
    }

    #[test]
    fn what_is_not_as_expected_is_passed_over() {
        for odd in [
            "",
            "MemTotal: x kB",
            "MemTotal: 1 MB",
            "MemTotal: 18446744073709551615 kB",
        ] {
            assert_eq!(with(&[("/proc/meminfo", odd)]), None, "{odd:?}");
        }
        let odd = ("/proc/self/cgroup", "\n:\n::\nmemory\n1:cpu:/x\n");
        assert_eq!(with(&[("/proc/meminfo", MEMINFO), odd]), Some(MACHINE));
    }
}
