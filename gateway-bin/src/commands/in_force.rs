//! What of the machine is in force for this process, in one line of the start-up log: the values that `tuning.md` is about.

use std::fs;

use rustix::process::{getrlimit, Resource};

use crate::config::Config;

/// The line, for `shards` shards on a machine of which `processors` may be used, each with a receive budget of `receive_bytes`.
pub(super) fn line(
    config: &Config,
    shards: usize,
    processors: &[usize],
    receive_bytes: u64,
) -> String {
    let shards = match (shards, processors.get(..shards)) {
        (1, Some([processor])) => format!("1 shard, on processor {processor}"),
        (_, Some(used)) => {
            let used: Vec<String> = used.iter().map(usize::to_string).collect();
            format!("{shards} shards, on processors {}", used.join(", "))
        }
        (_, None) => format!(
            "{shards} shards, not pinned, for {} processors may be used",
            processors.len()
        ),
    };
    let limit = |resource| getrlimit(resource).current;
    format!(
        "In force (see tuning.md): {shards}; Linux {}; {} open files; {} of locked memory; receive budget {} a shard; accept queue {}; congestion control {}{}; \
         socket memory up to {} in, {} out; huge pages {}; NUMA nodes: {}.",
        proc("sys/kernel/osrelease"),
        limit(Resource::Nofile).map_or_else(unlimited, |files| files.to_string()),
        limit(Resource::Memlock).map_or_else(unlimited, bytes),
        bytes(receive_bytes),
        proc("sys/net/core/somaxconn"),
        proc("sys/net/ipv4/tcp_congestion_control"),
        other_congestion(config),
        third(&proc("sys/net/ipv4/tcp_rmem")),
        third(&proc("sys/net/ipv4/tcp_wmem")),
        chosen(&read("/sys/kernel/mm/transparent_hugepage/enabled")),
        read("/sys/devices/system/node/online"),
    )
}

/// The congestion control that the configuration sets, behind the system's.
fn other_congestion(config: &Config) -> String {
    let mut text = String::new();
    if let Some(links) = &config.mesh.congestion {
        text = format!(", {} for links", links.name());
    }
    for http in &config.http {
        if let Some(congestion) = &http.congestion {
            let addrs: Vec<String> = http.addrs.iter().map(ToString::to_string).collect();
            text = format!(
                "{text}, {} for clients of {}",
                congestion.name(),
                addrs.join(" and ")
            );
        }
    }
    text
}

fn unlimited() -> String {
    "unlimited".to_owned()
}

fn proc(name: &str) -> String {
    read(&format!("/proc/{name}"))
}

/// A setting of the system; containers do not show all of them.
fn read(path: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

/// The third of three sizes: the largest.
fn third(sizes: &str) -> String {
    let size = sizes.split_ascii_whitespace().nth(2);
    size.and_then(|size| size.parse().ok())
        .map_or_else(|| "unknown".to_owned(), bytes)
}

/// The choice in `always [madvise] never`.
fn chosen(choices: &str) -> &str {
    choices
        .split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'))
        .map_or(choices, |(choice, _)| choice)
}

fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{} KiB", bytes / 1024),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn of(toml: &str) -> Config {
        let context = config::Context {
            env: &|_| None,
            fallback_addr: ([127, 0, 0, 1], 9000).into(),
            base_dir: std::path::PathBuf::new(),
        };
        config::parse(toml, &context).expect("a configuration")
    }

    #[test]
    fn the_congestion_control_of_links_and_clients_stands_behind_the_systems() {
        let http = "[[http]]\naddrs = [\":1\", \"[::1]:2\"]\ncongestion = \"reno\"\n[[http]]\naddr = \":3\"";
        let both = format!("congestion = \"reno\"\n{http}");
        let said = [of(""), of(http), of(&both)].map(|config| other_congestion(&config));
        let clients = ", reno for clients of [::]:1 and [::1]:2";
        assert_eq!(said, ["", clients, &format!(", reno for links{clients}")]);
        assert!(line(&of(&both), 1, &[0], 1).contains(&format!("{}; socket memory", said[2])));
    }

    #[test]
    fn the_line_tells_where_shards_run_and_names_every_value() {
        assert!(line(&of(""), 1, &[3], 1 << 26)
            .starts_with("In force (see tuning.md): 1 shard, on processor 3; Linux "));
        assert!(line(&of(""), 2, &[1, 4, 5], 1 << 26).contains(": 2 shards, on processors 1, 4; "));
        let crowded = line(&of(""), 3, &[0, 1], 1 << 26);
        assert!(
            crowded.contains(": 3 shards, not pinned, for 2 processors may be used; "),
            "{crowded}"
        );
        assert!(
            crowded.contains(" of locked memory; receive budget 64.0 MiB a shard; accept queue "),
            "{crowded}"
        );
        assert!(
            crowded.ends_with('.') && !crowded.contains("  "),
            "{crowded}"
        );
    }

    #[test]
    fn settings_are_read_as_the_system_writes_them() {
        assert_eq!(chosen("always [madvise] never"), "madvise");
        assert_eq!(chosen("unknown"), "unknown");
        assert_eq!(third("4096\t131072\t6291456"), "6.0 MiB");
        assert_eq!(third("unknown"), "unknown");
        assert_eq!(bytes(65_536), "64 KiB");
    }
}
