//! `[[http]]`: listeners with their limits and routes.
//!
//! Owns one section's keys and defaults. Two keys of the seed that name the same thing once and many times
//! (`addr` and `addrs`, `domain` and `domains`) give their union.

use std::fs;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::diag::Span;
use super::model::{Http, ListenAddr, Maximum, Minimum, Timeouts, Tls};
use super::reader::Check;
use super::route::{self, ReadRoute};
use super::schema::{self, shorten};
use super::section::Section;
use super::{access, addr, clash};
use crate::io_words;
use crate::limits::{
    HEADER_BYTES_DEFAULT, HEADER_BYTES_MAX, HEADER_BYTES_MIN, LISTEN_ADDRS_MAX, ROUTES_MAX,
    TIMEOUT_DEFAULT_MS, TIMEOUT_MAX,
};

/// Most `[[http]]` sections.
const SECTIONS_MAX: usize = LISTEN_ADDRS_MAX;

/// A section and where its addresses stand, for the checks across sections.
pub(super) struct ReadHttp {
    pub(super) section: Http,
    /// As many as `section.addrs`.
    pub(super) addr_spans: Vec<Span>,
}

/// Reads every `[[http]]` section.
pub(super) fn read_all(top: &Section<'_>, check: &mut Check<'_, '_>) -> Vec<ReadHttp> {
    let sections = top.tables("http", &schema::HTTP, SECTIONS_MAX, check);
    let read: Vec<ReadHttp> = sections
        .iter()
        .map(|section| read(section, check))
        .collect();
    access::check_formats(&sections, &read, check);
    read
}

fn read(section: &Section<'_>, check: &mut Check<'_, '_>) -> ReadHttp {
    let tls = tls(section, check);
    let (addrs, addr_spans) = addrs(section, tls.is_some(), check);
    let timeout = timeouts(section, check);
    let min = minimum(section, check);
    let max = maximum(section, check);
    route::check_order(section, min.body_size, max.body_size, check);
    let redirect_trailing_slash = section
        .boolean("redirect_trailing_slash", check)
        .unwrap_or(true);
    let redirect_fixed_path = section
        .boolean("redirect_fixed_path", check)
        .unwrap_or(true);
    let access_log = access::read(section, check);
    let congestion = section.congestion(check);
    let routes: Vec<ReadRoute> = section
        .tables("routes", &schema::ROUTE, ROUTES_MAX, check)
        .iter()
        .filter_map(|route| route::read(route, (&min, &max), check))
        .collect();
    if section.entry("routes").is_none() && !section.misspelt {
        check.findings.warning(section.span.clone(), "`[[http]]` has no routes, so every request is answered with 404: write `[[http.routes]]` below it");
    }
    clash::check_routes(&routes, check);
    let section = Http {
        addrs,
        redirect_trailing_slash,
        redirect_fixed_path,
        timeout,
        min,
        max,
        routes: routes.into_iter().map(|read| read.route).collect(),
        tls,
        access_log,
        congestion,
        at: check.findings.position(section.span.start),
    };
    ReadHttp {
        section,
        addr_spans,
    }
}

fn addrs(
    section: &Section<'_>,
    https: bool,
    check: &mut Check<'_, '_>,
) -> (Vec<ListenAddr>, Vec<Span>) {
    let (mut addrs, mut spans): (Vec<ListenAddr>, Vec<Span>) = (Vec::new(), Vec::new());
    let texts = section.union("addr", "addrs", "\":3000\"", check);
    if let Some(beyond) = texts.get(LISTEN_ADDRS_MAX) {
        let message = format!(
            "`[[http]]` listens on {} addresses: write at most {LISTEN_ADDRS_MAX}",
            texts.len()
        );
        check.findings.error(beyond.span.clone(), message);
    }
    for text in texts.into_iter().take(LISTEN_ADDRS_MAX) {
        match addr::parse_listen(&text.text) {
            Ok((socket, dual_stack)) => {
                if socket.port() == 0 || addrs.iter().all(|other| other.socket != socket) {
                    let at = Some(check.findings.position(text.span.start));
                    addrs.push(ListenAddr {
                        socket,
                        dual_stack,
                        at,
                    });
                    spans.push(text.span);
                }
            }
            Err(message) => check
                .findings
                .error(text.span, format!("`{}` {message}", text.key)),
        }
    }
    if addrs.is_empty() {
        let port = if https { 443 } else { 80 };
        let socket = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port);
        addrs.push(ListenAddr {
            socket,
            dual_stack: true,
            at: None,
        });
        spans.push(section.span.clone());
    }
    (addrs, spans)
}

fn timeouts(section: &Section<'_>, check: &mut Check<'_, '_>) -> Timeouts {
    let default = Duration::from_millis(TIMEOUT_DEFAULT_MS);
    let mut timeouts = Timeouts {
        read: default,
        read_header: default,
        idle: default,
        write: default,
        shutdown: default,
    };
    let Some(table) = section.table("timeout", &schema::TIMEOUT, check) else {
        return timeouts;
    };
    let zero =
        Err("it is the longest wait for the client, never a total: write one such as \"10s\"");
    for (key, timeout) in [
        ("read", &mut timeouts.read),
        ("read_header", &mut timeouts.read_header),
        ("idle", &mut timeouts.idle),
        ("write", &mut timeouts.write),
    ] {
        *timeout = table
            .duration(key, TIMEOUT_MAX, zero, check)
            .unwrap_or(default);
    }
    // Zero: connections are cut at once, as in the seed.
    timeouts.shutdown = table
        .duration("shutdown", TIMEOUT_MAX, Ok(()), check)
        .unwrap_or(default);
    timeouts
}

fn minimum(section: &Section<'_>, check: &mut Check<'_, '_>) -> Minimum {
    let Some(table) = section.table("min", &schema::MIN, check) else {
        return Minimum::default();
    };
    Minimum {
        body_size: table.size("body_size", (0, u64::MAX), check),
        rate: table.size("rate", (1, u64::MAX), check),
    }
}

fn maximum(section: &Section<'_>, check: &mut Check<'_, '_>) -> Maximum {
    let mut maximum = Maximum {
        header_size: HEADER_BYTES_DEFAULT,
        body_size: None,
    };
    let Some(table) = section.table("max", &schema::MAX, check) else {
        return maximum;
    };
    let bounds = (HEADER_BYTES_MIN as u64, HEADER_BYTES_MAX as u64);
    if let Some(bytes) = table
        .size("header_size", bounds, check)
        .and_then(|bytes| usize::try_from(bytes).ok())
    {
        maximum.header_size = bytes;
    }
    maximum.body_size = table.size("body_size", (0, u64::MAX), check);
    maximum
}

fn tls(section: &Section<'_>, check: &mut Check<'_, '_>) -> Option<Tls> {
    let automatic = route::flag_of_later(section, "https", check);
    let mut domains: Vec<String> = Vec::new();
    for text in section.union("domain", "domains", "\"a.example\"", check) {
        let domain = text.text.to_ascii_lowercase();
        if !addr::is_host_name(domain.strip_prefix("*.").unwrap_or(&domain)) {
            let message = format!(
                "`{}` is \"{}\", which is not a domain: write one such as \"a.example\"",
                text.key,
                shorten(&text.text)
            );
            check.findings.error(text.span, message);
        } else if !domains.contains(&domain) {
            domains.push(domain);
        }
    }
    let domain_entry = section.entry("domain").or_else(|| section.entry("domains"));
    let mut pem = |key: &'static str, example: &str| {
        let text = section.text(key, example, check)?;
        let path = check.path(&text.text);
        let begins =
            fs::read(&path).map(|bytes| bytes.windows(11).any(|window| window == b"-----BEGIN "));
        match begins {
            Ok(true) => {}
            Ok(false) => {
                let message = format!(
                    "`{key}` names \"{}\", which is not a PEM file: write one that is",
                    shorten(&text.text)
                );
                check.findings.error(text.span, message);
            }
            Err(error) => {
                let message = format!(
                    "`{key}` names \"{}\", which cannot be read ({}): write a PEM file that can",
                    shorten(&text.text),
                    io_words(&error)
                );
                check.findings.error(text.span, message);
            }
        }
        Some(path)
    };
    let (cert, key) = (pem("cert", "\"cert.pem\""), pem("key", "\"key.pem\""));
    for (one, other) in [("cert", "key"), ("key", "cert")] {
        if let (Some(entry), None) = (section.entry(one), section.entry(other)) {
            check.findings.error(
                entry.key_span,
                format!("`{one}` stands without `{other}`: write both, or neither"),
            );
        }
    }
    if let Some(entry) = section.entry("cert") {
        check.findings.later(entry.key_span, "`cert`");
    }
    match (automatic, domain_entry) {
        (true, None) if section.entry("cert").is_none() => {
            check.findings.error(section.span.clone(), "`https` stands without a domain: write the names to fetch certificates for, such as domains = [\"a.example\"]");
        }
        (false, Some(entry)) => {
            let message = "domains are only used with `https = true`: write that too, or remove them (routes are told apart by `host`)";
            check.findings.warning(entry.key_span, message);
        }
        _ => {}
    }
    let files = cert.zip(key);
    (automatic || files.is_some()).then_some(Tls {
        automatic,
        domains,
        files,
    })
}
