//! The report as Markdown: medians with ranges, and ratios within a round.

use std::fmt::Write as _;

use flatend_loadtest::report::{self, Disturbance};

use crate::ask::Figures;
use crate::cli::{Cores, Load};
use crate::compare::{Comparison, Sample};
use crate::systems::System;

struct Column {
    title: &'static str,
    digits: usize,
    /// Whether ratios to the others are of interest.
    ratio: bool,
    value: fn(&Figures) -> Option<f64>,
}

const COLUMNS: &[Column] = &[
    Column {
        title: "calls/s",
        digits: 0,
        ratio: true,
        value: |run| Some(run.calls_per_s),
    },
    Column {
        title: "p50 µs",
        digits: 0,
        ratio: true,
        value: |run| Some(run.latency.p50_us),
    },
    Column {
        title: "p99 µs",
        digits: 0,
        ratio: true,
        value: |run| Some(run.latency.p99_us),
    },
    Column {
        title: "p99.9 µs",
        digits: 0,
        ratio: true,
        value: |run| Some(run.latency.p999_us),
    },
    Column {
        title: "CPU µs a call, all",
        digits: 1,
        ratio: true,
        value: |run| Some(run.cpu_us_a_call()),
    },
    Column {
        title: "client",
        digits: 1,
        ratio: false,
        value: |run| Some(run.a_call(run.client_cpu_s)),
    },
    Column {
        title: "service",
        digits: 1,
        ratio: false,
        value: |run| Some(run.a_call(run.service_cpu_s)),
    },
    Column {
        title: "broker",
        digits: 1,
        ratio: false,
        value: |run| Some(run.a_call(run.broker_cpu_s?)),
    },
];

/// One run in one line.
pub(crate) fn progress(sample: &Sample) -> String {
    let run = &sample.figures;
    let mut text = format!(
        "round {}, {:?}, {}, {}:",
        sample.round + 1,
        sample.cores,
        sample.load,
        sample.system.word()
    );
    for column in COLUMNS {
        if let Some(value) = (column.value)(run) {
            // Writing to a string cannot fail.
            let _ = write!(text, " {} {value:.*},", column.title, column.digits);
        }
    }
    format!(
        "{text} stolen {:.0} %, others {:.0} %",
        run.steal * 100.0,
        run.others * 100.0
    )
}

/// The whole comparison.
pub(crate) fn markdown(all: &Comparison) -> String {
    let mut text = report::machine(&all.machine);
    for version in &all.versions {
        let _ = writeln!(text, "- {version}");
    }
    let disturbances = all.samples.iter().map(|sample| Disturbance {
        steal: sample.figures.steal,
        others: sample.figures.others,
    });
    let quiet = all
        .samples
        .iter()
        .filter(|sample| sample.quiet_before)
        .count();
    let _ = write!(
        text,
        "- `{}`: {} round(s), medians (ranges)\n{}- quiet before {quiet} of {} runs; {} disturbed rounds repeated\n",
        all.command,
        all.rounds,
        report::disturbance(disturbances),
        all.samples.len(),
        all.discarded
    );
    let mut tables: Vec<(Cores, Load)> = Vec::new();
    for sample in &all.samples {
        let of = (sample.cores, sample.load);
        if !tables.contains(&of) {
            tables.push(of);
        }
    }
    for (cores, load) in tables {
        let own: Vec<&Sample> = all
            .samples
            .iter()
            .filter(|sample| (sample.cores, sample.load) == (cores, load))
            .collect();
        text.push_str(&table(cores, load, &own));
    }
    text
}

fn table(cores: Cores, load: Load, own: &[&Sample]) -> String {
    let mut text = format!(
        "\n### {}, {} B each way, {} in flight\n\n{}",
        match cores {
            Cores::One => "One core a process",
            Cores::Two => "Two cores",
        },
        load.bytes,
        load.in_flight,
        head(&["system", "on the wire"], COLUMNS.iter())
    );
    let of = |system: System| own.iter().filter(move |sample| sample.system == system);
    let present: Vec<System> = System::ALL
        .into_iter()
        .filter(|system| of(*system).next().is_some())
        .collect();
    for system in &present {
        let _ = write!(text, "| {} | {} |", system.title(), system.protection());
        for column in COLUMNS {
            let values = of(*system).filter_map(|sample| (column.value)(&sample.figures));
            let _ = write!(text, " {} |", report::cell(column.digits, values));
        }
        text.push('\n');
    }
    let Some(ours) = present.first().filter(|first| **first == System::Flatend) else {
        return text;
    };
    let _ = write!(
        text,
        "\n{}",
        head(
            &[&format!("{} to", ours.title())],
            COLUMNS.iter().filter(|column| column.ratio)
        )
    );
    for base in present.iter().skip(1) {
        let _ = write!(text, "| {} |", base.title());
        for column in COLUMNS.iter().filter(|column| column.ratio) {
            let ratios = of(*ours).filter_map(|sample| {
                let base = of(*base).find(|base| base.round == sample.round)?;
                Some((column.value)(&sample.figures)? / (column.value)(&base.figures)?)
            });
            let _ = write!(text, " {} |", report::cell(2, ratios));
        }
        text.push('\n');
    }
    text
}

fn head<'c>(first: &[&str], columns: impl Iterator<Item = &'c Column>) -> String {
    let titles: Vec<&str> = first
        .iter()
        .copied()
        .chain(columns.map(|column| column.title))
        .collect();
    format!(
        "| {} |\n|{}\n",
        titles.join(" | "),
        " --- |".repeat(titles.len())
    )
}
