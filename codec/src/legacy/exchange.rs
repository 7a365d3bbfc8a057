//! Messages in that belong to a stream: requests, responses, Data, and what their ends lead to.

use super::receive::Received;
use super::Link;
use crate::connection::Shared;
use crate::dialect::PeerKind;
use crate::error::ProtocolError;
use crate::event::{Event, ResetCode};
use crate::packet::response::ServiceResponse;
use crate::packet::{data, request, response};
use crate::stream::ids::StreamIds;
use crate::stream::{Recv, Send, Stream};
use crate::{Millis, StreamId};

const UNDECODABLE: &str = "the peer's headers do not decode";

fn stream_id(id: u32) -> StreamId {
    StreamId(u64::from(id))
}

impl Link {
    pub(super) fn on_request<'a>(&mut self, shared: &mut Shared, body: &'a [u8]) -> Received<'a> {
        // Whoever asks and does not read gets no further answers, refusals included.
        shared.check_reads()?;
        let (id, packet) = request::decode(body)?;
        if self.streams.contains(id) {
            return Err(ProtocolError::StreamInUse {
                stream: stream_id(id),
            });
        }
        self.ids.note_theirs(id);
        if StreamIds::is_native(id) && matches!(self.kind, PeerKind::Unknown) {
            // Legacy peers count from 0; only a node of this project opens streams in the upper half.
            self.set_kind(shared, PeerKind::Native);
        }
        let full = self.streams.counts().theirs >= shared.limits.streams_open_max;
        match packet {
            Some(packet) if !full => {
                self.streams.insert(id, Stream::theirs());
                let request::ServiceRequest { services, headers } = packet;
                Ok(Some(Event::Request {
                    stream: stream_id(id),
                    services,
                    headers,
                    deadline_ms: None,
                    end: false,
                }))
            }
            packet => {
                // Rules B01, N06: an error of this stream alone; what follows on it is dropped.
                self.malformed += u64::from(packet.is_none());
                self.send_refusal(shared, id);
                Ok(None)
            }
        }
    }

    pub(super) fn on_response<'a>(
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
                    status: None,
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
        if discard {
            self.unwanted.note(shared.clock.at(now), id, &self.streams);
        }
        Ok((!discard).then_some(event))
    }

    pub(super) fn on_data<'a>(
        &mut self,
        shared: &mut Shared,
        now: Millis,
        body: &'a [u8],
    ) -> Received<'a> {
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
            Recv::Assumed => {
                self.dropped += 1;
                return Ok(None);
            }
            Recv::Body => {}
        }
        if bytes.is_empty() {
            // protocol.md 3, Data: len 0 ends this direction.
            if ours {
                self.response_ended(shared, now, id, Recv::Ended);
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

    /// The response of a request of ours is complete, or taken for it. True if anybody wants to know.
    pub(super) fn response_ended(
        &mut self,
        shared: &mut Shared,
        now: Millis,
        id: u32,
        how: Recv,
    ) -> bool {
        let handler_gone = self.dialect().early_response_ends_request;
        let Some((wanted, unended, abandoned)) = self.streams.update(id, |stream| {
            stream.recv = how;
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
        self.unwanted.drop_stale(&self.streams);
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
}
