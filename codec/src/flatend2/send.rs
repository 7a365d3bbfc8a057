//! Messages out: requests, responses, bodies, their ends, resets, credit, goodbye.

use super::codes::{wire_code, wire_goodbye};
use super::message::{flag, kind};
use super::{Link, Phase};
use crate::connection::{Ask, Shared};
use crate::error::{ApiMisuse, OpenError, SendError};
use crate::event::{GoodbyeCode, ResetCode};
use crate::header::HeaderBlock;
use crate::limits::{
    HEADERS_MAX, HEAD_BYTES_MAX, MESSAGE_HEADER_BYTES, NAME_BYTES_MAX, PLAINTEXT_BYTES_MAX,
    REASON_BYTES_MAX, SERVICES_MAX,
};
use crate::stream::Send;
use crate::time::Millis;
use crate::wire::{put_u16, put_u32};
use crate::StreamId;

/// Largest body of one DATA: it fills a frame alone.
const DATA_BYTES_MAX: usize = PLAINTEXT_BYTES_MAX - MESSAGE_HEADER_BYTES;

impl Link {
    pub(crate) fn open_stream<'n>(
        &mut self,
        shared: &mut Shared,
        services: impl IntoIterator<Item = &'n str, IntoIter: Clone>,
        ask: Ask<'_>,
    ) -> Result<StreamId, OpenError> {
        self.may_open(shared)?;
        let services = services.into_iter();
        let (mut count, mut names_bytes) = (0u8, 0);
        for name in services.clone() {
            if name.is_empty() || name.len() > NAME_BYTES_MAX {
                return Err(OpenError::ApiMisuse(ApiMisuse::ServiceName {
                    bytes: name.len(),
                }));
            }
            count = count
                .checked_add(1)
                .ok_or(OpenError::ApiMisuse(ApiMisuse::ServiceCount {
                    count: SERVICES_MAX + 1,
                }))?;
            names_bytes += 1 + name.len();
        }
        if count == 0 {
            return Err(OpenError::ApiMisuse(ApiMisuse::ServiceCount { count: 0 }));
        }
        let bytes = 4 + 1 + names_bytes + 2 + ask.headers.byte_len();
        if bytes > HEAD_BYTES_MAX {
            return Err(OpenError::HeadTooLarge {
                bytes,
                max: HEAD_BYTES_MAX,
            });
        }
        let headers_count = usize::from(ask.headers.count()) + usize::from(ask.extras.count());
        let both = bytes + ask.extras.byte_len() <= HEAD_BYTES_MAX && headers_count <= HEADERS_MAX;
        let extras = if both {
            ask.extras
        } else {
            &HeaderBlock::new()
        };
        if !self.streams.reserve() {
            return Err(OpenError::OverBudget);
        }
        let id = self.next;
        self.next += 2;
        self.grants.ours -= 1;
        let flags = if ask.end { flag::END } else { 0 };
        let bytes = bytes + extras.byte_len();
        self.put(shared, kind::REQUEST, flags, id, bytes, |out| {
            put_u32(out, ask.deadline_ms.unwrap_or(0));
            out.push(count);
            for name in services {
                // Its length was checked above.
                let _written = crate::wire::put_name(out, name.as_bytes());
            }
            put_u16(out, ask.headers.count() + extras.count());
            out.extend_from_slice(ask.headers.bytes());
            out.extend_from_slice(extras.bytes());
        });
        self.streams.open(id, true, ask.end);
        Ok(StreamId(id))
    }

    fn may_open(&self, shared: &Shared) -> Result<(), OpenError> {
        self.may_ask(shared)?;
        if self.next >= 1 << 56 {
            return Err(OpenError::IdsExhausted);
        }
        if shared.out.waiting_len() > shared.limits.transmit_bytes_max {
            return Err(OpenError::Full);
        }
        Ok(())
    }

    /// Whether the peer takes another request, and we may have it open.
    pub(crate) fn may_ask(&self, shared: &Shared) -> Result<(), OpenError> {
        if self.heard_goodbye {
            return Err(OpenError::Retiring);
        }
        if self.phase != Phase::Up {
            return Err(OpenError::NotReady);
        }
        if self.grants.ours == 0 {
            return Err(OpenError::NotGranted);
        }
        if self.streams.ours >= shared.limits.streams_open_max {
            return Err(OpenError::IdsExhausted);
        }
        Ok(())
    }

    pub(crate) fn respond(
        &mut self,
        shared: &mut Shared,
        stream: StreamId,
        headers: &HeaderBlock,
        end: bool,
    ) -> Result<(), SendError> {
        let id = stream.0;
        // The status has a field of its own; on legacy it is a header.
        let split = headers.without(b":status");
        let bytes = 2 + 2 + split.byte_len();
        let status = self.may_respond(shared, bytes, split.value);
        let responding = self.streams.update(id, |stream, _| {
            if stream.ours || stream.send != Send::Idle {
                return Err(SendError::ApiMisuse(ApiMisuse::ResponseOrder));
            }
            let status = status?;
            stream.send = if end { Send::Ended } else { Send::Open };
            Ok(status)
        });
        let (status, left) = responding.ok_or(SendError::StreamGone)?;
        let status = status?;
        let flags = if end { flag::END } else { 0 };
        self.put(shared, kind::RESPONSE, flags, id, bytes, |out| {
            put_u16(out, status);
            put_u16(out, split.count);
            out.extend_from_slice(split.before);
            out.extend_from_slice(split.behind);
        });
        self.note_left(shared, left);
        Ok(())
    }

    /// Whether a response of so many bytes can be sent, and its status.
    fn may_respond(
        &self,
        shared: &Shared,
        bytes: usize,
        status: Option<&[u8]>,
    ) -> Result<u16, SendError> {
        if bytes > HEAD_BYTES_MAX {
            return Err(SendError::HeadTooLarge {
                bytes,
                max: HEAD_BYTES_MAX,
            });
        }
        self.has_room(shared)?;
        let status = status.map_or(Some(200), parse_status);
        status.ok_or(SendError::ApiMisuse(ApiMisuse::Status))
    }

    pub(crate) fn send_data(
        &mut self,
        shared: &mut Shared,
        stream: StreamId,
        bytes: &[u8],
    ) -> Result<(), SendError> {
        let id = stream.0;
        let room = self.has_room(shared);
        let window = self.streams.sending(id)?;
        room?;
        let left = window.checked_sub(bytes.len() as u64);
        *window = left.ok_or(SendError::Full)?;
        for piece in bytes.chunks(DATA_BYTES_MAX) {
            self.put(shared, kind::DATA, 0, id, piece.len(), |out| {
                out.extend_from_slice(piece);
            });
        }
        Ok(())
    }

    pub(crate) fn send_end(
        &mut self,
        shared: &mut Shared,
        stream: StreamId,
    ) -> Result<(), SendError> {
        let id = stream.0;
        let left = self.streams.end_sending(id)?;
        // The last piece carries the end if it has not been sealed yet.
        if !shared.out.flag_last(kind::DATA, id, flag::END) {
            self.put(shared, kind::DATA, flag::END, id, 0, |_| {});
        }
        self.note_left(shared, left);
        Ok(())
    }

    pub(crate) fn trailers(
        &mut self,
        shared: &mut Shared,
        stream: StreamId,
        trailers: &HeaderBlock,
    ) -> Result<(), SendError> {
        let id = stream.0;
        self.streams.sending(id)?;
        let bytes = 2 + trailers.byte_len();
        if bytes > HEAD_BYTES_MAX {
            return Err(SendError::HeadTooLarge {
                bytes,
                max: HEAD_BYTES_MAX,
            });
        }
        self.has_room(shared)?;
        let left = self.streams.end_sending(id)?;
        self.put(shared, kind::TRAILERS, 0, id, bytes, |out| {
            put_u16(out, trailers.count());
            out.extend_from_slice(trailers.bytes());
        });
        self.note_left(shared, left);
        Ok(())
    }

    pub(super) fn has_room(&self, shared: &Shared) -> Result<(), SendError> {
        if shared.out.waiting_len() > shared.limits.transmit_bytes_max {
            return Err(SendError::Full);
        }
        Ok(())
    }

    /// Cuts a stream, and says why.
    pub(crate) fn reset(
        &mut self,
        shared: &mut Shared,
        stream: StreamId,
        code: ResetCode,
        reason: &str,
    ) {
        // No event about it follows, neither the end behind a piece that was just handed out.
        self.pending_end.take_if(|pending| *pending == stream);
        if self.streams.get(stream.0).is_some() {
            self.send_reset(shared, stream.0, code, reason);
            self.leave(shared, stream.0);
        }
    }

    /// "Not handled"; nothing happens once a response has begun.
    pub(crate) fn refuse(&mut self, shared: &mut Shared, stream: StreamId) {
        let waits = self
            .streams
            .get(stream.0)
            .is_some_and(|stream| !stream.ours && stream.send == Send::Idle);
        if waits {
            self.reset(shared, stream, ResetCode::Refused, "");
        }
    }

    pub(super) fn send_reset(
        &mut self,
        shared: &mut Shared,
        id: u64,
        code: ResetCode,
        reason: &str,
    ) {
        let mut reason = reason;
        while reason.len() > REASON_BYTES_MAX {
            let mut chars = reason.chars();
            chars.next_back();
            reason = chars.as_str();
        }
        self.put(shared, kind::RESET, 0, id, 1 + reason.len(), |out| {
            out.push(wire_code(code));
            out.extend_from_slice(reason.as_bytes());
        });
    }

    /// The reader of a stream took `bytes`.
    pub(crate) fn credit(
        &mut self,
        shared: &mut Shared,
        now: Millis,
        stream: StreamId,
        bytes: usize,
    ) {
        let granted = self
            .streams
            .update(stream.0, |stream, purse| stream.take(now, bytes, purse));
        if let Some((Some(bytes), _)) = granted {
            self.put(shared, kind::WINDOW, 0, stream.0, 4, |out| {
                out.extend_from_slice(&bytes.to_be_bytes());
            });
        }
    }

    pub(crate) fn goodbye(
        &mut self,
        shared: &mut Shared,
        code: GoodbyeCode,
        after_ms: u32,
        reason: &str,
    ) {
        if self.said_goodbye || self.phase == Phase::AwaitHello {
            self.said_goodbye = true;
            return;
        }
        self.said_goodbye = true;
        let reason: String = reason.chars().take(REASON_BYTES_MAX / 4).collect();
        let taken = self.requests_taken;
        let bytes = 8 + 1 + 4 + reason.len();
        self.put(shared, kind::GOODBYE, 0, 0, bytes, |out| {
            out.extend_from_slice(&taken.to_be_bytes());
            out.push(wire_goodbye(code));
            put_u32(out, after_ms);
            out.extend_from_slice(reason.as_bytes());
        });
    }
}

/// 100 to 999, as HTTP has them (RFC 9110 15).
fn parse_status(value: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(value).ok()?;
    let status = text.parse().ok()?;
    (text.len() == 3 && (100..=999).contains(&status)).then_some(status)
}
