//! The mesh load as Markdown: a table for each work, a line for each dialect.

use std::fmt::Write as _;

use super::client::{CLIENT, SERVICE};
use super::work::Work;
use super::{Report, Sample};
use crate::latency::Latency;
use crate::measure::Run;
use crate::report;

/// A figure of a run.
struct Column {
    title: &'static str,
    digits: usize,
    value: fn(&Run) -> f64,
}

const fn column(title: &'static str, digits: usize, value: fn(&Run) -> f64) -> Column {
    Column {
        title,
        digits,
        value,
    }
}

fn a_call(run: &Run, seconds: f64) -> f64 {
    seconds * 1e6 / run.completed() as f64
}

fn a_gigabyte(run: &Run, seconds: f64) -> f64 {
    seconds * 1e9 / run.body_bytes() as f64
}

fn latency(run: &Run, value: fn(&Latency) -> f64) -> f64 {
    run.groups
        .first()
        .map_or(f64::NAN, |group| value(&group.latency))
}

fn per_s(run: &Run) -> f64 {
    run.groups
        .first()
        .map_or(f64::NAN, |group| group.requests_per_s)
}

/// The largest of one process.
fn peak_mib(run: &Run, name: &str) -> f64 {
    let own = run
        .usage
        .processes
        .iter()
        .filter(|process| process.name == name);
    own.map(|process| process.peak_kib)
        .max()
        .unwrap_or_default() as f64
        / 1024.0
}

fn late_us(run: &Run) -> f64 {
    run.groups
        .first()
        .map_or(f64::NAN, |group| group.late_p99_us)
}

const CALLS: &[Column] = &[
    column("calls/s", 0, per_s),
    column("p50 µs", 0, |run| latency(run, |all| all.p50_us)),
    column("p99 µs", 0, |run| latency(run, |all| all.p99_us)),
    column("p99.9 µs", 0, |run| latency(run, |all| all.p999_us)),
    column("max µs", 0, |run| latency(run, |all| all.max_us)),
    column("client CPU µs a call", 2, |run| {
        a_call(run, run.cpu_s(CLIENT))
    }),
    column("services CPU µs a call", 2, |run| {
        a_call(run, run.cpu_s(SERVICE))
    }),
    column("MB/s", 1, |run| run.body_bytes() as f64 / 1e6 / run.seconds),
    column("client peak MiB", 1, |run| peak_mib(run, CLIENT)),
    column("service peak MiB", 1, |run| peak_mib(run, SERVICE)),
];

const STREAMS: &[Column] = &[
    column("MB/s", 0, |run| run.body_bytes() as f64 / 1e6 / run.seconds),
    column("client CPU s/GB", 2, |run| {
        a_gigabyte(run, run.cpu_s(CLIENT))
    }),
    column("services CPU s/GB", 2, |run| {
        a_gigabyte(run, run.cpu_s(SERVICE))
    }),
    column("streams/s", 1, per_s),
    column("p50 ms", 1, |run| latency(run, |all| all.p50_us) / 1e3),
    column("p99 ms", 1, |run| latency(run, |all| all.p99_us) / 1e3),
    column("max ms", 1, |run| latency(run, |all| all.max_us) / 1e3),
    column("client peak MiB", 1, |run| peak_mib(run, CLIENT)),
    column("service peak MiB", 1, |run| peak_mib(run, SERVICE)),
];

const LATE: Column = column("late p99 µs", 0, late_us);

fn columns(work: Work, is_open: bool) -> impl Iterator<Item = &'static Column> + Clone {
    let own = match work.is_stream() {
        false => CALLS,
        true => STREAMS,
    };
    own.iter().chain(is_open.then_some(&LATE))
}

/// One run in one line.
pub(super) fn progress(sample: &Sample) -> String {
    let (work, dialect) = (sample.work.name(), sample.dialect.name());
    let mut text = format!("{work}, round {}, {dialect}:", sample.round + 1);
    for column in columns(sample.work, false) {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            " {} {:.*},",
            column.title,
            column.digits,
            (column.value)(&sample.run)
        );
    }
    text.trim_end_matches(',').to_owned()
}

/// The whole load.
pub(super) fn markdown(all: &Report) -> String {
    let mut text = report::machine(&all.machine);
    let runs = all.samples.iter().map(|sample| sample.run.disturbance());
    let quiet = all
        .samples
        .iter()
        .filter(|sample| sample.quiet_before)
        .count();
    let _ = write!(
        text,
        "- `{}`: {} rounds, medians (ranges); providers on core {}, client {}\n{}- quiet before {quiet} of {} runs\n",
        all.command,
        all.rounds,
        all.cores.proxy,
        match all.setting.client_shards {
            1 => format!("on core {}", all.cores.others),
            shards => format!("with {shards} shards on both cores"),
        },
        report::disturbance(runs),
        all.samples.len()
    );
    let mut works: Vec<Work> = all.samples.iter().map(|sample| sample.work).collect();
    works.dedup();
    for work in works {
        let _ = write!(text, "\n### {}\n\n{}", title(work, all), table(work, all));
    }
    text
}

fn title(work: Work, all: &Report) -> String {
    let setting = &all.setting;
    let providers = match setting.providers {
        1 => "1 provider".to_owned(),
        count => format!("{count} providers"),
    };
    let loop_of = match setting.per_s {
        Some(per_s) => format!("open loop, {per_s} a second, at most "),
        None => String::new(),
    };
    let name = match work {
        Work::Call => format!(
            "calls of {} B each way, {loop_of}{} at once",
            setting.call_bytes, setting.tasks
        ),
        Work::Up | Work::Down | Work::Both => format!(
            "streams of {:.1} MB {}, {loop_of}{} at once",
            setting.stream_bytes as f64 / 1e6,
            match work {
                Work::Up => "to the service",
                Work::Down => "from the service",
                _ => "both ways",
            },
            setting.streams
        ),
    };
    format!("{name}, {providers}")
}

fn table(work: Work, all: &Report) -> String {
    let columns = columns(work, all.setting.per_s.is_some());
    let titles: Vec<&str> = columns.clone().map(|column| column.title).collect();
    let mut text = format!(
        "| | {} |\n|{}\n",
        titles.join(" | "),
        " --- |".repeat(titles.len() + 1)
    );
    let own = || all.samples.iter().filter(move |sample| sample.work == work);
    let mut dialects = Vec::new();
    for sample in own() {
        if !dialects.contains(&sample.dialect) {
            dialects.push(sample.dialect);
        }
    }
    for dialect in dialects {
        let _ = write!(text, "| {} |", dialect.name());
        for column in columns.clone() {
            let runs = own().filter(|sample| sample.dialect == dialect);
            let values = runs.map(|sample| (column.value)(&sample.run));
            let _ = write!(text, " {} |", report::cell(column.digits, values));
        }
        text.push('\n');
    }
    text
}
