//! A link at rest: what it gives up, that PING and lookups do not wake it, and that nothing is lost by it.

use crate::conversation::{ask, up};
use crate::memory::live_bytes;
use crate::support::happened::Happened;
use crate::support::pair::Pair;
use flatend_codec::limits::{PING_AFTER_MS, REST_AFTER_MS};
use flatend_codec::{HeaderBlock, Token};

const NONE: HeaderBlock = HeaderBlock::new();
/// The keys of both directions at both ends, as the cipher has them: half a KiB each, a bit more or less by machine.
const UNROLLED_BYTES_MIN: isize = 4 * 256;

/// What the connections of a pair hold; what the test itself does is thrown away.
fn held(pair: &mut Pair) -> isize {
    for side in [&mut pair.dialer, &mut pair.acceptor] {
        (side.happened, side.wrote, side.input) = Default::default();
    }
    live_bytes()
}

fn rest(pair: &mut Pair) {
    pair.pass(2 * REST_AFTER_MS).unwrap();
    assert!(pair.dialer.conn.is_at_rest() && pair.acceptor.conn.is_at_rest());
}

/// A request and its answer.
fn work(pair: &mut Pair) {
    let stream = ask(pair, true).unwrap();
    pair.settle();
    let now = pair.now;
    let answerer = &mut pair.acceptor.conn;
    answerer.respond(now, stream, &NONE, false).unwrap();
    answerer.send_data(now, stream, b"an answer").unwrap();
    answerer.send_end(now, stream).unwrap();
    pair.settle();
    assert_eq!(pair.dialer.news().last(), Some(&Happened::End(stream)));
    assert!(!pair.dialer.conn.is_at_rest() && !pair.acceptor.conn.is_at_rest());
}

#[test]
fn a_link_that_has_worked_gives_up_at_rest_what_it_took_for_that() {
    let mut pair = up();
    assert!(pair.dialer.conn.is_at_rest(), "until somebody asks");
    let before = held(&mut pair);
    for _ in 0..3 {
        for _ in 0..100 {
            work(&mut pair);
        }
        let working = held(&mut pair) - before;
        assert!(working > UNROLLED_BYTES_MIN, "{working}");
        // One that is asked now and then does not rest.
        for _ in 0..5 {
            pair.pass(REST_AFTER_MS / 2).unwrap();
            work(&mut pair);
        }
        assert!(held(&mut pair) - before >= working, "it was asked");
        rest(&mut pair);
        assert!(held(&mut pair) <= before, "{}", held(&mut pair) - before);
    }
}

#[test]
fn ping_and_lookups_leave_a_link_at_rest() {
    let mut pair = up();
    work(&mut pair);
    rest(&mut pair);
    let before = held(&mut pair);
    for _ in 0..4 {
        pair.pass(PING_AFTER_MS).unwrap();
        assert!(pair.dialer.conn.is_at_rest() && pair.acceptor.conn.is_at_rest());
        assert!(held(&mut pair) <= before, "{}", held(&mut pair) - before);
    }
    let now = pair.now;
    let asked = pair.dialer.conn.find_node(now, [7; 32]).unwrap();
    pair.settle();
    let nobody: [&[u8]; 0] = [];
    let conn = &mut pair.acceptor.conn;
    conn.records(now, Token(asked.0), nobody).unwrap();
    pair.settle();
    assert!(pair.dialer.conn.is_at_rest() && pair.acceptor.conn.is_at_rest());
    let lists = held(&mut pair) - before;
    assert!(lists < 64, "{lists}: the lists of open questions alone");
    work(&mut pair);
}

#[test]
fn a_stream_that_is_silent_for_long_goes_on_where_it_was() {
    let mut pair = up();
    let stream = ask(&mut pair, false).unwrap();
    pair.settle();
    let now = pair.now;
    let conn = &mut pair.acceptor.conn;
    conn.respond(now, stream, &NONE, false).unwrap();
    pair.settle();
    for _ in 0..3 {
        rest(&mut pair);
        pair.dialer.news();
        let now = pair.now;
        let conn = &mut pair.acceptor.conn;
        conn.send_data(now, stream, b"late").unwrap();
        pair.settle();
        let late = [Happened::Data(stream, b"late".to_vec())];
        assert_eq!(pair.dialer.news(), late);
        assert!(!pair.dialer.conn.is_at_rest() && !pair.acceptor.conn.is_at_rest());
    }
    assert_eq!(pair.dialer.conn.open_streams(), 1);
}

#[test]
fn nothing_of_a_key_is_in_debug_output() {
    let mut pair = up();
    work(&mut pair);
    for _ in 0..2 {
        let text = format!("{:?}", pair.dialer.conn);
        for part in ["sealer", "opener"] {
            let (_, rest) = text.split_once(part).expect("it is there");
            let shown: String = rest.chars().take_while(|c| *c != ',').collect();
            assert!(shown.contains("chain: Chain"), "{shown}");
        }
        rest(&mut pair);
    }
}
