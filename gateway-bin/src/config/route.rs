//! `[[http.routes]]`: which requests go where.
//!
//! Owns one route's keys: that exactly one kind of target is named, that keys stand with the target that they
//! belong to, and the defaults that a route takes from its section.

use super::diag::Span;
use super::model::{Maximum, Minimum, Retry, Route};
use super::pattern::{self, Pattern};
use super::reader::{Check, Text};
use super::schema::{self, shorten};
use super::section::Section;
use super::{addr, suggest, target};
use crate::limits::{HOLD_MAX, IN_FLIGHT_MAX, NAME_BYTES_MAX, TIMEOUT_MAX};

/// A route and where its parts stand, for the checks across routes.
pub(super) struct ReadRoute {
    pub(super) route: Route,
    pub(super) path_span: Span,
}

/// Keys that only stand with some targets: key, the targets' keys, and how messages name those.
const COMPANIONS: [(&str, &[&str], &str); 10] = [
    ("listing", &["static"], "`static`"),
    ("fallback", &["static"], "`static`"),
    ("health", &["proxy"], "`proxy`"),
    ("health_interval", &["proxy"], "`proxy`"),
    (
        "hold",
        &["service", "services", "proxy"],
        "`service` or `proxy`",
    ),
    (
        "retry",
        &["service", "services", "proxy"],
        "`service` or `proxy`",
    ),
    (
        "max_in_flight",
        &["service", "services", "proxy"],
        "`service` or `proxy`",
    ),
    (
        "timeout",
        &["service", "services", "proxy"],
        "`service` or `proxy`",
    ),
    (
        "websocket",
        &["service", "services", "proxy"],
        "`service` or `proxy`",
    ),
    (
        "grpc",
        &["service", "services", "proxy"],
        "`service` or `proxy`",
    ),
];

/// Reads one `[[http.routes]]` section; `None` if it has no usable pattern or target (noted).
pub(super) fn read(
    section: &Section<'_>,
    (section_min, section_max): (&Minimum, &Maximum),
    check: &mut Check<'_, '_>,
) -> Option<ReadRoute> {
    let pattern = read_pattern(section, check);
    let host = section
        .text("host", "\"a.example\"", check)
        .and_then(|text| host(text, check));
    let target = target::read(section, pattern.as_ref().map(|(pattern, _)| pattern), check);
    for (key, targets, named) in COMPANIONS {
        if let Some(entry) = section.entry(key) {
            // A target that a variable left empty was meant, and is noted if no other one stands.
            if !targets
                .iter()
                .any(|target| section.entry(target).is_some() || section.emptied.has(target))
            {
                check.findings.error(entry.key_span, format!("`{key}` stands without {named}: remove it, or write it in a route that has one"));
            }
        }
    }
    let timeout = section.duration(
        "timeout",
        TIMEOUT_MAX,
        Err("leave the key out for no limit"),
        check,
    );
    let hold = section.duration("hold", HOLD_MAX, Ok(()), check);
    let retry = section
        .text("retry", "\"auto\"", check)
        .and_then(|text| retry(&text, check));
    let max_in_flight = section
        .number("max_in_flight", (1, u64::from(IN_FLIGHT_MAX)), check)
        .and_then(|most| u32::try_from(most).ok());
    let own_min = section
        .table("min", &schema::ROUTE_MIN, check)
        .and_then(|min| min.size("body_size", (0, u64::MAX), check));
    let own_max = section
        .table("max", &schema::ROUTE_MAX, check)
        .and_then(|max| max.size("body_size", (0, u64::MAX), check));
    let min_body = own_min.or(section_min.body_size);
    let max_body = own_max.or(section_max.body_size);
    if own_min.is_some() || own_max.is_some() {
        check_order(section, min_body, max_body, check);
    }
    let nocache = section.boolean("nocache", check).unwrap_or(false);
    let websocket = flag_of_later(section, "websocket", check);
    let grpc = flag_of_later(section, "grpc", check);

    let ((pattern, path_span), target) = (pattern?, target?);
    let route = Route {
        pattern: pattern.text(),
        method: pattern.method,
        path: pattern.path,
        host,
        target,
        timeout,
        hold,
        retry: retry.unwrap_or_default(),
        max_in_flight,
        min_body,
        max_body,
        nocache,
        websocket,
        grpc,
        at: check.findings.position(path_span.start),
    };
    Some(ReadRoute { route, path_span })
}

/// Notes an error, at the section's own limit, if the lower limit is above the upper one.
pub(super) fn check_order(
    section: &Section<'_>,
    min: Option<u64>,
    max: Option<u64>,
    check: &mut Check<'_, '_>,
) {
    if let (Some(min), Some(max)) = (min, max) {
        if min > max {
            let own = section.entry("min").or_else(|| section.entry("max"));
            check.findings.error(
                own.map_or(section.span.clone(), |entry| entry.key_span),
                format!(
                    "`min.body_size` ({min}) is above `max.body_size` ({max}), so every body is refused: write the smaller one as min"
                ),
            );
        }
    }
}

/// Whether `text` can be a service's name; notes an error if not.
pub(super) fn check_service_name(text: &Text, check: &mut Check<'_, '_>) -> bool {
    let (key, name) = (text.key, &text.text);
    let message = if name.is_empty() {
        format!(
            "`{key}` names a service with an empty name: write its name, such as \"hello_world\""
        )
    } else if name.len() > NAME_BYTES_MAX {
        format!(
            "`{key}` names a service with {} bytes: write a name of at most {NAME_BYTES_MAX}",
            name.len()
        )
    } else if name.chars().any(char::is_control) {
        format!("`{key}` names the service \"{}\", which holds control characters: write a name without", shorten(name))
    } else {
        return true;
    };
    check.findings.error(text.span.clone(), message);
    false
}

fn read_pattern(section: &Section<'_>, check: &mut Check<'_, '_>) -> Option<(Pattern, Span)> {
    if section.emptied.refuse("path", "\"GET /hello\"", check) {
        return None;
    }
    if section.entry("path").is_none() && section.misspelt {
        return None;
    }
    if section.entry("path").is_none() {
        check.findings.error(
            section.span.clone(),
            "`[[http.routes]]` has no `path`: write one such as path = \"GET /hello\"",
        );
        return None;
    }
    let text = section.text("path", "\"GET /hello\"", check)?;
    match pattern::parse(&text.text) {
        Ok(pattern) => Some((pattern, text.span)),
        Err(message) => {
            check.findings.error(text.span, format!("`path` {message}"));
            None
        }
    }
}

fn host(text: Text, check: &mut Check<'_, '_>) -> Option<String> {
    let host = text.text.to_ascii_lowercase();
    let shown = shorten(&text.text);
    let message = match host.split_once(':') {
        Some((_, rest)) if rest.starts_with("//") => {
            let name = rest
                .trim_start_matches('/')
                .split(['/', ':'])
                .next()
                .unwrap_or_default();
            format!(
                "`host` is \"{shown}\", which is a URL: write the host alone, such as \"{}\"",
                shorten(name)
            )
        }
        Some((name, _)) if addr::is_host_name(name) => {
            format!(
                "`host` is \"{shown}\", but a host is compared without its port: write \"{}\"",
                shorten(name)
            )
        }
        None if addr::is_host_name(&host) || host.parse::<std::net::Ipv4Addr>().is_ok() => {
            return Some(host)
        }
        _ if host.starts_with('[')
            && host.ends_with(']')
            && host[1..host.len() - 1]
                .parse::<std::net::Ipv6Addr>()
                .is_ok() =>
        {
            return Some(host);
        }
        _ => format!(
            "`host` is \"{shown}\", which is not a host name: write one such as \"a.example\""
        ),
    };
    check.findings.error(text.span, message);
    None
}

fn retry(text: &Text, check: &mut Check<'_, '_>) -> Option<Retry> {
    match text.text.as_str() {
        "auto" => Some(Retry::Auto),
        "always" => Some(Retry::Always),
        "never" => Some(Retry::Never),
        other => {
            let instead = match suggest::nearest(other, ["auto", "always", "never"]) {
                Some(near) => format!("write \"{near}\""),
                None => "write \"auto\", \"always\" or \"never\"".to_owned(),
            };
            check.findings.error(
                text.span.clone(),
                format!("`retry` is \"{}\": {instead}", shorten(other)),
            );
            None
        }
    }
}

/// A boolean of a later version: only `true` asks for it.
pub(super) fn flag_of_later(
    section: &Section<'_>,
    key: &'static str,
    check: &mut Check<'_, '_>,
) -> bool {
    let on = section.boolean(key, check).unwrap_or(false);
    if let Some(entry) = section.entry(key).filter(|_| on) {
        check.findings.later(entry.key_span, format!("`{key}`"));
    }
    on
}
