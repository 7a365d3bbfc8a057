//! One connection of ours against a peer that says what a fuzzer wants, sealed with the right keys: decoders in the states in which
//! peers reach them. Each script says who dialed, then what is written, and what our own caller does in between.

use crate::support::happened::Happened;
use crate::support::raw::{self, Meeting};
use crate::support::raw2::{self, Meeting2};
use crate::support::script::Script;
use crate::support::{headers, identified};
use flatend_codec::limits::TRANSMIT_BYTES_MAX;
use flatend_codec::{
    Connection, GoodbyeCode, HeaderBlock, Millis, ProtocolError, ResetCode, Role, StreamId, Token,
};

const NONE: HeaderBlock = HeaderBlock::new();
/// What waits for the peer is bounded, whatever it does: twice the limit, and the answer to the frame at hand.
const QUEUED_MAX: usize = 2 * TRANSMIT_BYTES_MAX + 256 * 1024;

/// What has happened that our caller could answer.
#[derive(Default)]
struct Known {
    streams: Vec<StreamId>,
    tokens: Vec<Token>,
}

impl Known {
    fn note(&mut self, happened: &[Happened]) {
        for event in happened {
            match event {
                Happened::Request { stream, .. } => self.streams.push(*stream),
                Happened::FindNode(token, _) => self.tokens.push(*token),
                _ => {}
            }
        }
    }

    fn stream(&self, script: &mut Script<'_>) -> StreamId {
        let at = script.below(self.streams.len() + 1);
        self.streams.get(at).copied().unwrap_or(StreamId(2))
    }
}

/// One call of our own caller.
fn act(conn: &mut Connection, now: Millis, known: &mut Known, script: &mut Script<'_>) {
    let stream = known.stream(script);
    match script.below(14) {
        0 => {
            if let Ok(stream) = conn.open_stream(now, ["theirs"], &NONE, &NONE, false) {
                known.streams.push(stream);
            }
        }
        1 => drop(conn.respond(now, stream, &headers(&[(":status", "200")]), false)),
        2 => drop(conn.respond(now, stream, &NONE, true)),
        3 => drop(conn.send_data(now, stream, &vec![7; script.length()])),
        4 => drop(conn.send_end(now, stream)),
        5 => conn.reset(now, stream, ResetCode::Cancel, "gone"),
        6 => conn.refuse(now, stream),
        7 => conn.credit(now, stream, script.length()),
        8 => drop(conn.trailers(now, stream, &headers(&[("a", "b")]))),
        9 => drop(conn.find_node(now, [script.byte(); 32])),
        10 => {
            if let Some(token) = known.tokens.pop() {
                drop(conn.records(now, token, [&[1; 200][..]]));
                drop(conn.nodes::<flatend_codec::NodeId>(now, token, std::iter::empty()));
            }
        }
        11 => drop(conn.announce(now, None, &["other".to_owned()])),
        12 => conn.set_reading(now, script.byte() % 2 == 0),
        _ => conn.goodbye(now, GoodbyeCode::Drain, "over"),
    }
}

/// What must hold whatever a peer does.
fn check(conn: &Connection, result: &Result<(), ProtocolError>) {
    conn.check_invariants();
    assert!(
        conn.queued_bytes() <= QUEUED_MAX,
        "{} bytes wait for a peer that does not read",
        conn.queued_bytes()
    );
    if let Err(error) = result {
        assert!(!error.to_string().is_empty());
        assert!(!conn.is_ready() && conn.next_deadline().is_none());
    }
}

/// flatend/2: messages one by one or several a frame, any bytes as a frame, bytes that are none.
pub fn flatend2(input: &[u8]) {
    let mut script = Script::new(input);
    let first = script.byte();
    let role = if first & 1 == 0 {
        Role::Dialer
    } else {
        Role::Acceptor
    };
    let mut meeting = if first & 2 == 0 {
        Meeting2::up(role)
    } else {
        Meeting2::keyed(role)
    };
    let mut known = Known::default();
    let mut result = Ok(());
    while !script.is_over() && result.is_ok() {
        result = match script.below(8) {
            0..=3 => {
                let (kind, flags) = (script.byte(), script.byte());
                let stream = u64::from(script.byte());
                let length = script.length();
                let body = script.take(length);
                // A body longer than the script is filled up.
                let body = [body, &vec![0; length - body.len()]].concat();
                meeting.send(&raw2::message(kind % 16, flags, stream, &body))
            }
            4 => {
                let length = script.length();
                meeting.send(script.take(length))
            }
            5 => {
                let length = script.length();
                meeting.feed(script.take(length))
            }
            6 => {
                meeting.now = meeting.now.after(u64::from(script.byte()) * 50);
                meeting.conn.handle_timeout(meeting.now)
            }
            _ => {
                act(&mut meeting.conn, meeting.now, &mut known, &mut script);
                Ok(())
            }
        };
        known.note(&meeting.news());
        if script.below(4) == 0 {
            meeting.sent();
        }
        check(&meeting.conn, &result);
    }
}

/// The same on legacy.
pub fn legacy(input: &[u8]) {
    let mut script = Script::new(input);
    let mut meeting = match script.byte() % 5 {
        0 => Meeting::dialed(&["theirs"]),
        1 => Meeting::accepted(&["theirs"]),
        2 => Meeting::go_dialed_us(&["theirs"]),
        3 => Meeting::node_dialed_us(&["theirs"]),
        _ => Meeting::keyed(identified(Role::Acceptor, 3, &[])),
    };
    let mut known = Known::default();
    let mut result = Ok(());
    while !script.is_over() && result.is_ok() {
        result = match script.below(8) {
            0..=3 => {
                let seq = u32::from(script.byte());
                let opcode = script.byte() % 8;
                let length = script.length();
                let body = script.take(length);
                let body = [body, &vec![0; length - body.len()]].concat();
                meeting.send(&raw::message(seq, opcode, &body))
            }
            4 => {
                let length = script.length();
                meeting.send(script.take(length))
            }
            5 => {
                let length = script.length();
                meeting.feed(script.take(length))
            }
            6 => {
                meeting.now = meeting.now.after(u64::from(script.byte()) * 50);
                meeting.conn.handle_timeout(meeting.now)
            }
            _ => {
                act(&mut meeting.conn, meeting.now, &mut known, &mut script);
                Ok(())
            }
        };
        known.note(&meeting.news());
        if script.below(4) == 0 {
            meeting.sent();
        }
        check(&meeting.conn, &result);
    }
}
