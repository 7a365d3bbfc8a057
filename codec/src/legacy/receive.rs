//! Messages in. One legacy frame holds one message.

use super::{Link, Phase, Question};
use crate::connection::{Peer, Role, Shared};
use crate::dialect::PeerKind;
use crate::error::{IdentityFault, ProtocolError};
use crate::event::{Event, ResetCode};
use crate::limits::FIRST_REQUEST_WAIT_MS;
use crate::packet::handshake::Handshake;
use crate::packet::response::ServiceResponse;
use crate::packet::{data, lookup, request, response, Opcode};
use crate::stream::{Recv, Send, Stream};
use crate::wire::Reader;
use crate::{Millis, StreamId};

type Received<'a> = Result<Option<Event<'a>>, ProtocolError>;

const UNDECODABLE: &str = "the peer's headers do not decode";

fn stream_id(id: u32) -> StreamId {
    StreamId(u64::from(id))
}

impl Link {
    /// One plaintext: RPC number, then a message or a reply.
    pub(crate) fn receive<'a>(
        &mut self,
        shared: &mut Shared,
        now: Millis,
        plaintext: &'a [u8],
    ) -> Received<'a> {
        let mut reader = Reader::new(plaintext);
        let seq = reader
            .u32()
            .ok_or(ProtocolError::Truncated { packet: "frame" })?;
        if self.rpc.is_reply(seq) {
            return self.on_reply(shared, now, seq, reader.rest());
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
            Opcode::ServiceRequest => self.on_request(shared, body),
            Opcode::ServiceResponse => self.on_response(shared, now, body),
            Opcode::Data => self.on_data(shared, now, body),
        }
    }

    /// The handshake comes first. A dialer may be called before its reply is there: Go offers a new link to its callers before it
    /// answers.
    fn check_order(&mut self, opcode: Opcode, byte: u8) -> Result<(), ProtocolError> {
        match self.phase {
            Phase::AwaitHandshake if opcode != Opcode::Handshake => {
                Err(ProtocolError::BeforeHandshake { opcode: byte })
            }
            Phase::AwaitReply if opcode == Opcode::Handshake => {
                Err(ProtocolError::BeforeHandshake { opcode: byte })
            }
            Phase::FirstWait { .. } => {
                // Rule G08: whatever comes next shows that our reply was digested.
                self.phase = Phase::Up;
                Ok(())
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
            // Rule G07: only Go shakes hands twice.
            self.set_kind(shared, PeerKind::Go);
        }
        self.take_handshake(handshake)?;
        self.check_reads(shared)?;
        let start = shared.out.begin(seq);
        shared
            .out
            .message()
            .extend_from_slice(&shared.handshake_body);
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
        let token = self.lookups.note_asked(seq)?;
        Ok(Some(Event::FindNode { token, target }))
    }

    fn set_kind(&mut self, shared: &mut Shared, kind: PeerKind) {
        self.kind = kind;
        if let Some(peer) = &mut self.peer {
            peer.kind = kind;
        }
        if !self.dialect().holds_response {
            self.release_all_held(shared);
        }
    }

    fn on_request<'a>(&mut self, shared: &mut Shared, body: &'a [u8]) -> Received<'a> {
        let (id, packet) = request::decode(body)?;
        if self.streams.contains(id) {
            return Err(ProtocolError::StreamInUse {
                stream: stream_id(id),
            });
        }
        self.ids.note_theirs(id);
        let full = self.streams.counts().theirs >= shared.limits.streams_open_max;
        match packet {
            Some(packet) if !full => {
                self.streams.insert(id, Stream::theirs());
                let request::ServiceRequest { services, headers } = packet;
                Ok(Some(Event::Request {
                    stream: stream_id(id),
                    services,
                    headers,
                    end: false,
                }))
            }
            packet => {
                // Rules B01, N06: an error of this stream alone; what follows on it is dropped.
                self.malformed += u64::from(packet.is_none());
                self.check_reads(shared)?;
                self.send_refusal(shared, id);
                Ok(None)
            }
        }
    }

    fn on_response<'a>(
        &mut self,
        shared: &mut Shared,
        now: Millis,
        body: &'a [u8],
    ) -> Received<'a> {
        let (id, packet) = response::decode(body)?;
        let Some(stream) = self.streams.get(id) else {
            return self.drop_late(id, "service response");
        };
        let (ours, recv, discard) = (stream.ours, stream.recv, stream.discard);
        if !ours {
            return Err(ProtocolError::StreamState {
                stream: stream_id(id),
                what: "a response to the peer's own request",
            });
        }
        if recv != Recv::Head {
            return Err(ProtocolError::StreamState {
                stream: stream_id(id),
                what: "a second response",
            });
        }
        let event = match packet {
            ServiceResponse::Refused => {
                self.end_refused(shared, id);
                Event::Refused {
                    stream: stream_id(id),
                }
            }
            ServiceResponse::Handled(headers) => {
                self.streams.update(id, |stream| stream.recv = Recv::Body);
                if headers.content_length().is_none_or(|length| length == 0) {
                    let due = self.silent.push(shared.clock.at(now), id, &self.streams);
                    self.streams
                        .update(id, |stream| stream.silent_due = Some(due));
                }
                Event::Response {
                    stream: stream_id(id),
                    headers,
                    end: false,
                }
            }
            ServiceResponse::Malformed => {
                self.malformed += 1;
                self.streams.update(id, |stream| stream.recv = Recv::Body);
                self.reset(shared, now, stream_id(id));
                Event::Reset {
                    stream: stream_id(id),
                    code: ResetCode::Protocol,
                    reason: UNDECODABLE,
                }
            }
        };
        self.note_waiting(shared, now);
        Ok((!discard).then_some(event))
    }

    fn on_data<'a>(&mut self, shared: &mut Shared, now: Millis, body: &'a [u8]) -> Received<'a> {
        let (id, bytes) = data::decode(body)?;
        let Some(stream) = self.streams.get(id) else {
            return self.drop_late(id, "data");
        };
        let (ours, recv, discard) = (stream.ours, stream.recv, stream.discard);
        match recv {
            Recv::Head => {
                return Err(ProtocolError::StreamState {
                    stream: stream_id(id),
                    what: "data before the response",
                });
            }
            Recv::Ended => {
                return Err(ProtocolError::StreamState {
                    stream: stream_id(id),
                    what: "data after the end",
                })
            }
            Recv::Body => {}
        }
        if bytes.is_empty() {
            // protocol.md 3, Data: len 0 ends this direction.
            if ours {
                self.response_ended(shared, now, id);
            } else {
                self.request_ended(shared, id);
            }
            return Ok((!discard).then_some(Event::End {
                stream: stream_id(id),
            }));
        }
        if stream.silent_due.is_some() {
            self.streams.update(id, |stream| stream.silent_due = None);
            self.silent.drop_stale(&self.streams);
        }
        Ok((!discard).then_some(Event::Data {
            stream: stream_id(id),
            bytes,
        }))
    }

    /// A packet for a stream that is not open: late if it was ever used, else an error.
    fn drop_late<'a>(&mut self, id: u32, packet: &'static str) -> Received<'a> {
        if !self.ids.was_used(id) {
            return Err(ProtocolError::UnknownStream {
                stream: stream_id(id),
                packet,
            });
        }
        self.dropped += 1;
        Ok(None)
    }

    /// The response of a request of ours is complete. True if anybody wants to know.
    pub(super) fn response_ended(&mut self, shared: &mut Shared, now: Millis, id: u32) -> bool {
        let handler_gone = self.dialect().early_response_ends_request;
        let Some((wanted, unended, abandoned)) = self.streams.update(id, |stream| {
            stream.recv = Recv::Ended;
            stream.silent_due = None;
            let unended = stream.send == Send::Open;
            if unended && (handler_gone || stream.discard) {
                // Either ended below, or abandoned and nothing more to come: the stream is over.
                stream.send = Send::Ended;
            }
            (!stream.discard, unended, stream.abandoned)
        }) else {
            return false;
        };
        if unended && handler_gone {
            // protocol.md 4, Ends: Go's handler has returned, the rest of the body would close the link.
            self.send_empty_data(shared, id);
            if abandoned {
                self.abandoned.heal();
            }
        }
        self.silent.drop_stale(&self.streams);
        self.note_waiting(shared, now);
        wanted
    }

    /// The body of a request of theirs is complete: what was kept back for its caller goes out (rule G11).
    fn request_ended(&mut self, shared: &mut Shared, id: u32) {
        self.release_held(shared, id);
        self.streams.update(id, |stream| stream.recv = Recv::Ended);
    }

    /// handled = 0: the empty Data at once and nothing else (protocol.md 4, Ends; rule G10).
    fn end_refused(&mut self, shared: &mut Shared, id: u32) {
        let Some(stream) = self.streams.remove(id) else {
            return;
        };
        if stream.send == Send::Open {
            self.send_empty_data(shared, id);
        }
        if stream.abandoned {
            self.abandoned.heal();
        }
    }

    /// A peer that makes us answer and does not read gets no more answers.
    fn check_reads(&self, shared: &Shared) -> Result<(), ProtocolError> {
        let (queued, max) = (
            shared.out.waiting_len(),
            shared.limits.transmit_bytes_max.saturating_mul(2),
        );
        if queued > max {
            return Err(ProtocolError::NotReading { queued, max });
        }
        Ok(())
    }
}
