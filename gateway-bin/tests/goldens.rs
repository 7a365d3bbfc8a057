//! Golden tests of the configuration: `tests/config/NAME.toml` beside `NAME.expected`, which holds what
//! `flatend check` prints of it and, if it is accepted, what was read.
//!
//! After a change that is meant, run with `GOLDENS=write` and read the difference before it is committed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use flatend_gateway::config::{self, duration, AccessTo, Config, Context, Http, Target};

fn environment(name: &str) -> Option<String> {
    match name {
        "HOME" => Some("/home/someone".to_owned()),
        "PORT" => Some("3000".to_owned()),
        "SHARDS" => Some("2".to_owned()),
        "FIXED" => Some("false".to_owned()),
        "LIMIT" => Some("1MiB".to_owned()),
        "EMPTY" => Some(String::new()),
        "WORD" => Some("many".to_owned()),
        _ => None,
    }
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config")
}

fn outcome(name: &str, text: &str) -> String {
    let context = Context {
        env: &environment,
        fallback_addr: "127.0.0.1:9000".parse().unwrap(),
        base_dir: directory(),
    };
    match config::parse(text, &context) {
        Err(found) => config::report(name, &found),
        Ok(config) => {
            let mut found = [config.warnings.clone(), config.unsupported.clone()].concat();
            found.sort_by_key(|finding| finding.at);
            let mut shown = config::report(name, &found);
            shown.push_str(&listing(&config));
            if let Some(refusal) = config.refusal(name) {
                writeln!(shown, "\nrunning it is refused:\n{refusal}").unwrap();
            }
            shown
        }
    }
}

/// What was read, in lines short enough to review.
fn listing(config: &Config) -> String {
    let (mut text, mesh) = (String::new(), &config.mesh);
    writeln!(
        text,
        "\nmesh on {}, state {:?}, shards {:?}",
        mesh.addr, mesh.state_dir, mesh.shards
    )
    .unwrap();
    if let Some(public) = mesh.public_addr {
        writeln!(text, "  public {public}").unwrap();
    }
    if mesh.relay {
        writeln!(text, "  relays").unwrap();
    }
    if let Some(bytes) = mesh.receive_budget {
        writeln!(text, "  receive budget {bytes}").unwrap();
    }
    if let Some(congestion) = &mesh.congestion {
        writeln!(text, "  congestion {}", congestion.name()).unwrap();
    }
    for node in &mesh.bootstrap {
        writeln!(
            text,
            "  bootstrap {node}{}",
            if node.key.is_some() { " pinned" } else { "" }
        )
        .unwrap();
    }
    if !mesh.peers.is_empty() || !mesh.offers.is_empty() || !mesh.legacy_services.is_empty() {
        let offers: Vec<_> = mesh
            .offers
            .iter()
            .map(|(key, names)| format!("{:02x}…: {names:?}", key[0]))
            .collect();
        writeln!(
            text,
            "  {} peers, offers {offers:?}, legacy {:?} {:?}",
            mesh.peers.len(),
            mesh.legacy,
            mesh.legacy_services
        )
        .unwrap();
    }
    for http in &config.http {
        list_http(&mut text, http);
    }
    for service in &config.services {
        writeln!(
            text,
            "service {:?} at {} {:?}",
            service.name, service.upstream, service.health
        )
        .unwrap();
        if let Some(timeout) = service.timeout {
            writeln!(text, "     timeout {timeout:?}").unwrap();
        }
    }
    text
}

fn list_http(text: &mut String, http: &Http) {
    let addrs: Vec<String> = http
        .addrs
        .iter()
        .map(|addr| format!("{addr}{}", if addr.dual_stack { " (IPv4 too)" } else { "" }))
        .collect();
    writeln!(text, "http on {}", addrs.join(", ")).unwrap();
    writeln!(
        text,
        "  redirects: slash {}, fixed path {}",
        http.redirect_trailing_slash, http.redirect_fixed_path
    )
    .unwrap();
    let times = [
        ("read", http.timeout.read),
        ("read_header", http.timeout.read_header),
        ("idle", http.timeout.idle),
        ("write", http.timeout.write),
        ("shutdown", http.timeout.shutdown),
    ]
    .map(|(key, time)| format!("{key} {}", duration::show(time)));
    writeln!(text, "  timeouts: {}", times.join(", ")).unwrap();
    writeln!(
        text,
        "  head at most {}, body {:?} to {:?}, rate {:?}",
        http.max.header_size, http.min.body_size, http.max.body_size, http.min.rate
    )
    .unwrap();
    if let Some(congestion) = &http.congestion {
        writeln!(text, "  congestion {}", congestion.name()).unwrap();
    }
    if let Some(log) = &http.access_log {
        let to = match &log.to {
            AccessTo::Stdout => "standard output".to_owned(),
            AccessTo::File(path) => format!("{:?}", path.strip_prefix(directory()).unwrap_or(path)),
        };
        writeln!(text, "  access log: {to}, {:?}", log.format).unwrap();
    }
    if let Some(tls) = &http.tls {
        let files = tls.files.is_some();
        writeln!(
            text,
            "  tls: automatic {}, domains {:?}, files {files}",
            tls.automatic, tls.domains
        )
        .unwrap();
    }
    for route in &http.routes {
        let target = match &route.target {
            Target::Static(files) => {
                let path = files.path.strip_prefix(directory()).unwrap_or(&files.path);
                format!(
                    "static {path:?}, listing {}, fallback {:?}",
                    files.listing, files.fallback
                )
            }
            Target::Proxy(proxy) => format!("Proxy({:?}) {:?}", proxy.upstreams, proxy.health),
            other => format!("{other:?}"),
        };
        writeln!(text, "  {} -> {target}", route.pattern).unwrap();
        let mut details: BTreeMap<&str, String> = BTreeMap::new();
        let mut detail = |key, value: Option<String>| {
            details.extend(value.map(|value| (key, value)));
        };
        detail("host", route.host.clone());
        detail("timeout", route.timeout.map(duration::show));
        detail("hold", route.hold.map(duration::show));
        detail(
            "max_in_flight",
            route.max_in_flight.map(|most| most.to_string()),
        );
        detail("min_body", route.min_body.map(|least| least.to_string()));
        detail("max_body", route.max_body.map(|most| most.to_string()));
        detail(
            "retry",
            (route.retry != config::Retry::Auto).then(|| format!("{:?}", route.retry)),
        );
        for (key, on) in [
            ("nocache", route.nocache),
            ("websocket", route.websocket),
            ("grpc", route.grpc),
        ] {
            detail(key, on.then(|| "on".to_owned()));
        }
        for (key, value) in details {
            writeln!(text, "     {key} {value}").unwrap();
        }
    }
}

#[test]
fn every_file_gives_what_stands_beside_it() {
    let write = std::env::var("GOLDENS").is_ok_and(|value| value == "write");
    let mut names: Vec<PathBuf> = fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    names.sort();
    assert!(
        names.len() >= 25,
        "only {} golden files were found",
        names.len()
    );
    let mut differ = Vec::new();
    for path in &names {
        let name = path.file_name().unwrap().to_str().unwrap();
        let actual = outcome(name, &fs::read_to_string(path).unwrap());
        let beside = path.with_extension("expected");
        let expected = fs::read_to_string(&beside).unwrap_or_default();
        if actual != expected {
            if write {
                fs::write(&beside, &actual).unwrap();
            }
            differ.push(format!(
                "--- {name}, expected:\n{expected}--- but it gives:\n{actual}"
            ));
        }
    }
    assert!(
        differ.is_empty(),
        "{} of {} files differ\n{}",
        differ.len(),
        names.len(),
        differ.join("\n")
    );
}

/// Every error line names the file, a line, a column, and what to write, set, remove, move, leave or make.
#[test]
fn every_message_says_what_to_do() {
    let mut messages = 0;
    for entry in fs::read_dir(directory()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let context = Context {
            env: &environment,
            fallback_addr: "127.0.0.1:9000".parse().unwrap(),
            base_dir: directory(),
        };
        let Err(found) = config::parse(&text, &context) else {
            continue;
        };
        for finding in found
            .iter()
            .filter(|finding| finding.severity == config::Severity::Error)
        {
            messages += 1;
            let says = ["write", "remove", "set it", "move it", "leave", "make it"];
            assert!(
                says.iter().any(|word| finding.message.contains(word)),
                "{path:?}: {finding}"
            );
            assert!(!finding.message.contains('\n'), "{path:?}: {finding}");
            let lines = text.lines().count().max(1);
            assert!(
                (1..=lines + 1).contains(&finding.at.line),
                "{path:?}: {finding}"
            );
        }
    }
    assert!(messages > 100, "only {messages} messages were seen");
}

/// A file cut anywhere, or with one character exchanged, is answered: with places that exist, one line a message.
#[test]
fn damaged_files_are_answered() {
    let context = Context {
        env: &environment,
        fallback_addr: "127.0.0.1:9000".parse().unwrap(),
        base_dir: directory(),
    };
    let (mut refused, mut accepted) = (0, 0);
    let mut answer = |text: &str| match config::parse(text, &context) {
        Ok(_) => accepted += 1,
        Err(found) => {
            refused += 1;
            let lines = text.split('\n').count();
            for finding in found {
                assert!(
                    (1..=lines).contains(&finding.at.line),
                    "{finding} in\n{text}"
                );
                assert!(!finding.message.contains('\n'), "{finding} in\n{text}");
            }
        }
    };
    for name in ["every_key", "later_keys", "paths", "syntax", "variables"] {
        let text = fs::read_to_string(directory().join(name).with_extension("toml")).unwrap();
        for (at, c) in text.char_indices() {
            answer(&text[..at]);
            let odd = ['"', '[', '$', ':', '\n', '\0', 'ü', '='][at % 8];
            answer(&format!(
                "{}{odd}{}",
                &text[..at],
                &text[at + c.len_utf8()..]
            ));
        }
    }
    assert!(
        refused > 1000 && accepted > 100,
        "{refused} refused, {accepted} accepted"
    );
}
