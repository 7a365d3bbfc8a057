//! What the tests share: two connections of ours on a virtual clock ([`pair`]), one connection of ours against a peer that writes any
//! bytes it likes ([`raw`]), and scripts of bytes cut at every position ([`split`]).
// Each test target uses its own part of this.
#![allow(dead_code, unreachable_pub)]

pub mod happened;
pub mod pair;
pub mod raw;
pub mod raw2;
pub mod script;
pub mod split;
pub mod xorshift;

use ed25519_dalek::SigningKey;
use flatend_codec::{Config, Flatend2, HeaderBlock, Limits, Role};

pub const OUR_KEY: [u8; 32] = [0x11; 32];
pub const THEIR_KEY: [u8; 32] = [0x22; 32];

pub fn headers(pairs: &[(&str, &str)]) -> HeaderBlock {
    let mut block = HeaderBlock::new();
    for (name, value) in pairs {
        block.push(name.as_bytes(), value.as_bytes()).unwrap();
    }
    block
}

/// A node of ours with an identity at 127.0.0.1:9000.
pub fn identified(role: Role, secret: u8, services: &[String]) -> Config<'_> {
    Config {
        role,
        ephemeral_secret: [secret; 32],
        identity: Some((
            SigningKey::from_bytes(&OUR_KEY),
            ([127, 0, 0, 1], 9000).into(),
        )),
        services,
        limits: Limits::default(),
        flatend2: None,
    }
}

/// The same node, which speaks flatend/2 and takes legacy peers too.
pub fn speaking_both(role: Role, secret: u8, services: &[String]) -> Config<'_> {
    Config {
        flatend2: Some(Flatend2 {
            key: SigningKey::from_bytes(&OUR_KEY),
            addresses: &[],
            instance: [secret; 16],
            shards: 1,
            lane: 0,
            requests_max: 8,
            software: "test",
            record: None,
            network_key: None,
            expected_key: None,
            legacy: true,
        }),
        ..identified(role, secret, services)
    }
}

pub fn anonymous(role: Role, secret: u8, services: &[String]) -> Config<'_> {
    Config {
        identity: None,
        ..identified(role, secret, services)
    }
}
