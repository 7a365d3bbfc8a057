//! Interleaved rounds: every subject once a round, in an order that turns round.

use serde::Serialize;

use super::entrant::Entrant;
use super::pace::Pace;
use super::workload::{Kind, Workload};
use crate::cli::CompareOptions;
use crate::idle::{self, Slope};
use crate::limits::DISCARDS_A_ROUND_MAX;
use crate::measure::{self, Run};
use crate::pattern::Pattern;
use crate::placement::order;
use crate::plan::{self, Plan};
use crate::process::on_core;
use crate::subjects::{Fields, Place, Subject, Upstream};
use crate::{machine, stop};

/// Runs in which the top rate is looked for.
const TOP_RUNS: usize = 3;

/// One run of the client against one subject.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sample {
    pub(crate) workload: Workload,
    pub(crate) subject: &'static str,
    pub(crate) connections: u32,
    /// Nothing where the loop is closed.
    pub(crate) pace: Option<Pace>,
    pub(crate) round: u32,
    /// Whether the machine was quiet before the run; false too if nobody looked.
    pub(crate) quiet_before: bool,
    /// Nothing where only connections are opened.
    pub(crate) run: Option<Run>,
    pub(crate) idle: Option<Slope>,
}

/// A workload at one number of connections.
pub(crate) struct Series<'s> {
    pub(crate) workload: Workload,
    pub(crate) connections: u32,
    /// The open loop's; nothing for a closed one.
    pub(crate) pace: Option<Pace>,
    pub(crate) options: &'s CompareOptions,
    pub(crate) entrants: &'s [Entrant],
    /// Where each of them is put.
    pub(crate) places: &'s [Place],
    /// They, running; none if each run begins with a new one.
    pub(crate) subjects: &'s [Subject],
}

impl Series<'_> {
    /// Runs all rounds; gives the samples and how many rounds were repeated.
    ///
    /// # Errors
    /// A sentence: a request failed, a process ended, or a signal came.
    pub(crate) fn measure(&self) -> Result<(Vec<Sample>, u32), String> {
        let discards_max = self.options.rounds.saturating_mul(DISCARDS_A_ROUND_MAX);
        let (mut samples, mut discarded) = (Vec::new(), 0);
        if self.workload.kind() == Kind::Bytes {
            // Files are in memory and allocators warm when the first round begins.
            eprintln!("warm-up:");
            self.round(0)?;
        }
        for round in 0..self.options.rounds {
            loop {
                let found = self.round(round)?;
                let others = found
                    .iter()
                    .filter_map(|sample| Some(sample.run.as_ref()?.others_share));
                let disturbed = others.fold(0.0, f64::max) * 100.0 > self.options.others_max;
                if !disturbed || discarded >= discards_max {
                    samples.extend(found);
                    break;
                }
                eprintln!("the round is repeated: others disturbed it");
                discarded += 1;
            }
        }
        Ok((samples, discarded))
    }

    /// The rate that nginx reaches in a closed loop: the median of three runs.
    ///
    /// # Errors
    /// nginx does not take part, or a run failed.
    pub(crate) fn top_of_nginx(&self) -> Result<f64, String> {
        let nginx = Entrant::Nginx(Fields::Bare, Upstream::Plain);
        let at = self.entrants.iter().position(|entrant| *entrant == nginx);
        let (subject, place) = at
            .and_then(|at| Some((self.subjects.get(at)?, self.places.get(at)?)))
            .ok_or("paced needs nginx among --subjects: the rates are shares of its own")?;
        let mut rates = Vec::new();
        for _ in 0..TOP_RUNS {
            stop::check()?;
            machine::wait_quiet(self.options.quiet_wait)?;
            let run = self.load(subject, place)?;
            rates.extend(run.groups.first().map(|group| group.requests_per_s));
        }
        rates.sort_by(f64::total_cmp);
        let top = rates.get(rates.len() / 2).copied();
        let top = top.ok_or("nginx was not asked anything")?;
        eprintln!("top rate of nginx: {top:.0} requests/s");
        Ok(top)
    }

    fn round(&self, round: u32) -> Result<Vec<Sample>, String> {
        let mut samples = Vec::with_capacity(self.entrants.len());
        for at in order(self.entrants.len(), round) {
            let (Some(entrant), Some(place)) = (self.entrants.get(at), self.places.get(at)) else {
                continue;
            };
            stop::check()?;
            let quiet_before = machine::wait_quiet(self.options.quiet_wait)?;
            let sample = |run, idle| Sample {
                workload: self.workload,
                subject: entrant.name(),
                connections: self.connections,
                pace: self.pace,
                round,
                quiet_before,
                run,
                idle,
            };
            let found = match self.subjects.get(at) {
                Some(subject) => sample(Some(self.load(subject, place)?), None),
                None => {
                    // Memory that a process has had once is not taken again: each run has a new one.
                    let subject = entrant.start(self.workload.task(), place)?;
                    sample(None, Some(self.rest(&subject, place)?))
                }
            };
            eprintln!("{}", super::table::progress(&found));
            samples.push(found);
        }
        Ok(samples)
    }

    /// The plan for this number of connections.
    fn plan(&self) -> Result<Plan, String> {
        let mut plan = self.workload.plan(self.options.bytes)?;
        plan.duration = std::time::Duration::from_secs(self.options.seconds);
        if self.workload.kind() == Kind::Requests {
            for group in &mut plan.groups {
                group.connections = self.connections;
                group.rate = self.pace.map(|pace| pace.requests_per_s);
            }
        }
        Ok(plan)
    }

    fn load(&self, subject: &Subject, place: &Place) -> Result<Run, String> {
        let job = plan::job(&self.plan()?, Some(&format!("http://{}", subject.addr)))?;
        let run = on_core(place.cores.others, || {
            measure::measure(&job, &subject.watched())
        })??;
        run.expect_clean()?;
        Ok(run)
    }

    fn rest(&self, subject: &Subject, place: &Place) -> Result<Slope, String> {
        let plan = self.plan()?;
        let spec = plan.idle.ok_or("the plan has no [idle]")?;
        let path = spec.path.clone().unwrap_or_default();
        let pattern = std::sync::Arc::new(Pattern::new());
        let first = plan::template_of(&plan::Request::get(&path), &path, subject.addr, &pattern)?;
        // The proxy stands first.
        let watched: Vec<_> = subject.watched().into_iter().take(1).collect();
        let resting = on_core(place.cores.others, || {
            idle::open(subject.addr, &plan.sources, &spec, Some(&first), &watched)
        })??;
        match resting.closed() {
            0 => resting
                .slopes
                .into_iter()
                .next()
                .ok_or_else(|| "nobody was watched".to_owned()),
            closed => Err(format!(
                "{closed} of {} idle connections were closed",
                spec.connections
            )),
        }
    }
}
