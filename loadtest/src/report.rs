//! Figures as people and programs read them: the parts that all reports share, and the report of `run`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::idle::Slope;
use crate::limits::BULK_BYTES_MIN;
use crate::machine::Machine;
use crate::measure::{GroupFigures, Run};
use crate::stats::{median, range};

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

/// How this program was called, without the directories of files.
pub(crate) fn command_line() -> String {
    let bare = |(at, word): (usize, String)| {
        let path = Path::new(&word);
        let shown = match path.file_name() {
            Some(name) if at == 0 || path.exists() => name.to_string_lossy().into_owned(),
            _ => word,
        };
        if shown.contains(char::is_whitespace) {
            format!("{shown:?}")
        } else {
            shown
        }
    };
    std::env::args()
        .enumerate()
        .map(bare)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The machine, as a list.
pub(crate) fn machine(machine: &Machine) -> String {
    format!(
        "- {}, {} cores, {} MiB, Linux {}, TCP congestion control {}\n- commit {}\n",
        machine.processor,
        machine.cores,
        machine.memory_mib,
        machine.kernel,
        machine.congestion_control,
        machine.commit
    )
}

/// Median and range of `values` with `digits` after the point; the range only if there are several.
pub(crate) fn cell(digits: usize, values: impl IntoIterator<Item = f64>) -> String {
    // Of nothing: a cost a request where no request was answered.
    let values: Vec<f64> = values
        .into_iter()
        .filter(|value| value.is_finite())
        .collect();
    match (
        median(values.iter().copied()),
        range(values.iter().copied()),
    ) {
        (Some(middle), Some((low, high))) if values.len() > 1 => {
            format!("{middle:.digits$} ({low:.digits$}–{high:.digits$})")
        }
        (Some(middle), _) => format!("{middle:.digits$}"),
        (None, _) => "–".to_owned(),
    }
}

/// What disturbed the runs, as one line of a list.
pub(crate) fn disturbance<'r>(runs: impl Iterator<Item = &'r Run> + Clone) -> String {
    let percent = |value: fn(&Run) -> f64| {
        let values = || runs.clone().map(value);
        let middle = median(values()).unwrap_or_default() * 100.0;
        let (_, high) = range(values()).unwrap_or_default();
        format!("{middle:.1} % (at most {:.1} %)", high * 100.0)
    };
    format!(
        "- of all cores the hypervisor took {}, other processes used {}\n",
        percent(|run| run.usage.machine.steal),
        percent(|run| run.others_share)
    )
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
        disturbance(all.runs.iter())
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
    let sum = |value: fn(&GroupFigures) -> u64| own.iter().map(|group| value(group)).sum::<u64>();
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
        own.first().map_or("", |group| &group.name),
        with(0, |group| group.requests_per_s),
        with(3, |group| group.latency.mean_us / 1e3),
        with(3, |group| group.latency.p50_us / 1e3),
        with(3, |group| group.latency.p90_us / 1e3),
        with(3, |group| group.latency.p99_us / 1e3),
        with(3, |group| group.latency.p999_us / 1e3),
        with(3, |group| group.latency.max_us / 1e3),
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

/// Writes `value` as JSON.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn write_json(file: &Path, value: &impl Serialize) -> Result<(), String> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    write_text(file, &(text + "\n"))
}

/// Writes `text`.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn write_text(file: &Path, text: &str) -> Result<(), String> {
    fs::write(file, text).map_err(|error| format!("cannot write {}: {error}", file.display()))
}
