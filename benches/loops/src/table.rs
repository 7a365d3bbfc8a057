//! The report as Markdown: medians with ranges, and ratios within a round.

use std::fmt::Write as _;

use flatend_loadtest::report::{self, Disturbance};

use crate::cli::Work;
use crate::compare::{Comparison, Sample};
use crate::load::{Figures, Load};
use crate::spec::Spec;

struct Column {
    title: &'static str,
    digits: usize,
    value: fn(&Figures) -> Option<f64>,
}

const REQUESTS: &[Column] = &[
    Column {
        title: "CPU µs a request",
        digits: 2,
        value: |run| Some(run.cpu_s * 1e6),
    },
    Column {
        title: "upstream",
        digits: 2,
        value: |run| Some(run.upstream_cpu_s? * 1e6),
    },
    Column {
        title: "requests/s",
        digits: 0,
        value: |run| Some(run.rate),
    },
    Column {
        title: "p50 µs",
        digits: 0,
        value: |run| run.p50_us,
    },
    Column {
        title: "p99 µs",
        digits: 0,
        value: |run| run.p99_us,
    },
    Column {
        title: "calls a request",
        digits: 2,
        value: |run| Some(run.calls),
    },
    Column {
        title: "requests a wait",
        digits: 1,
        value: |run| Some(run.a_turn),
    },
];

const BULK: &[Column] = &[
    Column {
        title: "CPU s/GB",
        digits: 3,
        value: |run| Some(run.cpu_s),
    },
    Column {
        title: "MB/s",
        digits: 0,
        value: |run| Some(run.rate * 1e3),
    },
    Column {
        title: "KiB a receive",
        digits: 0,
        value: |run| Some(run.piece_bytes? / 1024.0),
    },
    Column {
        title: "calls a receive",
        digits: 2,
        value: |run| Some(run.calls),
    },
    Column {
        title: "zero-copy sends that were copied, %",
        digits: 0,
        value: |run| (run.copied > 0.0).then_some(run.copied * 100.0),
    },
];

/// What a table is about.
pub(crate) fn title(load: Load) -> String {
    let size = load.size;
    let plural = if size == 1 { "" } else { "s" };
    match load.work {
        Work::Answer => format!("answer at once, {size} connection{plural}"),
        Work::Relay => format!("relay, {size} connection{plural}"),
        Work::Bulk => format!("bulk, pieces of {size} KiB"),
    }
}

fn columns(work: Work) -> &'static [Column] {
    match work {
        Work::Bulk => BULK,
        Work::Answer | Work::Relay => REQUESTS,
    }
}

/// One run in one line.
pub(crate) fn progress(sample: &Sample) -> String {
    let run = &sample.figures;
    let mut text = format!(
        "round {}, {}, {}:",
        sample.round + 1,
        title(sample.load),
        sample.spec
    );
    for column in columns(sample.load.work) {
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
    let disturbances = all.samples.iter().map(|sample| Disturbance {
        steal: sample.figures.steal,
        others: sample.figures.others,
    });
    let quiet = all.samples.iter().filter(|sample| sample.quiet_before);
    let _ = write!(
        text,
        "- `{}`: {} round(s), medians (ranges); the server alone on a core, client and upstream on the other\n{}- quiet before {} of {} runs; {} disturbed rounds repeated\n",
        all.command,
        all.rounds,
        report::disturbance(disturbances),
        quiet.count(),
        all.samples.len(),
        all.discarded
    );
    let mut loads: Vec<Load> = Vec::new();
    for sample in &all.samples {
        if !loads.contains(&sample.load) {
            loads.push(sample.load);
        }
    }
    for load in loads {
        let own = all.samples.iter().filter(|sample| sample.load == load);
        text.push_str(&table(load, &own.collect::<Vec<_>>()));
    }
    text
}

fn table(load: Load, own: &[&Sample]) -> String {
    let columns = columns(load.work);
    // Rounds go to and fro: the first one has the order of the command line.
    let first_round = own.iter().filter(|sample| sample.round == 0);
    let specs: Vec<Spec> = first_round.map(|sample| sample.spec).collect();
    let Some(base) = specs.first() else {
        return String::new();
    };
    let mut text = format!("\n### {}\n\n| loop | CPU to {base} |", title(load));
    for column in columns {
        let _ = write!(text, " {} |", column.title);
    }
    let _ = writeln!(text, "\n|{}", " --- |".repeat(columns.len() + 2));
    for spec in &specs {
        let of = |spec: Spec| own.iter().filter(move |sample| sample.spec == spec);
        let ratios = of(*spec).filter_map(|sample| {
            let base = of(*base).find(|base| base.round == sample.round)?;
            Some(sample.figures.cpu_s / base.figures.cpu_s)
        });
        let ratio = if spec == base {
            "1".to_owned()
        } else {
            report::cell(2, ratios)
        };
        let _ = write!(text, "| {spec} | {ratio} |");
        for column in columns {
            let values = of(*spec).filter_map(|sample| (column.value)(&sample.figures));
            let _ = write!(text, " {} |", report::cell(column.digits, values));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use flatend_loadtest::machine::Machine;

    use super::*;

    fn sample(spec: &str, round: u32, cpu_us: f64) -> Sample {
        Sample {
            load: Load {
                work: Work::Relay,
                size: 64,
            },
            spec: spec.parse().expect("a loop"),
            round,
            quiet_before: true,
            figures: Figures {
                cpu_s: cpu_us / 1e6,
                upstream_cpu_s: Some(1e-6),
                rate: 100_000.0,
                p50_us: Some(500.0),
                p99_us: Some(900.0),
                calls: 2.5,
                a_turn: 10.0,
                piece_bytes: None,
                copied: 0.0,
                steal: 0.0,
                others: 0.01,
            },
        }
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let comparison = Comparison {
            command: "loops compare".to_owned(),
            machine: Machine {
                processor: "A chip".to_owned(),
                cores: 2,
                memory_mib: 1024,
                kernel: "6.18".to_owned(),
                congestion_control: "cubic".to_owned(),
                commit: "abc1234".to_owned(),
            },
            rounds: 2,
            discarded: 0,
            samples: vec![
                sample("epoll", 0, 4.0),
                sample("ring+defer", 0, 2.0),
                sample("ring+defer", 1, 10.0),
                sample("epoll", 1, 8.0),
            ],
        };
        let golden = "\
- A chip, 2 cores, 1024 MiB, Linux 6.18, TCP congestion control cubic
- commit abc1234
- `loops compare`: 2 round(s), medians (ranges); the server alone on a core, client and upstream on the other
- of all cores the hypervisor took 0.0 % (at most 0.0 %), other processes used 1.0 % (at most 1.0 %)
- quiet before 4 of 4 runs; 0 disturbed rounds repeated

### relay, 64 connections

| loop | CPU to epoll | CPU µs a request | upstream | requests/s | p50 µs | p99 µs | calls a request | requests a wait |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
| epoll | 1 | 6.00 (4.00–8.00) | 1.00 (1.00–1.00) | 100000 (100000–100000) | 500 (500–500) | 900 (900–900) | 2.50 (2.50–2.50) | 10.0 (10.0–10.0) |
| ring+defer | 0.88 (0.50–1.25) | 6.00 (2.00–10.00) | 1.00 (1.00–1.00) | 100000 (100000–100000) | 500 (500–500) | 900 (900–900) | 2.50 (2.50–2.50) | 10.0 (10.0–10.0) |
";
        let text = markdown(&comparison);
        assert_eq!(text, golden, "\n{text}");
    }
}
