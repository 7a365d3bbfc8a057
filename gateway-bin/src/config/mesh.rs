//! The top of the file: the node's side of the mesh.
//!
//! Owns the defaults of the mesh keys and where the state directory is. The file's `addr` wins over the command
//! line (seed). Reads no key file's secret: it only checks that the file would be accepted.

use std::path::{Path, PathBuf};

use toml::de::DeValue;

use super::model::{Bootstrap, LegacyPolicy, Mesh, PublicKey, StateDir};
use super::reader::{Check, Text};
use super::schema::shorten;
use super::section::Section;
use super::{addr, rights, route, suggest, Context};
use crate::keys;
use crate::limits::{BOOTSTRAP_MAX, RECEIVE_BUDGET, SHARDS_MAX};

/// Reads the mesh keys.
pub(super) fn read(top: &Section<'_>, context: &Context<'_>, check: &mut Check<'_, '_>) -> Mesh {
    let mut mesh = without_file(context);
    if let Some(text) = top.text("addr", "\"127.0.0.1:9000\"", check) {
        match addr::parse_listen(&text.text) {
            Ok((socket, _)) => {
                mesh.addr = socket;
                mesh.addr_at = Some(check.findings.position(text.span.start));
            }
            Err(message) => check.findings.error(text.span, format!("`addr` {message}")),
        }
    }
    if let Some(text) = top.text("public_addr", "\"203.0.113.7:9000\"", check) {
        match addr::parse_public(&text.text) {
            Ok(socket) => mesh.public_addr = Some(socket),
            Err(message) => check
                .findings
                .error(text.span, format!("`public_addr` {message}")),
        }
    }
    mesh.secret_key = key_file(top, "secret_key", keys::Kind::Secret, check);
    if let Some(text) = top.text("state_dir", "\"/var/lib/flatend\"", check) {
        let path = check.path(&text.text);
        if text.text.is_empty() {
            check.findings.error(text.span, "`state_dir` is empty: write a directory such as \"/var/lib/flatend\", or remove it");
        } else if path.exists() && !path.is_dir() {
            let message = format!(
                "`state_dir` is \"{}\", which is not a directory: write one",
                shorten(&text.text)
            );
            check.findings.error(text.span, message);
        } else {
            if mesh.secret_key.is_none() {
                check_state_key(&path, &text, check);
            }
            mesh.state_dir = StateDir::Named(path);
        }
    }
    mesh.shards = top
        .number("shards", (1, SHARDS_MAX as u64), check)
        .and_then(|shards| usize::try_from(shards).ok());
    mesh.relay = top.boolean("relay", check).unwrap_or(false);
    if let Some(bytes) = top.size("receive_budget", RECEIVE_BUDGET, check) {
        // As many bytes as a machine addresses.
        mesh.receive_budget = usize::try_from(bytes).ok();
    }
    mesh.congestion = top.congestion(check);
    mesh.bootstrap = bootstrap(top, check);
    trust(top, &mut mesh, check);
    mesh
}

/// Notes that the node's key can neither be read from the state directory nor be made there.
fn check_state_key(directory: &Path, text: &Text, check: &mut Check<'_, '_>) {
    let key = directory.join(keys::STATE_KEY_FILE);
    let shown = shorten(&text.text);
    let message = match keys::check_file(&key, keys::Kind::Secret) {
        Ok(()) => return,
        Err(keys::KeyError::Missing(_)) => {
            match rights::may_make_in(rights::existing_above(&key)) {
                Ok(()) => return,
                Err(what) => format!("`state_dir` is \"{shown}\", but {what}"),
            }
        }
        Err(error) => format!(
            "`state_dir` is \"{shown}\" and holds \"{}\", {error}",
            keys::STATE_KEY_FILE
        ),
    };
    check.findings.error(text.span.clone(), message);
}

/// The mesh side without a file.
pub(super) fn without_file(context: &Context<'_>) -> Mesh {
    Mesh {
        addr: context.fallback_addr,
        addr_at: None,
        public_addr: None,
        secret_key: None,
        bootstrap: Vec::new(),
        state_dir: default_state_dir(context),
        shards: None,
        relay: false,
        receive_budget: None,
        congestion: None,
        legacy: LegacyPolicy::default(),
        network_key: None,
        peers: Vec::new(),
        offers: Vec::new(),
        legacy_services: Vec::new(),
    }
}

fn default_state_dir(context: &Context<'_>) -> StateDir {
    let set = |name: &str| (context.env)(name).filter(|value| !value.is_empty());
    if let Some(directories) = set("STATE_DIRECTORY") {
        // systemd joins several with colons; the first is ours.
        let first = directories.split(':').next().unwrap_or_default();
        return StateDir::Named(PathBuf::from(first));
    }
    match set("HOME") {
        Some(home) => StateDir::Default(PathBuf::from(home).join(".local/state/flatend")),
        None => StateDir::Unknown,
    }
}

fn bootstrap(top: &Section<'_>, check: &mut Check<'_, '_>) -> Vec<Bootstrap> {
    let mut nodes: Vec<Bootstrap> = Vec::new();
    let texts = top.texts("bootstrap", "[\"10.0.0.1:9000\"]", check);
    if let Some(beyond) = texts.get(BOOTSTRAP_MAX) {
        let message = format!(
            "`bootstrap` names {} nodes: write at most {BOOTSTRAP_MAX}, the mesh finds the others",
            texts.len()
        );
        check.findings.error(beyond.span.clone(), message);
    }
    for text in texts.into_iter().take(BOOTSTRAP_MAX) {
        match addr::parse_bootstrap(&text.text) {
            Ok(node) => {
                match nodes
                    .iter()
                    .find(|other| other.host == node.host && other.port == node.port)
                {
                    Some(other) => {
                        let message = format!("`bootstrap` names {other} twice: remove one");
                        check.findings.warning(text.span, message);
                    }
                    None => nodes.push(node),
                }
            }
            Err(message) => check
                .findings
                .error(text.span, format!("`bootstrap` {message}")),
        }
    }
    nodes
}

/// Who may connect and offer what.
fn trust(top: &Section<'_>, mesh: &mut Mesh, check: &mut Check<'_, '_>) {
    if let Some(text) = top.text("legacy", "\"allow\"", check) {
        const POLICIES: [(&str, LegacyPolicy); 3] = [
            ("allow", LegacyPolicy::Allow),
            ("known", LegacyPolicy::Known),
            ("refuse", LegacyPolicy::Refuse),
        ];
        match POLICIES.iter().find(|(name, _)| *name == text.text) {
            Some((_, policy)) => mesh.legacy = *policy,
            None => {
                let near = suggest::nearest(&text.text, POLICIES.iter().map(|(name, _)| *name));
                let instead = match near {
                    Some(near) => format!("write \"{near}\""),
                    None => "write \"allow\", \"known\" or \"refuse\"".to_owned(),
                };
                check.findings.error(
                    text.span,
                    format!("`legacy` is \"{}\": {instead}", shorten(&text.text)),
                );
            }
        }
    }
    mesh.network_key = key_file(top, "network_key", keys::Kind::Network, check);
    for text in top.texts("peers", "[\"9f86…\"]", check) {
        mesh.peers.extend(public_key(&text, check));
    }
    nobody(top, "peers", mesh.peers.is_empty(), check);
    mesh.offers = offers(top, check);
    nobody(top, "offers", mesh.offers.is_empty(), check);
    for text in top.texts("legacy_services", "[\"hello_world\"]", check) {
        if route::check_service_name(&text, check) {
            mesh.legacy_services.push(text.text);
        }
    }
}

/// A list that is there and empty reads as nobody, and without one everybody is let in: it is neither.
fn nobody(top: &Section<'_>, key: &'static str, empty: bool, check: &mut Check<'_, '_>) {
    if let (true, false, Some(entry)) = (empty, check.findings.failed(), top.entry(key)) {
        let message =
            format!("`{key}` is empty: write the key of each, or remove it to let everybody in");
        check.findings.error(entry.key_span, message);
    }
}

fn offers(top: &Section<'_>, check: &mut Check<'_, '_>) -> Vec<(PublicKey, Vec<String>)> {
    let mut offers = Vec::new();
    let Some(table) = top.free_table("offers", "{ \"9f86…\" = [\"hello_world\"] }", check) else {
        return offers;
    };
    for (key, value) in table {
        let parsed = addr::parse_public_key(key.get_ref());
        let mut names = Vec::new();
        match value.get_ref() {
            DeValue::Array(array) => {
                for element in array.iter() {
                    match element.get_ref() {
                        DeValue::String(name) => {
                            let text = Text::plain("offers", name, element.span());
                            if route::check_service_name(&text, check) {
                                names.push(text.text);
                            }
                        }
                        _ => check.findings.error(element.span(), "`offers` holds something else than a name: write service names in quotes"),
                    }
                }
            }
            _ => check.findings.error(
                value.span(),
                "`offers` maps a key to an array of service names: write KEY = [\"hello_world\"]",
            ),
        }
        match parsed {
            Ok(key) => offers.push((key, names)),
            Err(message) => check
                .findings
                .error(key.span(), format!("`offers` {message}")),
        }
    }
    offers
}

fn public_key(text: &Text, check: &mut Check<'_, '_>) -> Option<PublicKey> {
    match addr::parse_public_key(&text.text) {
        Ok(public) => Some(public),
        Err(message) => {
            check
                .findings
                .error(text.span.clone(), format!("`{}` {message}", text.key));
            None
        }
    }
}

fn key_file(
    top: &Section<'_>,
    key: &'static str,
    kind: keys::Kind,
    check: &mut Check<'_, '_>,
) -> Option<PathBuf> {
    let text = top.text(key, "\"secret.key\"", check)?;
    let path = check.path(&text.text);
    match keys::check_file(&path, kind) {
        Ok(()) => Some(path),
        Err(error) => {
            check.findings.error(
                text.span,
                format!("`{key}` names \"{}\", {error}", shorten(&text.text)),
            );
            None
        }
    }
}
