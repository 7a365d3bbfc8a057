//! What the published package made of fixed keys (`codec/vectors/record.js`), replayed in both directions.

use crate::support::happened::{drain, Happened};
use ed25519_dalek::SigningKey;
use flatend_codec::{
    Config, Connection, HeaderBlock, Limits, Millis, NodeId, Role, StreamId, Token,
};
use serde_json::Value;

const NONE: HeaderBlock = HeaderBlock::new();
const NOW: Millis = Millis(0);

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../vectors/npm-0.0.8.json")).unwrap()
}

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn key(value: &Value) -> [u8; 32] {
    hex(value).try_into().unwrap()
}

fn frames(vectors: &Value, side: &str) -> Vec<(String, Vec<u8>)> {
    let list = vectors["frames"][side].as_array().unwrap();
    list.iter()
        .map(|frame| {
            (
                frame["kind"].as_str().unwrap().to_owned(),
                hex(&frame["frame"]),
            )
        })
        .collect()
}

fn id(vectors: &Value, at: usize) -> (SigningKey, NodeId) {
    let id = &vectors["ids"][at];
    let address = id["address"]
        .as_str()
        .unwrap()
        .parse::<std::net::IpAddr>()
        .unwrap();
    let port = u16::try_from(id["port"].as_u64().unwrap()).unwrap();
    (
        SigningKey::from_bytes(&key(&id["seed"])),
        NodeId::new(key(&id["public_key"]), (address, port).into()),
    )
}

fn strings(value: &Value) -> Vec<String> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap().to_owned())
        .collect()
}

/// A connection of ours with the keys and the identity that the package had on this side.
fn ours(vectors: &Value, role: Role, services: &[String]) -> Connection {
    let (secret, identity) = match role {
        Role::Dialer => ("dialer_secret", id(vectors, 0)),
        Role::Acceptor => ("acceptor_secret", id(vectors, 1)),
    };
    let config = Config {
        role,
        ephemeral_secret: key(&vectors["session"][secret]),
        identity: Some((identity.0, identity.1.address)),
        services,
        limits: Limits::default(),
        flatend2: None,
    };
    Connection::new(NOW, config).unwrap()
}

fn feed(conn: &mut Connection, bytes: &[u8]) -> Vec<Happened> {
    let mut happened = Vec::new();
    let mut input = bytes.to_vec();
    drain(conn, NOW, &mut input, &mut happened).unwrap();
    assert!(input.is_empty());
    happened
}

fn sent(conn: &mut Connection) -> Vec<u8> {
    let bytes = conn.transmit().to_vec();
    conn.transmitted(bytes.len());
    bytes
}

#[test]
fn ids_are_encoded_as_the_package_does() {
    let vectors = vectors();
    for at in 0..3 {
        let (signing, id) = id(&vectors, at);
        assert_eq!(signing.verifying_key().to_bytes(), id.public_key);
        let encoded = hex(&vectors["ids"][at]["encoded"]);
        let mut ours = Vec::new();
        id.encode(&mut ours);
        assert_eq!(ours, encoded);
        let (decoded, taken) = NodeId::decode(&encoded).unwrap();
        assert_eq!((decoded, taken), (id, encoded.len()));
    }
}

#[test]
fn the_session_and_the_handshake_are_the_packages_to_the_byte() {
    let vectors = vectors();
    let services = strings(&vectors["handshake"]["services"]);
    let mut dialer = ours(&vectors, Role::Dialer, &services);
    assert_eq!(sent(&mut dialer), hex(&vectors["session"]["dialer_public"]));
    feed(&mut dialer, &hex(&vectors["session"]["acceptor_public"]));
    // Key, nonce, RPC number, body and signature in one comparison.
    assert_eq!(sent(&mut dialer), frames(&vectors, "dialer")[0].1);

    let offered = ["all_todos".to_owned(), "add_todo".to_owned()];
    let mut acceptor = ours(&vectors, Role::Acceptor, &offered);
    feed(&mut acceptor, &hex(&vectors["session"]["dialer_public"]));
    assert_eq!(
        sent(&mut acceptor),
        hex(&vectors["session"]["acceptor_public"])
    );
    let happened = feed(&mut acceptor, &frames(&vectors, "dialer")[0].1);
    assert_eq!(happened, [Happened::Handshake { again: false }]);
    assert_eq!(acceptor.peer().unwrap().services, services);
    assert_eq!(
        acceptor.peer().unwrap().id.as_ref(),
        Some(&id(&vectors, 0).1)
    );
    assert_eq!(sent(&mut acceptor), frames(&vectors, "acceptor")[0].1);
}

#[test]
fn every_frame_that_the_package_sealed_as_dialer_is_understood() {
    let vectors = vectors();
    let offered = ["all_todos".to_owned()];
    let mut acceptor = ours(&vectors, Role::Acceptor, &offered);
    feed(&mut acceptor, &hex(&vectors["session"]["dialer_public"]));
    let frames = frames(&vectors, "dialer");
    let kinds: Vec<&str> = frames.iter().map(|(kind, _)| &kind[..]).collect();
    assert_eq!(
        kinds,
        [
            "handshake",
            "find_node",
            "service_request",
            "data",
            "data_end",
            "service_response_refused"
        ]
    );
    let first = StreamId(0);
    feed(&mut acceptor, &frames[0].1);
    assert_eq!(
        feed(&mut acceptor, &frames[1].1),
        [Happened::FindNode(Token(3), id(&vectors, 0).1.public_key)]
    );
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(
        feed(&mut acceptor, &frames[2].1),
        [Happened::Request {
            stream: first,
            services: vec!["all_todos".to_owned(), "add_todo".to_owned()],
            headers: vec![pair("params.id", "7"), pair("content-type", "text/plain")],
        }]
    );
    assert_eq!(
        feed(&mut acceptor, &frames[3].1),
        [Happened::Data(first, b"body of the request".to_vec())]
    );
    assert_eq!(feed(&mut acceptor, &frames[4].1), [Happened::End(first)]);
}

#[test]
fn every_frame_that_the_package_sealed_as_acceptor_is_understood() {
    let vectors = vectors();
    let services = strings(&vectors["handshake"]["services"]);
    let mut dialer = ours(&vectors, Role::Dialer, &services);
    feed(&mut dialer, &hex(&vectors["session"]["acceptor_public"]));
    let frames = frames(&vectors, "acceptor");
    assert_eq!(
        feed(&mut dialer, &frames[0].1),
        [Happened::Handshake { again: false }]
    );
    assert_eq!(dialer.peer().unwrap().services, ["all_todos", "add_todo"]);
    let token = dialer.own_lookup().unwrap();
    let nodes = vec![id(&vectors, 1).1, id(&vectors, 2).1];
    assert_eq!(
        feed(&mut dialer, &frames[1].1),
        [Happened::Nodes(token, nodes)]
    );
    // Frame 5 is the package's own request, as acceptor: stream 1. Its nonce comes after the answers of frames 2 to 4, which belong to
    // stream 0, the package's own first: as a dialer of ours would never have that number, they are checked below.
    let error = {
        let mut input = frames[2].1.clone();
        drain(&mut dialer, NOW, &mut input, &mut Vec::new()).unwrap_err()
    };
    assert!(
        error.to_string().contains("stream 0 was never used"),
        "{error}"
    );
}

#[test]
fn what_we_send_is_what_the_package_would_send() {
    // Our packets with the package's stream numbers put in are its packets: only the number differs.
    let vectors = vectors();
    let plain = |side: &str, at: usize| hex(&vectors["frames"][side][at]["plaintext"]);
    let mut meeting = crate::support::raw::Meeting::node_dialed_us(&["all_todos", "add_todo"]);
    meeting.sent();
    let now = meeting.now;
    let mut head = HeaderBlock::new();
    head.push(b"params.id", b"7").unwrap();
    head.push(b"content-type", b"text/plain").unwrap();
    let stream = meeting
        .conn
        .open_stream(now, ["all_todos", "add_todo"], &head, &NONE, false)
        .unwrap();
    meeting
        .conn
        .send_data(now, stream, b"body of the request")
        .unwrap();
    meeting.conn.send_end(now, stream).unwrap();
    let numbered = |mut plaintext: Vec<u8>, stream: u32| {
        plaintext[5..9].copy_from_slice(&stream.to_be_bytes());
        plaintext
    };
    let sent: Vec<_> = meeting
        .sent()
        .into_iter()
        .map(|plaintext| numbered(plaintext, 0))
        .collect();
    assert_eq!(
        sent,
        [plain("dialer", 2), plain("dialer", 3), plain("dialer", 4)]
    );

    meeting.send(&plain("dialer", 2)).unwrap();
    meeting.send(&plain("dialer", 4)).unwrap();
    let mut answer = HeaderBlock::new();
    answer.push(b"content-type", b"application/json").unwrap();
    answer.push(b"empty", b"").unwrap();
    meeting
        .conn
        .respond(now, StreamId(0), &answer, false)
        .unwrap();
    meeting
        .conn
        .send_data(now, StreamId(0), b"[1,2,3]")
        .unwrap();
    meeting.conn.send_end(now, StreamId(0)).unwrap();
    assert_eq!(
        meeting.sent(),
        [
            plain("acceptor", 2),
            plain("acceptor", 3),
            plain("acceptor", 4)
        ]
    );

    meeting.send(&numbered(plain("acceptor", 5), 2)).unwrap();
    meeting.conn.refuse(now, StreamId(2));
    assert_eq!(numbered(meeting.sent().remove(0), 1), plain("dialer", 5));
}

#[test]
fn n06_b01_what_the_package_malforms_costs_a_stream_and_not_the_link() {
    let vectors = vectors();
    let message = |name: &str| [&[0, 0, 0, 0], &hex(&vectors["malformed"][name])[..]].concat();
    let mut meeting = crate::support::raw::Meeting::node_dialed_us(&["s"]);
    meeting.sent();
    let stream = meeting
        .conn
        .open_stream(meeting.now, ["s"], &NONE, &NONE, true)
        .unwrap();
    meeting.sent();
    let mut response = message("non_ascii_response");
    response[5..9].copy_from_slice(&crate::support::raw::wire(stream).to_be_bytes());
    meeting.send(&response).unwrap();
    assert_eq!(
        meeting.news(),
        [Happened::Reset(stream, flatend_codec::ResetCode::Protocol)]
    );
    meeting.send(&message("long_name_request")).unwrap();
    assert_eq!(
        meeting.sent(),
        [crate::support::raw::response(0, false, &[])]
    );
    assert_eq!(meeting.conn.malformed_packets(), 2);
}
