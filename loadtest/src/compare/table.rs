//! The comparison as Markdown: for each workload the figures, and the ratios of the gateway to each of the others.
//!
//! Owns which figures are shown. Ratios are taken within each round and then reduced to their median: what the machine did to one
//! moment, it did to all subjects.

use std::fmt::Write as _;

use super::pace::Pace;
use super::rounds::Sample;
use super::workload::{Kind, Workload};
use super::Comparison;
use crate::report;
use crate::subjects::{PROXY, SERVER};

/// The subject that is measured by each of the others.
const OURS: &str = "gateway";

/// A figure of a sample.
struct Column {
    title: &'static str,
    digits: usize,
    value: fn(&Sample) -> Option<f64>,
    /// Whether its ratios are shown.
    ratio: bool,
}

const fn column(
    title: &'static str,
    digits: usize,
    ratio: bool,
    value: fn(&Sample) -> Option<f64>,
) -> Column {
    Column {
        title,
        digits,
        value,
        ratio,
    }
}

fn a_request(sample: &Sample, seconds: f64) -> Option<f64> {
    Some(seconds * 1e6 / sample.run.as_ref()?.completed() as f64)
}

fn a_gigabyte(sample: &Sample, seconds: f64) -> Option<f64> {
    Some(seconds * 1e9 / sample.run.as_ref()?.body_bytes() as f64)
}

fn cpu_s(sample: &Sample, name: &str) -> Option<f64> {
    Some(sample.run.as_ref()?.cpu_s(name))
}

fn both_s(sample: &Sample) -> Option<f64> {
    Some(cpu_s(sample, PROXY)? + cpu_s(sample, SERVER)?)
}

fn machine_s(sample: &Sample) -> Option<f64> {
    let machine = sample.run.as_ref()?.usage.machine;
    Some(machine.busy * machine.total_s)
}

fn peak_mib(sample: &Sample) -> Option<f64> {
    let peak_kib = sample.run.as_ref()?.usage.processes.first()?.peak_kib;
    Some(peak_kib as f64 / 1024.0)
}

fn latency_ms(sample: &Sample, value: fn(&crate::latency::Latency) -> f64) -> Option<f64> {
    Some(value(&sample.run.as_ref()?.groups.first()?.latency) / 1e3)
}

fn mb_per_s(sample: &Sample) -> Option<f64> {
    let run = sample.run.as_ref()?;
    Some(run.body_bytes() as f64 / 1e6 / run.seconds)
}

const REQUESTS: &[Column] = &[
    column("proxy CPU µs a request", 2, true, |sample| {
        a_request(sample, cpu_s(sample, PROXY)?)
    }),
    column("with the server behind", 2, true, |sample| {
        a_request(sample, both_s(sample)?)
    }),
    column("whole machine", 2, true, |sample| {
        a_request(sample, machine_s(sample)?)
    }),
    column("client", 2, false, |sample| {
        a_request(sample, sample.run.as_ref()?.client_cpu_s)
    }),
    column("requests/s", 0, true, |sample| {
        Some(sample.run.as_ref()?.groups.first()?.requests_per_s)
    }),
    column("p50 ms", 2, true, |sample| {
        latency_ms(sample, |latency| latency.p50_us)
    }),
    column("p99 ms", 2, true, |sample| {
        latency_ms(sample, |latency| latency.p99_us)
    }),
    column("p99.9 ms", 2, true, |sample| {
        latency_ms(sample, |latency| latency.p999_us)
    }),
    column("peak MiB", 1, true, peak_mib),
];

const BYTES: &[Column] = &[
    column("MB/s", 0, true, mb_per_s),
    column("proxy CPU s/GB", 2, true, |sample| {
        a_gigabyte(sample, cpu_s(sample, PROXY)?)
    }),
    column("with the server behind", 2, true, |sample| {
        a_gigabyte(sample, both_s(sample)?)
    }),
    column("whole machine", 2, true, |sample| {
        a_gigabyte(sample, machine_s(sample)?)
    }),
    column("peak MiB", 1, true, peak_mib),
];

const CONNECTIONS: &[Column] = &[
    column("KiB a connection", 2, true, |sample| {
        Some(sample.idle.as_ref()?.bytes() / 1024.0)
    }),
    column("MiB with the first of them", 1, false, |sample| {
        Some(sample.idle.as_ref()?.from_kib as f64 / 1024.0)
    }),
    column("MiB with all", 1, true, |sample| {
        Some(sample.idle.as_ref()?.to_kib as f64 / 1024.0)
    }),
];

fn columns(kind: Kind) -> &'static [Column] {
    match kind {
        Kind::Requests => REQUESTS,
        Kind::Bytes => BYTES,
        Kind::Connections => CONNECTIONS,
    }
}

/// One sample in one line.
pub(crate) fn progress(sample: &Sample) -> String {
    let mut text = format!(
        "{}, round {}, {}:",
        sample.workload.name(),
        sample.round + 1,
        sample.subject
    );
    // Writing to a string cannot fail.
    for column in columns(sample.workload.kind()) {
        let _ = write!(
            text,
            " {} {:.*},",
            column.title,
            column.digits,
            (column.value)(sample).unwrap_or(f64::NAN)
        );
    }
    match &sample.run {
        Some(run) => format!(
            "{text} stolen {:.0} %, others {:.0} %",
            run.usage.machine.steal * 100.0,
            run.others_share * 100.0
        ),
        None => text.trim_end_matches(',').to_owned(),
    }
}

/// The whole comparison.
pub(crate) fn markdown(all: &Comparison) -> String {
    let mut text = report::machine(&all.machine);
    for version in &all.versions {
        let _ = writeln!(text, "- {version}");
    }
    let _ = write!(
        text,
        "- `{}`: {} rounds, medians (ranges); proxy alone on core {}, client and servers behind on core {}\n{}",
        all.command,
        all.rounds,
        all.cores.proxy,
        all.cores.others,
        report::disturbance(
            all.samples
                .iter()
                .filter_map(|sample| Some(sample.run.as_ref()?.disturbance()))
        )
    );
    let quiet = all
        .samples
        .iter()
        .filter(|sample| sample.quiet_before)
        .count();
    let _ = writeln!(
        text,
        "- quiet before {quiet} of {} runs; {} disturbed rounds repeated",
        all.samples.len(),
        all.discarded
    );
    for (workload, connections, pace) in distinct(all.samples.iter().map(series)) {
        let own: Vec<&Sample> = all
            .samples
            .iter()
            .filter(|sample| series(sample) == (workload, connections, pace))
            .collect();
        let _ = write!(
            text,
            "\n### {}, {connections} connection{}{}\n\n",
            workload.name(),
            if connections == 1 { "" } else { "s" },
            pace.map_or_else(String::new, |pace| format!(
                ", {:.0} requests/s ({} % of nginx's top rate)",
                pace.requests_per_s, pace.share_percent
            ))
        );
        text.push_str(&tables(columns(workload.kind()), &own));
    }
    text
}

/// What samples of one table have in common.
fn series(sample: &Sample) -> (Workload, u32, Option<Pace>) {
    (sample.workload, sample.connections, sample.pace)
}

fn tables(columns: &[Column], own: &[&Sample]) -> String {
    let mut text = head("subject", columns.iter());
    let subjects = distinct(own.iter().map(|sample| sample.subject));
    for subject in &subjects {
        let _ = write!(text, "| {subject} |");
        for column in columns {
            let _ = write!(
                text,
                " {} |",
                report::cell(column.digits, of(own, subject).filter_map(column.value))
            );
        }
        text.push('\n');
    }
    let bases: Vec<&&str> = subjects
        .iter()
        .filter(|subject| **subject != OURS)
        .collect();
    if !subjects.contains(&OURS) || bases.is_empty() {
        return text;
    }
    let with_ratio = || columns.iter().filter(|column| column.ratio);
    text.push('\n');
    text.push_str(&head(&format!("{OURS} to"), with_ratio()));
    for base in bases {
        let _ = write!(text, "| {base} |");
        for column in with_ratio() {
            let ratios = of(own, OURS).filter_map(|sample| {
                let base = of(own, base).find(|base| base.round == sample.round)?;
                Some((column.value)(sample)? / (column.value)(base)?)
            });
            let _ = write!(text, " {} |", report::cell(2, ratios));
        }
        text.push('\n');
    }
    text
}

fn head<'c>(first: &str, columns: impl Iterator<Item = &'c Column>) -> String {
    let titles: Vec<&str> = columns.map(|column| column.title).collect();
    format!(
        "| {first} | {} |\n|{}\n",
        titles.join(" | "),
        " --- |".repeat(titles.len() + 1)
    )
}

fn of<'s>(samples: &'s [&'s Sample], subject: &'s str) -> impl Iterator<Item = &'s Sample> {
    samples
        .iter()
        .copied()
        .filter(move |sample| sample.subject == subject)
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
