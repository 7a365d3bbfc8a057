//! Rules about both legacy implementations.

use crate::support::happened::Happened;
use crate::support::raw::{data, message, request, response, wire, Meeting};
use flatend_codec::limits::REST_AFTER_MS;
use flatend_codec::{limits, HeaderBlock, HeaderTooLarge, ProtocolError, ResetCode, StreamId};

const NONE: HeaderBlock = HeaderBlock::new();

fn open(meeting: &mut Meeting, end: bool) -> StreamId {
    let stream = meeting
        .conn
        .open_stream(meeting.now, ["s"], &NONE, &NONE, end)
        .unwrap();
    meeting.sent();
    stream
}

#[test]
fn b01_longer_names_and_values_are_never_encoded() {
    let mut block = HeaderBlock::new();
    assert_eq!(
        block.push(&[b'q'; 300], b"v"),
        Err(HeaderTooLarge::Name { bytes: 300 })
    );
    assert_eq!(
        block.push_parts(&[b"query.", &[b'q'; 250]], &[b""]),
        Err(HeaderTooLarge::Name { bytes: 256 })
    );
    assert_eq!(
        block.push(b"n", &vec![b'v'; 65_536]),
        Err(HeaderTooLarge::Value { bytes: 65_536 })
    );
    assert!(block.push_parts(&[b"query.", &[b'q'; 249]], &[b""]).is_ok());
    let mut meeting = Meeting::dialed(&["s"]);
    let long = "n".repeat(256);
    assert!(meeting
        .conn
        .open_stream(meeting.now, [&long[..]], &NONE, &NONE, true)
        .is_err());
    assert!(meeting.sent().is_empty());
}

#[test]
fn b01_a_packet_with_lengths_modulo_256_costs_its_stream_alone() {
    // The raw peer encodes as the legacy ones do. A name of 256 bytes says 0, and its bytes are read as the next fields.
    let name = "n".repeat(256);
    let mut meeting = Meeting::go_dialed_us(&["s"]);
    let stream = open(&mut meeting, true);
    meeting
        .send(&response(wire(stream), true, &[(&name, "v")]))
        .unwrap();
    assert_eq!(
        meeting.news(),
        [Happened::Reset(stream, ResetCode::Protocol)]
    );
    meeting
        .send(&request(1, &["ours"], &[(&name, "v")]))
        .unwrap();
    assert_eq!(meeting.sent(), [response(1, false, &[])]);
    assert_eq!(meeting.conn.malformed_packets(), 2);
    // A value of 65,536 bytes says 0 as well; frames to 128 KiB hold it.
    let value = "v".repeat(65_536);
    let stream = open(&mut meeting, true);
    meeting
        .send(&response(wire(stream), true, &[("n", &value)]))
        .unwrap();
    assert_eq!(
        meeting.news(),
        [Happened::Reset(stream, ResetCode::Protocol)]
    );
}

#[test]
fn b01_a_malformed_response_to_an_unfinished_request_abandons_it() {
    let mut meeting = Meeting::node_dialed_us(&["s"]);
    meeting.sent();
    let stream = open(&mut meeting, false);
    meeting
        .send(&response(wire(stream), true, &[(&"n".repeat(256), "v")]))
        .unwrap();
    assert_eq!(meeting.conn.abandoned_streams(), 1);
    assert!(
        meeting.sent().is_empty(),
        "no empty Data: the handler may still read"
    );
    assert!(meeting.conn.send_end(meeting.now, stream).is_err());
}

#[test]
fn b02_the_clock_stands_still_under_backpressure() {
    let mut meeting = Meeting::dialed(&["s"]);
    let stream = open(&mut meeting, true);
    meeting.send(&response(wire(stream), true, &[])).unwrap();
    meeting.news();
    meeting.pass(400).unwrap();
    meeting.conn.set_reading(meeting.now, false);
    meeting.pass(10_000).unwrap();
    meeting.conn.set_reading(meeting.now, true);
    meeting.conn.read_empty(meeting.now);
    meeting.pass(599).unwrap();
    assert!(meeting.news().is_empty());
    meeting.pass(1).unwrap();
    assert_eq!(meeting.news(), [Happened::End(stream)]);
}

#[test]
fn b02_nobody_is_silent_while_the_socket_may_hold_more() {
    let mut meeting = Meeting::dialed(&["s"]);
    let stream = open(&mut meeting, true);
    let bulk = open(&mut meeting, true);
    meeting.send(&response(wire(stream), true, &[])).unwrap();
    meeting.send(&response(wire(bulk), true, &[])).unwrap();
    meeting.news();
    // Another response fills each read for longer than a second.
    for _ in 0..20 {
        meeting.pass(100).unwrap();
        meeting
            .send_more_to_come(&data(wire(bulk), &[0; 2_048]))
            .unwrap();
    }
    meeting.pass(5_000).unwrap();
    // Nor if another timer calls.
    meeting.conn.handle_timeout(meeting.now).unwrap();
    assert!(meeting.conn.poll_event().is_none());
    assert!(!meeting.news().contains(&Happened::End(stream)));
    // Its first Data was behind all that.
    meeting
        .send(&data(wire(stream), b"late but there"))
        .unwrap();
    meeting.pass(60_000).unwrap_err(); // nothing more comes for a minute: rule G10
    assert_eq!(
        meeting.news(),
        [Happened::Data(stream, b"late but there".to_vec())]
    );
}

#[test]
fn b02_once_the_socket_is_empty_again_silence_counts() {
    let mut meeting = Meeting::dialed(&["s"]);
    let stream = open(&mut meeting, true);
    meeting.pass(1).unwrap();
    meeting
        .send_more_to_come(&response(wire(stream), true, &[]))
        .unwrap();
    meeting.news();
    meeting.pass(5_000).unwrap();
    assert!(meeting.news().is_empty());
    meeting.conn.read_empty(meeting.now);
    meeting.pass(0).unwrap();
    assert_eq!(meeting.news(), [Happened::End(stream)]);
}

#[test]
fn b02_data_or_a_content_length_stops_the_clock_for_good() {
    let mut meeting = Meeting::dialed(&["s"]);
    let with_data = open(&mut meeting, true);
    let with_length = open(&mut meeting, true);
    let with_zero = open(&mut meeting, true);
    meeting.send(&response(wire(with_data), true, &[])).unwrap();
    meeting
        .send(&response(
            wire(with_length),
            true,
            &[("Content-Length", "1")],
        ))
        .unwrap();
    meeting
        .send(&response(wire(with_zero), true, &[("content-length", "0")]))
        .unwrap();
    meeting.send(&data(wire(with_data), b"x")).unwrap();
    meeting.news();
    meeting.pass(25_000).unwrap();
    assert_eq!(meeting.news(), [Happened::End(with_zero)]);
    assert_eq!(meeting.conn.open_streams(), 2);
}

#[test]
fn b02_a_response_with_data_leaves_no_deadline_of_silence() {
    let mut meeting = Meeting::dialed(&["s"]);
    let stream = open(&mut meeting, true);
    meeting.send(&response(wire(stream), true, &[])).unwrap();
    assert_eq!(meeting.conn.next_deadline(), Some(meeting.now.after(1_000)));
    meeting.send(&data(wire(stream), b"x")).unwrap();
    let bytes_at = meeting.now;
    meeting.pass(2 * REST_AFTER_MS).unwrap();
    assert_eq!(
        meeting.conn.next_deadline(),
        Some(bytes_at.after(30_000)),
        "rule G10 alone, once the link is at rest"
    );
}

#[test]
fn b02_data_after_such_an_end_is_dropped_and_the_link_lives() {
    let mut meeting = Meeting::dialed(&["s"]);
    let stream = open(&mut meeting, false);
    meeting.send(&response(wire(stream), true, &[])).unwrap();
    meeting.pass(1_000).unwrap();
    assert_eq!(
        meeting.sent(),
        [data(wire(stream), b"")],
        "as after any early response of Go"
    );
    meeting.send(&data(wire(stream), b"late")).unwrap();
    meeting.send(&data(wire(stream), b"")).unwrap();
    assert_eq!(meeting.conn.dropped_packets(), 2);
}

#[test]
fn b02_late_data_of_such_a_response_is_dropped_while_our_body_still_goes_out() {
    let mut meeting = Meeting::node_dialed_us(&["s"]);
    meeting.sent();
    let stream = open(&mut meeting, false);
    meeting.send(&response(wire(stream), true, &[])).unwrap();
    meeting.pass(1_000).unwrap();
    assert_eq!(meeting.news().last(), Some(&Happened::End(stream)));
    meeting
        .send(&data(wire(stream), b"held up on the way"))
        .unwrap();
    meeting.send(&data(wire(stream), b"")).unwrap();
    assert_eq!(meeting.conn.dropped_packets(), 2);
    meeting.conn.send_end(meeting.now, stream).unwrap();
    assert_eq!(meeting.sent(), [data(wire(stream), b"")]);
    assert_eq!(meeting.conn.open_streams(), 0);
}

#[test]
fn b02_many_responses_in_flight_end_in_order_of_their_heads() {
    let mut meeting = Meeting::dialed(&["s"]);
    let streams: Vec<_> = (0..100).map(|_| open(&mut meeting, true)).collect();
    for (at, stream) in streams.iter().enumerate() {
        meeting.send(&response(wire(*stream), true, &[])).unwrap();
        if at % 3 == 0 {
            meeting.send(&data(wire(*stream), b"")).unwrap();
        }
        meeting.pass(1).unwrap();
    }
    meeting.news();
    meeting.pass(2_000).unwrap();
    let expected: Vec<_> = streams
        .iter()
        .enumerate()
        .filter(|(at, _)| at % 3 != 0)
        .map(|(_, stream)| Happened::End(*stream))
        .collect();
    assert_eq!(meeting.news(), expected);
}

#[test]
fn b03_the_promised_length_is_there_to_be_checked() {
    // A short body still ends with an empty Data from Node: whoever passes the body on compares (gateway: response relay). HEAD and 304
    // carry a length without a body, so the codec cannot judge.
    let mut block = HeaderBlock::new();
    block.push(b"Content-Length", b"10").unwrap();
    assert_eq!(block.as_ref().content_length(), Some(10));
    let mut meeting = Meeting::dialed(&["s"]);
    let stream = open(&mut meeting, true);
    meeting
        .send(&response(wire(stream), true, &[("content-length", "10")]))
        .unwrap();
    meeting.send(&data(wire(stream), b"short")).unwrap();
    meeting.send(&data(wire(stream), b"")).unwrap();
    assert_eq!(meeting.news().last(), Some(&Happened::End(stream)));
}

#[test]
fn b04_a_frame_of_128_kib_is_taken_and_a_longer_one_is_not() {
    let mut meeting = Meeting::node_dialed_us(&[]);
    // u32 seq, opcode, stream, n, name, count, then headers to fill the frame.
    let max = limits::FRAME_BYTES_MAX - 16;
    let first = "a".repeat(65_535);
    let fixed = 4 + 1 + 4 + 1 + 5 + 2 + (2 + 2 + first.len()) + (2 + 2);
    let second = "b".repeat(max - fixed);
    let plaintext = request(0, &["ours"], &[("a", &first), ("b", &second)]);
    assert_eq!(plaintext.len(), max);
    meeting.send(&plaintext).unwrap();
    assert!(
        matches!(&meeting.news()[..], [Happened::Request { headers, .. }] if headers[0].1 == first)
    );
    let length = u32::try_from(limits::FRAME_BYTES_MAX + 1).unwrap();
    let error = meeting.feed(&length.to_be_bytes()).unwrap_err();
    assert_eq!(
        error,
        ProtocolError::FrameLength {
            bytes: length,
            min: 20,
            max: limits::FRAME_BYTES_MAX
        }
    );
    assert_eq!(error.rule(), Some("B04"));
}

#[test]
fn b05_what_waits_for_the_socket_is_bounded() {
    let mut meeting = Meeting::node_dialed_us(&["s"]);
    assert!(!meeting.conn.dialect().has_credit);
    meeting.sent();
    let stream = open(&mut meeting, false);
    assert_eq!(meeting.conn.send_capacity(stream), usize::MAX);
    let piece = vec![0; 65_520];
    let mut sent = 0;
    while meeting.conn.send_data(meeting.now, stream, &piece).is_ok() {
        sent += piece.len();
        assert!(sent <= limits::TRANSMIT_BYTES_MAX);
    }
    assert!(meeting.conn.queued_bytes() <= limits::TRANSMIT_BYTES_MAX);
    // A body that was sent whole can always be ended.
    meeting.conn.send_end(meeting.now, stream).unwrap();
    assert!(meeting.sent().len() > 100);
    let other = open(&mut meeting, false);
    meeting.conn.send_data(meeting.now, other, &piece).unwrap();
}

#[test]
fn b05_a_peer_that_asks_without_reading_is_cut_off() {
    let mut meeting = Meeting::node_dialed_us(&[]);
    let error = loop {
        // Requests that do not decode are answered by the codec itself.
        let id = u32::try_from(2 * meeting.conn.malformed_packets()).unwrap();
        match meeting.send(&message(0, 1, &id.to_be_bytes())) {
            Ok(()) => assert!(meeting.conn.queued_bytes() < 3 * limits::TRANSMIT_BYTES_MAX),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, ProtocolError::NotReading { .. }));
}

#[test]
fn b06_no_timer_runs_on_a_link_without_requests() {
    // TCP keepalive and idle checks are the engine's part (engine: net, link options); while requests wait, G10 asks.
    for meeting in [
        Meeting::dialed(&["s"]),
        Meeting::node_dialed_us(&["s"]),
        Meeting::go_dialed_us(&["s"]),
    ] {
        assert!(!meeting.conn.dialect().has_ping);
        assert_eq!(meeting.conn.next_deadline(), None);
    }
}
