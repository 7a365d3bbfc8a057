//! Streams that cannot be ended (protocol.md 4, Ends).

use crate::support::identified;
use crate::support::raw::{data, find_node, handshake, message, request, response, wire, Meeting};
use flatend_codec::limits::DISCARDED_MAX;
use flatend_codec::{HeaderBlock, OpenError, ResetCode, Retirement, Role, StreamId};

const NONE: HeaderBlock = HeaderBlock::new();

fn abandon(meeting: &mut Meeting) -> StreamId {
    let stream = meeting
        .conn
        .open_stream(meeting.now, ["s"], &NONE, &NONE, false)
        .unwrap();
    meeting.sent();
    meeting
        .conn
        .reset(meeting.now, stream, ResetCode::Cancel, "client gone");
    stream
}

#[test]
fn a_cut_body_is_never_ended_and_its_response_is_thrown_away() {
    let mut meeting = Meeting::node_dialed_us(&["s"]);
    meeting.sent();
    let stream = abandon(&mut meeting);
    assert!(
        meeting.sent().is_empty(),
        "an empty Data would make it whole"
    );
    assert_eq!(
        (
            meeting.conn.open_streams(),
            meeting.conn.abandoned_streams()
        ),
        (0, 1)
    );
    let id = wire(stream);
    meeting.send(&response(id, true, &[])).unwrap();
    meeting.send(&data(id, b"unwanted")).unwrap();
    meeting.send(&data(id, b"")).unwrap();
    assert!(meeting.news().is_empty() && meeting.sent().is_empty());
    assert_eq!(
        meeting.conn.abandoned_streams(),
        1,
        "Node's handler may still read"
    );
    assert!(meeting.conn.send_end(meeting.now, stream).is_err());
    meeting
        .conn
        .reset(meeting.now, stream, ResetCode::Cancel, "twice");
    assert_eq!(meeting.conn.abandoned_streams(), 1);
}

#[test]
fn a_whole_body_is_not_abandoned_by_losing_its_response() {
    let mut meeting = Meeting::dialed(&["s"]);
    let stream = meeting
        .conn
        .open_stream(meeting.now, ["s"], &NONE, &NONE, true)
        .unwrap();
    meeting
        .conn
        .reset(meeting.now, stream, ResetCode::Cancel, "client gone");
    assert_eq!(
        (
            meeting.conn.abandoned_streams(),
            meeting.conn.open_streams()
        ),
        (0, 0)
    );
    meeting.send(&response(wire(stream), true, &[])).unwrap();
    meeting.send(&data(wire(stream), b"")).unwrap();
    assert!(meeting.news().is_empty());
    meeting.comes_to_rest();
}

#[test]
fn a_refusal_or_gos_complete_answer_heals() {
    let mut meeting = Meeting::dialed(&["s"]);
    let refused = abandon(&mut meeting);
    let answered = abandon(&mut meeting);
    assert_eq!(meeting.conn.abandoned_streams(), 2);
    meeting.send(&response(wire(refused), false, &[])).unwrap();
    assert_eq!(
        meeting.sent(),
        [data(wire(refused), b"")],
        "no handler reads it"
    );
    meeting.send(&response(wire(answered), true, &[])).unwrap();
    meeting.send(&data(wire(answered), b"")).unwrap();
    assert_eq!(
        meeting.sent(),
        [data(wire(answered), b"")],
        "Go's handler has returned"
    );
    assert!(meeting.news().is_empty());
    assert_eq!(meeting.conn.abandoned_streams(), 0);
    meeting.pass(60_000).unwrap();
    assert_eq!(meeting.conn.retirement(), Retirement::Active);
}

#[test]
fn sixty_four_retire_the_link_and_sixty_three_do_not() {
    let mut meeting = Meeting::dialed(&["s"]);
    for _ in 0..63 {
        abandon(&mut meeting);
    }
    assert_eq!(meeting.conn.retirement(), Retirement::Active);
    abandon(&mut meeting);
    assert_eq!(meeting.conn.retirement(), Retirement::Retiring);
    // It may be the only link to the service.
    let stream = meeting
        .conn
        .open_stream(meeting.now, ["s"], &NONE, &NONE, true)
        .unwrap();
    meeting.send(&response(wire(stream), true, &[])).unwrap();
    assert_eq!(meeting.news().len(), 1, "the rest finishes");
}

#[test]
fn one_retires_the_link_30_s_later() {
    let mut meeting = Meeting::dialed(&["s"]);
    abandon(&mut meeting);
    meeting.pass(20_000).unwrap();
    abandon(&mut meeting);
    meeting.pass(9_999).unwrap();
    assert_eq!(meeting.conn.retirement(), Retirement::Active);
    meeting.pass(1).unwrap();
    assert_eq!(meeting.conn.retirement(), Retirement::Retiring);
    assert_eq!(meeting.conn.next_deadline(), None);
}

#[test]
fn the_1024th_ends_it_regardless() {
    let mut meeting = Meeting::dialed(&["s"]);
    for _ in 0..1_023 {
        abandon(&mut meeting);
    }
    assert_eq!(meeting.conn.retirement(), Retirement::Retiring);
    abandon(&mut meeting);
    assert_eq!(meeting.conn.retirement(), Retirement::Dead);
    assert_eq!(
        meeting
            .conn
            .open_stream(meeting.now, ["s"], &NONE, &NONE, true),
        Err(OpenError::Retiring)
    );
    assert!(!meeting.conn.is_ready());
}

#[test]
fn a_response_that_is_cut_is_abandoned_too() {
    let mut meeting = Meeting::node_dialed_us(&[]);
    meeting.send(&request(0, &["ours"], &[])).unwrap();
    meeting
        .conn
        .respond(meeting.now, StreamId(0), &NONE, false)
        .unwrap();
    meeting.sent();
    meeting.news();
    meeting.conn.reset(
        meeting.now,
        StreamId(0),
        ResetCode::Internal,
        "handler died",
    );
    assert!(
        meeting.sent().is_empty(),
        "an empty Data would make it whole"
    );
    assert_eq!(
        (
            meeting.conn.abandoned_streams(),
            meeting.conn.open_streams()
        ),
        (1, 0)
    );
    meeting.send(&data(0, b"the rest of the request")).unwrap();
    assert!(meeting.news().is_empty());
    // One that was complete is not.
    meeting.send(&request(2, &["ours"], &[])).unwrap();
    meeting
        .conn
        .respond(meeting.now, StreamId(2), &NONE, true)
        .unwrap();
    meeting
        .conn
        .reset(meeting.now, StreamId(2), ResetCode::Done, "");
    assert_eq!(
        (
            meeting.conn.abandoned_streams(),
            meeting.conn.open_streams()
        ),
        (1, 0)
    );
}

#[test]
fn numbers_of_abandoned_streams_stay_taken() {
    let mut meeting = Meeting::node_dialed_us(&["s"]);
    meeting.sent();
    let first = abandon(&mut meeting);
    let next = meeting
        .conn
        .open_stream(meeting.now, ["s"], &NONE, &NONE, true)
        .unwrap();
    assert_eq!(next.0, first.0 + 2);
}

#[test]
fn a_stream_that_is_cut_after_its_complete_answer_leaves_nothing_but_the_count() {
    let mut config = identified(Role::Acceptor, 3, &[]);
    config.limits.streams_open_max = 1;
    let mut meeting = Meeting::keyed(config);
    meeting.send(&message(1, 0, &handshake(&["s"]))).unwrap();
    meeting.send(&find_node(3, [0; 32])).unwrap();
    meeting.sent();
    let stream = meeting
        .conn
        .open_stream(meeting.now, ["s"], &NONE, &NONE, false)
        .unwrap();
    meeting.send(&response(wire(stream), true, &[])).unwrap();
    meeting.send(&data(wire(stream), b"")).unwrap();
    let second = meeting
        .conn
        .open_stream(meeting.now, ["s"], &NONE, &NONE, false);
    assert_eq!(
        second,
        Err(OpenError::IdsExhausted),
        "its body still goes out"
    );
    meeting.sent();
    meeting
        .conn
        .reset(meeting.now, stream, ResetCode::Cancel, "client gone");
    assert_eq!(meeting.conn.abandoned_streams(), 1);
    meeting
        .conn
        .open_stream(meeting.now, ["s"], &NONE, &NONE, false)
        .unwrap();
    assert_eq!(meeting.sent().len(), 1, "no empty Data for the first");
}

/// Found by an attacker: a peer that answers nothing filled the table with requests about which nobody cared any more.
#[test]
fn a_peer_that_never_answers_can_be_asked_for_ever() {
    let mut config = identified(Role::Acceptor, 3, &[]);
    config.limits.streams_open_max = DISCARDED_MAX + 10;
    let mut meeting = Meeting::keyed(config);
    meeting.send(&message(1, 0, &handshake(&["s"]))).unwrap();
    meeting.send(&find_node(3, [0; 32])).unwrap();
    let mut first = None;
    for _ in 0..3 * DISCARDED_MAX {
        let stream = meeting
            .conn
            .open_stream(meeting.now, ["s"], &NONE, &NONE, true)
            .unwrap();
        first.get_or_insert(stream);
        meeting
            .conn
            .reset(meeting.now, stream, ResetCode::Cancel, "timed out");
        let queued = meeting.conn.transmit().len();
        meeting.conn.transmitted(queued);
    }
    assert_eq!(meeting.conn.abandoned_streams(), 0);
    assert_eq!(meeting.conn.retirement(), Retirement::Active);
    // The answer to a forgotten one is late, and no fault.
    let dropped = meeting.conn.dropped_packets();
    meeting
        .send(&response(wire(first.unwrap()), true, &[]))
        .unwrap();
    assert_eq!(meeting.conn.dropped_packets(), dropped + 1);
}
