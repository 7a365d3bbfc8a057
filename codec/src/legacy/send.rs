//! Messages out: requests, responses, bodies, resets.

use super::{Link, Phase};
use crate::connection::{Peer, Retirement, Shared};
use crate::dialect::RELAY_SERVICE;
use crate::error::{ApiMisuse, OpenError, SendError};
use crate::header::HeaderBlock;
use crate::limits::{
    DATA_OVERHEAD_BYTES, FRAME_BYTES_MIN, HEADERS_MAX, LENGTH_BYTES, NAME_BYTES_MAX, SERVICES_MAX,
};
use crate::packet::{data, Opcode};
use crate::stream::{Send, Stream};
use crate::wire::{put_name, put_u16, put_u32};
use crate::{Millis, StreamId};

/// Bytes that sealing adds to a message.
const FRAME_OVERHEAD_BYTES: usize = LENGTH_BYTES + FRAME_BYTES_MIN;

/// Legacy numbers have 32 bits; others were never given out.
pub(super) fn wire_id(stream: StreamId) -> Result<u32, SendError> {
    u32::try_from(stream.0).map_err(|_| SendError::StreamGone)
}

impl Link {
    pub(crate) fn open_stream<'n>(
        &mut self,
        shared: &mut Shared,
        now: Millis,
        services: impl IntoIterator<Item = &'n str>,
        headers: &HeaderBlock,
        extras: &HeaderBlock,
        end: bool,
    ) -> Result<StreamId, OpenError> {
        self.may_open(shared)?;
        let start = shared.out.begin(0);
        let id = self.ids.next_free(|id| self.streams.contains(id));
        let message = shared.out.message();
        message.push(Opcode::ServiceRequest as u8);
        put_u32(message, id);
        if let Err(error) = self.put_services(shared.out.message(), services) {
            shared.out.cancel(start);
            return Err(error);
        }
        let max = self.dialect().message_bytes_max;
        let bytes = shared.out.message_len(&start) + 2 + headers.byte_len();
        if bytes > max {
            shared.out.cancel(start);
            return Err(OpenError::HeadTooLarge { bytes, max });
        }
        let count = usize::from(headers.count()) + usize::from(extras.count());
        let both = bytes + extras.byte_len() <= max && count <= HEADERS_MAX;
        let message = shared.out.message();
        put_u16(
            message,
            if both {
                headers.count() + extras.count()
            } else {
                headers.count()
            },
        );
        message.extend_from_slice(headers.bytes());
        if both {
            message.extend_from_slice(extras.bytes());
        }
        self.finish(shared, start);

        self.ids.take(id);
        let mut stream = Stream::ours();
        if end {
            stream.send = Send::Ended;
            self.send_empty_data(shared, id);
        }
        self.streams.insert(id, stream);
        self.note_waiting(shared, now);
        Ok(StreamId(u64::from(id)))
    }

    /// Whether requests are made at all; the peer cannot say what it takes.
    pub(crate) fn may_ask(&self) -> Result<(), OpenError> {
        if self.said_goodbye || self.retirement() == Retirement::Dead {
            return Err(OpenError::Retiring);
        }
        Ok(())
    }

    fn may_open(&self, shared: &Shared) -> Result<(), OpenError> {
        self.may_ask()?;
        if self.phase != Phase::Up {
            return Err(OpenError::NotReady);
        }
        if shared.own_key.is_none() && self.dialect().requires_identity {
            // Rule G05.
            return Err(OpenError::Anonymous);
        }
        if self.streams.counts().ours >= shared.limits.streams_open_max {
            return Err(OpenError::IdsExhausted);
        }
        if shared.out.waiting_len() > shared.limits.transmit_bytes_max {
            return Err(OpenError::Full);
        }
        Ok(())
    }

    /// `u8 n`, names. Only names that a Go peer announced: one that it does not handle stalls the link (rule G10).
    /// A node that relays takes any.
    fn put_services<'n>(
        &self,
        message: &mut Vec<u8>,
        services: impl IntoIterator<Item = &'n str>,
    ) -> Result<(), OpenError> {
        let relays = |peer: &Peer| peer.services.iter().any(|name| name == RELAY_SERVICE);
        let announced = self
            .peer
            .as_ref()
            .filter(|peer| self.dialect().announced_names_only && !relays(peer));
        let count_at = message.len();
        message.push(0);
        let (mut given, mut written) = (0usize, 0u8);
        for name in services {
            given += 1;
            if given > SERVICES_MAX {
                return Err(OpenError::ApiMisuse(ApiMisuse::ServiceCount {
                    count: given,
                }));
            }
            if name.is_empty() || name.len() > NAME_BYTES_MAX {
                return Err(OpenError::ApiMisuse(ApiMisuse::ServiceName {
                    bytes: name.len(),
                }));
            }
            if announced.is_none_or(|peer| peer.services.iter().any(|service| service == name)) {
                written += u8::from(put_name(message, name.as_bytes()));
            }
        }
        if given == 0 {
            return Err(OpenError::ApiMisuse(ApiMisuse::ServiceCount { count: 0 }));
        }
        if written == 0 {
            return Err(OpenError::NotOffered);
        }
        if let Some(slot) = message.get_mut(count_at) {
            *slot = written;
        }
        Ok(())
    }

    pub(crate) fn respond(
        &mut self,
        shared: &mut Shared,
        now: Millis,
        stream: StreamId,
        headers: &HeaderBlock,
        end: bool,
    ) -> Result<(), SendError> {
        let _ = now;
        let id = wire_id(stream)?;
        let state = self.streams.get(id).ok_or(SendError::StreamGone)?;
        if state.ours || state.send != Send::Idle || state.held.is_some() {
            return Err(SendError::ApiMisuse(ApiMisuse::ResponseOrder));
        }
        let max = self.dialect().message_bytes_max;
        let bytes = 1 + 4 + 1 + 2 + headers.byte_len();
        if bytes > max {
            return Err(SendError::HeadTooLarge { bytes, max });
        }
        self.has_room(shared, bytes)?;
        if self.must_hold(id) {
            return self.hold_response(shared, id, headers, end);
        }
        let start = shared.out.begin(0);
        put_response(shared.out.message(), id, headers);
        self.finish(shared, start);
        self.streams.update(id, |stream| stream.send = Send::Open);
        if end {
            self.end_direction(shared, id);
        }
        Ok(())
    }

    pub(crate) fn send_data(
        &mut self,
        shared: &mut Shared,
        now: Millis,
        stream: StreamId,
        bytes: &[u8],
    ) -> Result<(), SendError> {
        let _ = now;
        let id = self.may_send(stream)?;
        if self
            .streams
            .get(id)
            .is_some_and(|stream| stream.held.is_some())
        {
            return self.hold_data(shared, id, bytes);
        }
        self.has_room(shared, bytes.len())?;
        self.put_data(shared, id, bytes);
        Ok(())
    }

    pub(crate) fn send_end(
        &mut self,
        shared: &mut Shared,
        now: Millis,
        stream: StreamId,
    ) -> Result<(), SendError> {
        let _ = now;
        let id = self.may_send(stream)?;
        if !self.hold_end(id) {
            self.end_direction(shared, id);
        }
        Ok(())
    }

    /// Is our direction of this stream open?
    fn may_send(&self, stream: StreamId) -> Result<u32, SendError> {
        let id = wire_id(stream)?;
        let state = self
            .streams
            .get(id)
            .filter(|stream| !stream.discard)
            .ok_or(SendError::StreamGone)?;
        match (&state.held, state.send) {
            (Some(held), _) if held.end => Err(SendError::ApiMisuse(ApiMisuse::AfterEnd)),
            (Some(_), _) | (None, Send::Open) => Ok(id),
            (None, Send::Idle) => Err(SendError::ApiMisuse(ApiMisuse::ResponseOrder)),
            (None, Send::Ended) => Err(SendError::ApiMisuse(ApiMisuse::AfterEnd)),
        }
    }

    /// Room for `bytes` of payload? Checked before anything is encoded.
    pub(super) fn has_room(&self, shared: &Shared, bytes: usize) -> Result<(), SendError> {
        let frames = bytes / self.dialect().data_bytes_max + 1;
        let needed = bytes + frames * (FRAME_OVERHEAD_BYTES + DATA_OVERHEAD_BYTES);
        if shared.out.waiting_len().saturating_add(needed) > shared.limits.transmit_bytes_max {
            return Err(SendError::Full);
        }
        Ok(())
    }

    /// Data in pieces that the peer takes (rules G02, N08); nothing for no bytes.
    pub(super) fn put_data(&mut self, shared: &mut Shared, id: u32, bytes: &[u8]) {
        for piece in bytes.chunks(self.dialect().data_bytes_max) {
            let start = shared.out.begin(0);
            data::encode(shared.out.message(), id, piece);
            self.finish(shared, start);
        }
    }

    pub(super) fn send_empty_data(&mut self, shared: &mut Shared, id: u32) {
        let start = shared.out.begin(0);
        data::encode(shared.out.message(), id, &[]);
        self.finish(shared, start);
    }

    pub(super) fn end_direction(&mut self, shared: &mut Shared, id: u32) {
        self.send_empty_data(shared, id);
        self.streams.update(id, |stream| stream.send = Send::Ended);
    }
}

/// The whole ServiceResponse message with handled = 1.
pub(super) fn put_response(message: &mut Vec<u8>, id: u32, headers: &HeaderBlock) {
    message.push(Opcode::ServiceResponse as u8);
    put_u32(message, id);
    message.push(1);
    put_u16(message, headers.count());
    message.extend_from_slice(headers.bytes());
}
