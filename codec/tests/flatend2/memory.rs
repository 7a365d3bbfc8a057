//! What a link costs: at rest, before its peer has shown who it is, with a thousand stalled readers; and that a request costs no
//! allocation once tables and buffers have grown.

use crate::conversation::up;
use crate::support::happened::Happened;
use crate::support::pair::Pair;
use crate::support::raw2::{message, Meeting2};
use crate::support::speaking_both;
use flatend_codec::limits::{EXTRA_WINDOW_BYTES_MAX, STREAM_WINDOW_BYTES};
use flatend_codec::{
    Config, Connection, Event, Flatend2, HeaderBlock, Millis, Opened, Role, StreamId,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

/// Counts what each thread allocates and holds.
struct Counting;

fn note(call: usize, bytes: isize) {
    CALLS.with(|calls| calls.set(calls.get() + call));
    LIVE.with(|live| live.set(live.get() + bytes));
}

// SAFETY: every call goes to the system allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(1, layout.size() as isize);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(0, -(layout.size() as isize));
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        note(1, new_size as isize - layout.size() as isize);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const NONE: HeaderBlock = HeaderBlock::new();
/// The heap of a connection at rest.
const REST_BYTES_MAX: isize = 1_300;
/// The same before the handshake is done, when what is to be said of ourselves is held too.
const HALF_BYTES_MAX: isize = 3 * 1024;

/// What this thread holds now.
pub(crate) fn live_bytes() -> isize {
    LIVE.get()
}

/// Bytes that stay held for each of `count` things made by `make`.
fn held<T>(count: usize, mut make: impl FnMut() -> T) -> isize {
    let before = LIVE.get();
    let mut things = Vec::with_capacity(count);
    things.extend((0..count).map(|_| make()));
    let each = (LIVE.get() - before) / count as isize;
    println!("{each} bytes each");
    each
}

/// Thousands that have sent their 32 bytes, or nothing, and then wait.
#[test]
fn half_handshakes_are_small() {
    let none = Vec::new();
    let silent = held(1_000, || {
        Connection::new(Millis(0), speaking_both(Role::Acceptor, 2, &none)).unwrap()
    });
    assert!(silent < HALF_BYTES_MAX, "{silent}");
    let mut opening = Connection::new(Millis(0), speaking_both(Role::Dialer, 1, &none))
        .unwrap()
        .transmit()
        .to_vec();
    let half = held(1_000, || {
        let config = speaking_both(Role::Acceptor, 2, &none);
        let mut conn = Connection::new(Millis(0), config).unwrap();
        let opened = conn.open(Millis(0), &mut opening).unwrap();
        assert!(matches!(opened, Opened::Frame { consumed: 32, .. }));
        conn
    });
    assert!(half < HALF_BYTES_MAX, "{half}");
}

#[test]
fn a_link_at_rest_is_small() {
    let none = Vec::new();
    let pair = held(100, || {
        let mut pair = Pair::of(
            speaking_both(Role::Dialer, 1, &none),
            speaking_both(Role::Acceptor, 2, &none),
        );
        pair.settle();
        let Pair {
            dialer, acceptor, ..
        } = pair;
        (dialer.conn, acceptor.conn)
    });
    assert!(pair / 2 < REST_BYTES_MAX, "{pair} for both ends");
}

/// A pair whose dialer may have 2,000 requests in flight.
fn wide() -> Pair {
    let (none, echo) = (Vec::new(), ["echo".to_owned()]);
    let config = |role, secret, services| {
        let Config { flatend2, .. } = speaking_both(role, secret, services);
        Config {
            flatend2: flatend2.map(|own| Flatend2 {
                requests_max: 2_000,
                ..own
            }),
            ..speaking_both(role, secret, services)
        }
    };
    let mut pair = Pair::of(
        config(Role::Dialer, 1, &none),
        config(Role::Acceptor, 2, &echo),
    );
    pair.settle();
    pair
}

#[test]
fn a_thousand_stalled_readers_cost_their_state_and_stop_nobody() {
    let mut pair = wide();
    let now = pair.now;
    let ask = |pair: &mut Pair| {
        let stream = crate::conversation::ask(pair, true).unwrap();
        pair.settle();
        pair.acceptor
            .conn
            .respond(now, stream, &NONE, false)
            .unwrap();
        stream
    };
    let before = LIVE.get();
    let piece = vec![7; STREAM_WINDOW_BYTES as usize];
    for _ in 0..1_000 {
        let stream = ask(&mut pair);
        pair.acceptor.conn.send_data(now, stream, &piece).unwrap();
        assert_eq!(pair.acceptor.conn.send_capacity(stream), 0);
        pair.settle();
        // What the reader was handed is its own; the test's record of it does not count.
        pair.dialer.news();
        pair.acceptor.news();
        pair.acceptor.wrote = Vec::new();
        pair.dialer.wrote = Vec::new();
    }
    let state = (LIVE.get() - before) / 1_000;
    println!("{state} bytes for both ends of a stalled stream");
    assert!(state < 1_024, "{state}");
    let stream = ask(&mut pair);
    let (mut passed, want) = (0, 64 << 20);
    while passed < want {
        let room = pair.acceptor.conn.send_capacity(stream).min(1 << 20);
        assert!(room > 0, "it is stopped at {passed}");
        pair.acceptor
            .conn
            .send_data(now, stream, &vec![1; room])
            .unwrap();
        pair.settle();
        let mut read = 0;
        for event in pair.dialer.news() {
            if let Happened::Data(id, bytes) = event {
                assert_eq!(id, stream);
                read += bytes.len();
            }
        }
        pair.acceptor.wrote = Vec::new();
        pair.dialer.conn.credit(now, stream, read);
        pair.settle();
        passed += read;
    }
    assert!(pair.acceptor.conn.send_capacity(stream) as u64 <= EXTRA_WINDOW_BYTES_MAX);
}

#[test]
fn who_never_grants_credit_is_sent_a_window_and_no_more() {
    let mut meeting = Meeting2::up(Role::Acceptor);
    meeting
        .send(&message(1, 1, 1, b"\0\0\0\0\x01\x04echo\0\0"))
        .unwrap();
    let (now, stream) = (meeting.now, StreamId(1));
    meeting.conn.respond(now, stream, &NONE, false).unwrap();
    let window = STREAM_WINDOW_BYTES as usize;
    meeting
        .conn
        .send_data(now, stream, &vec![1; window])
        .unwrap();
    let before = meeting.conn.queued_bytes();
    for _ in 0..1_000 {
        assert!(meeting.conn.send_data(now, stream, &[1]).is_err());
    }
    assert_eq!(meeting.conn.queued_bytes(), before);
    let sent: usize = meeting.sent().iter().map(|(.., body)| body.len()).sum();
    assert_eq!(
        sent,
        2 + 2 + window,
        "a head without headers, and the window"
    );
}

/// A request and its answer without a body, as the engine makes them: no copy, no event that is kept.
#[test]
fn a_request_allocates_nothing_once_the_tables_have_grown() {
    let mut pair = up();
    let now = pair.now;
    let (mut there, mut back) = (Vec::new(), Vec::new());
    let mut round = |pair: &mut Pair| {
        let asked = pair
            .dialer
            .conn
            .open_stream(now, ["other", "echo"], &NONE, &NONE, true);
        carry(
            &mut pair.dialer.conn,
            &mut pair.acceptor.conn,
            now,
            &mut there,
        );
        pair.acceptor
            .conn
            .respond(now, asked.unwrap(), &NONE, true)
            .unwrap();
        carry(
            &mut pair.acceptor.conn,
            &mut pair.dialer.conn,
            now,
            &mut back,
        );
    };
    for _ in 0..100 {
        round(&mut pair);
    }
    let before = CALLS.get();
    for _ in 0..1_000 {
        round(&mut pair);
    }
    assert_eq!(CALLS.get() - before, 0);
    assert_eq!(pair.dialer.conn.open_streams(), 0);
}

fn carry(from: &mut Connection, to: &mut Connection, now: Millis, input: &mut Vec<u8>) {
    from.seal();
    input.clear();
    input.extend_from_slice(from.transmit());
    from.transmitted(input.len());
    let mut at = 0;
    while let Opened::Frame {
        consumed,
        mut messages,
    } = to.open(now, &mut input[at..]).unwrap()
    {
        while let Some(event) = to.next_event(now, &mut messages).unwrap() {
            assert!(!matches!(
                event,
                Event::Reset { .. } | Event::Refused { .. }
            ));
        }
        at += consumed;
    }
}
