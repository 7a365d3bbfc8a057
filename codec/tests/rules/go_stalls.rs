//! Rules about the Go module: what stalls its links.

use crate::support::happened::Happened;
use crate::support::headers;
use crate::support::raw::{data, find_node, reply, request, response, wire, Meeting};
use flatend_codec::{
    ApiMisuse, HeaderBlock, Limits, OpenError, ProtocolError, ResetCode, Retirement, SendError,
    StreamId,
};

const NONE: HeaderBlock = HeaderBlock::new();

fn open(meeting: &mut Meeting, end: bool) -> StreamId {
    meeting
        .conn
        .open_stream(meeting.now, ["s"], &NONE, &NONE, end)
        .unwrap()
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
fn g10_a_node_that_says_that_it_relays_is_asked_for_any_name() {
    let mut meeting = Meeting::dialed(&["b", flatend_codec::RELAY_SERVICE]);
    let stream = meeting
        .conn
        .open_stream(meeting.now, ["a", "b"], &NONE, &NONE, false)
        .unwrap();
    assert_eq!(meeting.sent(), [request(wire(stream), &["a", "b"], &[])]);
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
fn g10_half_a_frame_that_lies_around_is_no_sign_of_life() {
    let mut meeting = Meeting::dialed(&["s"]);
    open(&mut meeting, true);
    meeting.sent();
    meeting.pass(10_000).unwrap();
    meeting.feed(&[0, 0]).unwrap();
    assert_eq!(
        meeting.conn.next_deadline(),
        Some(meeting.now.after(30_000)),
        "two bytes are"
    );
    meeting.pass(10_000).unwrap();
    meeting.feed(&[]).unwrap();
    assert_eq!(
        meeting.conn.next_deadline(),
        Some(meeting.now.after(20_000))
    );
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
