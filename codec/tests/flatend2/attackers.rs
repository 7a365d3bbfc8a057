//! A peer that breaks the rules of flatend/2: each time the link ends, with the right word, and nothing before it is harmed.

use crate::conversation::{ask, up};
use crate::support::pair::{Pair, Side};
use crate::support::speaking_both;
use flatend_codec::{HeaderBlock, Opened, ProtocolError, Role};

const NONE: HeaderBlock = HeaderBlock::new();

#[test]
fn altered_dropped_doubled_and_swapped_frames_end_the_link() {
    let frames = |pair: &mut Pair| {
        ask(pair, true).unwrap();
        let first = pair.dialer.take();
        ask(pair, true).unwrap();
        (first, pair.dialer.take())
    };
    let tag = |frame| Err(ProtocolError::Tag { frame });
    // Frames 0 and 1 of the dialer were its HELLO and its services.
    let mut pair = up();
    let (first, second) = frames(&mut pair);
    let mut altered = first.clone();
    let last = altered.len() - 1;
    altered[last] ^= 1;
    assert_eq!(pair.acceptor.feed(pair.now, &altered), tag(2));
    let mut pair = up();
    frames(&mut pair);
    assert_eq!(
        pair.acceptor.feed(pair.now, &second),
        tag(2),
        "one is missing"
    );
    let mut pair = up();
    let (first, _) = frames(&mut pair);
    pair.acceptor.feed(pair.now, &first).unwrap();
    assert_eq!(pair.acceptor.feed(pair.now, &first), tag(3), "doubled");
    let mut pair = up();
    let (first, _) = frames(&mut pair);
    // A frame of the one direction, sent back in the other.
    assert_eq!(pair.dialer.feed(pair.now, &first), tag(2), "reflected");
}

#[test]
fn a_recorded_session_cannot_be_played_again() {
    let (none, mut pair) = (Vec::new(), up());
    ask(&mut pair, true).unwrap();
    let recorded = {
        pair.settle();
        pair.dialer.wrote.clone()
    };
    // The same acceptor, another ephemeral secret: its own key differs, and with it everything.
    let mut acceptor = Side::new(pair.now, speaking_both(Role::Acceptor, 3, &none));
    assert_eq!(
        acceptor.feed(pair.now, &recorded),
        Err(ProtocolError::FirstFrame)
    );
}

#[test]
fn before_a_hello_is_verified_little_is_held_and_nothing_is_believed() {
    let none = Vec::new();
    let mut pair = Pair::of(
        speaking_both(Role::Dialer, 1, &none),
        speaking_both(Role::Acceptor, 2, &none),
    );
    let opening = pair.dialer.take();
    pair.acceptor.feed(pair.now, &opening).unwrap();
    let mut large = (16 * 1024u32 + 1).to_be_bytes().to_vec();
    assert!(matches!(
        pair.acceptor.conn.open(pair.now, &mut large),
        Err(ProtocolError::FrameLength { max: 16_384, .. })
    ));
    let mut half = Side::new(pair.now, speaking_both(Role::Acceptor, 2, &none));
    half.feed(pair.now, &opening).unwrap();
    assert!(half.conn.peer().is_none() && !half.conn.is_ready());
    assert_eq!(
        half.conn.handle_timeout(pair.now.after(5_000)),
        Err(ProtocolError::HandshakeTimeout { after_ms: 5_000 })
    );
}

#[test]
fn frames_that_are_too_short_or_too_long_are_refused_by_their_length() {
    for (length, ok) in [(27u32, false), (28, true), (65_552, true), (65_553, false)] {
        let mut pair = up();
        let mut bytes = length.to_be_bytes().to_vec();
        let opened = pair.acceptor.conn.open(pair.now, &mut bytes);
        assert_eq!(
            matches!(opened, Ok(Opened::Incomplete { .. })),
            ok,
            "{length}"
        );
    }
}

#[test]
fn every_cut_of_a_session_gives_the_same_events() {
    let mut pair = up();
    let now = pair.now;
    let stream = ask(&mut pair, false).unwrap();
    pair.dialer.conn.send_data(now, stream, b"body").unwrap();
    pair.dialer.conn.send_end(now, stream).unwrap();
    pair.settle();
    pair.acceptor
        .conn
        .respond(now, stream, &NONE, false)
        .unwrap();
    pair.acceptor
        .conn
        .send_data(now, stream, b"answer")
        .unwrap();
    pair.acceptor.conn.send_end(now, stream).unwrap();
    pair.settle();
    let script = pair.dialer.wrote.clone();
    let echo = ["echo".to_owned()];
    crate::support::split::for_each_split(&script, |pieces| {
        let mut acceptor = Side::new(now, speaking_both(Role::Acceptor, 2, &echo));
        for piece in pieces {
            acceptor.feed(now, piece).unwrap();
        }
        acceptor.news()
    });
}
