//! Memory: nothing is allocated by a count that a peer claims, and a request costs none once tables and buffers have grown.

use crate::support::raw::{data, message, request, response, wire, Meeting};
use flatend_codec::{Connection, Event, HeaderBlock, Millis, Opened, StreamId};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

/// Counts what each thread allocates.
struct Counting;

fn count(bytes: usize) {
    CALLS.with(|calls| calls.set(calls.get() + 1));
    BYTES.with(|total| total.set(total.get() + bytes));
}

// SAFETY: every call goes to the system allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Calls of the allocator and bytes asked for, in `act`.
fn measure<T>(act: impl FnOnce() -> T) -> (usize, usize, T) {
    let (calls, bytes) = (CALLS.get(), BYTES.get());
    let result = act();
    (CALLS.get() - calls, BYTES.get() - bytes, result)
}

/// Opens one frame and hands its only event to `see`, without a copy.
fn one_event<T>(
    conn: &mut Connection,
    now: Millis,
    frame: &mut [u8],
    see: impl FnOnce(Event<'_>) -> T,
) -> T {
    match conn.open(now, frame).unwrap() {
        Opened::Frame { mut messages, .. } => {
            see(conn.next_event(now, &mut messages).unwrap().unwrap())
        }
        Opened::Incomplete { .. } => panic!("the frame is whole"),
    }
}

#[test]
fn claimed_counts_reserve_nothing() {
    let mut meeting = Meeting::node_dialed_us(&["s"]);
    meeting.sent();
    // 255 services; 65,535 headers: each in a packet that ends there. The answers are refusals of some 30 bytes each.
    let plaintexts = [
        message(0, 1, &[0, 0, 0, 0, 255]),
        message(0, 1, &[0, 0, 0, 2, 0, 0xff, 0xff]),
        message(0, 1, &[0, 0, 0, 4, 1, 1, b's', 0xff, 0xff, 255]),
    ];
    for plaintext in plaintexts {
        let mut frame = meeting.peer.seal(&plaintext);
        let now = meeting.now;
        let (_, bytes, ()) = measure(|| match meeting.conn.open(now, &mut frame).unwrap() {
            Opened::Frame { mut messages, .. } => {
                assert!(meeting
                    .conn
                    .next_event(now, &mut messages)
                    .unwrap()
                    .is_none());
            }
            Opened::Incomplete { .. } => panic!("the frame is whole"),
        });
        assert!(bytes <= 1_024, "{bytes} bytes for {plaintext:?}");
    }
    let mut frame = meeting.peer.seal(&message(7, 0, &[0, 255]));
    let now = meeting.now;
    let (_, bytes, failed) = measure(|| match meeting.conn.open(now, &mut frame).unwrap() {
        Opened::Frame { mut messages, .. } => meeting.conn.next_event(now, &mut messages).is_err(),
        Opened::Incomplete { .. } => false,
    });
    assert!(failed && bytes <= 1_024, "{bytes}");
}

#[test]
fn a_length_that_is_claimed_reserves_nothing() {
    let mut meeting = Meeting::node_dialed_us(&[]);
    let now = meeting.now;
    let mut input = (128u32 * 1024).to_be_bytes().to_vec();
    let (calls, _, at_least) = measure(|| match meeting.conn.open(now, &mut input).unwrap() {
        Opened::Incomplete { at_least } => at_least,
        Opened::Frame { .. } => 0,
    });
    assert_eq!((calls, at_least), (0, 128 * 1024 + 4));
}

#[test]
fn a_request_of_ours_allocates_nothing_once_warm() {
    let mut meeting = Meeting::dialed(&["s"]);
    let mut head = HeaderBlock::new();
    head.push(b"content-type", b"text/plain").unwrap();
    let none = HeaderBlock::new();
    for round in 0..200 {
        let now = meeting.now;
        let (asked, _, stream) = measure(|| {
            let stream = meeting
                .conn
                .open_stream(now, ["s"], &head, &none, false)
                .unwrap();
            meeting.conn.send_data(now, stream, b"body").unwrap();
            meeting.conn.send_end(now, stream).unwrap();
            stream
        });
        meeting.sent();
        let mut answer = [
            response(wire(stream), true, &[("a", "b")]),
            data(wire(stream), b"body"),
            data(wire(stream), b""),
        ]
        .map(|plaintext| meeting.peer.seal(&plaintext));
        let (answered, _, bytes) = measure(|| {
            let mut bytes = 0;
            for frame in &mut answer {
                bytes += one_event(&mut meeting.conn, now, frame, |event| match event {
                    Event::Response { headers, .. } => headers.get(b"a").map_or(0, <[u8]>::len),
                    Event::Data { bytes, .. } => bytes.len(),
                    _ => 0,
                });
            }
            bytes
        });
        assert_eq!(bytes, 1 + 4);
        assert!(
            round < 32 || (asked, answered) == (0, 0),
            "round {round}: {asked} and {answered} allocations"
        );
    }
    assert_eq!(meeting.conn.open_streams(), 0);
}

#[test]
fn a_request_of_theirs_allocates_nothing_once_warm() {
    let mut meeting = Meeting::node_dialed_us(&[]);
    let mut head = HeaderBlock::new();
    head.push(b":status", b"200").unwrap();
    for round in 0..200u32 {
        let (now, id) = (meeting.now, 2 * round);
        let mut asked = [
            request(id, &["ours"], &[("a", "b")]),
            data(id, b"body"),
            data(id, b""),
        ]
        .map(|plaintext| meeting.peer.seal(&plaintext));
        let (calls, _, ()) = measure(|| {
            for frame in &mut asked {
                one_event(&mut meeting.conn, now, frame, |_| ());
            }
            let stream = StreamId(u64::from(id));
            meeting.conn.respond(now, stream, &head, false).unwrap();
            meeting.conn.send_data(now, stream, b"answer").unwrap();
            meeting.conn.send_end(now, stream).unwrap();
        });
        meeting.sent();
        assert!(
            round < 32 || calls == 0,
            "round {round}: {calls} allocations"
        );
    }
}

#[test]
fn an_idle_connection_gives_a_large_buffer_back() {
    let mut meeting = Meeting::node_dialed_us(&["s"]);
    meeting.sent();
    let stream = meeting
        .conn
        .open_stream(
            meeting.now,
            ["s"],
            &HeaderBlock::new(),
            &HeaderBlock::new(),
            false,
        )
        .unwrap();
    let now = meeting.now;
    meeting
        .conn
        .send_data(now, stream, &vec![0; 4 << 20])
        .unwrap();
    meeting.sent();
    // The buffer has to grow again for the next large piece: it was given back.
    let (_, bytes, ()) = measure(|| meeting.conn.send_data(now, stream, &[0; 1_000]).unwrap());
    assert_eq!(bytes, 0, "a small piece fits what is kept");
    let piece = vec![0; 1 << 20];
    let (_, bytes, ()) = measure(|| meeting.conn.send_data(now, stream, &piece).unwrap());
    assert!(bytes > 0);
}
