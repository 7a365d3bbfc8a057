//! What a plan's values mean together, and the job that they make.

use std::net::SocketAddr;
use std::sync::Arc;

use super::model::{Group, Plan};
use super::request::{expand, template_of};
use crate::client::{self, Job, Pace};
use crate::limits::{
    BODY_BYTES_MAX, CONNECTIONS_MAX, PATHS_MAX, PIPELINE_MAX, RATE_MAX, TEMPLATES_BYTES_MAX,
};
use crate::pattern::Pattern;

/// Checks a plan whole and makes its job. `url` wins over the plan's.
///
/// # Errors
/// A sentence: which value is wrong, and what to write.
pub(crate) fn job(plan: &Plan, url: Option<&str>) -> Result<Job, String> {
    let url = url.or(plan.url.as_deref()).ok_or(
        "the plan names no server: write url = \"http://127.0.0.1:3000\" in it, or give --url",
    )?;
    let addr = target(url)?;
    if plan.groups.is_empty() && plan.idle.is_none() {
        return Err("the plan does nothing: write at least one [[group]], or [idle]".to_owned());
    }
    if plan.duration.is_zero() {
        return Err("a duration of 0 measures nothing: write duration = \"5s\"".to_owned());
    }
    if let Some(source) = plan
        .sources
        .iter()
        .find(|source| source.is_ipv4() != addr.is_ipv4())
    {
        return Err(format!(
            "{source} of `sources` cannot reach {addr}: write addresses of the same family"
        ));
    }
    if let Some(idle) = &plan.idle {
        if idle.connections == 0 || idle.a_second == 0 {
            return Err("[idle] needs connections and a_second above 0".to_owned());
        }
    }
    let pattern = Arc::new(Pattern::new());
    let groups = (1..)
        .zip(&plan.groups)
        .map(|(number, own)| {
            let name = if own.name.is_empty() {
                format!("group {number}")
            } else {
                own.name.clone()
            };
            group(&name, own, addr, &pattern).map_err(|error| format!("{name}: {error}"))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let all: u64 = plan
        .groups
        .iter()
        .map(|group| u64::from(group.connections))
        .sum();
    let all = all
        + plan
            .idle
            .as_ref()
            .map_or(0, |idle| u64::from(idle.connections));
    if all > CONNECTIONS_MAX {
        return Err(format!(
            "{all} connections are over the limit of {CONNECTIONS_MAX}: write fewer"
        ));
    }
    let counted = groups
        .iter()
        .filter(|group| matches!(group.pace, Pace::Counted(_)))
        .count();
    if counted != 0 && counted != groups.len() {
        return Err("some groups end after `requests` and some by time: give `requests` to all of them, or to none".to_owned());
    }
    Ok(Job {
        addr,
        sources: plan.sources.clone(),
        groups,
        warm_up: plan.warm_up,
        duration: plan.duration,
        grace: plan.grace,
        timeout: plan.timeout,
    })
}

/// The address of `http://ADDRESS:PORT`.
///
/// # Errors
/// A sentence that says what to write.
pub(super) fn target(url: &str) -> Result<SocketAddr, String> {
    let wrong = || {
        format!("\"{url}\" is no server: write \"http://127.0.0.1:3000\" (an address and a port, no name, no path, no https)")
    };
    let rest = url.strip_prefix("http://").ok_or_else(wrong)?;
    rest.strip_suffix('/')
        .unwrap_or(rest)
        .parse()
        .map_err(|_| wrong())
}

fn group(
    name: &str,
    own: &Group,
    addr: SocketAddr,
    pattern: &Arc<Pattern>,
) -> Result<client::Group, String> {
    if own.connections == 0 {
        return Err("connections = 0 sends nothing: write connections = 1 or more".to_owned());
    }
    if !(1..=PIPELINE_MAX).contains(&own.pipeline) {
        return Err(format!(
            "pipeline = {} is not 1 to {PIPELINE_MAX}",
            own.pipeline
        ));
    }
    let pace = match (own.rate, own.requests) {
        (Some(_), Some(_)) => {
            return Err("`rate` and `requests` exclude each other: write one of them".to_owned())
        }
        (Some(rate), None) if !(rate > 0.0 && rate <= RATE_MAX) => {
            return Err(format!(
                "rate = {rate:?} is not above 0 and at most {RATE_MAX:?} requests a second"
            ));
        }
        (Some(per_s), None) => Pace::Open { per_s },
        (None, Some(0)) => {
            return Err("requests = 0 sends nothing: write 1 or more, or leave it out".to_owned())
        }
        (None, Some(requests)) => Pace::Counted(requests),
        (None, None) => Pace::Closed,
    };
    if own.requests_a_connection == Some(0) {
        return Err(
            "requests_a_connection = 0 sends nothing: write 1 or more, or leave it out".to_owned(),
        );
    }
    if own.requests_sent.is_empty() {
        return Err("it sends nothing: write [[group.request]] with a path".to_owned());
    }
    let mut templates = Vec::new();
    let mut bytes = 0;
    for request in &own.requests_sent {
        if own.pipeline > 1 && request.body_bytes.is_some() {
            return Err("`body_bytes` cannot be piped: write pipeline = 1".to_owned());
        }
        if let Some(bytes) = request.body_bytes.filter(|bytes| *bytes > BODY_BYTES_MAX) {
            return Err(format!(
                "body_bytes = {bytes} is over the limit of {BODY_BYTES_MAX}: write less"
            ));
        }
        for path in expand(&request.path)? {
            let template = template_of(request, &path, addr, pattern)?;
            bytes += template.bytes.len();
            if bytes > TEMPLATES_BYTES_MAX || templates.len() >= PATHS_MAX {
                return Err(format!("its requests are over {PATHS_MAX}, or over {TEMPLATES_BYTES_MAX} bytes: write fewer"));
            }
            templates.push(template);
        }
    }
    Ok(client::Group {
        name: name.to_owned(),
        pace,
        connections: own.connections as usize,
        pipeline: own.pipeline as usize,
        requests_a_connection: own.requests_a_connection,
        templates: templates.into(),
    })
}
