//! The report of `loadtest run`.

use std::fmt::Write as _;

use serde::Serialize;

use crate::idle::Slope;
use crate::latency::Latency;
use crate::limits::BULK_BYTES_MIN;
use crate::machine::Machine;
use crate::measure::{GroupFigures, Run};
use crate::report::{cell, disturbance, machine};

/// All of `loadtest run`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) title: String,
    pub(crate) command: String,
    pub(crate) machine: Machine,
    pub(crate) server: String,
    pub(crate) runs: Vec<Run>,
    /// Memory of the watched processes while idle connections were opened.
    pub(crate) idle: Vec<Slope>,
    /// Idle connections that the server closed meanwhile.
    pub(crate) idle_closed: usize,
}

/// Seconds for 10^9 body bytes; nothing where too few of them went to say anything.
fn a_gigabyte(run: &Run, seconds: f64) -> Option<f64> {
    let bytes = run.body_bytes();
    (bytes >= BULK_BYTES_MIN).then(|| seconds * 1e9 / bytes as f64)
}

/// The report of `run` as Markdown.
pub(crate) fn markdown(all: &Report) -> String {
    let mut text = format!("### {}\n\n{}", all.title, machine(&all.machine));
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "- `{}` against {}; {} runs, median (range)\n{}",
        all.command,
        all.server,
        all.runs.len(),
        disturbance(all.runs.iter().map(Run::disturbance))
    );
    if let Some(first) = all.runs.first() {
        text.push_str(
            "\n| group | requests/s | mean ms | p50 ms | p90 ms | p99 ms | p99.9 ms | max ms | received MB/s | sent MB/s | late p99 ms | failed | unanswered | unsent |\n\
             | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        );
        for at in 0..first.groups.len() {
            text.push_str(&group_row(
                all.runs
                    .iter()
                    .filter_map(|run| run.groups.get(at))
                    .collect::<Vec<_>>()
                    .as_slice(),
            ));
        }
        text.push_str("\n| process | CPU s | CPU µs a request | CPU s/GB | peak MiB |\n| --- | --- | --- | --- | --- |\n");
        for (at, process) in first.usage.processes.iter().enumerate() {
            let peaks = all
                .runs
                .iter()
                .filter_map(|run| Some(run.usage.processes.get(at)?.peak_kib as f64 / 1024.0));
            let cpu_s = |run: &Run| {
                run.usage
                    .processes
                    .get(at)
                    .map_or(0.0, |process| process.cpu_s)
            };
            text.push_str(&cost_row(&process.name, &all.runs, cpu_s, &cell(1, peaks)));
        }
        text.push_str(&cost_row(
            "this client",
            &all.runs,
            |run| run.client_cpu_s,
            "",
        ));
        let machine = |run: &Run| run.usage.machine.busy * run.usage.machine.total_s;
        text.push_str(&cost_row("the machine, all of it", &all.runs, machine, ""));
    }
    for slope in &all.idle {
        let _ = write!(
            text,
            "\n{}: {:.2} KiB a connection ({:.1} MiB with {} idle connections, {:.1} MiB with {}); the server closed {} of them.\n",
            slope.name,
            slope.bytes() / 1024.0,
            slope.from_kib as f64 / 1024.0,
            slope.from_connections,
            slope.to_kib as f64 / 1024.0,
            slope.to_connections,
            all.idle_closed
        );
    }
    for (run, figures) in (1..).zip(&all.runs) {
        for (reason, count) in figures.groups.iter().flat_map(|group| &group.failures) {
            let _ = write!(text, "\nrun {run}: {count} × {reason}\n");
        }
    }
    text
}

fn group_row(own: &[&GroupFigures]) -> String {
    let with = |digits, value: fn(&GroupFigures) -> f64| {
        cell(digits, own.iter().map(|group| value(group)))
    };
    // Of a run without an answer there is none, and 0 would look like a very quick one.
    let latency = |value: fn(&Latency) -> f64| {
        let measured = own.iter().filter(|group| group.latency.max_us > 0.0);
        cell(3, measured.map(|group| value(&group.latency) / 1e3))
    };
    let sum = |value: fn(&GroupFigures) -> u64| own.iter().map(|group| value(group)).sum::<u64>();
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
        own.first().map_or("", |group| &group.name),
        with(0, |group| group.requests_per_s),
        latency(|latency| latency.mean_us),
        latency(|latency| latency.p50_us),
        latency(|latency| latency.p90_us),
        latency(|latency| latency.p99_us),
        latency(|latency| latency.p999_us),
        latency(|latency| latency.max_us),
        with(1, |group| group.received_mb_per_s),
        with(1, |group| group.sent_mb_per_s),
        with(3, |group| group.late_p99_us / 1e3),
        sum(|group| group.failed),
        sum(|group| group.unanswered),
        sum(|group| group.unsent),
    )
}

fn cost_row(name: &str, runs: &[Run], cpu_s: impl Fn(&Run) -> f64, peak: &str) -> String {
    format!(
        "| {name} | {} | {} | {} | {peak} |\n",
        cell(2, runs.iter().map(&cpu_s)),
        cell(
            2,
            runs.iter()
                .map(|run| cpu_s(run) * 1e6 / run.completed() as f64)
        ),
        cell(2, runs.iter().filter_map(|run| a_gigabyte(run, cpu_s(run))))
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proc_stat::Shares;
    use crate::usage::{ProcessUse, Usage};

    fn run(completed: u64, cpu_s: f64) -> Run {
        Run {
            seconds: 2.0,
            client_cpu_s: 0.5,
            groups: vec![GroupFigures {
                name: "hello".to_owned(),
                completed,
                answered: completed,
                requests_per_s: completed as f64 / 2.0,
                latency: Latency {
                    min_us: 100.0,
                    mean_us: 200.0,
                    p50_us: 300.0,
                    p90_us: 400.0,
                    p99_us: 500.0,
                    p999_us: 600.0,
                    max_us: 700.0,
                },
                late_p99_us: 10.0,
                late_max_us: 20.0,
                received_mb_per_s: 1.5,
                sent_mb_per_s: 0.0,
                received_bytes: 3_000_000,
                sent_bytes: 0,
                connects: 64,
                failed: 1,
                unanswered: 2,
                unsent: 3,
                failures: vec![("status 503 instead of 200".to_owned(), 1)],
            }],
            usage: Usage {
                processes: vec![ProcessUse {
                    name: "server".to_owned(),
                    cpu_s,
                    peak_kib: 2048,
                    resident_kib: vec![2048],
                }],
                machine: Shares {
                    busy: 0.5,
                    steal: 0.01,
                    total_s: 4.0,
                },
            },
            others_share: 0.02,
        }
    }

    #[test]
    fn latencies_of_runs_without_an_answer_are_none_and_not_zero() {
        let failed = || {
            let mut group = run(0, 1.0).groups.remove(0);
            group.latency = Latency::default();
            group
        };
        let good = run(1_000, 1.0).groups.remove(0);
        let (one, other) = (failed(), failed());
        let row = group_row(&[&one, &other]);
        assert!(row.contains(" | – | – | – | – | – | – | "), "{row}");
        let row = group_row(&[&one, &good]);
        assert!(
            row.contains(" | 0.200 | 0.300 | 0.400 | 0.500 | 0.600 | 0.700 | "),
            "{row}"
        );
    }

    #[test]
    fn the_report_of_a_run_is_the_golden_one() {
        let report = Report {
            title: "hello".to_owned(),
            command: "loadtest run hello.toml".to_owned(),
            machine: Machine {
                processor: "A chip".to_owned(),
                cores: 2,
                memory_mib: 1024,
                kernel: "6.1".to_owned(),
                congestion_control: "cubic".to_owned(),
                commit: "abc1234".to_owned(),
            },
            server: "127.0.0.1:80".to_owned(),
            runs: vec![run(1_000, 1.0), run(0, 1.5), run(2_000, 2.0)],
            idle: vec![Slope {
                name: "server".to_owned(),
                from_connections: 1_000,
                to_connections: 10_000,
                from_kib: 10_240,
                to_kib: 19_240,
            }],
            idle_closed: 4,
        };
        let golden = "\
### hello

- A chip, 2 cores, 1024 MiB, Linux 6.1, TCP congestion control cubic
- commit abc1234
- `loadtest run hello.toml` against 127.0.0.1:80; 3 runs, median (range)
- of all cores the hypervisor took 1.0 % (at most 1.0 %), other processes used 2.0 % (at most 2.0 %)

| group | requests/s | mean ms | p50 ms | p90 ms | p99 ms | p99.9 ms | max ms | received MB/s | sent MB/s | late p99 ms | failed | unanswered | unsent |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
| hello | 500 (0–1000) | 0.200 (0.200–0.200) | 0.300 (0.300–0.300) | 0.400 (0.400–0.400) | 0.500 (0.500–0.500) | 0.600 (0.600–0.600) | 0.700 (0.700–0.700) | 1.5 (1.5–1.5) | 0.0 (0.0–0.0) | 0.010 (0.010–0.010) | 3 | 6 | 9 |

| process | CPU s | CPU µs a request | CPU s/GB | peak MiB |
| --- | --- | --- | --- | --- |
| server | 1.50 (1.00–2.00) | 1000.00 (1000.00–1000.00) | – | 2.0 (2.0–2.0) |
| this client | 0.50 (0.50–0.50) | 375.00 (250.00–500.00) | – |  |
| the machine, all of it | 2.00 (2.00–2.00) | 1500.00 (1000.00–2000.00) | – |  |

server: 1.00 KiB a connection (10.0 MiB with 1000 idle connections, 18.8 MiB with 10000); the server closed 4 of them.

run 1: 1 × status 503 instead of 200

run 2: 1 × status 503 instead of 200

run 3: 1 × status 503 instead of 200
";
        let text = markdown(&report);
        assert_eq!(text, golden, "\n{text}");
    }
}
