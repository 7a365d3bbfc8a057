//! Signed node records, and such as do not count.

use serde_json::{json, Value};

use super::super::Record;
use super::{fault, hex, identity, seed};
use crate::connection::Role;

pub(super) fn record() -> Record {
    Record {
        public_key: [0; 32],
        addresses: vec![
            ([10, 0, 0, 1], 9_000).into(),
            "[2001:db8::1]:9000".parse().unwrap(),
        ],
        capabilities: 0,
        made_s: 1_790_000_000,
        lifetime_s: 3_600,
    }
}

pub(super) fn vectors() -> Value {
    let key = identity(Role::Acceptor);
    let good = [
        record(),
        Record {
            addresses: vec![],
            ..record()
        },
    ]
    .map(|record| {
        let bytes = record.clone().sign(&key);
        assert!(Record::verify(&bytes).is_ok());
        json!({
            "seed": hex(&seed(Role::Acceptor)),
            "public_key": hex(key.verifying_key().as_bytes()),
            "addresses": record.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "capabilities": record.capabilities,
            "made_s": record.made_s,
            "lifetime_s": record.lifetime_s,
            "good_until_s": record.made_s + u64::from(record.lifetime_s),
            "record": hex(&bytes),
        })
    });
    let refused = changed().map(|(what, bytes)| {
        let error = Record::verify(&bytes).unwrap_err();
        json!({ "what": what, "record": hex(&bytes), "refused": fault(&error) })
    });
    json!({ "good": good, "refused": refused })
}

fn changed() -> [(&'static str, Vec<u8>); 7] {
    let good = record().sign(&identity(Role::Acceptor));
    let change = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        bytes
    };
    [
        ("another address", change(&|bytes| bytes[34] ^= 1)),
        (
            "another key",
            change(&|bytes| {
                let other = identity(Role::Dialer).verifying_key().to_bytes();
                bytes[..32].copy_from_slice(&other);
            }),
        ),
        (
            "a byte is missing",
            change(&|bytes| bytes.truncate(bytes.len() - 1)),
        ),
        ("a byte too many", change(&|bytes| bytes.push(0))),
        ("17 addresses", change(&|bytes| bytes[32] = 17)),
        ("an address of kind 2", change(&|bytes| bytes[33] = 2)),
        (
            "an address with port 0",
            change(&|bytes| bytes[38..40].fill(0)),
        ),
    ]
}
