//! The load generator: one thread, one epoll set, connections in groups that all run at once.
//!
//! Owns the run of a [`Job`]. Refuses nothing of what a server answers: it counts it, with a sentence for each reason. In a closed loop a
//! connection sends when its answer has come; in an open loop requests have intended times, and their latency counts from there however
//! late they leave (no coordinated omission). The invariant that a change is likeliest to break is that of [`Tally`]: no request of the
//! window is lost from the counts.

mod connection;
mod driver;
mod group;
mod head;
mod poller;
mod request;
mod response;
mod schedule;
mod tally;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) use request::{Body, Content, Expect, Parts, Template};
pub(crate) use response::Reader;
pub(crate) use schedule::Schedule;
pub(crate) use tally::{count_reason, Tally, Times, Window};

/// How requests follow each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// Each connection sends the next one when it has room, for as long as the run takes.
    Closed,
    /// The same for this many requests in all.
    Counted(u64),
    /// This many a second, evenly, whatever the answers do.
    Open { per_s: f64 },
}

/// Connections that do the same.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) pace: Pace,
    pub(crate) connections: usize,
    /// Requests that a connection has outstanding at once.
    pub(crate) pipeline: usize,
    /// After as many requests a connection is closed and opened anew.
    pub(crate) requests_a_connection: Option<u64>,
    /// Sent in turn.
    pub(crate) templates: Arc<[Template]>,
}

/// All of a run.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) addr: SocketAddr,
    /// Addresses to connect from, in turn; none: the system chooses.
    pub(crate) sources: Vec<IpAddr>,
    pub(crate) groups: Vec<Group>,
    /// Excluded from all figures.
    pub(crate) warm_up: Duration,
    /// The measured part; of no meaning where requests are counted.
    pub(crate) duration: Duration,
    /// How long answers are awaited after the end.
    pub(crate) grace: Duration,
    /// A request without progress for this long has failed.
    pub(crate) timeout: Duration,
}

impl Job {
    /// Whether the run ends after a number of requests instead of a time.
    pub(crate) fn is_counted(&self) -> bool {
        self.groups
            .iter()
            .any(|group| matches!(group.pace, Pace::Counted(_)))
    }
}

/// What a run found.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// Of each group, in order.
    pub(crate) tallies: Vec<Tally>,
    /// Length of the window; where requests are counted, until the last of them has ended.
    pub(crate) seconds: f64,
    /// CPU time of the client within the window.
    pub(crate) client_cpu_s: f64,
}

/// Runs a job; its times count from `begin`.
///
/// # Errors
/// A sentence: nobody can be reached, the system refuses what is needed, or a signal came.
pub(crate) fn run(job: &Job, begin: Instant) -> Result<Outcome, String> {
    driver::Driver::new(job, begin)?.run()
}

/// A reader of one answer that comes in pieces; it says when the answer is whole.
pub(crate) fn whole_answer(expect: &Expect) -> impl FnMut(&[u8]) -> Result<bool, String> + '_ {
    let mut reader = response::Reader::new();
    move |mut piece| {
        while !piece.is_empty() {
            let fed = reader.feed(piece, expect)?;
            if fed.done {
                return Ok(true);
            }
            piece = piece.get(fed.used..).unwrap_or_default();
        }
        Ok(false)
    }
}
