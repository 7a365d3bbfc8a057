//! Figures as people and programs read them: Markdown and JSON.
//!
//! Owns medians over rounds and the ratios, which are taken within each round and then reduced to their median: what the machine did
//! to one moment, it did to both subjects.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::compare::{Comparison, Sample};
use crate::machine::Machine;
use crate::stats::{median, range};

/// The subject that is measured by each of the others.
const OURS: &str = "gateway";

/// How this program was called, without directories.
pub(crate) fn command_line() -> String {
    let bare = |word: String| match word.rsplit_once('/') {
        Some((_, name)) => name.to_owned(),
        None => word,
    };
    std::env::args().map(bare).collect::<Vec<_>>().join(" ")
}

/// One run in one line.
pub(crate) fn progress(sample: &Sample) -> String {
    format!(
        "round {}, {} connections, {}: {:.2} µs a request, {:.0} requests/s (stolen {:.0} %, others {:.0} %)",
        sample.round + 1,
        sample.connections,
        sample.subject,
        sample.proxy_cpu_us,
        sample.requests_per_s,
        sample.steal_share * 100.0,
        sample.other_share * 100.0
    )
}

/// The machine, as a list.
pub(crate) fn machine(machine: &Machine) -> String {
    format!(
        "- {}, {} cores, {} MiB, Linux {}, TCP congestion control {}\n- working tree at commit {} when the run began\n",
        machine.processor,
        machine.cores,
        machine.memory_mib,
        machine.kernel,
        machine.congestion_control,
        machine.commit
    )
}

/// A comparison.
pub(crate) fn comparison(all: &Comparison) -> String {
    let mut text = machine(&all.machine);
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "- `{}`: {} rounds of {} s a subject; proxy on core {}, client and server behind it on core {}\n{}\n",
        all.command,
        all.rounds,
        all.seconds,
        all.cores.proxy,
        all.cores.others,
        disturbance(&all.samples, all.discarded)
    );
    text.push_str(
        "| connections | subject | proxy CPU µs a request (range) | server behind | client | requests/s | p50 ms | p99 ms |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let mut ratios = String::new();
    for connections in distinct(all.samples.iter().map(|sample| sample.connections)) {
        let at: Vec<&Sample> = all
            .samples
            .iter()
            .filter(|sample| sample.connections == connections)
            .collect();
        for subject in distinct(at.iter().map(|sample| sample.subject)) {
            let own: Vec<&Sample> = of(&at, subject).collect();
            let _ = writeln!(text, "| {connections} | {subject} | {} |", cells(&own));
            if subject != OURS {
                ratios.push_str(&ratio_row(&at, subject, connections));
            }
        }
    }
    if !ratios.is_empty() {
        let _ = write!(
            text,
            "\nRatios of the {OURS} to each of the others within a round, median (range):\n\n\
             | connections | to | proxy CPU a request | requests/s | p99 |\n| --- | --- | --- | --- | --- |\n{ratios}"
        );
    }
    text
}

fn disturbance(samples: &[Sample], discarded: u32) -> String {
    let percent = |value: fn(&Sample) -> f64| {
        let values = || samples.iter().map(value);
        let middle = median(values()).unwrap_or_default() * 100.0;
        let (_, high) = range(values()).unwrap_or_default();
        format!("{middle:.1} % (at most {:.1} %)", high * 100.0)
    };
    format!(
        "- median share of all cores that the hypervisor took {}, that others used {}; quiet before {} of {} runs; {discarded} disturbed rounds repeated\n",
        percent(|sample| sample.steal_share),
        percent(|sample| sample.other_share),
        samples.iter().filter(|sample| sample.quiet_before).count(),
        samples.len()
    )
}

fn cells(own: &[&Sample]) -> String {
    let middle = |value: fn(&Sample) -> f64| {
        median(own.iter().map(|sample| value(sample))).unwrap_or_default()
    };
    let (low, high) = range(own.iter().map(|sample| sample.proxy_cpu_us)).unwrap_or_default();
    format!(
        "{:.2} ({low:.2}–{high:.2}) | {:.2} | {:.2} | {:.0} | {:.2} | {:.2}",
        middle(|sample| sample.proxy_cpu_us),
        middle(|sample| sample.server_cpu_us),
        middle(|sample| sample.client_cpu_us),
        middle(|sample| sample.requests_per_s),
        middle(|sample| sample.p50_us) / 1e3,
        middle(|sample| sample.p99_us) / 1e3
    )
}

fn ratio_row(at: &[&Sample], base: &str, connections: u32) -> String {
    let cell = |value: fn(&Sample) -> f64| {
        let ratios: Vec<f64> = of(at, OURS)
            .filter_map(|own| {
                let base = of(at, base).find(|base| base.round == own.round)?;
                Some(value(own) / value(base))
            })
            .collect();
        let middle = median(ratios.iter().copied()).unwrap_or(f64::NAN);
        let (low, high) = range(ratios).unwrap_or((f64::NAN, f64::NAN));
        format!("{middle:.2} ({low:.2}–{high:.2})")
    };
    format!(
        "| {connections} | {base} | {} | {} | {} |\n",
        cell(|sample| sample.proxy_cpu_us),
        cell(|sample| sample.requests_per_s),
        cell(|sample| sample.p99_us)
    )
}

fn of<'s>(samples: &'s [&'s Sample], subject: &'s str) -> impl Iterator<Item = &'s Sample> {
    let samples = samples.iter().copied();
    samples.filter(move |sample| sample.subject == subject)
}

/// The values in the order of their first appearance.
fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for value in values {
        if !found.contains(&value) {
            found.push(value);
        }
    }
    found
}

/// Writes `value` as JSON, if a file is wanted.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn write_json(file: Option<&Path>, value: &impl Serialize) -> Result<(), String> {
    let Some(file) = file else { return Ok(()) };
    let failed = |error: String| format!("cannot write {}: {error}", file.display());
    let text = serde_json::to_string_pretty(value).map_err(|error| failed(error.to_string()))?;
    fs::write(file, text + "\n").map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Cores;

    fn sample(subject: &'static str, round: u32, proxy_cpu_us: f64) -> Sample {
        Sample {
            subject,
            connections: 64,
            round,
            requests: 1_000,
            requests_per_s: 1e6 / proxy_cpu_us,
            p50_us: 1_000.0,
            p99_us: 2_000.0,
            proxy_cpu_us,
            server_cpu_us: 3.0,
            client_cpu_us: 5.0,
            steal_share: 0.01,
            other_share: 0.02,
            quiet_before: round > 0,
        }
    }

    fn three_rounds() -> Comparison {
        let figures = [(10.0, 20.0), (12.0, 40.0), (30.0, 50.0)];
        let samples = (0u32..).zip(figures).flat_map(|(round, (ours, theirs))| {
            [
                sample("gateway", round, ours),
                sample("nginx", round, theirs),
            ]
        });
        Comparison {
            command: "loadtest compare".to_owned(),
            machine: Machine::read(),
            cores: Cores {
                proxy: 0,
                others: 1,
            },
            seconds: 5,
            rounds: 3,
            discarded: 2,
            samples: samples.collect(),
            configurations: vec![("gateway", "shards = 1".to_owned())],
        }
    }

    #[test]
    fn medians_and_ratios_within_rounds() {
        let text = comparison(&three_rounds());
        for line in [
            "| 64 | gateway | 12.00 (10.00–30.00) | 3.00 | 5.00 | 83333 | 1.00 | 2.00 |",
            "| 64 | nginx | 40.00 (20.00–50.00) | 3.00 | 5.00 | 25000 | 1.00 | 2.00 |",
            // 0.5, 0.3 and 0.6: not the ratio of the medians, which is 0.3.
            "| 64 | nginx | 0.50 (0.30–0.60) | 2.00 (1.67–3.33) | 1.00 (1.00–1.00) |",
            "quiet before 4 of 6 runs; 2 disturbed rounds repeated",
        ] {
            assert!(text.contains(line), "{line}\nin\n{text}");
        }
    }

    #[test]
    fn json_holds_runs_and_configurations() {
        let json = serde_json::to_value(three_rounds()).unwrap();
        assert_eq!(json["samples"][3]["proxy_cpu_us"], 40.0);
        assert_eq!(json["configurations"][0][1], "shards = 1");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let error = write_json(Some(Path::new("/nowhere/x.json")), &1).unwrap_err();
        assert!(
            error.starts_with("cannot write /nowhere/x.json: "),
            "{error}"
        );
        assert_eq!(write_json(None, &1), Ok(()));
    }
}
