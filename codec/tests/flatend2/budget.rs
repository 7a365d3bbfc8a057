//! Room that the caller leaves a connection: nothing begins beyond it, and all of it comes back.

use crate::conversation::{ask, up};
use crate::support::happened::Happened;
use crate::support::pair::Pair;
use flatend_codec::limits::STREAM_WINDOW_BYTES;
use flatend_codec::{Connection, HeaderBlock, OpenError, ResetCode, StreamId, WindowRoom};

const NONE: HeaderBlock = HeaderBlock::new();
const WINDOW: usize = STREAM_WINDOW_BYTES as usize;

/// Leaves a connection room for so many first windows and so many to widen others.
fn leave(conn: &mut Connection, begin: u64, widen: u64) {
    conn.set_window_room(WindowRoom {
        begin: begin * STREAM_WINDOW_BYTES,
        widen: widen * STREAM_WINDOW_BYTES,
    });
}

/// Windows that the peer has.
fn given(conn: &Connection) -> u64 {
    assert_eq!(conn.window_bytes() % STREAM_WINDOW_BYTES, 0);
    conn.window_bytes() / STREAM_WINDOW_BYTES
}

fn respond(pair: &mut Pair, stream: StreamId, end: bool) {
    let responded = pair.acceptor.conn.respond(pair.now, stream, &NONE, end);
    responded.unwrap();
    pair.settle();
}

#[test]
fn requests_end_where_the_room_does_and_their_ends_give_it_back() {
    let mut pair = up();
    let now = pair.now;
    assert_eq!(given(&pair.dialer.conn), 0, "a link at rest costs nothing");
    leave(&mut pair.dialer.conn, 3, 0);
    let [first, second, third] = [true, false, false].map(|end| ask(&mut pair, end).unwrap());
    assert_eq!(ask(&mut pair, true), Err(OpenError::OverBudget));
    assert_eq!(given(&pair.dialer.conn), 3);
    pair.settle();
    respond(&mut pair, first, true);
    // Whose request's body goes on, and one that is cut.
    respond(&mut pair, second, true);
    assert_eq!(given(&pair.dialer.conn), 1);
    pair.dialer.conn.reset(now, third, ResetCode::Cancel, "");
    assert_eq!(given(&pair.dialer.conn), 0);
    assert_eq!(
        ask(&mut pair, true),
        Err(OpenError::OverBudget),
        "the caller knows first what is free again"
    );
    leave(&mut pair.dialer.conn, 1, 0);
    ask(&mut pair, true).unwrap();
    pair.dialer.conn.forget_streams();
    assert_eq!(given(&pair.dialer.conn), 0);
    pair.dialer.conn.check_invariants();
}

#[test]
fn a_request_with_a_body_beyond_the_room_is_refused_and_its_body_dropped() {
    let mut pair = up();
    let now = pair.now;
    leave(&mut pair.acceptor.conn, 1, 0);
    let taken = ask(&mut pair, false).unwrap();
    pair.settle();
    // More refusals than there are grants: each is granted anew.
    for _ in 0..20 {
        let refused = ask(&mut pair, false).unwrap();
        let body = vec![1; WINDOW];
        pair.dialer.conn.send_data(now, refused, &body).unwrap();
        pair.acceptor.news();
        pair.settle();
        assert!(pair.dialer.news().contains(&Happened::Refused(refused)));
        assert_eq!(pair.acceptor.news(), [], "nobody hears of it");
    }
    // Without a body it brings nothing.
    let bare = ask(&mut pair, true).unwrap();
    pair.settle();
    respond(&mut pair, bare, true);
    assert_eq!(given(&pair.acceptor.conn), 1);
    // With the end of the body its room is free, though no response has begun.
    pair.dialer.conn.send_end(now, taken).unwrap();
    pair.settle();
    assert_eq!(given(&pair.acceptor.conn), 0);
    respond(&mut pair, taken, true);
}

#[test]
fn windows_widen_as_far_as_the_room_goes() {
    let mut pair = up();
    let now = pair.now;
    leave(&mut pair.dialer.conn, 8, 5);
    let streams = [0, 1].map(|_| ask(&mut pair, true).unwrap());
    pair.settle();
    for stream in streams {
        respond(&mut pair, stream, false);
    }
    for stream in streams {
        for _ in 0..5 {
            let room = pair.acceptor.conn.send_capacity(stream);
            let sent = pair.acceptor.conn.send_data(now, stream, &vec![1; room]);
            sent.unwrap();
            pair.settle();
            pair.dialer.news();
            pair.dialer.conn.credit(now, stream, room);
            pair.settle();
        }
    }
    let sizes = streams.map(|stream| pair.acceptor.conn.send_capacity(stream) / WINDOW);
    assert_eq!(sizes, [4, 1], "the first one took what was left");
    assert_eq!(given(&pair.dialer.conn), 5);
    pair.acceptor.conn.send_end(now, streams[0]).unwrap();
    pair.settle();
    assert_eq!(given(&pair.dialer.conn), 1);
}
