//! Messages in: what each means for the link and its streams.

use super::message::{flag, kind, name, Message};
use super::streams::Left;
use super::{Hello, Link, Own, Phase};
use crate::connection::{Peer, Role, Shared};
use crate::dialect::PeerKind;
use crate::error::{IdentityFault, ProtocolError};
use crate::event::{Event, ResetCode};
use crate::limits::MESSAGE_HEADER_BYTES;
use crate::node_id::NodeId;
use crate::stream::Recv;
use crate::StreamId;

pub(super) type Received<'a> = Result<Option<Event<'a>>, ProtocolError>;

impl Link {
    /// The next event of an opened frame, whose rest stays in `frame`; `None` when it is used up.
    pub(crate) fn next_event<'a>(
        &mut self,
        shared: &mut Shared,
        own: &mut Option<Box<Own>>,
        frame: &mut &'a [u8],
    ) -> Received<'a> {
        if let Some(stream) = self.pending_end.take() {
            return Ok(Some(Event::End { stream }));
        }
        loop {
            let Some(message) = Message::take(frame)? else {
                if self.rest.is_at_rest() {
                    self.opener.rest();
                }
                return Ok(None);
            };
            if message.head.stream != 0 {
                self.rest.note(shared.clock.bytes_came());
            }
            let event = match self.phase {
                Phase::AwaitHello => {
                    if let Some(own) = own {
                        self.on_hello(shared, own, message, frame.is_empty())?;
                    }
                    // All of it is said.
                    *own = None;
                    None
                }
                Phase::AwaitServices | Phase::Up => self.receive(shared, message)?,
            };
            if event.is_some() {
                return Ok(event);
            }
        }
    }

    fn on_hello(
        &mut self,
        shared: &mut Shared,
        own: &Own,
        message: Message<'_>,
        alone: bool,
    ) -> Result<(), ProtocolError> {
        if message.head.kind != kind::HELLO {
            return Err(ProtocolError::BeforeHandshake {
                opcode: message.head.kind,
            });
        }
        if !alone {
            return Err(ProtocolError::Hello {
                field: 0,
                what: "not alone in its frame",
            });
        }
        let sender = match self.role {
            Role::Dialer => Role::Acceptor,
            Role::Acceptor => Role::Dialer,
        };
        let hello = Hello::decode(message.body, sender, &own.binding)?;
        if own.expected_key.is_some_and(|key| key != hello.public_key) {
            return Err(ProtocolError::Identity(IdentityFault::Unexpected));
        }
        let id = hello
            .addresses
            .first()
            .map(|address| NodeId::new(hello.public_key, *address));
        self.peer = Some(Peer {
            id,
            services: Vec::new(),
            kind: PeerKind::Flatend2,
        });
        self.grants.ours = u64::from(hello.first_grant);
        self.hello = Some(hello);
        self.phase = Phase::AwaitServices;
        if self.role == Role::Dialer {
            self.say_hello(shared, own);
        }
        self.say_services(shared, &own.services);
        Ok(())
    }

    fn receive<'a>(&mut self, shared: &mut Shared, message: Message<'a>) -> Received<'a> {
        match message.head.kind {
            kind::REQUEST => self.on_request(shared, message),
            kind::RESPONSE => self.on_response(shared, message),
            kind::DATA => self.on_data(shared, message),
            kind::TRAILERS => self.on_trailers(shared, message),
            kind::RESET => self.on_reset(shared, message),
            kind::WINDOW => self.on_window(message),
            kind::PING => self.on_ping(shared, message),
            kind::GOODBYE => self.on_goodbye(shared, message),
            kind::SERVICES => self.on_services(message),
            kind::FIND_NODE => self.on_find_node(shared, message),
            kind::CREDIT => self.on_credit(message),
            kind::HELLO => Err(ProtocolError::Hello {
                field: 0,
                what: "sent twice",
            }),
            kind::NODES => self.on_nodes(message),
            kind::LEGACY_NODES => self.on_legacy_nodes(message),
            // Below CRITICAL what is not known is skipped.
            _ => Ok(None),
        }
    }

    fn on_request<'a>(&mut self, shared: &mut Shared, message: Message<'a>) -> Received<'a> {
        let id = message.head.stream;
        let parity = match self.role {
            Role::Dialer => 0,
            Role::Acceptor => 1,
        };
        if id % 2 != parity || id <= self.theirs {
            return Err(ProtocolError::StreamState {
                stream: StreamId(id),
                what: "a request whose number does not rise, or belongs to the other side",
            });
        }
        // Whoever asks and does not read gets no further answers, refusals included.
        shared.check_reads()?;
        let (deadline_ms, services, headers) = message.request()?;
        self.theirs = id;
        // Refused ones too: the asker counts those that it sent.
        self.requests_taken += 1;
        if self.said_goodbye || self.grants.theirs == 0 {
            shared.note_answer(MESSAGE_HEADER_BYTES + 1)?;
            self.send_reset(shared, id, ResetCode::Refused, "");
            return Ok(None);
        }
        self.grants.theirs -= 1;
        let end = message.has(flag::END);
        if !end && !self.streams.reserve() {
            // A grant is no memory: what the budget has no room for is refused, and its body dropped as it comes.
            shared.note_answer(MESSAGE_HEADER_BYTES + 1)?;
            self.send_reset(shared, id, ResetCode::Refused, "");
            self.note_left(shared, Left::Theirs);
            return Ok(None);
        }
        self.streams.open(id, false, end);
        Ok(Some(Event::Request {
            stream: StreamId(id),
            services,
            headers,
            deadline_ms: (deadline_ms != 0).then_some(deadline_ms),
            end,
        }))
    }

    /// A message for a stream that is not open: late if its number was used, else an error.
    fn drop_late<'a>(&mut self, id: u64, kind: u8) -> Received<'a> {
        let was_used = if id % 2 == self.next % 2 {
            id < self.next
        } else {
            id <= self.theirs
        };
        if !was_used {
            return Err(ProtocolError::UnknownStream {
                stream: StreamId(id),
                packet: name(kind),
            });
        }
        self.dropped += 1;
        Ok(None)
    }

    fn on_response<'a>(&mut self, shared: &mut Shared, message: Message<'a>) -> Received<'a> {
        let id = message.head.stream;
        let end = message.has(flag::END);
        let answered = self.streams.update(id, |stream, _| {
            if !stream.ours || stream.recv != Recv::Head {
                return Err(ProtocolError::StreamState {
                    stream: StreamId(id),
                    what: "a second response, or one to the peer's own request",
                });
            }
            stream.recv = if end { Recv::Ended } else { Recv::Body };
            Ok(())
        });
        let Some((answered, left)) = answered else {
            return self.drop_late(id, kind::RESPONSE);
        };
        answered?;
        let (status, headers) = message.response()?;
        self.note_left(shared, left);
        Ok(Some(Event::Response {
            stream: StreamId(id),
            status: Some(status),
            headers,
            end,
        }))
    }

    fn on_data<'a>(&mut self, shared: &mut Shared, message: Message<'a>) -> Received<'a> {
        let id = message.head.stream;
        let (bytes, end) = (message.body, message.has(flag::END));
        let received = self.streams.update(id, |stream, _| {
            if stream.recv != Recv::Body {
                return Err(ProtocolError::StreamState {
                    stream: StreamId(id),
                    what: "data before the response or after the end",
                });
            }
            stream.receive(id, bytes.len())?;
            if end {
                stream.recv = Recv::Ended;
            }
            Ok(())
        });
        let Some((received, left)) = received else {
            return self.drop_late(id, kind::DATA);
        };
        received?;
        self.note_left(shared, left);
        let stream = StreamId(id);
        if end {
            if bytes.is_empty() {
                return Ok(Some(Event::End { stream }));
            }
            self.pending_end = Some(stream);
        } else if bytes.is_empty() {
            // Costs its sender a message and us nothing; nobody needs to hear of it.
            return Ok(None);
        }
        Ok(Some(Event::Data { stream, bytes }))
    }

    fn on_trailers<'a>(&mut self, shared: &mut Shared, message: Message<'a>) -> Received<'a> {
        let id = message.head.stream;
        match self.streams.get(id).map(|stream| stream.recv) {
            None => return self.drop_late(id, kind::TRAILERS),
            Some(Recv::Body) => {}
            Some(_) => {
                return Err(ProtocolError::StreamState {
                    stream: StreamId(id),
                    what: "trailers before the response or after the end",
                })
            }
        }
        let headers = message.trailers()?;
        self.change_recv(shared, id, Recv::Ended);
        Ok(Some(Event::Trailers {
            stream: StreamId(id),
            headers,
        }))
    }

    fn on_reset<'a>(&mut self, shared: &mut Shared, message: Message<'a>) -> Received<'a> {
        let id = message.head.stream;
        let (code, reason) = message.reset()?;
        let Some(stream) = self.streams.get(id) else {
            return self.drop_late(id, kind::RESET);
        };
        let unanswered = stream.ours && stream.recv == Recv::Head;
        if !stream.ours {
            // A request that is given up is granted anew.
            shared.note_answer(MESSAGE_HEADER_BYTES + 4)?;
        }
        let stream = StreamId(id);
        self.leave(shared, id);
        Ok(Some(if unanswered && code == ResetCode::Refused {
            Event::Refused { stream }
        } else {
            Event::Reset {
                stream,
                code,
                reason,
            }
        }))
    }

    fn on_window<'a>(&mut self, message: Message<'a>) -> Received<'a> {
        let id = message.head.stream;
        let bytes = message.amount()?;
        let Some((window, _)) = self.streams.update(id, |stream, _| {
            stream.send_window += u64::from(bytes);
            stream.send_window
        }) else {
            return self.drop_late(id, kind::WINDOW);
        };
        if window > u64::from(u32::MAX) {
            return Err(ProtocolError::StreamState {
                stream: StreamId(id),
                what: "a window of more than 4 GiB",
            });
        }
        Ok(Some(Event::Credit {
            stream: StreamId(id),
            bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
        }))
    }

    fn change_recv(&mut self, shared: &mut Shared, id: u64, recv: Recv) {
        if let Some(((), left)) = self.streams.update(id, |stream, _| stream.recv = recv) {
            self.note_left(shared, left);
        }
    }

    /// A stream is over before both of its directions were.
    pub(super) fn leave(&mut self, shared: &mut Shared, id: u64) {
        let left = self.streams.remove(id);
        self.note_left(shared, left);
    }
}
