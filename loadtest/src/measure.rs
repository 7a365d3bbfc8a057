//! One measured run of the client, with what it cost whom.
//!
//! Owns the figures of a run. Invariant: rates and costs a request are of the same window and of the requests completed in it.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::client::{self, Job, Tally};
use crate::latency::Latency;
use crate::report::Disturbance;
use crate::usage::{Meter, Usage, Watched};

/// What one group found in one run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct GroupFigures {
    pub(crate) name: String,
    /// Answers as expected that came within the window.
    pub(crate) completed: u64,
    /// Requests of the window that were answered as expected, whenever.
    pub(crate) answered: u64,
    pub(crate) requests_per_s: f64,
    pub(crate) latency: Latency,
    /// How late requests left; of an open loop.
    pub(crate) late_p99_us: f64,
    pub(crate) late_max_us: f64,
    pub(crate) received_mb_per_s: f64,
    pub(crate) sent_mb_per_s: f64,
    pub(crate) received_bytes: u64,
    pub(crate) sent_bytes: u64,
    pub(crate) connects: u64,
    pub(crate) failed: u64,
    /// Sent within the window, and not answered at the end.
    pub(crate) unanswered: u64,
    /// Meant to be sent within the window, and never sent.
    pub(crate) unsent: u64,
    /// Reasons of failures, and how often each.
    pub(crate) failures: Vec<(String, u64)>,
}

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    /// Length of the window.
    pub(crate) seconds: f64,
    pub(crate) client_cpu_s: f64,
    pub(crate) groups: Vec<GroupFigures>,
    pub(crate) usage: Usage,
    /// Share of all cores that neither the watched processes nor the client used.
    pub(crate) others_share: f64,
}

impl Run {
    /// Answers of all groups within the window.
    pub(crate) fn completed(&self) -> u64 {
        self.groups.iter().map(|group| group.completed).sum()
    }

    /// CPU seconds of the watched processes with this name.
    pub(crate) fn cpu_s(&self, name: &str) -> f64 {
        let all = self.usage.processes.iter();
        let own = all.filter(|process| process.name == name);
        // Not `sum`, which is -0 of nothing.
        own.fold(0.0, |sum, process| sum + process.cpu_s)
    }

    /// What disturbed it.
    pub(crate) fn disturbance(&self) -> Disturbance {
        Disturbance {
            steal: self.usage.machine.steal,
            others: self.others_share,
        }
    }

    /// Body bytes both ways.
    pub(crate) fn body_bytes(&self) -> u64 {
        self.groups
            .iter()
            .map(|group| group.received_bytes + group.sent_bytes)
            .sum()
    }

    /// An error if anything failed, was not answered or not sent: a figure over such a run is none.
    ///
    /// # Errors
    /// A sentence with the reasons.
    pub(crate) fn expect_clean(&self) -> Result<(), String> {
        for group in &self.groups {
            let reasons: Vec<String> = group
                .failures
                .iter()
                .map(|(reason, count)| format!("{count} × {reason}"))
                .collect();
            if !reasons.is_empty() {
                return Err(format!(
                    "{}: requests failed: {}",
                    group.name,
                    reasons.join("; ")
                ));
            }
            if group.unanswered + group.unsent > 0 {
                return Err(format!(
                    "{}: {} requests were not answered in time, {} not sent",
                    group.name, group.unanswered, group.unsent
                ));
            }
            if group.completed == 0 {
                return Err(format!(
                    "{}: no request was answered within the measured part",
                    group.name
                ));
            }
        }
        Ok(())
    }
}

/// Runs `job` on this thread and reads what `watched` used in its window.
///
/// # Errors
/// A sentence: nobody was reached, a watched process has ended, or a signal came.
pub(crate) fn measure(job: &Job, watched: &[Watched]) -> Result<Run, String> {
    let begin = Instant::now();
    let from = begin + job.warm_up;
    let end = (!job.is_counted()).then(|| from + job.duration);
    let meter = Meter::start(watched, from, end);
    let outcome = client::run(job, begin);
    let usage = meter.finish();
    // What the client says explains more than what the meter then misses.
    let outcome = outcome?;
    let usage = usage?;
    let watched_s: f64 = usage.processes.iter().map(|process| process.cpu_s).sum();
    let ours = (watched_s + outcome.client_cpu_s) / usage.machine.total_s.max(f64::MIN_POSITIVE);
    let groups = job.groups.iter().zip(&outcome.tallies);
    Ok(Run {
        seconds: outcome.seconds,
        client_cpu_s: outcome.client_cpu_s,
        groups: groups
            .map(|(group, tally)| figures(&group.name, tally, outcome.seconds))
            .collect(),
        others_share: (usage.machine.busy - ours).max(0.0),
        usage,
    })
}

/// The run of a tally that `client`, one of the watched processes, made.
pub(crate) fn of_tally(name: &str, tally: &Tally, seconds: f64, usage: Usage, client: &str) -> Run {
    let all_s: f64 = usage.processes.iter().map(|process| process.cpu_s).sum();
    let ours = all_s / usage.machine.total_s.max(f64::MIN_POSITIVE);
    let mut run = Run {
        seconds,
        client_cpu_s: 0.0,
        groups: vec![figures(name, tally, seconds)],
        others_share: (usage.machine.busy - ours).max(0.0),
        usage,
    };
    run.client_cpu_s = run.cpu_s(client);
    run
}

fn figures(name: &str, tally: &Tally, seconds: f64) -> GroupFigures {
    // Without a time there is no rate: a dash in the table, null in JSON.
    let per_s = |count: f64| {
        if seconds > 0.0 {
            count / seconds
        } else {
            f64::NAN
        }
    };
    GroupFigures {
        name: name.to_owned(),
        completed: tally.completed,
        answered: tally.answered,
        requests_per_s: per_s(tally.completed as f64),
        latency: Latency::of(&tally.latency),
        late_p99_us: tally.lag.quantile(0.99) as f64 / 1e3,
        late_max_us: tally.lag.max() as f64 / 1e3,
        received_mb_per_s: per_s(tally.received_bytes as f64 / 1e6),
        sent_mb_per_s: per_s(tally.sent_bytes as f64 / 1e6),
        received_bytes: tally.received_bytes,
        sent_bytes: tally.sent_bytes,
        connects: tally.connects,
        failed: tally.failed,
        unanswered: tally.unanswered,
        unsent: tally.unsent,
        failures: tally.failures.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Duration;

    use super::*;
    use crate::plan::{self, Group, Plan, Request};
    use crate::sink;

    fn run(status: u16) -> Run {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        sink::accept(listener, None);
        let mut request = Request::get("/x");
        request.expect.status = status;
        let plan = Plan {
            warm_up: Duration::from_millis(50),
            duration: Duration::from_millis(200),
            ..Plan::of(Group {
                name: "x".to_owned(),
                connections: 2,
                pipeline: 1,
                requests_a_connection: None,
                requests: None,
                rate: None,
                requests_sent: vec![request],
            })
        };
        let job = plan::job(&plan, Some(&format!("http://{addr}"))).unwrap();
        let this = Watched {
            name: "this".to_owned(),
            pid: std::process::id(),
        };
        measure(&job, &[this]).unwrap()
    }

    #[test]
    fn figures_of_a_run_fit_together() {
        let run = run(200);
        run.expect_clean().unwrap();
        let group = &run.groups[0];
        assert_eq!(run.seconds, 0.2);
        assert!(
            group.completed > 0 && run.body_bytes() == group.completed,
            "{group:?}"
        );
        assert!((group.requests_per_s * run.seconds - group.completed as f64).abs() < 0.5);
        let latency = group.latency;
        assert!(
            latency.min_us <= latency.p50_us
                && latency.p50_us <= latency.p99_us
                && latency.p999_us <= latency.max_us
        );
        assert!(run.cpu_s("this") >= 0.0 && run.cpu_s("nobody") == 0.0 && run.client_cpu_s > 0.0);
    }

    #[test]
    fn without_a_time_there_are_no_rates() {
        let mut tally = Tally::new(client::Window {
            begin_ns: 0,
            end_ns: u64::MAX,
        });
        tally.receive(2_100_000, 5);
        let json = |seconds| serde_json::to_value(figures("x", &tally, seconds)).unwrap();
        assert_eq!(json(0.5)["received_mb_per_s"], 4.2);
        for key in ["requests_per_s", "received_mb_per_s", "sent_mb_per_s"] {
            assert!(json(0.0)[key].is_null(), "{key}");
        }
        assert_eq!(crate::report::cell(1, [f64::NAN]), "–");
    }

    #[test]
    fn a_run_with_failures_has_no_figures() {
        let error = run(204).expect_clean().unwrap_err();
        assert!(
            error.starts_with("x: requests failed: ")
                && error.contains("× status 200 instead of 204"),
            "{error}"
        );
    }
}
