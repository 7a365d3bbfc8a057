//! A link of the legacy dialect at rest: questions of the link itself leave it there, and what comes later finds it as it was.

use crate::support::happened::Happened;
use crate::support::pair::Pair;
use flatend_codec::limits::REST_AFTER_MS;
use flatend_codec::HeaderBlock;

const NONE: HeaderBlock = HeaderBlock::new();

fn is_at_rest(pair: &Pair) -> bool {
    let ends = [
        pair.dialer.conn.is_at_rest(),
        pair.acceptor.conn.is_at_rest(),
    ];
    assert_eq!(ends[0], ends[1], "both saw the same");
    ends[0]
}

#[test]
fn a_link_rests_between_requests_and_in_a_silent_stream() {
    let mut pair = Pair::up(&[], &["echo"]);
    assert!(is_at_rest(&pair), "until somebody asks");
    for _ in 0..3 {
        let now = pair.now;
        let asker = &mut pair.dialer.conn;
        let asked = asker.open_stream(now, ["echo"], &NONE, &NONE, true);
        let stream = asked.unwrap();
        pair.settle();
        let conn = &mut pair.acceptor.conn;
        conn.respond(now, stream, &NONE, false).unwrap();
        conn.send_data(now, stream, b"at once").unwrap();
        pair.settle();
        assert!(!is_at_rest(&pair));
        pair.pass(2 * REST_AFTER_MS).unwrap();
        assert!(is_at_rest(&pair));
        pair.dialer.news();
        let now = pair.now;
        let conn = &mut pair.acceptor.conn;
        conn.send_data(now, stream, b"late").unwrap();
        conn.send_end(now, stream).unwrap();
        pair.settle();
        let late = Happened::Data(stream, b"late".to_vec());
        assert_eq!(pair.dialer.news(), [late, Happened::End(stream)]);
        assert!(!is_at_rest(&pair));
        pair.pass(2 * REST_AFTER_MS).unwrap();
        assert!(is_at_rest(&pair));
        assert_eq!(pair.dialer.conn.open_streams(), 0);
    }
}

#[test]
fn a_lookup_does_not_wake_it() {
    let mut pair = Pair::up(&[], &["echo"]);
    let now = pair.now;
    pair.dialer.conn.find_node(now, [7; 32]).unwrap();
    pair.settle();
    assert!(is_at_rest(&pair));
    let text = format!("{:?}", pair.dialer.conn);
    assert!(text.contains("secret: Secret, cipher: Cipher,"), "{text}");
}
