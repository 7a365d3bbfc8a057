//! Peers that send much of what costs them little: what is answered is bounded by what is read, what is kept by limits.

use crate::support::happened::Happened;
use crate::support::raw2::{message, Meeting2};
use flatend_codec::limits::UNREAD_ANSWERS_BYTES_MAX;
use flatend_codec::{ProtocolError, Role};

const REQUEST: &[u8] = b"\0\0\0\0\x01\x04echo\0\0";

/// Sends frames of `batch` until the link ends; gives the error and how many were taken. What we answer is never read.
fn unread(batch: impl Fn(u64) -> Vec<u8>) -> (ProtocolError, u64) {
    let mut meeting = Meeting2::up(Role::Acceptor);
    for turn in 0..10_000 {
        let result = meeting.send(&batch(turn));
        assert!(meeting.conn.queued_bytes() <= 2 * UNREAD_ANSWERS_BYTES_MAX + 128 * 1024);
        meeting.news();
        if let Err(error) = result {
            return (error, turn);
        }
        meeting.conn.seal();
    }
    panic!("it went on for ever");
}

/// The same with answers that are read: the link lives, and what waits is the answer to one frame.
fn read(turns: u64, batch: impl Fn(u64) -> Vec<u8>) -> Meeting2 {
    let mut meeting = Meeting2::up(Role::Acceptor);
    for turn in 0..turns {
        meeting.send(&batch(turn)).unwrap();
        assert!(meeting.conn.queued_bytes() <= 256 * 1024);
        meeting.sent();
        meeting.news();
    }
    assert!(meeting.conn.is_ready());
    meeting
}

#[test]
fn pings_are_answered_as_long_as_the_answers_are_read() {
    let pings = |_| message(7, 0, 0, b"8 bytes!").repeat(3_000);
    let (error, turns) = unread(pings);
    assert!(matches!(error, ProtocolError::NotReading { .. }), "{error}");
    assert!(turns > 10, "it takes {turns} frames of 60,000 bytes");
    read(100, pings);
    // Answers to questions that nobody asked are nothing.
    let mut meeting = read(100, |_| message(7, 1, 0, b"8 bytes!").repeat(3_000));
    assert!(meeting.sent().is_empty());
}

#[test]
fn requests_beyond_the_grant_are_refused_as_long_as_that_is_read() {
    let requests = |turn: u64| {
        let of = |at| message(1, 1, 2 * (turn * 1_000 + at) + 1, REQUEST);
        (0..1_000).flat_map(of).collect::<Vec<u8>>()
    };
    let (error, _) = unread(requests);
    assert!(matches!(error, ProtocolError::NotReading { .. }), "{error}");
    let meeting = read(50, requests);
    assert_eq!(meeting.conn.open_streams(), 8, "the grant, and no more");
}

#[test]
fn requests_that_are_cancelled_at_once_leave_nothing_behind() {
    let cancelled = |turn: u64| {
        let of = |at| {
            let stream = 2 * (turn * 500 + at) + 1;
            [message(1, 0, stream, REQUEST), message(5, 0, stream, &[2])].concat()
        };
        (0..500).flat_map(of).collect::<Vec<u8>>()
    };
    let (error, _) = unread(cancelled);
    assert!(matches!(error, ProtocolError::NotReading { .. }), "{error}");
    let meeting = read(50, cancelled);
    assert_eq!(meeting.conn.open_streams(), 0);
}

#[test]
fn resets_and_windows_of_streams_that_are_over_are_counted_and_no_more() {
    let mut meeting = Meeting2::up(Role::Acceptor);
    meeting.send(&message(1, 1, 1, REQUEST)).unwrap();
    meeting.send(&message(5, 0, 1, &[2])).unwrap();
    meeting.news();
    for _ in 0..50 {
        let late = [message(5, 0, 1, &[2]), message(6, 0, 1, &[0, 0, 0, 1])].concat();
        meeting.send(&late.repeat(1_000)).unwrap();
    }
    assert_eq!(meeting.conn.dropped_packets(), 100_000);
    assert_eq!(meeting.news(), []);
    let unused = meeting.send(&message(5, 0, 3, &[2]));
    assert!(matches!(unused, Err(ProtocolError::UnknownStream { .. })));
}

#[test]
fn lists_of_services_are_bounded_and_the_same_one_is_no_news() {
    let list = |epoch: u64, more: u8, entries: usize| {
        let body = [
            &epoch.to_be_bytes()[..],
            &b"\x01a\0\0\x01\0".repeat(entries),
        ]
        .concat();
        message(9, more, 0, &body)
    };
    let mut meeting = Meeting2::up(Role::Acceptor);
    meeting.send(&list(2, 0, 1)).unwrap();
    assert_eq!(meeting.news(), [Happened::Handshake { again: true }]);
    for epoch in 3..5_000 {
        meeting.send(&list(epoch, 0, 1)).unwrap();
    }
    assert_eq!(meeting.news(), [], "nothing has changed");
    // A list that never ends: parts without entries hold nothing, others come to the limit.
    for _ in 0..5_000 {
        meeting.send(&list(6_000, 1, 0)).unwrap();
    }
    for _ in 0..255 {
        meeting.send(&list(6_000, 1, 1)).unwrap();
    }
    let flood = meeting.send(&list(6_000, 1, 1));
    assert!(matches!(flood, Err(ProtocolError::Flood { max: 255, .. })));
}

#[test]
fn lookups_nodes_and_grants() {
    let find = |token: u64| {
        let token = u32::try_from(token).unwrap().to_be_bytes();
        message(10, 0, 0, &[&token[..], &[4; 32]].concat())
    };
    let mut meeting = Meeting2::up(Role::Acceptor);
    for token in 0..256 {
        meeting.send(&find(token)).unwrap();
    }
    let flood = meeting.send(&find(256));
    assert!(matches!(flood, Err(ProtocolError::Flood { max: 256, .. })));
    let mut meeting = Meeting2::up(Role::Acceptor);
    let unasked = meeting.send(&message(11, 0, 0, &[0, 0, 0, 1, 0]));
    assert_eq!(unasked, Err(ProtocolError::UnknownReply { seq: 1 }));
    // Grants add up and never overflow.
    let meeting = read(100, |_| message(12, 0, 0, &[0xff; 4]).repeat(1_000));
    assert!(meeting.conn.is_ready());
}

#[test]
fn empty_pieces_of_a_body_are_nothing() {
    let mut meeting = Meeting2::up(Role::Acceptor);
    meeting.send(&message(1, 0, 1, REQUEST)).unwrap();
    meeting.news();
    for _ in 0..100 {
        meeting.send(&message(3, 0, 1, b"").repeat(5_000)).unwrap();
    }
    assert_eq!(meeting.news(), []);
    assert!(meeting.sent().is_empty());
    meeting.send(&message(3, 1, 1, b"")).unwrap();
    assert_eq!(meeting.news(), [Happened::End(flatend_codec::StreamId(1))]);
}

/// A link whose answers leave slowly, always behind some that were queued before: what is read counts no more.
#[test]
fn a_peer_that_reads_slowly_is_answered_on() {
    let mut meeting = Meeting2::up(Role::Acceptor);
    let pings = message(7, 0, 0, b"8 bytes!").repeat(3_000);
    meeting.send(&pings).unwrap();
    let mut taken = 0;
    for _ in 0..200 {
        meeting.send(&pings).unwrap();
        meeting.conn.seal();
        // One round later than they came.
        let waiting = meeting.conn.transmit().len();
        let behind = waiting.saturating_sub(70_000);
        meeting.conn.transmitted(behind);
        taken += behind;
    }
    assert!(taken > 10 * UNREAD_ANSWERS_BYTES_MAX, "{taken}");
}
