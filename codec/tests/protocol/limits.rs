//! Limits with their twins: the last value that passes, the first that fails. Those of protocol.md section 6 stand in `tests/rules`.

use crate::support::happened::Happened;
use crate::support::raw::{anonymous_handshake, data, find_node, message, reply, request, Meeting};
use crate::support::{headers, identified};
use flatend_codec::{
    limits, ApiMisuse, Connection, HeaderBlock, Limits, Millis, NodeId, OpenError, Role, SendError,
    StreamId, Token,
};

const NONE: HeaderBlock = HeaderBlock::new();

fn new_error(change: impl FnOnce(&mut Limits)) -> Option<ApiMisuse> {
    let mut config = identified(Role::Dialer, 1, &[]);
    change(&mut config.limits);
    Connection::new(Millis(0), config).err()
}

#[test]
fn limits_below_what_the_protocol_needs_are_refused() {
    assert_eq!(new_error(|limits| limits.frame_bytes_max = 4_096), None);
    assert!(matches!(
        new_error(|limits| limits.frame_bytes_max = 4_095),
        Some(ApiMisuse::LimitTooLow { .. })
    ));
    let transmit = 2 * limits::NODE_MESSAGE_BYTES_MAX;
    assert_eq!(
        new_error(|limits| limits.transmit_bytes_max = transmit),
        None
    );
    assert!(matches!(
        new_error(|limits| limits.transmit_bytes_max = transmit - 1),
        Some(ApiMisuse::LimitTooLow { .. })
    ));
    assert!(matches!(
        new_error(|limits| limits.streams_open_max = 0),
        Some(ApiMisuse::LimitTooLow { .. })
    ));
}

#[test]
fn service_names_of_ours_have_1_to_255_bytes_and_there_are_255_at_most() {
    let try_names =
        |names: &[String]| Connection::new(Millis(0), identified(Role::Dialer, 1, names)).err();
    assert_eq!(try_names(&["n".repeat(255)]), None);
    assert_eq!(
        try_names(&["n".repeat(256)]),
        Some(ApiMisuse::ServiceName { bytes: 256 })
    );
    assert_eq!(
        try_names(&[String::new()]),
        Some(ApiMisuse::ServiceName { bytes: 0 })
    );
    let many: Vec<String> = (0..256).map(|at| format!("{at:x}")).collect();
    assert_eq!(try_names(&many[..255]), None);
    assert_eq!(
        try_names(&many),
        Some(ApiMisuse::ServiceCount { count: 256 })
    );
}

#[test]
fn an_identity_without_a_port_is_refused() {
    let mut config = identified(Role::Dialer, 1, &[]);
    config.identity = config
        .identity
        .map(|(key, _)| (key, ([127, 0, 0, 1], 0).into()));
    assert_eq!(
        Connection::new(Millis(0), config).err(),
        Some(ApiMisuse::PortZero)
    );
}

#[test]
fn a_request_names_255_services_at_most() {
    let mut meeting = Meeting::node_dialed_us(&["s"]);
    meeting.sent();
    let names = |count| (0..count).map(|_| "s");
    meeting
        .conn
        .open_stream(meeting.now, names(255), &NONE, &NONE, true)
        .unwrap();
    let misuse = Err(OpenError::ApiMisuse(ApiMisuse::ServiceCount { count: 256 }));
    assert_eq!(
        meeting
            .conn
            .open_stream(meeting.now, names(256), &NONE, &NONE, true),
        misuse
    );
    assert_eq!(
        meeting.sent().len(),
        2,
        "the head and its end; nothing of the other"
    );
}

#[test]
fn a_peer_may_offer_255_names_of_255_bytes() {
    let names: Vec<String> = (0..255).map(|at| format!("{at:0>255}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut meeting = Meeting::keyed(identified(Role::Acceptor, 3, &[]));
    meeting
        .send(&message(1, 0, &anonymous_handshake(&names)))
        .unwrap();
    assert_eq!(meeting.conn.peer().unwrap().services, names);
}

#[test]
fn a_request_of_theirs_may_have_names_of_255_and_values_of_65535_bytes() {
    let mut meeting = Meeting::node_dialed_us(&[]);
    let (name, value) = ("n".repeat(255), "v".repeat(65_535));
    meeting
        .send(&request(0, &[&name], &[(&name, &value)]))
        .unwrap();
    let expected = Happened::Request {
        stream: StreamId(0),
        services: vec![name.clone()],
        headers: vec![(name, value)],
    };
    assert_eq!(meeting.news(), [expected]);
}

#[test]
fn lookups_of_ours_without_an_answer_are_64_at_most() {
    let mut meeting = Meeting::accepted(&[]);
    let mut tokens = Vec::new();
    while let Ok(token) = meeting.conn.find_node(meeting.now, [0; 32]) {
        tokens.push(token);
    }
    assert_eq!(tokens.len(), 64);
    assert_eq!(
        meeting.conn.find_node(meeting.now, [0; 32]),
        Err(SendError::NotReady)
    );
    meeting
        .send(&reply(u32::try_from(tokens[5].0).unwrap(), &[0]))
        .unwrap();
    assert_eq!(meeting.news(), [Happened::Nodes(tokens[5], vec![])]);
    assert!(meeting.conn.find_node(meeting.now, [0; 32]).is_ok());
}

#[test]
fn keys_named_on_one_link_are_bounded() {
    let mut meeting = Meeting::node_dialed_us(&[]);
    let mut named = 0;
    let mut seq = 3u32;
    let ids: Vec<NodeId> = (0..5_000u32)
        .map(|at| {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&at.to_be_bytes());
            NodeId::new(key, ([10, 0, 0, 1], 1).into())
        })
        .collect();
    for some in ids.chunks(16) {
        meeting
            .conn
            .nodes(meeting.now, Token(u64::from(seq)), some.iter())
            .unwrap();
        named += usize::from(meeting.sent()[0][4]);
        seq += 2;
        meeting.send(&find_node(seq, [0; 32])).unwrap();
        meeting.news();
    }
    assert_eq!(named, limits::NAMED_KEYS_MAX);
}

#[test]
fn what_is_kept_back_over_all_streams_is_bounded_too() {
    let services = ["ours".to_owned()];
    let mut config = identified(Role::Acceptor, 3, &services);
    config.limits.held_link_bytes_max = 1_000;
    let mut meeting = Meeting::keyed(config);
    meeting
        .send(&message(1, 0, &anonymous_handshake(&[])))
        .unwrap();
    meeting.sent();
    for id in [1, 3] {
        meeting.send(&request(id, &["ours"], &[])).unwrap();
        meeting
            .conn
            .respond(meeting.now, StreamId(u64::from(id)), &NONE, false)
            .unwrap();
    }
    // Two heads of 8 bytes are kept.
    meeting
        .conn
        .send_data(meeting.now, StreamId(1), &[0; 984])
        .unwrap();
    let over = meeting.conn.send_data(meeting.now, StreamId(3), &[0; 1]);
    assert_eq!(over, Err(SendError::HeldTooMuch { max: 1_000 }));
    // The one that failed has made room.
    meeting
        .conn
        .send_data(meeting.now, StreamId(1), &[0; 8])
        .unwrap();
    meeting.send(&data(1, b"")).unwrap();
    assert_eq!(meeting.sent().last(), Some(&data(1, &[0; 992])));
}

#[test]
fn a_full_buffer_takes_nothing_in_part() {
    let mut meeting = Meeting::node_dialed_us(&["s"]);
    meeting.sent();
    let stream = meeting
        .conn
        .open_stream(meeting.now, ["s"], &NONE, &NONE, false)
        .unwrap();
    let before = meeting.conn.queued_bytes();
    let all = vec![0; limits::TRANSMIT_BYTES_MAX];
    assert_eq!(
        meeting.conn.send_data(meeting.now, stream, &all),
        Err(SendError::Full)
    );
    assert_eq!(meeting.conn.queued_bytes(), before);
    meeting
        .conn
        .send_data(
            meeting.now,
            stream,
            &all[..limits::TRANSMIT_BYTES_MAX - 100_000],
        )
        .unwrap();
    meeting
        .conn
        .send_data(meeting.now, stream, &all[..60_000])
        .unwrap();
    assert_eq!(
        meeting.conn.send_data(meeting.now, stream, &all[..60_000]),
        Err(SendError::Full)
    );
    assert_eq!(
        meeting.conn.find_node(meeting.now, [0; 32]).err(),
        None,
        "room for a small one"
    );
    let sent = meeting.sent();
    let bytes: usize = sent.iter().map(|plain| plain.len()).sum();
    assert!(bytes <= limits::TRANSMIT_BYTES_MAX);
    meeting
        .conn
        .send_data(meeting.now, stream, &all[..60_000])
        .unwrap();
}

#[test]
fn extras_that_would_overflow_the_count_are_left_out() {
    let mut meeting = Meeting::node_dialed_us(&["s"]);
    meeting.sent();
    let mut many = HeaderBlock::new();
    for _ in 0..30_000 {
        many.push(b"n", b"").unwrap();
    }
    let extras = headers(&[("x", "y")]);
    meeting
        .conn
        .open_stream(meeting.now, ["s"], &many, &extras, true)
        .unwrap();
    assert!(meeting.sent()[0].ends_with(b"y"));
    for _ in 30_000..32_759 {
        many.push(b"n", b"").unwrap();
    }
    // 131,052 bytes of message less 10 before the headers hold 32,760 of four bytes and two more; the extra has five.
    meeting
        .conn
        .open_stream(meeting.now, ["s"], &many, &extras, true)
        .unwrap();
    assert!(meeting.sent()[0].ends_with(b"y"));
    many.push(b"n", b"").unwrap();
    meeting
        .conn
        .open_stream(meeting.now, ["s"], &many, &extras, true)
        .unwrap();
    assert!(meeting.sent()[0].ends_with(&[1, b'n', 0, 0]));
    many.push(b"n", b"").unwrap();
    let refused = meeting
        .conn
        .open_stream(meeting.now, ["s"], &many, &extras, true);
    assert!(matches!(refused, Err(OpenError::HeadTooLarge { .. })));
}
