//! `[[services]]`: local HTTP servers that the agent offers on the mesh.
//!
//! Owns parsing and checks only: this version does not run them, and says so once a section.

use super::model::LocalService;
use super::reader::Check;
use super::section::Section;
use super::{addr, route, schema};
use crate::limits::ROUTES_MAX;

/// Reads every `[[services]]` section.
pub(super) fn read_all(top: &Section<'_>, check: &mut Check<'_, '_>) -> Vec<LocalService> {
    let mut services: Vec<LocalService> = Vec::new();
    for section in top.tables("services", &schema::SERVICE, ROUTES_MAX, check) {
        check.findings.later(section.span.clone(), "`[[services]]`");
        let at = check.findings.position(section.span.start);
        let name = section.text("name", "\"billing\"", check);
        let upstream = section.text("upstream", "\"http://127.0.0.1:8080\"", check);
        let health = section.text("health", "\"/healthz\"", check);
        for (key, missing, example) in [
            (
                "name",
                section.entry("name").is_none() && !section.misspelt,
                "billing",
            ),
            (
                "upstream",
                section.entry("upstream").is_none() && !section.misspelt,
                "http://127.0.0.1:8080",
            ),
        ] {
            if missing {
                let message = format!("`[[services]]` has no `{key}`: write {key} = \"{example}\"");
                check.findings.error(section.span.clone(), message);
            }
        }
        if let Some(health) = health
            .as_ref()
            .filter(|health| !health.text.starts_with('/'))
        {
            let message = format!(
                "`health` is \"{}\": write a path that begins with \"/\"",
                schema::shorten(&health.text)
            );
            check.findings.error(health.span.clone(), message);
        }
        let (Some(name), Some(upstream)) = (name, upstream) else {
            continue;
        };
        let named = route::check_service_name(&name, check);
        if let Err(message) = check_upstream(&upstream.text) {
            check
                .findings
                .error(upstream.span, format!("`upstream` {message}"));
        }
        if let Some(other) = services.iter().find(|other| other.name == name.text) {
            let message = format!(
                "the service \"{}\" stands on line {} too: write it once",
                schema::shorten(&name.text),
                other.at.line
            );
            check.findings.error(name.span, message);
        } else if named {
            services.push(LocalService {
                name: name.text,
                upstream: upstream.text,
                health: health.map(|health| health.text),
                at,
            });
        }
    }
    services
}

/// A plain HTTP upstream: `http://host:port`, no path.
pub(super) fn check_upstream(url: &str) -> Result<(), String> {
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
    match addr::parse_bootstrap(&with_port) {
        Ok(_) => Ok(()),
        Err(_) => Err(format!(
            "is \"{shown}\", whose host or port is not valid: write \"http://127.0.0.1:8080\""
        )),
    }
}
