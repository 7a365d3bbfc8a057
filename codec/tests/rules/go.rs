//! Rules about the Go module: what it takes.

use crate::support::happened::Happened;
use crate::support::raw::{data, request, response, wire, Meeting};
use crate::support::{headers, identified};
use flatend_codec::{
    ApiMisuse, Connection, HeaderBlock, Millis, OpenError, Role, SendError, StreamId,
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
    meeting.comes_to_rest();
}
