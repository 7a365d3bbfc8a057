//! Each message as this crate writes it, with what it says.

use serde_json::{json, Value};

use super::super::Record;
use super::peer::{message, Peer, NOW};
use super::{hex, identity};
use crate::connection::{Ask, Role};
use crate::event::{GoodbyeCode, ResetCode, Token};
use crate::limits::PING_AFTER_MS;
use crate::{HeaderBlock, NodeId, StreamId};

const NONE: HeaderBlock = HeaderBlock::new();

fn headers(pairs: &[(&str, &str)]) -> HeaderBlock {
    let mut block = HeaderBlock::new();
    for (name, value) in pairs {
        block.push(name.as_bytes(), value.as_bytes()).unwrap();
    }
    block
}

/// What a peer wrote last, which must be one message.
fn one(peer: &mut Peer) -> Vec<u8> {
    let mut sent = peer.sent();
    assert_eq!(sent.len(), 1, "{sent:02x?}");
    sent.pop().unwrap()
}

pub(super) fn vectors() -> Value {
    let mut cases = dialers();
    cases.extend(acceptors());
    Value::from(cases)
}

fn case(message: &[u8], what: &str, says: &Value) -> Value {
    json!({ "name": what, "says": says, "message": hex(message) })
}

/// What a dialer says.
fn dialers() -> Vec<Value> {
    let mut cases = Vec::new();
    let mut peer = Peer::up(Role::Dialer);
    let head = headers(&[("params.id", "7"), ("x", ""), ("x", "again")]);
    let ask = Ask {
        headers: &head,
        extras: &NONE,
        deadline_ms: Some(1_500),
        end: true,
    };
    let stream = peer.conn.ask(NOW, ["todos", "echo"], ask).unwrap();
    cases.push(case(
        &one(&mut peer),
        "REQUEST",
        &json!({
            "stream": stream.0, "end": true, "deadline_ms": 1_500, "services": ["todos", "echo"],
            "headers": [["params.id", "7"], ["x", ""], ["x", "again"]],
        }),
    ));
    let stream = peer
        .conn
        .open_stream(NOW, ["echo"], &NONE, &NONE, false)
        .unwrap();
    cases.push(case(
        &one(&mut peer),
        "REQUEST",
        &json!({
            "stream": stream.0, "end": false, "deadline_ms": 0, "services": ["echo"], "headers": [],
        }),
    ));
    peer.conn.send_data(NOW, stream, b"a piece").unwrap();
    cases.push(case(
        &one(&mut peer),
        "DATA",
        &json!({ "stream": stream.0, "end": false, "data": hex(b"a piece") }),
    ));
    peer.conn.send_data(NOW, stream, b"the last").unwrap();
    peer.conn.send_end(NOW, stream).unwrap();
    cases.push(case(
        &one(&mut peer),
        "DATA",
        &json!({ "stream": stream.0, "end": true, "data": hex(b"the last") }),
    ));
    let codes = [
        (ResetCode::Refused, 0),
        (ResetCode::Done, 1),
        (ResetCode::Cancel, 2),
        (ResetCode::Deadline, 3),
        (ResetCode::Limit, 4),
        (ResetCode::Internal, 5),
        (ResetCode::Protocol, 6),
        (ResetCode::Unavailable, 7),
    ];
    for (code, wire) in codes {
        let stream = peer
            .conn
            .open_stream(NOW, ["echo"], &NONE, &NONE, true)
            .unwrap();
        peer.sent();
        peer.conn.reset(NOW, stream, code, "why");
        cases.push(case(
            &one(&mut peer),
            "RESET",
            &json!({ "stream": stream.0, "code": wire, "reason": "why" }),
        ));
    }
    let Token(token) = peer.conn.find_node(NOW, [0x44; 32]).unwrap();
    cases.push(case(
        &one(&mut peer),
        "FIND_NODE",
        &json!({ "token": token, "key": hex(&[0x44; 32]) }),
    ));
    let names = ["echo".to_owned(), "todos".to_owned()];
    peer.conn.announce(NOW, None, &names).unwrap();
    cases.push(case(
        &one(&mut peer),
        "SERVICES",
        &json!({
            "epoch": 2, "more": false,
            "services": [
                { "name": "echo", "version": "", "weight": 1, "labels": [] },
                { "name": "todos", "version": "", "weight": 1, "labels": [] },
            ],
        }),
    ));
    peer.conn.handle_timeout(NOW.after(PING_AFTER_MS)).unwrap();
    let ping = one(&mut peer);
    cases.push(case(
        &ping,
        "PING",
        &json!({ "ack": false, "payload": hex(&ping[12..]) }),
    ));
    cases
}

/// What an acceptor says.
fn acceptors() -> Vec<Value> {
    let mut cases = Vec::new();
    let mut peer = Peer::up(Role::Acceptor);
    let request = |stream| message(1, 0, stream, b"\0\0\0\0\x01\x04echo\0\0");
    peer.send(&request(1)).unwrap();
    let stream = StreamId(1);
    let head = headers(&[("content-type", "text/plain"), (":status", "404")]);
    peer.conn.respond(NOW, stream, &head, false).unwrap();
    cases.push(case(
        &one(&mut peer),
        "RESPONSE",
        &json!({
            "stream": 1, "end": false, "status": 404, "headers": [["content-type", "text/plain"]],
        }),
    ));
    let trailers = headers(&[("grpc-status", "0")]);
    peer.conn.trailers(NOW, stream, &trailers).unwrap();
    cases.push(case(
        &one(&mut peer),
        "TRAILERS",
        &json!({ "stream": 1, "headers": [["grpc-status", "0"]] }),
    ));
    peer.send(&message(3, 0, 1, &vec![0; 65_000])).unwrap();
    peer.conn.credit(NOW, stream, 65_000);
    let window = one(&mut peer);
    // The 65,000 that were read, and 65,536 more, for the reader kept up with a full window.
    cases.push(case(
        &window,
        "WINDOW",
        &json!({ "stream": 1, "bytes": 65_000 + 65_536 }),
    ));
    peer.send(&message(5, 0, 1, &[2])).unwrap();
    peer.sent();
    peer.send(&request(3)).unwrap();
    peer.send(&request(5)).unwrap();
    peer.conn.reset(NOW, StreamId(3), ResetCode::Refused, "");
    peer.conn.reset(NOW, StreamId(5), ResetCode::Refused, "");
    let sent = peer.sent();
    let credit = sent
        .iter()
        .find(|message| message[3] == 12)
        .expect("a grant");
    let requests = u32::from_be_bytes(*credit.last_chunk().unwrap());
    cases.push(case(credit, "CREDIT", &json!({ "requests": requests })));
    peer.send(&message(7, 0, 0, b"question")).unwrap();
    cases.push(case(
        &one(&mut peer),
        "PING",
        &json!({ "ack": true, "payload": hex(b"question") }),
    ));
    let record = Record {
        public_key: [0; 32],
        addresses: vec![([10, 0, 0, 1], 9_000).into()],
        capabilities: 0,
        made_s: 1_790_000_000,
        lifetime_s: 3_600,
    };
    let record = record.sign(&identity(Role::Acceptor));
    peer.send(&message(
        10,
        0,
        0,
        &[&[0, 0, 0, 9][..], &[0x44; 32]].concat(),
    ))
    .unwrap();
    peer.conn.records(NOW, Token(9), [&record[..]]).unwrap();
    cases.push(case(
        &one(&mut peer),
        "NODES",
        &json!({ "token": 9, "records": [hex(&record)] }),
    ));
    let find = [&[0, 0, 0, 10][..], &[0x44; 32]].concat();
    peer.send(&message(10, 0, 0, &find)).unwrap();
    let legacy = [
        NodeId::new([0x55; 32], ([10, 0, 0, 2], 9_000).into()),
        NodeId::new([0x56; 32], "[2001:db8::2]:9000".parse().unwrap()),
    ];
    peer.conn.nodes(NOW, Token(10), legacy.iter()).unwrap();
    let named = legacy.map(|id| json!([hex(&id.public_key), id.address.to_string()]));
    cases.push(case(
        &one(&mut peer),
        "LEGACY_NODES",
        &json!({ "token": 10, "nodes": named }),
    ));
    let codes = [
        (GoodbyeCode::Drain, 0),
        (GoodbyeCode::Restart, 1),
        (GoodbyeCode::Protocol, 2),
        (GoodbyeCode::Key, 3),
    ];
    for (code, wire) in codes {
        let mut peer = Peer::up(Role::Acceptor);
        peer.send(&request(1)).unwrap();
        peer.conn.goodbye(NOW, code, "over");
        cases.push(case(
            &one(&mut peer),
            "GOODBYE",
            &json!({
                "requests_taken": 1, "code": wire, "after_ms": 0, "reason": "over",
            }),
        ));
    }
    cases
}
