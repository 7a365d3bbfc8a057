//! `loops compare`: every loop once a round, in an order that turns round, each run with new processes.

use std::path::Path;

use flatend_loadtest::machine::{wait_quiet, Machine};
use flatend_loadtest::placement::{directory, order, Cores};
use flatend_loadtest::{report, stop};
use serde::Serialize;

use crate::cli::{CompareOptions, Work};
use crate::limits::DISCARDS_A_ROUND_MAX;
use crate::load::{Figures, Load, Place};
use crate::spec::Spec;
use crate::table;

/// One run.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Sample {
    pub(crate) load: Load,
    pub(crate) spec: Spec,
    pub(crate) round: u32,
    /// Whether the machine was quiet before; false too if nobody looked.
    pub(crate) quiet_before: bool,
    pub(crate) figures: Figures,
}

/// All of a comparison.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Comparison {
    pub(crate) command: String,
    pub(crate) machine: Machine,
    pub(crate) rounds: u32,
    /// Rounds that others disturbed too much, which were repeated.
    pub(crate) discarded: u32,
    pub(crate) samples: Vec<Sample>,
}

const REQUESTS: &[&str] = &[
    "epoll",
    "epoll+batch30",
    "epoll+late",
    "epoll+sends",
    "epoll+sends+files",
    "ring",
    "ring+defer",
    "ring+defer+files",
    "ring+defer+plain",
    "ring+defer+zc",
    "ring+defer+batch80x8",
    "ring+defer+files+batch80x8",
];
const BULK: &[&str] = &[
    "epoll",
    "ring",
    "ring+defer",
    "ring+defer+zc",
    "ring+defer+zc+buffers",
    "splice",
];

/// Runs the comparison and prints it.
///
/// # Errors
/// A sentence: what is missing, what failed. All processes are ended then.
pub(crate) fn run(options: &CompareOptions) -> Result<(), String> {
    let place = Place {
        cores: Cores::choose(&flatend::rt::allowed_cpus())?,
        dir: directory(options.dir.as_deref())?,
        options,
    };
    let mut comparison = Comparison {
        command: report::command_line(),
        machine: Machine::read(),
        rounds: options.rounds,
        discarded: 0,
        samples: Vec::new(),
    };
    let loads = loads(options);
    let discards_max = options.rounds.saturating_mul(DISCARDS_A_ROUND_MAX);
    for round in 0..options.rounds {
        for load in &loads {
            let specs = specs(options, load.work)?;
            loop {
                let found = one_round(&place, *load, &specs, round)?;
                let others = found.iter().map(|sample| sample.figures.others);
                if others.fold(0.0, f64::max) * 100.0 <= options.others_max
                    || comparison.discarded >= discards_max
                {
                    comparison.samples.extend(found);
                    break;
                }
                eprintln!("the round is repeated: others disturbed it");
                comparison.discarded += 1;
            }
        }
        // Each time, so that a later failure does not lose it.
        keep(&place.dir, &comparison)?;
    }
    print!("{}", table::markdown(&comparison));
    eprintln!("logs and reports: {}", place.dir.display());
    Ok(())
}

fn keep(dir: &Path, comparison: &Comparison) -> Result<(), String> {
    report::write_text(&dir.join("report.md"), &table::markdown(comparison))?;
    report::write_json(&dir.join("report.json"), comparison)
}

fn loads(options: &CompareOptions) -> Vec<Load> {
    let of = |work: Work| -> Vec<usize> {
        match work {
            Work::Bulk => options.pieces.clone(),
            Work::Answer | Work::Relay => options
                .connections
                .iter()
                .map(|count| *count as usize)
                .collect(),
        }
    };
    let sizes = options.work.iter().map(|work| (*work, of(*work)));
    sizes
        .flat_map(|(work, sizes)| sizes.into_iter().map(move |size| Load { work, size }))
        .collect()
}

/// The loops that take part in this work.
fn specs(options: &CompareOptions, work: Work) -> Result<Vec<Spec>, String> {
    let (defaults, able): (_, fn(Spec) -> bool) = match work {
        Work::Bulk => (BULK, Spec::serves_bulk),
        Work::Answer | Work::Relay => (REQUESTS, Spec::serves_requests),
    };
    let wanted = match options.loops.as_slice() {
        [] => defaults
            .iter()
            .map(|text| text.parse())
            .collect::<Result<Vec<Spec>, String>>()?,
        some => some.to_vec(),
    };
    Ok(wanted.into_iter().filter(|spec| able(*spec)).collect())
}

fn one_round(
    place: &Place<'_>,
    load: Load,
    specs: &[Spec],
    round: u32,
) -> Result<Vec<Sample>, String> {
    let mut samples = Vec::with_capacity(specs.len());
    for spec in order(specs.len(), round).filter_map(|at| specs.get(at)) {
        stop::check()?;
        let quiet_before = wait_quiet(place.options.quiet_wait)?;
        let figures = place
            .run(load, *spec)
            .map_err(|error| format!("{spec}, {}: {error}", table::title(load)))?;
        let sample = Sample {
            load,
            spec: *spec,
            round,
            quiet_before,
            figures,
        };
        eprintln!("{}", table::progress(&sample));
        samples.push(sample);
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loops_that_take_part_by_default_can() {
        for text in REQUESTS {
            assert!(text.parse().is_ok_and(Spec::serves_requests), "{text}");
        }
        for text in BULK {
            assert!(text.parse().is_ok_and(Spec::serves_bulk), "{text}");
        }
        assert_eq!((REQUESTS[0], BULK[0]), ("epoll", "epoll"));
    }
}
