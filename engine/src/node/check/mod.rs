//! Mistakes in a node's description, all of them found before anything runs: each is a sentence that says what to write instead.

use std::net::SocketAddr;

use flatend_codec::{Config, Connection, Limits, Millis, Role, RELAY_SERVICE};

use super::builder::NodeBuilder;
use super::Identity;
use crate::host_port::{host_and_port, pinned};
use crate::limits::SHARDS_MAX;

/// What is wrong with it, in the order of the builder's methods.
pub(super) fn findings(builder: &NodeBuilder) -> Vec<String> {
    let mut found = Vec::new();
    addresses(builder, &mut found);
    identity(builder, &mut found);
    services(builder, &mut found);
    if let Some(shards) = builder.shards.filter(|n| *n == 0 || *n > SHARDS_MAX) {
        found.push(format!(
            "{shards} shards make no sense: 1 to {SHARDS_MAX} are possible"
        ));
    }
    found.extend(builder.reconnect.findings());
    if builder.relays && builder.bind.is_empty() && builder.public_addr.is_none() {
        found.push("a node without an identity cannot relay, for others are not asked by somebody unknown: call bind".to_owned());
    }
    found.extend(builder.limits.findings());
    found
}

fn addresses(builder: &NodeBuilder, found: &mut Vec<String>) {
    for (i, addr) in builder.bind.iter().enumerate() {
        match host_and_port(addr) {
            Err(why) => found.push(format!("cannot listen on '{addr}': {why}")),
            Ok((_, 0)) => {}
            Ok(_) if builder.bind[..i].contains(addr) => {
                found.push(format!("'{addr}' is given to listen on twice"));
            }
            Ok(_) => {}
        }
    }
    // That a node is given itself to dial is no mistake: one list may serve a whole mesh, and the link is ended at once.
    for (i, target) in builder.bootstrap.iter().enumerate() {
        match pinned(target).and_then(|(target, _)| host_and_port(target)) {
            Err(why) => found.push(format!("cannot dial '{target}': {why}")),
            Ok((_, 0)) => found.push(format!(
                "cannot dial '{target}': port 0 is no port of a node"
            )),
            Ok(_) if builder.bootstrap[..i].contains(target) => {
                found.push(format!("'{target}' is given to dial twice"));
            }
            Ok(_) => {}
        }
    }
}

fn identity(builder: &NodeBuilder, found: &mut Vec<String>) {
    match (&builder.secret_key, &builder.secret_key_file) {
        (Some(_), Some(path)) => found.push(format!(
            "a secret key and the file '{}' of one are given: one of them is enough",
            path.display()
        )),
        (Some(seed), None) if *seed == [0; 32] => found.push(
            "the secret key is all zeros: make one with SecretKey::generate, or name a file with secret_key_file"
                .to_owned(),
        ),
        _ => {}
    }
    let has_key = builder.secret_key.is_some() || builder.secret_key_file.is_some();
    let Some(addr) = builder.public_addr else {
        return;
    };
    if !has_key && builder.bind.is_empty() {
        found.push(format!(
            "the public address {addr} without an identity to show it with: give a secret key, or call bind"
        ));
    }
    if let Some(why) = not_dialed(addr) {
        found.push(format!(
            "the public address {addr} cannot be dialed by others: {why}"
        ));
    }
}

fn not_dialed(addr: SocketAddr) -> Option<&'static str> {
    let ip = addr.ip();
    if addr.port() == 0 {
        Some("port 0 is no port of a node")
    } else if ip.is_unspecified() {
        Some("it stands for all addresses of a machine; name one of them")
    } else if ip.is_multicast() || matches!(ip, std::net::IpAddr::V4(ip) if ip.is_broadcast()) {
        Some("it is the address of many")
    } else {
        None
    }
}

fn services(builder: &NodeBuilder, found: &mut Vec<String>) {
    let names: Vec<&str> = builder
        .services
        .iter()
        .map(|service| &*service.name)
        .collect();
    found.extend(names_findings(&names));
    found.extend(names.iter().find_map(|name| not_reserved(name).err()));
}

/// Whether a service may have this name.
///
/// # Errors
/// A sentence.
pub(super) fn not_reserved(name: &str) -> Result<(), String> {
    match name {
        RELAY_SERVICE => Err(format!(
            "the service name '{RELAY_SERVICE}' is how nodes say that they relay: choose another, or call relay(true)"
        )),
        _ => Ok(()),
    }
}

/// What is wrong with a list of service names.
pub(super) fn names_findings(names: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (i, name) in names.iter().enumerate() {
        if name.is_empty() || name.len() > SERVICE_NAME_BYTES_MAX {
            found.push(format!(
                "the service name '{name}' has {} bytes; 1 to {SERVICE_NAME_BYTES_MAX} are possible",
                name.len()
            ));
        } else if names[..i].contains(name) {
            found.push(format!("the service '{name}' is given twice"));
        }
    }
    if names.len() > SERVICES_MAX {
        found.push(format!(
            "{} services: a node can offer {SERVICES_MAX}; start a second node for the rest",
            names.len()
        ));
    }
    found
}

/// Whether the handshake can say all of these names. Only the codec knows how much fits.
///
/// # Errors
/// A sentence.
pub(super) fn handshake_fits(names: &[String], identity: Option<&Identity>) -> Result<(), String> {
    // An IPv6 address takes the most room.
    let shown = SocketAddr::from(([1; 8], 1));
    let config = Config {
        role: Role::Dialer,
        ephemeral_secret: [1; 32],
        identity: identity.map(|identity| (identity.key.clone(), shown)),
        services: names,
        limits: Limits::default(),
        flatend2: None,
    };
    match Connection::new(Millis(0), config) {
        Ok(_) => Ok(()),
        Err(err) => Err(format!(
            "{err}: use fewer or shorter names of services, or a second node"
        )),
    }
}

/// Bytes of a service's name (protocol.md, Messages).
const SERVICE_NAME_BYTES_MAX: usize = 255;

/// Services that a handshake can name (protocol.md, Messages).
const SERVICES_MAX: usize = 255;

#[cfg(test)]
mod tests;
