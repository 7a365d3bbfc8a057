//! Rules about the npm package: heads and bodies.

use crate::support::happened::Happened;
use crate::support::headers;
use crate::support::raw::{data, find_node, request, response, their_public_key, wire, Meeting};
use flatend_codec::{HeaderBlock, HeaderTooLarge, PeerKind, ResetCode, StreamId};

const NONE: HeaderBlock = HeaderBlock::new();

/// A response whose value "é" is counted as one UTF-16 unit and sent as two bytes of UTF-8.
fn response_in_utf16_units(stream: u32, more: bool) -> Vec<u8> {
    let mut plaintext = response(stream, true, &[("a", "x")]);
    plaintext.pop();
    plaintext.extend_from_slice("é".as_bytes());
    if more {
        plaintext[10] = 2; // the count, low byte
        plaintext.extend_from_slice(&[1, b'b', 0, 1, b'y']);
    }
    plaintext
}

#[test]
fn n06_non_ascii_response_headers_cost_their_stream_and_not_the_link() {
    for more in [false, true] {
        let mut meeting = Meeting::node_dialed_us(&["s"]);
        meeting.sent();
        let stream = meeting
            .conn
            .open_stream(meeting.now, ["s"], &NONE, &NONE, true)
            .unwrap();
        let other = meeting
            .conn
            .open_stream(meeting.now, ["s"], &NONE, &NONE, true)
            .unwrap();
        meeting
            .send(&response_in_utf16_units(wire(stream), more))
            .unwrap();
        assert_eq!(
            meeting.news(),
            [Happened::Reset(stream, ResetCode::Protocol)]
        );
        assert_eq!(meeting.conn.malformed_packets(), 1);
        // Its body is thrown away, and the number is free once it has ended.
        meeting.send(&data(wire(stream), b"body")).unwrap();
        meeting.send(&data(wire(stream), b"")).unwrap();
        meeting.send(&response(wire(other), true, &[])).unwrap();
        assert!(
            matches!(&meeting.news()[..], [Happened::Response { stream, .. }] if *stream == other)
        );
        assert_eq!(meeting.conn.abandoned_streams(), 0, "our body was whole");
    }
}

#[test]
fn n06_non_ascii_request_headers_are_answered_not_handled() {
    let mut meeting = Meeting::node_dialed_us(&[]);
    meeting.sent();
    let mut plaintext = request(0, &["ours"], &[("a", "x")]);
    plaintext.pop();
    plaintext.extend_from_slice("é".as_bytes());
    meeting.send(&plaintext).unwrap();
    assert_eq!(meeting.sent(), [response(0, false, &[])]);
    meeting.send(&data(0, b"body")).unwrap();
    meeting.send(&data(0, b"")).unwrap();
    assert!(meeting.news().is_empty());
    meeting.send(&request(2, &["ours"], &[])).unwrap();
    assert_eq!(meeting.news().len(), 1, "the link lives");
}

#[test]
fn n07_a_body_may_be_read_by_events_while_the_answer_is_written() {
    // The rule is about how npm services are written (examples and interop suite). What the codec adds: an answer that begins before the
    // body has ended disturbs neither direction.
    let mut meeting = Meeting::node_dialed_us(&["s"]);
    meeting.sent();
    let stream = meeting
        .conn
        .open_stream(meeting.now, ["s"], &NONE, &NONE, false)
        .unwrap();
    let id = wire(stream);
    meeting.send(&response(id, true, &[])).unwrap();
    meeting.send(&data(id, b"echo")).unwrap();
    meeting
        .conn
        .send_data(meeting.now, stream, b"more")
        .unwrap();
    meeting.conn.send_end(meeting.now, stream).unwrap();
    meeting.send(&data(id, b"")).unwrap();
    assert_eq!(meeting.sent()[1..], [data(id, b"more"), data(id, b"")]);
    assert_eq!(meeting.news().last(), Some(&Happened::End(stream)));
}

#[test]
fn n08_node_gets_large_data_and_an_unknown_peer_does_not() {
    let mut meeting = Meeting::accepted(&["s"]);
    assert_eq!(
        (meeting.conn.peer_kind(), meeting.conn.data_bytes_max()),
        (PeerKind::Unknown, 2_048)
    );
    meeting.send(&find_node(3, their_public_key())).unwrap();
    assert_eq!(
        (meeting.conn.peer_kind(), meeting.conn.data_bytes_max()),
        (PeerKind::Node, 65_520)
    );
    let stream = meeting
        .conn
        .open_stream(meeting.now, ["s"], &NONE, &NONE, false)
        .unwrap();
    meeting
        .conn
        .send_data(meeting.now, stream, &vec![1; 65_521])
        .unwrap();
    let sent = meeting.sent();
    assert_eq!(
        sent[1..],
        [
            data(wire(stream), &vec![1; 65_520]),
            data(wire(stream), &[1])
        ]
    );
    assert!(sent[1].len() <= 64 * 1024, "fits the usual read buffer");
}

#[test]
fn n08_data_of_65535_bytes_is_received() {
    let mut meeting = Meeting::node_dialed_us(&[]);
    meeting.send(&request(0, &["ours"], &[])).unwrap();
    meeting.news();
    meeting.send(&data(0, &vec![5; 65_535])).unwrap();
    assert_eq!(
        meeting.news(),
        [Happened::Data(StreamId(0), vec![5; 65_535])]
    );
}

#[test]
fn n08_a_response_that_is_complete_before_our_body_lets_the_rest_go_out() {
    // protocol.md 4, Ends: Node's handler may still read; the empty Data comes once the rest is sent.
    let mut meeting = Meeting::node_dialed_us(&["s"]);
    meeting.sent();
    let stream = meeting
        .conn
        .open_stream(meeting.now, ["s"], &NONE, &NONE, false)
        .unwrap();
    let id = wire(stream);
    meeting.sent();
    meeting.send(&response(id, true, &[])).unwrap();
    meeting.send(&data(id, b"")).unwrap();
    assert!(meeting.sent().is_empty());
    meeting
        .conn
        .send_data(meeting.now, stream, b"rest")
        .unwrap();
    meeting.conn.send_end(meeting.now, stream).unwrap();
    assert_eq!(meeting.sent(), [data(id, b"rest"), data(id, b"")]);
    assert_eq!(meeting.conn.open_streams(), 0);
}

#[test]
fn n06_ours_encodes_lengths_in_bytes() {
    let mut meeting = Meeting::node_dialed_us(&["s"]);
    meeting.sent();
    let stream = meeting
        .conn
        .open_stream(meeting.now, ["s"], &headers(&[("ü", "é")]), &NONE, true)
        .unwrap();
    assert_eq!(
        meeting.sent()[0],
        request(wire(stream), &["s"], &[("ü", "é")])
    );
    let mut block = HeaderBlock::new();
    let long = "é".repeat(128);
    assert_eq!(
        block.push(long.as_bytes(), b""),
        Err(HeaderTooLarge::Name { bytes: 256 })
    );
}

#[test]
fn n08_a_link_that_we_dialed_stays_unknown_whatever_the_peer_asks() {
    let mut meeting = Meeting::dialed(&["s"]);
    meeting.send(&find_node(2, [0; 32])).unwrap();
    assert_eq!(
        (meeting.conn.peer_kind(), meeting.conn.data_bytes_max()),
        (PeerKind::Unknown, 2_048)
    );
}
