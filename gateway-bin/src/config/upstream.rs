//! Plain HTTP upstreams: `proxy` of a route and `upstream` of `[[services]]`, and how their health is checked.
//!
//! Owns the checks of URLs, `health` and `health_interval`. Dials nothing: a server that is not up yet is no mistake.

use std::time::Duration;

use super::addr;
use super::model::Health;
use super::reader::Check;
use super::schema;
use super::section::Section;
use crate::limits::{HEALTH_INTERVAL_DEFAULT, HEALTH_INTERVAL_MAX, HEALTH_INTERVAL_MIN};

/// Reads `health` and `health_interval`; `None` if there is no check, or none that is whole (noted).
pub(super) fn read_health(section: &Section<'_>, check: &mut Check<'_, '_>) -> Option<Health> {
    let instead = Err("leave the key out for 5s, and `health` too for no check");
    let interval = section.duration("health_interval", HEALTH_INTERVAL_MAX, instead, check);
    let Some(entry) = section.entry("health") else {
        if let Some(entry) = section.entry("health_interval") {
            check.findings.error(
                entry.key_span,
                "`health_interval` stands without `health`: remove it, or write the path to ask, such as health = \"/healthz\"",
            );
        }
        return None;
    };
    if let Some((entry, _)) = section
        .entry("health_interval")
        .zip(interval.filter(|interval| *interval < HEALTH_INTERVAL_MIN))
    {
        let message = "`health_interval` is too short: write at least \"100ms\"";
        check.findings.error(entry.span(), message);
    }
    let path = entry.text("\"/healthz\"", check)?;
    if let Err(message) = check_health(&path.text) {
        check
            .findings
            .error(path.span, format!("`health` {message}"));
        return None;
    }
    Some(Health {
        path: path.text,
        interval: interval.unwrap_or(HEALTH_INTERVAL_DEFAULT),
    })
}

/// A path as it travels in a request: visible ASCII that begins with a slash.
pub fn check_health(path: &str) -> Result<(), String> {
    let shown = schema::shorten(path);
    if !path.starts_with('/') {
        return Err(format!(
            "is \"{shown}\": write a path that begins with \"/\""
        ));
    }
    if !path
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'#')
    {
        return Err(format!(
            "is \"{shown}\", which has a character that no request target has: write it percent-encoded"
        ));
    }
    Ok(())
}

/// Default of `health_interval`.
pub fn default_interval() -> Duration {
    HEALTH_INTERVAL_DEFAULT
}

/// A plain HTTP upstream: `http://host:port`, no path.
pub fn check_upstream(url: &str) -> Result<(), String> {
    let shown = schema::shorten(url);
    let Some(authority) = url.strip_prefix("http://") else {
        let instead = if url.starts_with("https://") {
            "only plain HTTP upstreams can be reached"
        } else {
            "it does not begin with \"http://\""
        };
        return Err(format!(
            "is \"{shown}\", but {instead}: write \"http://127.0.0.1:8080\""
        ));
    };
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    if authority.contains(['/', '?', '#', '@']) {
        return Err(format!(
            "is \"{shown}\": write scheme, host and port alone, such as \"http://127.0.0.1:8080\""
        ));
    }
    let with_port = if authority
        .rsplit_once(':')
        .is_some_and(|(host, _)| !host.is_empty() && !host.ends_with(':'))
    {
        authority.to_owned()
    } else {
        format!("{authority}:80")
    };
    // Both must take it: the rules of the mesh's addresses, and those of the HTTP client.
    match (
        addr::parse_bootstrap(&with_port),
        flatend_http::client::Origin::parse(url),
    ) {
        (Ok(_), Ok(_)) => Ok(()),
        _ => Err(format!(
            "is \"{shown}\", whose host or port is not valid: write \"http://127.0.0.1:8080\""
        )),
    }
}
