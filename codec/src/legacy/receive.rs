//! Messages in: which one it is, whether it may come now, and those that belong to no stream. One legacy frame holds one message.

use super::{Link, Phase, Question};
use crate::connection::{Peer, Role, Shared};
use crate::dialect::PeerKind;
use crate::error::{IdentityFault, ProtocolError};
use crate::event::Event;
use crate::limits::FIRST_REQUEST_WAIT_MS;
use crate::packet::handshake::Handshake;
use crate::packet::{lookup, Opcode};
use crate::wire::Reader;
use crate::Millis;

pub(super) type Received<'a> = Result<Option<Event<'a>>, ProtocolError>;

impl Link {
    /// One plaintext.
    pub(crate) fn receive<'a>(
        &mut self,
        shared: &mut Shared,
        now: Millis,
        plaintext: &'a [u8],
    ) -> Received<'a> {
        let received = self.take_message(shared, now, plaintext);
        if self.rest.is_at_rest() {
            self.opener.rest();
        }
        received
    }

    /// RPC number, then a message or a reply.
    fn take_message<'a>(
        &mut self,
        shared: &mut Shared,
        now: Millis,
        plaintext: &'a [u8],
    ) -> Received<'a> {
        let mut reader = Reader::new(plaintext);
        let seq = reader
            .u32()
            .ok_or(ProtocolError::Truncated { packet: "frame" })?;
        if matches!(self.phase, Phase::FirstWait { .. }) {
            // Rule G08: whatever comes next shows that our handshake was digested.
            self.phase = Phase::Up;
        }
        if self.rpc.is_reply(seq) {
            return self.on_reply(shared, now, seq, reader.rest());
        }
        if self.kind == PeerKind::Unknown && self.rpc.is_native(seq) {
            self.set_kind(shared, PeerKind::Native);
        }
        let byte = reader
            .u8()
            .ok_or(ProtocolError::Truncated { packet: "message" })?;
        let opcode = Opcode::decode(byte).ok_or(ProtocolError::UnknownOpcode(byte))?;
        let body = reader.rest();
        self.check_order(opcode, byte)?;
        match opcode {
            Opcode::Handshake => self.on_handshake(shared, now, seq, body),
            Opcode::FindNode => self.on_find_node(shared, seq, body),
            _ if seq != 0 => Err(ProtocolError::Sequence {
                seq,
                packet: "message without a reply",
            }),
            Opcode::ServiceRequest => {
                self.rest.note(now);
                self.on_request(shared, body)
            }
            Opcode::ServiceResponse => {
                self.rest.note(now);
                self.on_response(shared, now, body)
            }
            Opcode::Data => {
                self.rest.note(now);
                self.on_data(shared, now, body)
            }
        }
    }

    /// The handshake comes first. A dialer may be called before its reply is there: Go offers a new link to its callers before it
    /// answers.
    fn check_order(&self, opcode: Opcode, byte: u8) -> Result<(), ProtocolError> {
        match self.phase {
            Phase::AwaitHandshake if opcode != Opcode::Handshake => {
                Err(ProtocolError::BeforeHandshake { opcode: byte })
            }
            Phase::AwaitReply if opcode == Opcode::Handshake => {
                Err(ProtocolError::BeforeHandshake { opcode: byte })
            }
            _ => Ok(()),
        }
    }

    fn on_reply<'a>(
        &mut self,
        shared: &mut Shared,
        now: Millis,
        seq: u32,
        body: &'a [u8],
    ) -> Received<'a> {
        match self
            .rpc
            .answered(seq)
            .ok_or(ProtocolError::UnknownReply { seq })?
        {
            Question::Handshake => {
                self.take_handshake(Handshake::decode(body)?)?;
                self.phase = Phase::Up;
                self.look_up_own_key(shared);
                Ok(Some(Event::Handshake { again: false }))
            }
            Question::Announce => {
                // The reply shows the peer's own list, which may have changed meanwhile.
                self.take_handshake(Handshake::decode(body)?)?;
                Ok(Some(Event::Handshake { again: true }))
            }
            Question::FindNode => {
                let ids = lookup::decode_response(body)?;
                Ok(Some(Event::Nodes {
                    token: crate::Token(u64::from(seq)),
                    ids,
                }))
            }
            Question::Probe => {
                lookup::decode_response(body)?;
                self.liveness.note_answer();
                self.note_waiting(shared, now);
                Ok(None)
            }
        }
    }

    fn on_handshake<'a>(
        &mut self,
        shared: &mut Shared,
        now: Millis,
        seq: u32,
        body: &'a [u8],
    ) -> Received<'a> {
        if seq == 0 {
            return Err(ProtocolError::Sequence {
                seq,
                packet: "handshake",
            });
        }
        let handshake = Handshake::decode(body)?;
        let again = self.peer.is_some();
        if again && shared.role == Role::Acceptor {
            // Rule G07: only Go shakes hands twice with numbers like these.
            if self.kind == PeerKind::Unknown {
                self.set_kind(shared, PeerKind::Go);
            }
        }
        self.take_handshake(handshake)?;
        shared.check_reads()?;
        let start = shared.out.begin(seq);
        let message = shared.out.message();
        message.extend_from_slice(&shared.handshake_body);
        message.extend_from_slice(self.trailer());
        shared.out.finish(start, &mut self.sealer);
        if !again {
            self.phase = Phase::FirstWait {
                until: now.after(FIRST_REQUEST_WAIT_MS),
            };
        }
        Ok(Some(Event::Handshake { again }))
    }

    /// Takes identity and names; the new list replaces the old one.
    fn take_handshake(&mut self, handshake: Handshake<'_>) -> Result<(), ProtocolError> {
        if let Some(peer) = &self.peer {
            let before = peer.id.as_ref().map(|id| id.public_key);
            if before != handshake.id.as_ref().map(|id| id.public_key) {
                return Err(ProtocolError::Identity(IdentityFault::Changed));
            }
        }
        let shown = handshake.id.as_ref().map(|id| id.public_key);
        if self
            .downgrade
            .as_ref()
            .is_some_and(|ours| ours.is_proved_by(handshake.trailing, shown))
        {
            return Err(ProtocolError::Identity(IdentityFault::Downgraded));
        }
        // Handshake::decode has refused what is not UTF-8.
        let services = handshake
            .services
            .iter()
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect();
        self.peer = Some(Peer {
            id: handshake.id,
            services,
            kind: self.kind,
        });
        Ok(())
    }

    fn on_find_node<'a>(&mut self, shared: &mut Shared, seq: u32, body: &'a [u8]) -> Received<'a> {
        if seq == 0 {
            return Err(ProtocolError::Sequence {
                seq,
                packet: "find node",
            });
        }
        let target = lookup::decode_request(body)?;
        if shared.role == Role::Acceptor && self.kind == PeerKind::Unknown {
            // protocol.md 4: the second request tells. Go would have shaken hands again.
            self.set_kind(shared, PeerKind::Node);
        }
        let token = self.lookups.note_asked(seq, target)?;
        Ok(Some(Event::FindNode { token, target }))
    }

    pub(super) fn set_kind(&mut self, shared: &mut Shared, kind: PeerKind) {
        self.kind = kind;
        if let Some(peer) = &mut self.peer {
            peer.kind = kind;
        }
        if !self.dialect().holds_response {
            self.release_all_held(shared);
        }
    }
}
