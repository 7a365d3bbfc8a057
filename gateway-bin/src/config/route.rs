//! `[[http.routes]]`: which requests go where.
//!
//! Owns one route's keys: that exactly one kind of target is named, that keys stand with the target that they
//! belong to, and the defaults that a route takes from its section.

use std::path::Path;
use std::time::Duration;

use super::diag::Span;
use super::model::{Maximum, Minimum, Retry, Route, StaticFiles, Target};
use super::pattern::{self, Pattern};
use super::reader::{Check, Section, Text};
use super::schema::{self, shorten};
use super::{addr, service, suggest};
use crate::limits::{HOLD_MAX, IN_FLIGHT_MAX, NAME_BYTES_MAX, ROUTE_SERVICES_MAX, TIMEOUT_MAX};

/// A route and where its parts stand, for the checks across routes.
pub(super) struct ReadRoute {
    pub(super) route: Route,
    pub(super) pattern: Pattern,
    pub(super) path_span: Span,
}

/// Keys that only stand with some targets: key, the targets' keys, and how messages name those.
const COMPANIONS: [(&str, &[&str], &str); 8] = [
    ("listing", &["static"], "`static`"),
    ("fallback", &["static"], "`static`"),
    ("hold", &["service", "services"], "`service`"),
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
    let target = read_target(section, pattern.as_ref().map(|(pattern, _)| pattern), check);
    for (key, targets, named) in COMPANIONS {
        if let Some(entry) = section.entry(key) {
            if !targets.iter().any(|target| section.entry(target).is_some()) {
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
    let min_body = match section.table("min", &schema::ROUTE_MIN, check) {
        Some(min) => min
            .size("body_size", (0, u64::MAX), check)
            .or(section_min.body_size),
        None => section_min.body_size,
    };
    let max_body = match section.table("max", &schema::ROUTE_MAX, check) {
        Some(max) => max
            .size("body_size", (0, u64::MAX), check)
            .or(section_max.body_size),
        None => section_max.body_size,
    };
    if section.entry("min").is_some() || section.entry("max").is_some() {
        check_order(min_body, max_body, section.span.clone(), check);
    }
    let nocache = section.boolean("nocache", check).unwrap_or(false);
    let websocket = flag_of_later(section, "websocket", check);
    let grpc = flag_of_later(section, "grpc", check);

    let ((pattern, path_span), target) = (pattern?, target?);
    let route = Route {
        pattern: pattern.text(),
        method: pattern.method,
        path: pattern.path.clone(),
        host,
        target,
        timeout: timeout.filter(|timeout| *timeout > Duration::ZERO),
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
    Some(ReadRoute {
        route,
        pattern,
        path_span,
    })
}

/// Notes an error if a lower limit is above the upper one.
pub(super) fn check_order(
    min: Option<u64>,
    max: Option<u64>,
    span: Span,
    check: &mut Check<'_, '_>,
) {
    if let (Some(min), Some(max)) = (min, max) {
        if min > max {
            check.findings.error(
                span,
                format!("`min.body_size` ({min}) is above `max.body_size` ({max}), so every body is refused: write the smaller one as min"),
            );
        }
    }
}

/// Whether `text` can be a service's name; notes an error if not.
pub(super) fn check_service_name(key: &str, text: &Text, check: &mut Check<'_, '_>) -> bool {
    let name = &text.text;
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

fn read_target(
    section: &Section<'_>,
    pattern: Option<&Pattern>,
    check: &mut Check<'_, '_>,
) -> Option<Target> {
    // `redirect` with `status` is one target; all else is one key a target (`service` and `services` are one).
    let kinds: [(&str, bool); 5] = [
        (
            "service",
            section.entry("service").is_some() || section.entry("services").is_some(),
        ),
        ("static", section.entry("static").is_some()),
        ("redirect", section.entry("redirect").is_some()),
        (
            "status",
            section.entry("status").is_some() && section.entry("redirect").is_none(),
        ),
        ("proxy", section.entry("proxy").is_some()),
    ];
    let named: Vec<&str> = kinds
        .iter()
        .filter(|(_, present)| *present)
        .map(|(kind, _)| *kind)
        .collect();
    if named.is_empty() {
        check.findings.error(
            section.span.clone(),
            "the route has nothing that answers: write one of `service`, `services`, `static`, `redirect`, `status` and `proxy`",
        );
    } else if named.len() > 1 {
        let listed = named
            .iter()
            .map(|kind| format!("`{kind}`"))
            .collect::<Vec<_>>()
            .join(" and ");
        check.findings.error(
            section.span.clone(),
            format!("the route has {listed}: write one of them, the others in routes of their own"),
        );
    }
    // Each is read, for its own mistakes; the first that is whole is the target.
    let services = read_services(section, check);
    let files = read_static(section, pattern, check);
    let redirect = read_redirect(section, pattern, check);
    let proxy = read_proxy(section, check);
    services.or(files).or(redirect).or(proxy)
}

fn read_services(section: &Section<'_>, check: &mut Check<'_, '_>) -> Option<Target> {
    let mut names: Vec<String> = Vec::new();
    let texts = section.union("service", "services", "\"hello_world\"", check);
    if let Some(entry) = section
        .entry("services")
        .filter(|entry| texts.is_empty() && entry.is_empty_array())
    {
        check.findings.error(
            entry.span(),
            "`services` is empty: write at least one name, such as services = [\"hello_world\"]",
        );
    }
    for text in texts {
        if check_service_name("services", &text, check) && !names.contains(&text.text) {
            names.push(text.text);
            if names.len() == ROUTE_SERVICES_MAX + 1 {
                check.findings.error(text.span, format!("a route names more than {ROUTE_SERVICES_MAX} services: write at most that many"));
            }
        }
    }
    (!names.is_empty()).then_some(Target::Services(names))
}

fn read_static(
    section: &Section<'_>,
    pattern: Option<&Pattern>,
    check: &mut Check<'_, '_>,
) -> Option<Target> {
    let listing = section.boolean("listing", check).unwrap_or(false);
    let fallback = section.text("fallback", "\"index.html\"", check);
    let entry = section.entry("static")?;
    check.findings.later(entry.key_span.clone(), "`static`");
    let text = entry.text("\"./public\"", check)?;
    if let Some(pattern) = pattern.filter(|pattern| {
        pattern
            .method
            .is_some_and(|method| method != super::Method::Get)
    }) {
        let message = format!(
            "`static` serves files, which takes the method GET: write path = \"GET {}\"",
            pattern.path
        );
        check.findings.error(entry.key_span, message);
    }
    let path = check.path(&text.text);
    let shown = shorten(&text.text);
    match path.metadata() {
        _ if text.text.is_empty() => {
            check.findings.error(
                text.span,
                "`static` is empty: write a file or a directory, such as \"./public\"",
            );
        }
        Err(error) => {
            check.findings.error(text.span, format!("`static` names \"{shown}\", which cannot be read ({error}): write a file or a directory that exists"));
        }
        Ok(metadata) => {
            if let Some(fallback) = &fallback {
                check_fallback(&path, metadata.is_dir(), fallback, check);
            }
        }
    }
    Some(Target::Static(StaticFiles {
        path,
        listing,
        fallback: fallback.map(|fallback| fallback.text),
    }))
}

fn check_fallback(directory: &Path, is_dir: bool, fallback: &Text, check: &mut Check<'_, '_>) {
    let shown = shorten(&fallback.text);
    let message = if !is_dir {
        format!(
            "`fallback` is \"{shown}\", but `static` names a file: remove it, or name a directory"
        )
    } else if fallback.text.split('/').any(|part| part == "..") || fallback.text.starts_with('/') {
        format!("`fallback` is \"{shown}\", which leaves the directory: write a file inside it, such as \"index.html\"")
    } else if !directory.join(&fallback.text).is_file() {
        format!("`fallback` is \"{shown}\", which is not a file in the directory: write one, such as \"index.html\"")
    } else {
        return;
    };
    check.findings.error(fallback.span.clone(), message);
}

fn read_redirect(
    section: &Section<'_>,
    pattern: Option<&Pattern>,
    check: &mut Check<'_, '_>,
) -> Option<Target> {
    const REDIRECTS: [u64; 5] = [301, 302, 303, 307, 308];
    let status_entry = section.entry("status");
    let status = section.number("status", (200, 599), check);
    let Some(entry) = section.entry("redirect") else {
        check.findings.later(status_entry?.key_span, "`status`");
        return status
            .and_then(|status| u16::try_from(status).ok())
            .map(Target::Status);
    };
    check.findings.later(entry.key_span.clone(), "`redirect`");
    if let (Some(status), Some(entry)) = (status, status_entry) {
        if !REDIRECTS.contains(&status) {
            check.findings.error(
                entry.span(),
                format!(
                    "`status` is {status}, which is no redirect: write 301, 302, 303, 307 or 308"
                ),
            );
        }
    }
    let text = entry.text("\"https://a.example/:id\"", check)?;
    let location = &text.text;
    let path = if let Some(rest) = location
        .strip_prefix("https://")
        .or_else(|| location.strip_prefix("http://"))
    {
        rest.find('/').map_or("", |slash| &rest[slash..])
    } else if location.starts_with('/')
        && !location.starts_with("//")
        && !location.starts_with("/\\")
    {
        location.as_str()
    } else {
        let message = format!("`redirect` is \"{}\": write a URL that begins with \"https://\" or \"http://\", or a path that begins with one \"/\"", shorten(location));
        check.findings.error(text.span, message);
        return None;
    };
    for param in path
        .split(['/', '?', '&', '=', '#'])
        .filter_map(|part| part.strip_prefix([':', '*']))
    {
        if let Some(pattern) = pattern.filter(|pattern| !pattern.params().any(|name| name == param))
        {
            let message = format!("`redirect` uses the parameter \"{}\", which the path \"{}\" does not have: write one that it has", shorten(param), shorten(&pattern.path));
            check.findings.error(text.span.clone(), message);
        }
    }
    Some(Target::Redirect {
        location: text.text,
        status: status.and_then(|status| u16::try_from(status).ok()),
    })
}

fn read_proxy(section: &Section<'_>, check: &mut Check<'_, '_>) -> Option<Target> {
    let entry = section.entry("proxy")?;
    check.findings.later(entry.key_span.clone(), "`proxy`");
    let mut upstreams = Vec::new();
    for text in entry.texts("[\"http://10.0.0.2:8080\"]", check) {
        match service::check_upstream(&text.text) {
            Ok(()) => upstreams.push(text.text),
            Err(message) => check
                .findings
                .error(text.span, format!("`proxy` {message}")),
        }
    }
    if entry.is_empty_array() {
        check.findings.error(entry.span(), "`proxy` is empty: write at least one upstream, such as proxy = [\"http://10.0.0.2:8080\"]");
    }
    (!upstreams.is_empty()).then_some(Target::Proxy(upstreams))
}

fn host(text: Text, check: &mut Check<'_, '_>) -> Option<String> {
    let host = text.text.to_ascii_lowercase();
    let shown = shorten(&text.text);
    let message = match host.split_once(':') {
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
