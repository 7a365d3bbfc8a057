//! Windows: each stream its own, widened while its reader keeps up, and never exceeded.

use crate::conversation::{ask, up};
use crate::support::happened::Happened;
use crate::support::pair::Pair;
use crate::support::speaking_both;
use flatend_codec::limits::STREAM_WINDOW_BYTES;
use flatend_codec::{Config, HeaderBlock, Limits, Role, SendError, StreamId};

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

#[test]
fn no_more_is_credited_than_has_arrived() {
    let mut pair = up();
    let now = pair.now;
    let stream = ask(&mut pair, true).unwrap();
    pair.settle();
    pair.acceptor
        .conn
        .respond(now, stream, &NONE, false)
        .unwrap();
    pair.dialer.conn.credit(now, stream, 10 * WINDOW);
    assert_eq!(pair.dialer.take(), [], "nothing has");
    pair.acceptor
        .conn
        .send_data(now, stream, &vec![1; WINDOW / 2])
        .unwrap();
    pair.settle();
    pair.dialer.conn.credit(now, stream, 10 * WINDOW);
    pair.settle();
    assert_eq!(pair.acceptor.conn.send_capacity(stream), WINDOW);
}

/// All that a stream may send is sent and read, `rounds` times; gives the widest window.
fn pour(pair: &mut Pair, stream: StreamId, rounds: usize) -> usize {
    let (now, mut widest) = (pair.now, 0);
    for _ in 0..rounds {
        let room = pair.acceptor.conn.send_capacity(stream);
        widest = widest.max(room);
        let sent = pair.acceptor.conn.send_data(now, stream, &vec![1; room]);
        sent.unwrap();
        pair.settle();
        pair.dialer.news();
        pair.dialer.conn.credit(now, stream, room);
        pair.settle();
    }
    widest
}

#[test]
fn no_window_grows_beyond_the_largest_though_it_is_no_power_of_two() {
    let most = flatend_codec::limits::STREAM_WINDOW_BYTES_MAX;
    let (none, echo) = (Vec::new(), ["echo".to_owned()]);
    let config = |role, secret, services| Config {
        limits: Limits {
            extra_window_bytes_max: most,
            ..Limits::default()
        },
        ..speaking_both(role, secret, services)
    };
    let mut pair = Pair::of(
        config(Role::Dialer, 1, &none),
        config(Role::Acceptor, 2, &echo),
    );
    pair.settle();
    let now = pair.now;
    let [first, second] = [0, 1].map(|_| ask(&mut pair, true).unwrap());
    pair.settle();
    for stream in [first, second] {
        let begun = pair.acceptor.conn.respond(now, stream, &NONE, false);
        begun.unwrap();
    }
    // Half of the share each; the second one gets the rest too.
    assert_eq!(pour(&mut pair, first, 7), 4 << 20);
    assert_eq!(pair.acceptor.conn.send_capacity(first), 8 << 20);
    let odd = pour(&mut pair, second, 10);
    assert!(odd > 8 << 20 && odd < 9 << 20, "{odd}");
    // What the first one had is free again.
    pair.acceptor.conn.send_end(now, first).unwrap();
    pair.settle();
    assert_eq!(pour(&mut pair, second, 10) as u64, most);
}
