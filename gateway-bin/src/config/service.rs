//! `[[services]]`: local HTTP servers that are offered on the mesh.
//!
//! Owns parsing and checks only.

use super::model::LocalService;
use super::reader::Check;
use super::section::Section;
use super::{route, schema, upstream};
use crate::limits::{AGENT_SERVICES_MAX, TIMEOUT_MAX};

/// Reads every `[[services]]` section.
pub(super) fn read_all(top: &Section<'_>, check: &mut Check<'_, '_>) -> Vec<LocalService> {
    let mut services: Vec<LocalService> = Vec::new();
    for section in top.tables("services", &schema::SERVICE, AGENT_SERVICES_MAX, check) {
        let at = check.findings.position(section.span.start);
        let name = section.text("name", "\"billing\"", check);
        let url = section.text("upstream", "\"http://127.0.0.1:8080\"", check);
        let health = upstream::read_health(&section, check);
        let timeout = section.duration(
            "timeout",
            TIMEOUT_MAX,
            Err("leave the key out for no limit"),
            check,
        );
        for (key, example) in [
            ("name", "\"billing\""),
            ("upstream", "\"http://127.0.0.1:8080\""),
        ] {
            let is_emptied = section.emptied.refuse(key, example, check);
            if !is_emptied && !section.misspelt && section.entry(key).is_none() {
                let message = format!("`[[services]]` has no `{key}`: write {key} = {example}");
                check.findings.error(section.span.clone(), message);
            }
        }
        let (Some(name), Some(url)) = (name, url) else {
            continue;
        };
        let named = route::check_service_name(&name, check);
        if let Err(message) = upstream::check_upstream(&url.text) {
            check
                .findings
                .error(url.span, format!("`upstream` {message}"));
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
                upstream: url.text,
                health,
                timeout,
                at,
            });
        }
    }
    services
}
