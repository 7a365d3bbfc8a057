//! Rules about the Go module.

use crate::support::happened::Happened;
use crate::support::raw::{
    data, find_node, handshake, message, reply, request, response, wire, Meeting,
};
use crate::support::{anonymous, headers, identified};
use flatend_codec::{
    ApiMisuse, Connection, HeaderBlock, Limits, Millis, OpenError, PeerKind, ProtocolError,
    ResetCode, Retirement, Role, SendError, StreamId,
};

const NONE: HeaderBlock = HeaderBlock::new();

fn open(meeting: &mut Meeting, end: bool) -> StreamId {
    meeting
        .conn
        .open_stream(meeting.now, ["s"], &NONE, &NONE, end)
        .unwrap()
}

/// A head whose whole message has exactly `bytes` bytes: opcode, stream, "s" of `names`, count, one header.
fn head_of(bytes: usize) -> HeaderBlock {
    let mut block = HeaderBlock::new();
    block
        .push(b"n", &vec![b'v'; bytes - (1 + 4 + 1 + 2 + 2) - 4])
        .unwrap();
    block
}

#[test]
fn g01_a_head_of_4076_bytes_goes_out_and_one_of_4077_is_a_clear_error() {
    let mut meeting = Meeting::dialed(&["s"]);
    meeting
        .conn
        .open_stream(meeting.now, ["s"], &head_of(4_076), &NONE, false)
        .unwrap();
    let sent = meeting.sent();
    assert_eq!(sent[0].len() - 4, 4_076);
    let refused = meeting
        .conn
        .open_stream(meeting.now, ["s"], &head_of(4_077), &NONE, false);
    assert_eq!(
        refused,
        Err(OpenError::HeadTooLarge {
            bytes: 4_077,
            max: 4_076
        })
    );
    assert!(meeting.sent().is_empty() && refused.unwrap_err().try_elsewhere());
}

#[test]
fn g01_extras_are_left_out_before_the_head_is_refused() {
    let mut meeting = Meeting::dialed(&["s"]);
    let extras = headers(&[(":method", "GET")]);
    let with = 4_076 - extras.byte_len();
    meeting
        .conn
        .open_stream(meeting.now, ["s"], &head_of(with), &extras, true)
        .unwrap();
    let sent = meeting.sent();
    assert!(sent[0].len() == 4 + 4_076 && sent[0].ends_with(b"GET"));
    meeting
        .conn
        .open_stream(meeting.now, ["s"], &head_of(with + 1), &extras, true)
        .unwrap();
    let sent = meeting.sent();
    assert_eq!(sent[0].len(), 4 + with + 1);
    assert!(sent[0].ends_with(b"v"), "left out");
}

#[test]
fn g01_a_response_head_that_does_not_fit_leaves_the_stream_for_a_smaller_one() {
    let mut meeting = Meeting::go_dialed_us(&[]);
    meeting.send(&request(1, &["ours"], &[])).unwrap();
    meeting.send(&data(1, b"")).unwrap();
    let stream = StreamId(1);
    let mut large = HeaderBlock::new();
    large.push(b"n", &[b'v'; 4_076 - 8 - 4 + 1]).unwrap();
    let refused = meeting.conn.respond(meeting.now, stream, &large, false);
    assert_eq!(
        refused,
        Err(SendError::HeadTooLarge {
            bytes: 4_077,
            max: 4_076
        })
    );
    let mut fits = HeaderBlock::new();
    fits.push(b"n", &[b'v'; 4_076 - 8 - 4]).unwrap();
    meeting
        .conn
        .respond(meeting.now, stream, &fits, true)
        .unwrap();
    assert_eq!(meeting.sent()[0].len(), 4 + 4_076);
}

#[test]
fn g01_no_handshake_is_made_that_go_would_not_take() {
    let names: Vec<String> = (0..16).map(|at| format!("{at:0>255}")).collect();
    let error = Connection::new(Millis(0), identified(Role::Dialer, 1, &names)).err();
    assert_eq!(
        error,
        Some(ApiMisuse::HandshakeTooLarge {
            bytes: 1 + 1 + 39 + 1 + 16 * 256 + 64,
            max: 4_076
        })
    );
}

#[test]
fn g02_data_goes_in_pieces_of_2048_bytes() {
    let mut meeting = Meeting::dialed(&["s"]);
    assert_eq!(meeting.conn.data_bytes_max(), 2_048);
    let stream = open(&mut meeting, false);
    meeting.sent();
    let body: Vec<u8> = (0..4_097u32).map(|at| at as u8).collect();
    meeting.conn.send_data(meeting.now, stream, &body).unwrap();
    let id = wire(stream);
    let expected = [
        data(id, &body[..2_048]),
        data(id, &body[2_048..4_096]),
        data(id, &body[4_096..]),
    ];
    assert_eq!(meeting.sent(), expected);
}

#[test]
fn g02_nothing_follows_the_end_and_no_bytes_are_no_end() {
    let mut meeting = Meeting::dialed(&["s"]);
    let stream = open(&mut meeting, false);
    meeting.conn.send_data(meeting.now, stream, b"").unwrap();
    assert_eq!(meeting.sent().len(), 1, "the head alone");
    meeting.conn.send_end(meeting.now, stream).unwrap();
    assert_eq!(meeting.sent(), [data(wire(stream), b"")]);
    let after = Err(SendError::ApiMisuse(ApiMisuse::AfterEnd));
    assert_eq!(meeting.conn.send_data(meeting.now, stream, b"x"), after);
    assert_eq!(meeting.conn.send_end(meeting.now, stream), after);
    assert!(meeting.sent().is_empty());
}

#[test]
fn g03_an_early_response_ends_the_request_at_once_with_the_empty_data() {
    // The handler has returned: the rest of the body would close the link. The link that is lost anyway is the engine's to replace
    // (engine: redial and failover).
    let mut meeting = Meeting::dialed(&["s"]);
    let stream = open(&mut meeting, false);
    meeting
        .conn
        .send_data(meeting.now, stream, b"first part")
        .unwrap();
    meeting.sent();
    let id = wire(stream);
    meeting.send(&response(id, true, &[])).unwrap();
    meeting.send(&data(id, b"early")).unwrap();
    assert!(meeting.sent().is_empty(), "the handler may still read");
    meeting.send(&data(id, b"")).unwrap();
    assert_eq!(meeting.sent(), [data(id, b"")]);
    assert_eq!(meeting.news().last(), Some(&Happened::End(stream)));
    assert_eq!(
        meeting.conn.send_data(meeting.now, stream, b"rest"),
        Err(SendError::StreamGone)
    );
    assert_eq!(
        meeting.conn.send_end(meeting.now, stream),
        Err(SendError::StreamGone)
    );
    assert!(meeting.sent().is_empty());
    assert_eq!(meeting.conn.open_streams(), 0);
}

#[test]
fn g04_a_handler_that_writes_nothing_is_ended_after_one_second() {
    let mut meeting = Meeting::dialed(&["s"]);
    let stream = open(&mut meeting, true);
    meeting
        .send(&response(wire(stream), true, &[("a", "b")]))
        .unwrap();
    meeting.news();
    meeting.pass(999).unwrap();
    assert!(meeting.news().is_empty());
    meeting.pass(1).unwrap();
    assert_eq!(meeting.news(), [Happened::End(stream)]);
    assert_eq!(meeting.conn.open_streams(), 0);
    assert_eq!(meeting.conn.next_deadline(), None);
}

#[test]
fn g05_an_anonymous_node_calls_no_go_peer_nor_an_unknown_one() {
    let mut meeting = Meeting::keyed(anonymous(Role::Dialer, 3, &[]));
    assert_eq!(meeting.sent(), [message(1, 0, &[0, 0])]);
    meeting.send(&reply(1, &handshake(&["s"]))).unwrap();
    assert_eq!(
        meeting.sent(),
        [find_node(3, [0; 32])],
        "an anonymous node looks for the zero key"
    );
    let refused = meeting
        .conn
        .open_stream(meeting.now, ["s"], &NONE, &NONE, true);
    assert_eq!(refused, Err(OpenError::Anonymous));
    assert!(meeting.sent().is_empty());
    // Go as well; Node lives with it.
    assert!(Meeting::go_dialed_us(&[]).conn.dialect().requires_identity);
    assert!(
        !Meeting::node_dialed_us(&[])
            .conn
            .dialect()
            .requires_identity
    );
}

#[test]
fn g06_an_acceptor_that_offers_services_has_an_identity() {
    let services = ["s".to_owned()];
    let refused = Connection::new(Millis(0), anonymous(Role::Acceptor, 1, &services)).err();
    assert_eq!(refused, Some(ApiMisuse::ServicesWithoutIdentity));
    assert!(Connection::new(Millis(0), anonymous(Role::Acceptor, 1, &[])).is_ok());
    assert!(Connection::new(Millis(0), anonymous(Role::Dialer, 1, &services)).is_ok());
}

#[test]
fn g07_a_second_handshake_is_answered_and_its_list_replaces_the_first() {
    for mut meeting in [
        Meeting::accepted(&["old", "kept"]),
        Meeting::dialed(&["old", "kept"]),
    ] {
        let dialed = meeting.conn.own_lookup().is_some();
        let seq = if dialed { 2 } else { 3 };
        meeting
            .send(&message(seq, 0, &handshake(&["kept", "new"])))
            .unwrap();
        assert_eq!(meeting.news(), [Happened::Handshake { again: true }]);
        assert_eq!(meeting.conn.peer().unwrap().services, ["kept", "new"]);
        let sent = meeting.sent();
        assert_eq!(sent.len(), 1);
        assert_eq!(
            sent[0][..5],
            [0, 0, 0, seq as u8, 1],
            "a reply has no opcode: has_id follows"
        );
        let refused = meeting
            .conn
            .open_stream(meeting.now, ["old"], &NONE, &NONE, true);
        assert_eq!(refused, Err(OpenError::NotOffered));
        let expected = if dialed {
            PeerKind::Unknown
        } else {
            PeerKind::Go
        };
        assert_eq!(
            (meeting.conn.peer_kind(), meeting.conn.peer().unwrap().kind),
            (expected, expected)
        );
    }
}

#[test]
fn g08_the_first_request_to_a_peer_that_dialed_us_waits_for_its_next_packet() {
    for next in [
        message(3, 0, &handshake(&["s"])),
        find_node(3, [1; 32]),
        request(1, &["ours"], &[]),
    ] {
        let mut meeting = Meeting::accepted(&["s"]);
        assert!(!meeting.conn.is_ready());
        let early = meeting
            .conn
            .open_stream(meeting.now, ["s"], &NONE, &NONE, true);
        assert_eq!(early, Err(OpenError::NotReady));
        assert!(meeting.sent().is_empty());
        meeting.send(&next).unwrap();
        assert!(meeting.conn.is_ready());
        open(&mut meeting, true);
    }
}

#[test]
fn g08_or_for_200_ms_and_a_peer_that_we_dialed_does_not_wait() {
    let mut meeting = Meeting::accepted(&["s"]);
    meeting.pass(199).unwrap();
    assert!(!meeting.conn.is_ready());
    meeting.pass(1).unwrap();
    assert!(meeting.conn.is_ready());
    open(&mut meeting, true);
    assert!(Meeting::dialed(&["s"]).conn.is_ready());
}

#[test]
fn g09_a_name_that_we_withdrew_is_answered_not_handled() {
    // Which names have handlers is the engine's knowledge (engine: service dispatch); any name reaches it.
    let mut meeting = Meeting::go_dialed_us(&[]);
    meeting.send(&request(1, &["withdrawn"], &[])).unwrap();
    assert!(
        matches!(&meeting.news()[..], [Happened::Request { services, .. }] if services[..] == ["withdrawn"])
    );
    meeting.conn.refuse(meeting.now, StreamId(1));
    assert_eq!(
        meeting.sent(),
        [response(1, false, &[])],
        "no body, no empty Data"
    );
    meeting.send(&data(1, b"late")).unwrap();
    meeting.send(&data(1, b"")).unwrap();
    assert_eq!(meeting.conn.dropped_packets(), 2);
    assert!(meeting.news().is_empty());
}

#[test]
fn g10_only_names_that_the_peer_announced_are_asked_for() {
    let mut meeting = Meeting::dialed(&["b", "c"]);
    let stream = meeting
        .conn
        .open_stream(meeting.now, ["a", "b", "c"], &NONE, &NONE, false)
        .unwrap();
    assert_eq!(meeting.sent(), [request(wire(stream), &["b", "c"], &[])]);
    let refused = meeting
        .conn
        .open_stream(meeting.now, ["a"], &NONE, &NONE, false);
    assert_eq!(refused, Err(OpenError::NotOffered));
}

#[test]
fn g10_after_a_refusal_only_the_empty_data_goes_out() {
    let mut meeting = Meeting::dialed(&["s"]);
    let stream = open(&mut meeting, false);
    meeting.sent();
    meeting.send(&response(wire(stream), false, &[])).unwrap();
    assert_eq!(meeting.news(), [Happened::Refused(stream)]);
    assert_eq!(meeting.sent(), [data(wire(stream), b"")]);
    assert_eq!(
        meeting.conn.send_data(meeting.now, stream, b"x"),
        Err(SendError::StreamGone)
    );
    // A body that has ended is not ended again.
    let ended = open(&mut meeting, true);
    meeting.sent();
    meeting.send(&response(wire(ended), false, &[])).unwrap();
    assert!(meeting.sent().is_empty());
}

#[test]
fn g10_a_link_that_is_silent_for_30_s_while_a_request_waits_is_asked_and_closed_10_s_later() {
    let mut meeting = Meeting::dialed(&["s"]);
    meeting.pass(60_000).unwrap();
    assert!(meeting.sent().is_empty(), "nothing waits: nothing is asked");
    open(&mut meeting, true);
    meeting.sent();
    meeting.pass(29_999).unwrap();
    assert!(meeting.sent().is_empty());
    meeting.pass(1).unwrap();
    let probe = meeting.sent();
    assert!(probe.len() == 1 && probe[0][4] == 4, "a FindNode");
    meeting.pass(9_999).unwrap();
    assert_eq!(
        meeting.pass(1),
        Err(ProtocolError::PeerSilent { for_ms: 100_000 })
    );
    assert_eq!(meeting.conn.retirement(), Retirement::Dead);
    assert_eq!(ProtocolError::PeerSilent { for_ms: 1 }.rule(), Some("G10"));
}

#[test]
fn g10_a_silent_service_is_not_a_dead_one() {
    let mut meeting = Meeting::dialed(&["s"]);
    open(&mut meeting, true);
    meeting.sent();
    for round in 0..5u32 {
        meeting.pass(30_000).unwrap();
        let probe = meeting.sent();
        assert_eq!(probe.len(), 1, "round {round}");
        meeting.pass(9_999).unwrap();
        let seq = u32::from_be_bytes(probe[0][..4].try_into().unwrap());
        meeting.send(&reply(seq, &[0])).unwrap();
        assert!(meeting.news().is_empty(), "nobody asked for these nodes");
    }
}

#[test]
fn g10_our_own_backpressure_stops_the_clock() {
    let mut meeting = Meeting::dialed(&["s"]);
    open(&mut meeting, true);
    meeting.sent();
    meeting.conn.set_reading(meeting.now, false);
    meeting.pass(600_000).unwrap();
    assert!(meeting.sent().is_empty());
    meeting.conn.set_reading(meeting.now, true);
    meeting.pass(29_999).unwrap();
    assert!(meeting.sent().is_empty());
    meeting.pass(1).unwrap();
    assert_eq!(meeting.sent().len(), 1);
}

#[test]
fn g10_a_peer_that_takes_a_long_body_slowly_is_not_dead() {
    let mut meeting = Meeting::dialed(&["s"]);
    let stream = open(&mut meeting, false);
    meeting
        .conn
        .send_data(meeting.now, stream, &[0; 100_000])
        .unwrap();
    meeting.pass(30_000).unwrap();
    for _ in 0..10 {
        meeting.conn.transmitted(1_000);
        meeting.pass(10_000).unwrap();
    }
    assert!(meeting.pass(10_000).is_err(), "nothing was taken any more");
}

#[test]
fn g11_the_response_is_kept_back_until_a_go_caller_has_sent_its_body() {
    let mut meeting = Meeting::go_dialed_us(&[]);
    meeting.send(&request(1, &["ours"], &[])).unwrap();
    meeting.send(&data(1, b"half")).unwrap();
    let stream = StreamId(1);
    meeting
        .conn
        .respond(meeting.now, stream, &headers(&[("a", "b")]), false)
        .unwrap();
    meeting
        .conn
        .send_data(meeting.now, stream, &[7; 3_000])
        .unwrap();
    assert!(meeting.sent().is_empty());
    meeting.send(&data(1, b"")).unwrap();
    assert_eq!(
        meeting.sent(),
        [
            response(1, true, &[("a", "b")]),
            data(1, &[7; 2_048]),
            data(1, &[7; 952])
        ]
    );
    meeting
        .conn
        .send_data(meeting.now, stream, b"more")
        .unwrap();
    meeting.conn.send_end(meeting.now, stream).unwrap();
    assert_eq!(meeting.sent(), [data(1, b"more"), data(1, b"")]);
    assert_eq!(meeting.conn.open_streams(), 0);
}

#[test]
fn g11_a_whole_response_kept_back_is_ended_when_it_is_released() {
    let mut meeting = Meeting::go_dialed_us(&[]);
    meeting.send(&request(1, &["ours"], &[])).unwrap();
    meeting
        .conn
        .respond(meeting.now, StreamId(1), &NONE, false)
        .unwrap();
    meeting.conn.send_end(meeting.now, StreamId(1)).unwrap();
    assert_eq!(
        meeting.conn.send_data(meeting.now, StreamId(1), b"x"),
        Err(SendError::ApiMisuse(ApiMisuse::AfterEnd))
    );
    meeting.send(&data(1, b"")).unwrap();
    assert_eq!(meeting.sent(), [response(1, true, &[]), data(1, b"")]);
    assert_eq!(meeting.conn.open_streams(), 0);
}

#[test]
fn g11_256_kib_are_kept_back_and_one_byte_more_fails_that_stream_alone() {
    let mut meeting = Meeting::go_dialed_us(&[]);
    for id in [1, 3] {
        meeting.send(&request(id, &["ours"], &[])).unwrap();
        meeting
            .conn
            .respond(meeting.now, StreamId(u64::from(id)), &NONE, false)
            .unwrap();
    }
    let head = 8; // opcode, stream, handled, count
    let max = Limits::default().held_stream_bytes_max;
    meeting
        .conn
        .send_data(meeting.now, StreamId(1), &vec![0; max - head])
        .unwrap();
    let over = meeting.conn.send_data(meeting.now, StreamId(1), b"x");
    assert_eq!(over, Err(SendError::HeldTooMuch { max }));
    assert_eq!(meeting.sent(), [response(1, false, &[])]);
    assert_eq!(
        meeting.conn.send_data(meeting.now, StreamId(1), b"x"),
        Err(SendError::StreamGone)
    );
    meeting.send(&data(1, b"the caller goes on")).unwrap();
    assert_eq!(meeting.conn.dropped_packets(), 1);
    meeting.news();
    meeting
        .conn
        .send_data(meeting.now, StreamId(3), b"y")
        .unwrap();
    meeting.send(&data(3, b"")).unwrap();
    assert_eq!(meeting.sent(), [response(3, true, &[]), data(3, b"y")]);
}

#[test]
fn g11_a_caller_that_turns_out_to_be_node_gets_what_was_kept_back() {
    let mut meeting = Meeting::accepted(&[]);
    meeting.send(&request(0, &["ours"], &[])).unwrap();
    meeting
        .conn
        .respond(meeting.now, StreamId(0), &NONE, false)
        .unwrap();
    meeting
        .conn
        .send_data(meeting.now, StreamId(0), b"abc")
        .unwrap();
    assert!(meeting.sent().is_empty());
    meeting.send(&find_node(3, [0; 32])).unwrap();
    assert_eq!(meeting.sent(), [response(0, true, &[]), data(0, b"abc")]);
}

#[test]
fn g11_a_reset_of_a_response_kept_back_is_a_refusal() {
    let mut meeting = Meeting::go_dialed_us(&[]);
    meeting.send(&request(1, &["ours"], &[])).unwrap();
    meeting
        .conn
        .respond(meeting.now, StreamId(1), &NONE, false)
        .unwrap();
    meeting
        .conn
        .reset(meeting.now, StreamId(1), ResetCode::Internal, "");
    assert_eq!(meeting.sent(), [response(1, false, &[])]);
    assert_eq!(meeting.conn.abandoned_streams(), 0);
}

#[test]
fn g12_the_key_is_answered_with_the_first_call_and_links_of_one_key_do_not_know_each_other() {
    // Meeting::keyed asserts that the 32 bytes are there as soon as the peer's were opened, alone in one write. That several links of
    // one key live side by side is shown by the engine (engine: peer table).
    let [first, second] = [(); 2].map(|()| Meeting::go_dialed_us(&["s"]));
    assert_eq!(first.conn.peer(), second.conn.peer());
}
