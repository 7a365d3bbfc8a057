//! What an operator should know of an upstream. The receiver must not block: events come from the shards.

use std::fmt;
use std::sync::Arc;

/// Takes the events of an upstream.
pub type Report = Arc<dyn Fn(UpstreamEvent) + Send + Sync>;

/// Something worth a log line. Its `Display` is the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamEvent {
    /// A connection could not be made; told when it begins, and every ten seconds while it goes on.
    CannotConnect {
        /// `http://host:port`.
        upstream: String,
        /// The system's reason.
        why: String,
    },
    /// A connection was made after some could not be.
    Reached {
        /// `http://host:port`.
        upstream: String,
    },
    /// What it sent is no response that can be passed on; its connection was closed.
    BadResponse {
        /// `http://host:port`.
        upstream: String,
        /// A clause.
        what: String,
    },
    /// It sent more than the response; its connection was closed.
    LeftOver {
        /// `http://host:port`.
        upstream: String,
    },
    /// A request was refused since so many connections of this shard are in use.
    Crowded {
        /// `http://host:port`.
        upstream: String,
        /// The limit.
        connections_max: usize,
    },
    /// A request was ended since so many connections of this shard are in use and it was the one that was silent for longest.
    Ousted {
        /// `http://host:port`.
        upstream: String,
        /// For how long nothing had moved.
        silent_ms: u64,
        /// The limit.
        connections_max: usize,
    },
    /// The health check says that it is not well: it gets no requests.
    Unwell {
        /// `http://host:port`.
        upstream: String,
        /// What the check did.
        check: String,
        /// What came of it.
        why: String,
    },
    /// The health check says that it is well (again).
    Well {
        /// `http://host:port`.
        upstream: String,
        /// What the check did.
        check: String,
        /// The status of the answer.
        status: u16,
    },
}

impl fmt::Display for UpstreamEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use UpstreamEvent as Event;
        match self {
            Event::CannotConnect { upstream, why } => {
                write!(f, "Cannot connect to {upstream}: {why}.")
            }
            Event::Reached { upstream } => write!(f, "Connected to {upstream}."),
            Event::BadResponse { upstream, what } => {
                write!(f, "A response of {upstream} cannot be used: {what}.")
            }
            Event::LeftOver { upstream } => write!(
                f,
                "{upstream} sent bytes after the end of a response: that connection was closed, not used again."
            ),
            Event::Crowded {
                upstream,
                connections_max,
            } => write!(
                f,
                "A request for {upstream} was refused: this shard has {connections_max} connections to it in use (UPSTREAM_CONNECTIONS_MAX); set max_in_flight, or add upstreams."
            ),
            Event::Ousted {
                upstream,
                silent_ms,
                connections_max,
            } => write!(
                f,
                "A request to {upstream} on which nothing had moved for {} s was ended for a new one: this shard has {connections_max} connections to it in use (UPSTREAM_CONNECTIONS_MAX).",
                silent_ms / 1_000
            ),
            Event::Unwell {
                upstream,
                check,
                why,
            } => write!(
                f,
                "{upstream} is not well, and gets no requests until it is: {check}: {why}."
            ),
            Event::Well {
                upstream,
                check,
                status,
            } => write!(f, "{upstream} is well: {check}: {status}."),
        }
    }
}
