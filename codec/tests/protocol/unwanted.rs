//! Answers that nobody wants and that go on (protocol.md 4, Ends).

use crate::support::raw::{data, response, wire, Meeting};
use flatend_codec::limits::{UNWANTED_AFTER_MS, UNWANTED_DEAD, UNWANTED_RETIRE};
use flatend_codec::{HeaderBlock, OpenError, ResetCode, Retirement, StreamId};

const NONE: HeaderBlock = HeaderBlock::new();

fn ask(meeting: &mut Meeting) -> StreamId {
    let stream = meeting
        .conn
        .open_stream(meeting.now, ["s"], &NONE, &NONE, true)
        .unwrap();
    meeting.sent();
    stream
}

fn give_up(meeting: &mut Meeting, stream: StreamId) {
    meeting
        .conn
        .reset(meeting.now, stream, ResetCode::Cancel, "client gone");
}

/// An event stream: it has begun, goes on, and its reader has left.
fn event_stream(meeting: &mut Meeting) -> StreamId {
    let stream = ask(meeting);
    meeting.send(&response(wire(stream), true, &[])).unwrap();
    meeting.send(&data(wire(stream), b"event")).unwrap();
    meeting.news();
    give_up(meeting, stream);
    stream
}

#[test]
fn so_many_that_go_on_retire_the_link_and_one_less_does_not() {
    let mut meeting = Meeting::dialed(&["s"]);
    let all: Vec<_> = (0..UNWANTED_RETIRE)
        .map(|_| event_stream(&mut meeting))
        .collect();
    meeting.pass(UNWANTED_AFTER_MS - 1).unwrap();
    for stream in &all {
        meeting.send(&data(wire(*stream), b"event")).unwrap();
    }
    assert_eq!(meeting.conn.retirement(), Retirement::Active);
    // One ends at the last moment.
    meeting.send(&data(wire(all[0]), b"")).unwrap();
    meeting.pass(1).unwrap();
    assert_eq!(meeting.conn.retirement(), Retirement::Active);
    event_stream(&mut meeting);
    meeting.pass(UNWANTED_AFTER_MS).unwrap();
    assert_eq!(meeting.conn.retirement(), Retirement::Retiring);
    assert_eq!(meeting.conn.open_streams(), 0);
    assert!(meeting.news().is_empty());
    assert_eq!(meeting.conn.abandoned_streams(), 0);
}

#[test]
fn half_of_an_agents_connections_end_it_regardless() {
    let mut meeting = Meeting::dialed(&["s"]);
    for _ in 1..UNWANTED_DEAD {
        event_stream(&mut meeting);
    }
    meeting.pass(UNWANTED_AFTER_MS).unwrap();
    assert_eq!(meeting.conn.retirement(), Retirement::Retiring);
    event_stream(&mut meeting);
    meeting.pass(UNWANTED_AFTER_MS).unwrap();
    assert_eq!(meeting.conn.retirement(), Retirement::Dead);
    assert_eq!(
        meeting
            .conn
            .open_stream(meeting.now, ["s"], &NONE, &NONE, true),
        Err(OpenError::Retiring)
    );
}

#[test]
fn what_ends_in_time_or_never_begins_does_not_count() {
    let mut meeting = Meeting::dialed(&["s"]);
    for _ in 0..UNWANTED_DEAD {
        let ended = event_stream(&mut meeting);
        meeting.send(&data(wire(ended), b"")).unwrap();
        // A service that hangs is no better off without its link.
        let silent = ask(&mut meeting);
        give_up(&mut meeting, silent);
    }
    meeting.pass(UNWANTED_AFTER_MS).unwrap();
    assert_eq!(meeting.conn.retirement(), Retirement::Active);
    assert_eq!(meeting.conn.next_deadline(), None);
}

#[test]
fn what_begins_after_its_reader_left_counts_from_then() {
    let mut meeting = Meeting::dialed(&["s"]);
    let all: Vec<_> = (0..UNWANTED_RETIRE)
        .map(|_| {
            let stream = ask(&mut meeting);
            give_up(&mut meeting, stream);
            stream
        })
        .collect();
    meeting.pass(UNWANTED_AFTER_MS).unwrap();
    for stream in all {
        meeting
            .send(&response(wire(stream), true, &[("content-length", "9")]))
            .unwrap();
    }
    meeting.pass(UNWANTED_AFTER_MS - 1).unwrap();
    assert_eq!(meeting.conn.retirement(), Retirement::Active);
    meeting.pass(1).unwrap();
    assert_eq!(meeting.conn.retirement(), Retirement::Retiring);
}

#[test]
fn what_we_do_not_read_cannot_end() {
    let mut meeting = Meeting::dialed(&["s"]);
    for _ in 0..UNWANTED_RETIRE {
        event_stream(&mut meeting);
    }
    meeting.conn.set_reading(meeting.now, false);
    meeting.pass(10 * UNWANTED_AFTER_MS).unwrap();
    meeting.conn.set_reading(meeting.now, true);
    meeting.pass(UNWANTED_AFTER_MS - 1).unwrap();
    assert_eq!(meeting.conn.retirement(), Retirement::Active);
    meeting.pass(1).unwrap();
    assert_eq!(meeting.conn.retirement(), Retirement::Retiring);
}
