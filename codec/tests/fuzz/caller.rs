//! Who calls a connection of a pair: asks, answers, sends, ends, cuts, all by a script, and tells the model of it.

use crate::shadow::{At, Shadow};
use crate::support::headers;
use crate::support::script::Script;
use ed25519_dalek::SigningKey;
use flatend_codec::{
    Connection, Event, GoodbyeCode, HeaderBlock, Millis, NodeId, PeerKind, ResetCode, StreamId,
    Token,
};

const NONE: HeaderBlock = HeaderBlock::new();

pub struct Caller {
    pub at: At,
    pub conn: Connection,
    streams: Vec<StreamId>,
    tokens: Vec<Token>,
}

impl Caller {
    pub fn new(at: At, conn: Connection) -> Self {
        Self {
            at,
            conn,
            streams: Vec::new(),
            tokens: Vec::new(),
        }
    }

    /// Is told something.
    pub fn hear(&mut self, event: &Event<'_>, shadow: &mut Shadow) {
        let flatend2 = self.conn.peer_kind() == PeerKind::Flatend2;
        shadow.happened(self.at, event, flatend2);
        match event {
            Event::Request { stream, .. } => self.streams.push(*stream),
            Event::FindNode { token, .. } => self.tokens.push(*token),
            _ => {}
        }
    }

    /// Does one thing.
    pub fn call(&mut self, now: Millis, shadow: &mut Shadow, script: &mut Script<'_>) {
        let at = self.at;
        let chosen = script.below(self.streams.len().max(1));
        let stream = self.streams.get(chosen).copied().unwrap_or(StreamId(1));
        let legacy = self.conn.peer_kind() != PeerKind::Flatend2;
        match script.below(12) {
            0 | 1 => {
                let end = script.byte() % 2 == 0;
                let head = headers(&[("a", "1")]);
                if let Ok(stream) = self.conn.open_stream(now, ["echo"], &head, &NONE, end) {
                    self.streams.push(stream);
                    shadow.opened(stream, at, end);
                }
            }
            2 => {
                let end = script.byte() % 2 == 0;
                if self.conn.respond(now, stream, &NONE, end).is_ok() {
                    shadow.responded(stream, at, end);
                }
            }
            3..=5 => {
                let bytes = shadow.next_bytes(stream, at, script.length());
                if self.conn.send_data(now, stream, &bytes).is_ok() {
                    shadow.sent(stream, at, bytes.len());
                }
            }
            6 => {
                if self.conn.send_end(now, stream).is_ok() {
                    shadow.ended(stream, at);
                }
            }
            7 => {
                let trailers = headers(&[("sum", "1")]);
                if self.conn.trailers(now, stream, &trailers).is_ok() {
                    shadow.ended(stream, at);
                }
            }
            8 => {
                let code =
                    [ResetCode::Refused, ResetCode::Cancel, ResetCode::Done][script.below(3)];
                self.conn.reset(now, stream, code, "why");
                shadow.cut(stream, at, code == ResetCode::Refused || legacy);
            }
            9 => {
                self.conn.refuse(now, stream);
                shadow.refused(stream, at);
            }
            10 => {
                if let Some(token) = self.tokens.pop() {
                    let id = NodeId::new([7; 32], ([127, 0, 0, 1], 9).into());
                    drop(self.conn.nodes(now, token, [id].iter()));
                    drop(self.conn.records(now, token, [&[1; 150][..]]));
                } else {
                    drop(self.conn.find_node(now, [script.byte(); 32]));
                }
            }
            _ if script.byte() % 8 == 0 => self.conn.goodbye(now, GoodbyeCode::Drain, "over"),
            _ => {
                let key = [0x30 + at as u8; 32];
                let names = [format!("echo{}", script.below(3)), "echo".to_owned()];
                drop(
                    self.conn
                        .announce(now, Some(&SigningKey::from_bytes(&key)), &names),
                );
            }
        }
    }
}
