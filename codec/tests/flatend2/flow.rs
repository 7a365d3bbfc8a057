//! Windows: each stream its own, widened while its reader keeps up, and never exceeded.

use crate::conversation::{ask, up};
use crate::support::happened::Happened;
use flatend_codec::limits::STREAM_WINDOW_BYTES;
use flatend_codec::{HeaderBlock, SendError, StreamId};

const NONE: HeaderBlock = HeaderBlock::new();
const WINDOW: usize = STREAM_WINDOW_BYTES as usize;

#[test]
fn a_stalled_reader_stops_its_own_stream_and_no_other() {
    let mut pair = up();
    let now = pair.now;
    let (stalled, read) = (ask(&mut pair, true).unwrap(), ask(&mut pair, true).unwrap());
    pair.settle();
    for stream in [stalled, read] {
        pair.acceptor
            .conn
            .respond(now, stream, &NONE, false)
            .unwrap();
    }
    let piece = vec![7; WINDOW / 2];
    pair.acceptor.conn.send_data(now, stalled, &piece).unwrap();
    pair.acceptor.conn.send_data(now, stalled, &piece).unwrap();
    assert_eq!(pair.acceptor.conn.send_capacity(stalled), 0);
    assert_eq!(
        pair.acceptor.conn.send_data(now, stalled, b"x"),
        Err(SendError::Full)
    );
    let mut passed = 0;
    for _ in 0..100 {
        let room = pair.acceptor.conn.send_capacity(read).min(piece.len());
        pair.acceptor
            .conn
            .send_data(now, read, &piece[..room])
            .unwrap();
        pair.settle();
        for event in pair.dialer.news() {
            if let Happened::Data(stream, bytes) = event {
                if stream == read {
                    passed += bytes.len();
                    pair.dialer.conn.credit(now, stream, bytes.len());
                }
            }
        }
        pair.settle();
    }
    assert_eq!(passed, 100 * piece.len());
    // The reader wakes up: its stream goes on.
    pair.dialer.conn.credit(now, stalled, WINDOW);
    pair.settle();
    assert!(pair.acceptor.conn.send_capacity(stalled) >= WINDOW);
    let news = pair.acceptor.news();
    assert!(news
        .iter()
        .any(|event| matches!(event, Happened::Other(what) if what.starts_with("Credit"))));
}

#[test]
fn a_window_widens_for_a_reader_that_keeps_up_until_the_budget_is_used() {
    let mut pair = up();
    let now = pair.now;
    let stream = ask(&mut pair, true).unwrap();
    pair.settle();
    pair.acceptor
        .conn
        .respond(now, stream, &NONE, false)
        .unwrap();
    let mut widest = 0;
    for _ in 0..12 {
        let room = pair.acceptor.conn.send_capacity(stream);
        widest = widest.max(room);
        pair.acceptor
            .conn
            .send_data(now, stream, &vec![1; room])
            .unwrap();
        pair.settle();
        pair.dialer.news();
        pair.dialer.conn.credit(now, stream, room);
        pair.settle();
    }
    assert_eq!(
        widest as u64,
        flatend_codec::limits::STREAM_WINDOW_BYTES_MAX
    );
}

#[test]
fn credit_for_a_stream_that_is_gone_says_nothing() {
    let mut pair = up();
    let now = pair.now;
    let stream = ask(&mut pair, true).unwrap();
    pair.settle();
    pair.acceptor
        .conn
        .respond(now, stream, &NONE, true)
        .unwrap();
    pair.settle();
    pair.dialer.conn.credit(now, stream, WINDOW);
    pair.dialer.conn.credit(now, StreamId(99), WINDOW);
    assert_eq!(pair.dialer.take(), []);
}
