//! The HTTP upstreams that this process knows, each once however many routes and services name it: connections, health and the
//! log are shared by all of them.

use std::collections::HashMap;
use std::sync::Arc;

use flatend_http::client::{HealthCheck, Origin, UpstreamEvent, UpstreamHandle};

use crate::config::Health;
use crate::{log, logs};

/// Hands out upstreams by what makes them differ: origin and health check.
#[derive(Default)]
pub struct Upstreams {
    known: HashMap<(Origin, Option<HealthCheck>), UpstreamHandle>,
}

impl Upstreams {
    /// The upstream at `url`, checked as `health` says.
    ///
    /// # Errors
    /// A sentence; the configuration's check finds it first.
    pub fn at(&mut self, url: &str, health: Option<&Health>) -> Result<UpstreamHandle, String> {
        let origin = Origin::parse(url)?;
        let check = health.map(|health| HealthCheck {
            path: health.path.clone(),
            interval_ms: health.interval.as_millis() as u64,
        });
        let made = || UpstreamHandle::new(origin.clone(), check.clone(), Arc::new(report));
        Ok(self
            .known
            .entry((origin.clone(), check.clone()))
            .or_insert_with(made)
            .clone())
    }
}

/// The log lines of upstreams; what requests can cause at will is limited.
fn report(event: UpstreamEvent) {
    static CONNECTS: logs::Kind = logs::Kind::new("upstreams that cannot be reached");
    static FAULTS: logs::Kind = logs::Kind::new("upstreams that break the rules of HTTP");
    static CROWDED: logs::Kind =
        logs::Kind::new("requests refused or ended for want of connections");
    match &event {
        UpstreamEvent::CannotConnect { .. } | UpstreamEvent::Reached { .. } => {
            CONNECTS.line(format_args!("{event}"));
        }
        UpstreamEvent::BadResponse { .. } | UpstreamEvent::LeftOver { .. } => {
            FAULTS.line(format_args!("{event}"));
        }
        UpstreamEvent::Crowded { .. } | UpstreamEvent::Ousted { .. } => {
            CROWDED.line(format_args!("{event}"))
        }
        UpstreamEvent::Unwell { .. } | UpstreamEvent::Well { .. } => log!("{event}"),
    }
}
