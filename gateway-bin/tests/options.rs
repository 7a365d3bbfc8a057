//! Every key of the configuration is proven by a test that runs the binary (or, for keys of later versions, that sees it
//! refused), and stands in docs/configuration.md. A new key without a line in `PROOFS` fails here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use flatend_gateway::config;

const LATER: &str = "later_keys.toml";
const TOP: &str = "the top of the file";

/// Section, key, and the interop cases (interop/cases) that prove it; `later_keys.toml` of the goldens for a key that no case
/// can run yet.
const PROOFS: &[(&str, &str, &[&str])] = &[
    (TOP, "addr", &["listen-addresses", "port-in-use"]),
    (TOP, "public_addr", &["mesh-keys"]),
    (TOP, "secret_key", &["mesh-keys"]),
    (TOP, "bootstrap", &["gateway-dials-npm"]),
    (TOP, "state_dir", &["mesh-keys"]),
    (TOP, "shards", &["mesh-keys", "variables"]),
    (TOP, "relay", &["call-through-a-relay"]),
    (TOP, "receive_budget", &["receive-budget"]),
    (TOP, "congestion", &["congestion-control"]),
    (TOP, "legacy", &["trust-known-keys"]),
    (TOP, "network_key", &["trust-network-key"]),
    (TOP, "peers", &["trust-lists"]),
    (TOP, "offers", &["trust-lists"]),
    (TOP, "legacy_services", &["trust-lists"]),
    (TOP, "http", &["listen-addresses"]),
    (
        TOP,
        "services",
        &["agent-file-and-health", "agent-on-several-nodes"],
    ),
    ("[[http]]", "addr", &["listen-addresses", "port-in-use"]),
    ("[[http]]", "addrs", &["listen-addresses"]),
    ("[[http]]", "https", &["later-keys"]),
    ("[[http]]", "domain", &["later-keys"]),
    ("[[http]]", "domains", &["later-keys"]),
    ("[[http]]", "cert", &["later-keys"]),
    ("[[http]]", "key", &["later-keys"]),
    ("[[http]]", "redirect_trailing_slash", &["path-redirects"]),
    ("[[http]]", "redirect_fixed_path", &["path-redirects"]),
    (
        "[[http]]",
        "access_log",
        &[
            "access-log-unhappy-ends",
            "access-log-rotation",
            "access-log-full-disk",
            "access-log-standard-output",
        ],
    ),
    (
        "[[http]]",
        "access_log_format",
        &["access-log-json", "access-log-injection"],
    ),
    ("[[http]]", "congestion", &["congestion-control"]),
    ("[[http]]", "timeout", &["client-timeouts"]),
    ("[[http]]", "min", &["header-and-body-sizes"]),
    ("[[http]]", "max", &["header-and-body-sizes"]),
    ("[[http]]", "routes", &["hosts"]),
    ("[http.timeout]", "read", &["client-timeouts"]),
    ("[http.timeout]", "read_header", &["client-timeouts"]),
    ("[http.timeout]", "idle", &["client-timeouts"]),
    (
        "[http.timeout]",
        "write",
        &["client-timeouts", "stalled-client"],
    ),
    ("[http.timeout]", "shutdown", &["drain-is-bounded"]),
    ("[http.min]", "body_size", &["header-and-body-sizes"]),
    ("[http.min]", "rate", &["body-rate"]),
    ("[http.max]", "header_size", &["header-and-body-sizes"]),
    ("[http.max]", "body_size", &["header-and-body-sizes"]),
    ("[[http.routes]]", "path", &["query-and-params", "hosts"]),
    ("[[http.routes]]", "host", &["hosts"]),
    ("[[http.routes]]", "service", &["hello"]),
    ("[[http.routes]]", "services", &["several-services"]),
    ("[[http.routes]]", "static", &["files", "files-attackers"]),
    ("[[http.routes]]", "listing", &["files-listing"]),
    ("[[http.routes]]", "fallback", &["files-fallback"]),
    ("[[http.routes]]", "redirect", &["redirect-routes"]),
    ("[[http.routes]]", "status", &["redirect-routes"]),
    ("[[http.routes]]", "proxy", &["proxy-servers"]),
    ("[[http.routes]]", "health", &["proxy-health"]),
    ("[[http.routes]]", "health_interval", &["proxy-health"]),
    (
        "[[http.routes]]",
        "nocache",
        &["nocache", "redirect-routes"],
    ),
    ("[[http.routes]]", "timeout", &["route-timeout"]),
    (
        "[[http.routes]]",
        "hold",
        &["hold-and-in-flight", "no-provider", "default-hold"],
    ),
    ("[[http.routes]]", "retry", &["retry"]),
    ("[[http.routes]]", "max_in_flight", &["hold-and-in-flight"]),
    ("[[http.routes]]", "min", &["header-and-body-sizes"]),
    ("[[http.routes]]", "max", &["header-and-body-sizes"]),
    ("[[http.routes]]", "websocket", &["later-keys"]),
    ("[[http.routes]]", "grpc", &["later-keys"]),
    ("[http.routes.min]", "body_size", &["header-and-body-sizes"]),
    ("[http.routes.max]", "body_size", &["header-and-body-sizes"]),
    ("[[services]]", "name", &["agent-file-and-health"]),
    ("[[services]]", "upstream", &["agent-file-and-health"]),
    ("[[services]]", "health", &["agent-file-and-health"]),
    (
        "[[services]]",
        "health_interval",
        &["agent-file-and-health"],
    ),
    ("[[services]]", "timeout", &["agent-timeout"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The names of all interop cases.
fn cases() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(root().join("interop/cases")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "py") {
            let text = fs::read_to_string(&path).unwrap();
            let registered = text
                .lines()
                .filter_map(|line| line.strip_prefix("@case(\""));
            names.extend(registered.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
        }
    }
    names
}

#[test]
fn every_key_is_proven_by_a_case_that_exists() {
    let proofs: BTreeMap<(&str, &str), &[&str]> = PROOFS
        .iter()
        .map(|(section, key, cases)| ((*section, *key), *cases))
        .collect();
    assert_eq!(proofs.len(), PROOFS.len(), "a key stands twice");
    let keys: BTreeSet<(&str, &str)> = config::keys().collect();
    let missing: Vec<_> = keys
        .iter()
        .filter(|key| !proofs.contains_key(*key))
        .collect();
    assert!(
        missing.is_empty(),
        "keys without a test: {missing:?}; write an interop case that proves each and name it in PROOFS"
    );
    let gone: Vec<_> = proofs.keys().filter(|key| !keys.contains(*key)).collect();
    assert!(gone.is_empty(), "no keys any more: {gone:?}");
    let cases = cases();
    let later = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/later_keys.expected");
    let later = fs::read_to_string(later).unwrap();
    for ((section, key), names) in proofs {
        assert!(!names.is_empty(), "{section} {key} has no case");
        for name in names {
            if *name == LATER {
                // A section's keys are refused with it.
                let is_refused = [
                    format!("`{key}`"),
                    format!("`[[{key}]]`"),
                    format!("`{section}`"),
                ]
                .iter()
                .any(|word| later.contains(word));
                let is_part = ["listing", "fallback"].contains(&key) && later.contains("`static`");
                assert!(
                    is_refused || is_part,
                    "{section} {key} is run now: name the interop case that proves it"
                );
                continue;
            }
            assert!(
                cases.contains(*name),
                "{section} {key}: there is no interop case '{name}'"
            );
        }
    }
}

/// Each key in a row of the table under its section's heading; keys that are sections have a heading instead.
#[test]
fn every_key_is_documented() {
    let text = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let mut told: BTreeSet<(&str, String)> = BTreeSet::new();
    let mut heading = "";
    for line in text.lines() {
        if line.starts_with("## ") || line.starts_with("### ") {
            heading = line;
        } else if let Some(row) = line.strip_prefix("| ") {
            let words = row.split('`').skip(1).step_by(2);
            told.extend(words.map(|word| (heading, word.to_owned())));
        }
    }
    for (section, key) in config::keys() {
        let (under, prefix) = match section {
            TOP => ("## Top of the file", ""),
            "[http.min]" => ("`[http.min]`", "min."),
            "[http.max]" => ("`[http.max]`", "max."),
            "[http.routes.min]" => ("`[[http.routes]]`", "min."),
            "[http.routes.max]" => ("`[[http.routes]]`", "max."),
            other => (other, ""),
        };
        let name = format!("{prefix}{key}");
        let is_told = told
            .iter()
            .any(|(heading, word)| heading.contains(under) && *word == name);
        let is_section = [
            format!("## `[[{key}]]`"),
            format!("`[http.{key}]`"),
            format!("## `[[http.{key}]]`"),
        ]
        .iter()
        .any(|heading| text.contains(heading));
        assert!(
            is_told || is_section,
            "docs/configuration.md does not tell of {section} {name}"
        );
    }
}
