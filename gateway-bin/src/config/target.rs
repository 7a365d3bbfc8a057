//! What answers a route: services, files, a redirect, a status, or plain HTTP upstreams.
//!
//! Owns that exactly one kind is named, and the checks of each. Kinds of later versions are checked whole and noted.

use std::path::Path;

use flatend::rt;

use super::model::{Method, Proxy, StaticFiles, Target};
use super::pattern::Pattern;
use super::reader::{Check, Text};
use super::schema::shorten;
use super::section::Section;
use super::{redirect, rights, route, upstream};
use crate::io_words;
use crate::limits::ROUTE_SERVICES_MAX;

/// Every key of a target, with a value that would do.
const KEYS: [(&str, &str); 6] = [
    ("service", "\"hello_world\""),
    ("services", "[\"hello_world\"]"),
    ("static", "\"./public\""),
    ("redirect", "\"https://a.example/\""),
    ("status", "404"),
    ("proxy", "[\"http://10.0.0.2:8080\"]"),
];

/// Reads the target of one route; `None` if there is none or none is whole (noted).
pub(super) fn read(
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
    // What a variable left empty counts as left out, but a route must not disappear because of it.
    let is_emptied = named.is_empty()
        && KEYS
            .iter()
            .filter(|(key, example)| section.emptied.refuse(key, example, check))
            .count()
            > 0;
    if named.is_empty() && (section.misspelt || is_emptied) {
        return None;
    }
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
    let redirect = redirect::read(section, pattern, check);
    let proxy = read_proxy(section, check);
    services.or(files).or(redirect).or(proxy)
}

fn read_services(section: &Section<'_>, check: &mut Check<'_, '_>) -> Option<Target> {
    let mut names: Vec<String> = Vec::new();
    let one = section.text("service", "\"hello_world\"", check);
    let many = section
        .entry("services")
        .map(|entry| entry.full_texts("[\"hello_world\"]", check));
    let texts: Vec<Text> = one.into_iter().chain(many.unwrap_or_default()).collect();
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
        if route::check_service_name(&text, check) && !names.contains(&text.text) {
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
    let text = entry.text("\"./public\"", check)?;
    if let Some(pattern) =
        pattern.filter(|pattern| pattern.method.is_some_and(|method| method != Method::Get))
    {
        let message = format!(
            "`static` serves files, which takes the method GET: write path = \"GET {}\"",
            pattern.path
        );
        check.findings.error(entry.key_span, message);
    }
    let path = check.path(&text.text);
    let shown = shorten(&text.text);
    let mut is_directory = false;
    match path.metadata() {
        _ if text.text.is_empty() => {
            check.findings.error(
                text.span,
                "`static` is empty: write a file or a directory, such as \"./public\"",
            );
        }
        Err(error) => {
            let words = io_words(&error);
            check.findings.error(text.span, format!("`static` names \"{shown}\", which cannot be read ({words}): write a file or a directory that exists"));
        }
        Ok(metadata) if !metadata.is_dir() && !metadata.is_file() => {
            check.findings.error(text.span, format!("`static` names \"{shown}\", which is neither a file nor a directory: write one"));
        }
        Ok(metadata) => {
            is_directory = metadata.is_dir();
            let may = match is_directory {
                true => rights::may_enter(&path, listing),
                false => rights::may_read(&path),
            };
            if let Err(what) = may {
                let message = format!("`static` names \"{shown}\", but {what}");
                check.findings.error(text.span.clone(), message);
            }
            if let Some(entry) = section
                .entry("listing")
                .filter(|_| listing && !is_directory)
            {
                check.findings.error(entry.key_span, "`listing` lists directories, but `static` names a file: remove it, or name a directory");
            }
            let rest = pattern.filter(|pattern| !is_directory && pattern.path.contains("/*"));
            if let Some(pattern) = rest {
                let message = format!("`static` names a file, which answers for one path, not for all below \"{}\": write a path without \"*\", or name a directory", shorten(&pattern.path));
                check.findings.error(text.span.clone(), message);
            }
            if let Some(fallback) = &fallback {
                check_fallback(&path, metadata.is_dir(), fallback, check);
            }
        }
    }
    Some(Target::Static(StaticFiles {
        path,
        is_directory,
        listing,
        fallback: fallback.map(|fallback| fallback.text),
    }))
}

/// Whether a path leads above where it begins, by what is written alone.
fn leaves(path: &str) -> bool {
    let mut depth = 0_usize;
    path.starts_with('/')
        || path.split('/').any(|part| match part {
            ".." if depth == 0 => true,
            ".." => {
                depth -= 1;
                false
            }
            "" | "." => false,
            _ => {
                depth += 1;
                false
            }
        })
}

fn check_fallback(directory: &Path, is_dir: bool, fallback: &Text, check: &mut Check<'_, '_>) {
    let shown = shorten(&fallback.text);
    let message = if !is_dir {
        format!(
            "`fallback` is \"{shown}\", but `static` names a file: remove it, or name a directory"
        )
    } else if leaves(&fallback.text) {
        format!("`fallback` is \"{shown}\", which leaves the directory: write a file inside it, such as \"index.html\"")
    } else if fallback.text.split('/').any(|part| part == "..") {
        format!("`fallback` is \"{shown}\", which goes up again: write it without \"..\", such as \"index.html\"")
    } else if !directory.join(&fallback.text).is_file() {
        format!("`fallback` is \"{shown}\", which is not a file in the directory: write one, such as \"index.html\"")
    } else if !rt::opens_beneath(directory, &fallback.text) {
        format!("`fallback` is \"{shown}\", which is or goes through an absolute link or one that leads out of the directory, and those are not served: write a file inside it, or a relative link that stays there")
    } else {
        return;
    };
    check.findings.error(fallback.span.clone(), message);
}

fn read_proxy(section: &Section<'_>, check: &mut Check<'_, '_>) -> Option<Target> {
    let entry = section.entry("proxy")?;
    let mut upstreams = Vec::new();
    for text in entry.full_texts("[\"http://10.0.0.2:8080\"]", check) {
        match upstream::check_upstream(&text.text) {
            Ok(()) => {
                // One server is one upstream, with a slash at the end or without.
                let url = text.text.trim_end_matches('/').to_owned();
                if !upstreams.contains(&url) {
                    upstreams.push(url);
                }
            }
            Err(message) => check
                .findings
                .error(text.span, format!("`proxy` {message}")),
        }
    }
    if entry.is_empty_array() {
        check.findings.error(entry.span(), "`proxy` is empty: write at least one upstream, such as proxy = [\"http://10.0.0.2:8080\"]");
    }
    let health = upstream::read_health(section, check);
    (!upstreams.is_empty()).then_some(Target::Proxy(Proxy { upstreams, health }))
}
