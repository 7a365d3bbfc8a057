//! `codec/vectors/flatend2`: what another implementation checks itself against. Made by this crate from fixed keys; the test compares
//! the files with what the code gives now, and `WRITE_VECTORS=1 cargo test -p flatend-codec vectors` writes them anew. The invariant
//! likeliest to break: a file that was published changes only with the protocol.

mod frames;
mod hello;
mod keys;
mod messages;
mod peer;
mod records;
mod refused;

use std::path::Path;

use ed25519_dalek::SigningKey;
use serde_json::{json, Value};

use super::{Opening, Secrets};
use crate::connection::Role;
use crate::error::ProtocolError;
use crate::session::public_key;

/// The X25519 secrets of both sides, and the seeds of their Ed25519 keys.
const DIALER_SECRET: [u8; 32] = [0xd1; 32];
const ACCEPTOR_SECRET: [u8; 32] = [0xa2; 32];
const DIALER_SEED: [u8; 32] = [0x01; 32];
const ACCEPTOR_SEED: [u8; 32] = [0x02; 32];
const NETWORK_KEY: [u8; 32] = [0x5e; 32];

fn hex(bytes: &[u8]) -> Value {
    bytes
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>()
        .into()
}

fn marked(mut key: [u8; 32]) -> [u8; 32] {
    key[31] |= 0x80;
    key
}

/// What both send first if both speak flatend/2.
fn opening() -> Opening {
    Opening {
        dialer: marked(public_key(&DIALER_SECRET)),
        acceptor: marked(public_key(&ACCEPTOR_SECRET)),
    }
}

fn secrets(network_key: Option<&[u8; 32]>) -> Secrets {
    Secrets::agree(&DIALER_SECRET, Role::Dialer, opening(), network_key).unwrap()
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Dialer => "dialer",
        Role::Acceptor => "acceptor",
    }
}

fn seed(role: Role) -> [u8; 32] {
    match role {
        Role::Dialer => DIALER_SEED,
        Role::Acceptor => ACCEPTOR_SEED,
    }
}

fn identity(role: Role) -> SigningKey {
    SigningKey::from_bytes(&seed(role))
}

/// A fault: the name of its kind, and what the log says.
fn fault(error: &ProtocolError) -> Value {
    let text = format!("{error:?}");
    let name = text.split([' ', '(', '{']).next().unwrap_or_default();
    json!({ "error": name, "says": error.to_string() })
}

#[test]
fn vectors_are_as_published() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/flatend2");
    let write = std::env::var_os("WRITE_VECTORS").is_some();
    for (name, value) in [
        ("keys", keys::vectors()),
        ("frames", frames::vectors()),
        ("hello", hello::vectors()),
        ("messages", messages::vectors()),
        ("refused", refused::vectors()),
        ("records", records::vectors()),
    ] {
        let path = folder.join(format!("{name}.json"));
        let text = serde_json::to_string_pretty(&value).unwrap() + "\n";
        if write {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let published = std::fs::read_to_string(&path).expect("a file of vectors");
        assert!(
            published == text,
            "{name}.json is not what the code gives: if the protocol changed, WRITE_VECTORS=1"
        );
    }
}
