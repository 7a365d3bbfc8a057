//! Every script whole, byte by byte, and cut at every position.

use crate::support::happened::Happened;
use crate::support::pair::{Pair, Side};
use crate::support::split::for_each_split;
use crate::support::{headers, identified};
use flatend_codec::{HeaderBlock, Millis, Role};

const NONE: HeaderBlock = HeaderBlock::new();

/// A conversation of two; gives the bytes of each direction.
fn conversation() -> (Vec<u8>, Vec<u8>) {
    let services = ["s".to_owned()];
    let mut pair = Pair::of(
        identified(Role::Dialer, 1, &[]),
        identified(Role::Acceptor, 2, &services),
    );
    pair.settle();
    let now = pair.now;
    for round in 0..3u8 {
        let stream = pair
            .dialer
            .conn
            .open_stream(now, ["s"], &headers(&[("n", "v")]), &NONE, false)
            .unwrap();
        pair.dialer
            .conn
            .send_data(now, stream, &[round; 20])
            .unwrap();
        pair.dialer.conn.send_end(now, stream).unwrap();
        pair.settle();
        pair.acceptor
            .conn
            .respond(now, stream, &headers(&[("a", "b")]), false)
            .unwrap();
        pair.acceptor
            .conn
            .send_data(now, stream, &[round; 30])
            .unwrap();
        pair.acceptor.conn.send_end(now, stream).unwrap();
        pair.settle();
    }
    (pair.dialer.wrote, pair.acceptor.wrote)
}

#[test]
fn an_acceptor_sees_the_same_however_the_bytes_are_cut() {
    let (script, _) = conversation();
    let services = ["s".to_owned()];
    let happened = for_each_split(&script, |pieces| {
        let mut side = Side::new(Millis(1_000), identified(Role::Acceptor, 2, &services));
        for piece in pieces {
            side.feed(Millis(1_000), piece).unwrap();
        }
        side.news()
    });
    assert_eq!(happened.len(), 2 + 3 * 3);
}

#[test]
fn a_dialer_sees_the_same_however_the_bytes_are_cut() {
    let (_, script) = conversation();
    let happened = for_each_split(&script, |pieces| {
        let now = Millis(1_000);
        let mut side = Side::new(now, identified(Role::Dialer, 1, &[]));
        let mut unasked = 3;
        for piece in pieces {
            side.feed_frames(now, piece, |conn| {
                // Requests go out as soon as they can, as they did in the recording.
                while unasked > 0 && conn.is_ready() {
                    unasked -= 1;
                    let stream = conn
                        .open_stream(now, ["s"], &headers(&[("n", "v")]), &NONE, false)
                        .unwrap();
                    conn.send_end(now, stream).unwrap();
                }
            });
        }
        side.news()
    });
    assert_eq!(
        happened
            .iter()
            .filter(|event| matches!(event, Happened::End(_)))
            .count(),
        3
    );
}

#[test]
fn incomplete_says_how_much_is_needed_and_no_more() {
    let (script, _) = conversation();
    let services = ["s".to_owned()];
    let now = Millis(0);
    let mut side = Side::new(now, identified(Role::Acceptor, 2, &services));
    // Give exactly what is asked for, each time: it must be enough to go on, and never more than a frame.
    let mut at = 0;
    let mut need = 32;
    while at + need <= script.len() {
        let mut input = script[at..at + need].to_vec();
        match side.conn.open(now, &mut input).unwrap() {
            flatend_codec::Opened::Incomplete { at_least } => {
                assert!(at_least > need);
                need = at_least;
            }
            flatend_codec::Opened::Frame {
                consumed,
                mut messages,
            } => {
                assert_eq!(consumed, need, "asked for more than one frame");
                while side.conn.next_event(now, &mut messages).unwrap().is_some() {}
                at += consumed;
                need = 4;
            }
        }
    }
    assert_eq!(at, script.len());
}
