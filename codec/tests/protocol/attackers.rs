//! Peers that want to hurt, by frames, streams and numbers. Each is cut off with a reason, or costs itself alone.

use crate::support::raw::{data, find_node, handshake, message, request, response, wire, Meeting};
use crate::support::xorshift::Xorshift;
use crate::support::{anonymous, identified};
use flatend_codec::{
    limits, Connection, HeaderBlock, Millis, ProtocolError, Retirement, Role, SendError, StreamId,
};

const NONE: HeaderBlock = HeaderBlock::new();

/// An acceptor of ours with keys agreed.
fn acceptor() -> Meeting {
    Meeting::keyed(identified(Role::Acceptor, 3, &[]))
}

#[test]
fn low_order_keys_are_refused_by_both_roles() {
    let mut one = [0; 32];
    one[0] = 1;
    for role in [Role::Dialer, Role::Acceptor] {
        for mut point in [[0; 32], one] {
            let mut conn = Connection::new(Millis(0), identified(role, 1, &[])).unwrap();
            assert_eq!(
                conn.open(Millis(0), &mut point).unwrap_err(),
                ProtocolError::LowOrderKey
            );
            assert_eq!(
                conn.open(Millis(0), &mut point).unwrap_err(),
                ProtocolError::Closed
            );
            assert_eq!(conn.retirement(), Retirement::Dead);
        }
    }
}

#[test]
fn frame_lengths_that_cannot_be_are_refused_before_their_bytes_come() {
    for (length, up) in [
        (0u32, true),
        (19, true),
        (128 * 1024 + 1, true),
        (u32::MAX, true),
        (66 * 1024 + 1, false),
    ] {
        let mut meeting = if up {
            Meeting::node_dialed_us(&[])
        } else {
            acceptor()
        };
        let error = meeting.feed(&length.to_be_bytes()).unwrap_err();
        assert!(
            matches!(error, ProtocolError::FrameLength { bytes, .. } if bytes == length),
            "{length}: {error}"
        );
    }
    for (length, up) in [(20u32, true), (128 * 1024, true), (66 * 1024, false)] {
        let mut meeting = if up {
            Meeting::node_dialed_us(&[])
        } else {
            acceptor()
        };
        meeting.feed(&length.to_be_bytes()).unwrap();
    }
}

#[test]
fn garbage_and_flipped_tags_do_not_open() {
    let mut random = Xorshift::new(1);
    let mut meeting = acceptor();
    let mut frame = 64u32.to_be_bytes().to_vec();
    frame.extend(random.bytes(64));
    assert_eq!(meeting.feed(&frame), Err(ProtocolError::Tag { frame: 0 }));

    let mut meeting = Meeting::accepted(&[]);
    let mut frame = meeting.peer.seal(&find_node(3, [0; 32]));
    *frame.last_mut().unwrap() ^= 1;
    assert_eq!(meeting.feed(&frame), Err(ProtocolError::Tag { frame: 1 }));
}

#[test]
fn repeated_and_reordered_frames_do_not_open() {
    let mut meeting = Meeting::accepted(&[]);
    let first = meeting.peer.seal(&find_node(3, [0; 32]));
    let second = meeting.peer.seal(&find_node(5, [0; 32]));
    let third = meeting.peer.seal(&find_node(7, [0; 32]));
    meeting.feed(&first).unwrap();
    assert!(matches!(
        meeting.feed(&third),
        Err(ProtocolError::Tag { .. })
    ));
    assert_eq!(meeting.feed(&second), Err(ProtocolError::Closed));
    let mut meeting = Meeting::accepted(&[]);
    let first = meeting.peer.seal(&find_node(3, [0; 32]));
    meeting.feed(&first).unwrap();
    assert!(matches!(
        meeting.feed(&first),
        Err(ProtocolError::Tag { .. })
    ));
}

#[test]
fn plaintexts_that_are_too_short_are_refused() {
    let mut meeting = Meeting::accepted(&[]);
    assert_eq!(
        meeting.send(&[0, 0, 0, 0]),
        Err(ProtocolError::Truncated { packet: "message" })
    );
    let mut meeting = Meeting::accepted(&[]);
    // Under four bytes the length already says so.
    assert!(matches!(
        meeting.send(&[0, 0, 0]),
        Err(ProtocolError::FrameLength { bytes: 19, .. })
    ));
}

#[test]
fn unknown_opcodes_are_refused_and_five_is_one() {
    for opcode in [5, 6, 128, 255] {
        let mut meeting = Meeting::accepted(&[]);
        assert_eq!(
            meeting.send(&message(0, opcode, &[])),
            Err(ProtocolError::UnknownOpcode(opcode))
        );
    }
}

#[test]
fn streams_that_were_never_used_end_the_link_and_closed_ones_are_dropped() {
    let mut meeting = Meeting::go_dialed_us(&["s"]);
    meeting.send(&request(5, &["ours"], &[])).unwrap();
    meeting.conn.refuse(meeting.now, StreamId(5));
    let ours = meeting
        .conn
        .open_stream(meeting.now, ["s"], &NONE, &NONE, true)
        .unwrap();
    meeting.send(&response(wire(ours), false, &[])).unwrap();
    meeting.news();
    for closed in [5, 3, 1, wire(ours)] {
        meeting.send(&data(closed, b"late")).unwrap();
        meeting.send(&response(closed, true, &[])).unwrap();
    }
    assert_eq!(meeting.conn.dropped_packets(), 8);
    assert!(meeting.news().is_empty());
    for unused in [7, 4, wire(ours) + 2, wire(ours) + 1, wire(ours) - 2] {
        let mut meeting = Meeting::go_dialed_us(&["s"]);
        meeting.send(&request(5, &["ours"], &[])).unwrap();
        meeting
            .conn
            .open_stream(meeting.now, ["s"], &NONE, &NONE, true)
            .unwrap();
        let error = meeting.send(&data(unused, b"x")).unwrap_err();
        assert_eq!(
            error,
            ProtocolError::UnknownStream {
                stream: StreamId(u64::from(unused)),
                packet: "data"
            }
        );
    }
}

#[test]
fn packets_that_the_state_of_their_stream_excludes_end_the_link() {
    let up = || {
        let mut meeting = Meeting::node_dialed_us(&["s"]);
        meeting.sent();
        let stream = meeting
            .conn
            .open_stream(meeting.now, ["s"], &NONE, &NONE, false)
            .unwrap();
        (meeting, wire(stream))
    };
    let state = |result: Result<(), ProtocolError>, expected: &str| match result {
        Err(ProtocolError::StreamState { what, .. }) => assert_eq!(what, expected),
        other => panic!("{other:?}"),
    };
    let (mut meeting, id) = up();
    state(meeting.send(&data(id, b"x")), "data before the response");
    let (mut meeting, id) = up();
    meeting.send(&response(id, true, &[])).unwrap();
    state(meeting.send(&response(id, true, &[])), "a second response");
    let (mut meeting, id) = up();
    meeting.send(&response(id, true, &[])).unwrap();
    meeting.send(&data(id, b"")).unwrap();
    state(meeting.send(&data(id, b"x")), "data after the end");
    let (mut meeting, _) = up();
    meeting.send(&request(0, &["ours"], &[])).unwrap();
    state(
        meeting.send(&response(0, true, &[])),
        "a response to the peer's own request",
    );
    let (mut meeting, _) = up();
    meeting.send(&request(0, &["ours"], &[])).unwrap();
    meeting.send(&data(0, b"")).unwrap();
    state(meeting.send(&data(0, b"")), "data after the end");
    let (mut meeting, id) = up();
    assert!(matches!(
        meeting.send(&request(id, &["ours"], &[])),
        Err(ProtocolError::StreamInUse { .. })
    ));
}

#[test]
fn data_packets_that_are_cut_or_go_on_end_the_link() {
    let whole = data(0, b"abc");
    for cut in 5..whole.len() {
        let mut meeting = Meeting::node_dialed_us(&[]);
        meeting.send(&request(0, &["ours"], &[])).unwrap();
        assert_eq!(
            meeting.send(&whole[..cut]),
            Err(ProtocolError::Truncated { packet: "data" }),
            "cut {cut}"
        );
    }
    let mut meeting = Meeting::node_dialed_us(&[]);
    meeting.send(&request(0, &["ours"], &[])).unwrap();
    let longer = [&whole[..], b"d"].concat();
    assert_eq!(
        meeting.send(&longer),
        Err(ProtocolError::Trailing {
            packet: "data",
            bytes: 1
        })
    );
}

#[test]
fn requests_and_responses_without_a_whole_stream_number_end_the_link() {
    for opcode in [1, 2] {
        for cut in 0..4 {
            let mut meeting = Meeting::node_dialed_us(&[]);
            let error = meeting
                .send(&message(0, opcode, &[0, 0, 0, 0][..cut]))
                .unwrap_err();
            assert!(matches!(error, ProtocolError::Truncated { .. }));
        }
    }
}

#[test]
fn half_a_handshake_is_closed_after_5_s_at_every_stage() {
    for role in [Role::Dialer, Role::Acceptor] {
        let timeout = Err(ProtocolError::HandshakeTimeout { after_ms: 5_000 });
        let mut silent = Connection::new(Millis(0), anonymous(role, 1, &[])).unwrap();
        assert_eq!(silent.next_deadline(), Some(Millis(5_000)));
        assert_eq!(silent.handle_timeout(Millis(4_999)), Ok(()));
        assert_eq!(silent.handle_timeout(Millis(5_000)), timeout);
        assert_eq!(
            silent.handle_timeout(Millis(5_000)),
            Err(ProtocolError::Closed)
        );
        assert_eq!(silent.next_deadline(), None);
        let mut keyed = Meeting::keyed(identified(role, 3, &[]));
        assert_eq!(keyed.pass(4_999), Ok(()));
        assert_eq!(keyed.pass(1), timeout);
    }
}

#[test]
fn a_flood_of_lookups_is_cut_off() {
    let mut meeting = Meeting::accepted(&[]);
    for at in 0..256u32 {
        meeting.send(&find_node(3 + 2 * at, [0; 32])).unwrap();
    }
    let flood = ProtocolError::Flood {
        what: "find node requests",
        max: 256,
    };
    assert_eq!(meeting.send(&find_node(9_999, [0; 32])), Err(flood));
}

#[test]
fn a_flood_of_handshakes_without_reading_is_cut_off() {
    let mut config = identified(Role::Acceptor, 3, &[]);
    config.limits.transmit_bytes_max = 2 * limits::NODE_MESSAGE_BYTES_MAX;
    let mut meeting = Meeting::keyed(config);
    meeting.send(&message(1, 0, &handshake(&[]))).unwrap();
    let body = handshake(&[]);
    let mut seq = 3u32;
    let error = loop {
        match meeting.send(&message(seq, 0, &body)) {
            Ok(()) => seq += 2,
            Err(error) => break error,
        }
        meeting.news();
    };
    assert!(matches!(error, ProtocolError::NotReading { .. }));
}

#[test]
fn requests_beyond_the_limit_are_refused_and_the_link_lives() {
    let services = ["ours".to_owned()];
    let mut config = identified(Role::Acceptor, 3, &services);
    config.limits.streams_open_max = 3;
    let mut meeting = Meeting::keyed(config);
    meeting.send(&message(1, 0, &handshake(&["s"]))).unwrap();
    meeting.sent();
    for id in [1, 3, 5, 7] {
        meeting.send(&request(id, &["ours"], &[])).unwrap();
    }
    assert_eq!(meeting.sent(), [response(7, false, &[])]);
    assert_eq!(meeting.conn.open_streams(), 3);
    meeting.conn.refuse(meeting.now, StreamId(1));
    meeting.send(&request(9, &["ours"], &[])).unwrap();
    assert_eq!(meeting.conn.open_streams(), 3);
    // And ours.
    for _ in 0..3 {
        meeting
            .conn
            .open_stream(meeting.now, ["s"], &NONE, &NONE, true)
            .unwrap();
    }
    let over = meeting
        .conn
        .open_stream(meeting.now, ["s"], &NONE, &NONE, true);
    assert_eq!(over, Err(flatend_codec::OpenError::IdsExhausted));
}

#[test]
fn after_an_error_every_call_is_refused_quietly() {
    let mut meeting = Meeting::dialed(&["s"]);
    let stream = meeting
        .conn
        .open_stream(meeting.now, ["s"], &NONE, &NONE, false)
        .unwrap();
    meeting.sent();
    meeting.send(&message(0, 77, &[])).unwrap_err();
    assert_eq!(
        meeting.conn.send_data(meeting.now, stream, b"x"),
        Err(SendError::StreamGone)
    );
    meeting
        .conn
        .reset(meeting.now, stream, flatend_codec::ResetCode::Cancel, "");
    meeting.conn.refuse(meeting.now, stream);
    assert!(meeting.conn.transmit().is_empty() && !meeting.conn.is_ready());
    assert_eq!(meeting.news(), []);
}
