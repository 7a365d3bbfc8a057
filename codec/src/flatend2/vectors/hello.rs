//! HELLO of both roles, and each form that is refused.

use serde_json::{json, Value};

use super::super::hello::Hello;
use super::{fault, hex, identity, records, role_name, secrets, seed};
use crate::connection::Role;

fn hello(role: Role) -> Hello {
    let addresses = match role {
        Role::Dialer => vec![],
        Role::Acceptor => vec![
            ([127, 0, 0, 1], 9_000).into(),
            "[2001:db8::1]:9000".parse().unwrap(),
        ],
    };
    Hello {
        capabilities: 0,
        plaintext_log2: 0,
        public_key: identity(role).verifying_key().to_bytes(),
        addresses,
        instance: [0x1d; 16],
        shards: 2,
        lane: 1,
        first_grant: 1_000,
        software: "flatend 0.1.0".to_owned(),
        record: (role == Role::Acceptor).then(|| records::record().sign(&identity(role)).into()),
    }
}

pub(super) fn vectors() -> Value {
    let binding = secrets(None).binding;
    let good = [Role::Dialer, Role::Acceptor].map(|role| {
        let said = hello(role);
        let body = said.encode(role, &binding, &identity(role));
        assert_eq!(Hello::decode(&body, role, &binding).as_ref(), Ok(&said));
        json!({
            "role": role_name(role),
            "seed": hex(&seed(role)),
            "capabilities": said.capabilities,
            "plaintext_log2": said.plaintext_log2,
            "public_key": hex(&said.public_key),
            "addresses": said.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "instance": hex(&said.instance),
            "shards": said.shards,
            "lane": said.lane,
            "first_grant": said.first_grant,
            "software": said.software,
            "record": said.record.as_deref().map(hex),
            "body": hex(&body),
        })
    });
    let refused = cases().map(|(what, body)| {
        let decoded = Hello::decode(&body, Role::Dialer, &binding);
        json!({
            "what": what,
            "body": hex(&body),
            "record": decoded.as_ref().ok().and_then(|hello| hello.record.as_deref()).map(hex),
            "refused": decoded.err().map(|error| fault(&error)),
        })
    });
    json!({
        "binding": hex(&binding),
        "good": good,
        // Of a dialer; `refused` is null where the HELLO is taken.
        "changed": refused.collect::<Vec<_>>(),
    })
}

/// The fields of the dialer's HELLO, each whole.
fn fields() -> Vec<Vec<u8>> {
    let body = hello(Role::Dialer).encode(
        Role::Dialer,
        &secrets(None).binding,
        &identity(Role::Dialer),
    );
    let (mut rest, mut fields) = (&body[..], Vec::new());
    while !rest.is_empty() {
        let length = 3 + usize::from(u16::from_be_bytes([rest[1], rest[2]]));
        let (field, behind) = rest.split_at(length);
        fields.push(field.to_vec());
        rest = behind;
    }
    fields.pop();
    fields
}

fn field(tag: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
    [&[tag], &length[..], bytes].concat()
}

fn cases() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    let binding = secrets(None).binding;
    let signed = |role, binding: &[u8; 32], fields: Vec<Vec<u8>>| {
        Hello::sign_fields(fields.concat(), role, binding, &identity(Role::Dialer))
    };
    let with = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut fields = fields();
        change(&mut fields);
        signed(Role::Dialer, &binding, fields)
    };
    // In the order of tags: 1 to 9 are at 0 to 8.
    let replaced = |at: usize, bytes: &[u8]| {
        with(&|fields| fields[at] = field(u8::try_from(at).unwrap() + 1, bytes))
    };
    let without = |at: usize| with(&|fields| drop(fields.remove(at)));
    let good = with(&|_| {});
    let mut altered = good.clone();
    let last = altered.len() - 1;
    altered[last] ^= 1;
    let mut trailing = good.clone();
    trailing.push(0);
    let own = records::record().sign(&identity(Role::Dialer));
    let others = records::record().sign(&identity(Role::Acceptor));
    let with_record = |record: &[u8]| with(&|fields| fields.push(field(10, record)));
    let many = [0, 10, 0, 0, 1, 0x23, 0x28].repeat(17);
    [
        (
            "an unknown field is skipped",
            with(&|fields| fields.push(field(200, b"later"))),
        ),
        (
            "optional fields are left out",
            with(&|fields| {
                for at in [8, 4, 2, 1] {
                    fields.remove(at);
                }
            }),
        ),
        ("the signature is altered", altered),
        (
            "signed for the other role",
            signed(Role::Acceptor, &binding, fields()),
        ),
        (
            "signed for another link",
            signed(Role::Dialer, &[7; 32], fields()),
        ),
        ("no signature", fields().concat()),
        ("a signature of 63 bytes", {
            let mut short = good.clone();
            short.truncate(last);
            let at = short.len() - 63 - 1;
            short[at] = 63;
            short
        }),
        ("bytes behind the signature", trailing),
        ("cut within a field", good[..40].to_vec()),
        (
            "a field twice",
            with(&|fields| fields.push(field(9, b"again"))),
        ),
        ("fields out of order", with(&|fields| fields.swap(0, 1))),
        ("no version", without(0)),
        ("version 3", replaced(0, &[0, 3])),
        ("no key", without(3)),
        ("a key of 31 bytes", replaced(3, &[1; 31])),
        (
            "a key of low order",
            replaced(3, &{
                let mut one = [0; 32];
                one[0] = 1;
                one
            }),
        ),
        ("no instance", without(5)),
        ("no lanes", without(6)),
        ("no first grant", without(7)),
        ("17 addresses", replaced(4, &many)),
        (
            "an address of kind 2",
            replaced(4, &[2, 10, 0, 0, 1, 0x23, 0x28]),
        ),
        (
            "an address with port 0",
            replaced(4, &[0, 10, 0, 0, 1, 0, 0]),
        ),
        (
            "an address that is cut",
            replaced(4, &[0, 10, 0, 0, 1, 0x23]),
        ),
        ("a record of its own", with_record(&own)),
        ("another's record is left out", with_record(&others)),
        ("a record that is none is left out", with_record(b"none")),
        ("a record of 418 bytes", with_record(&[0; 418])),
        ("a software of 256 bytes", replaced(8, &[b'x'; 256])),
    ]
    .into_iter()
}
