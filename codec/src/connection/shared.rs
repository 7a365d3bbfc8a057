//! What a connection has before it knows its dialect, and keeps.

use super::config::{Config, Role};
use crate::error::{ApiMisuse, ProtocolError};
use crate::event::Event;
use crate::flatend2::TRAILER_BYTES;
use crate::limits::{
    Limits, GO_FRAME_BYTES_MAX, HANDSHAKE_TIMEOUT_MS, NODE_MESSAGE_BYTES_MAX,
    UNREAD_ANSWERS_BYTES_MAX,
};
use crate::packet::handshake;
use crate::session::Outbox;
use crate::time::ReadingClock;
use crate::{Millis, WindowRoom};
use std::collections::VecDeque;
use std::net::SocketAddr;

/// What a peer has made us answer since an earlier such answer was on its way; twice the limit waits at most.
#[derive(Debug, Default)]
struct Answers {
    bytes: usize,
    /// They count until so many bytes have left.
    until: u64,
}

/// Common state; dialects get it with every call.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) role: Role,
    pub(crate) limits: Limits,
    pub(crate) out: Outbox,
    pub(crate) clock: ReadingClock,
    pub(crate) events: VecDeque<Event<'static>>,
    /// Our public key if we show one.
    pub(crate) own_key: Option<[u8; 32]>,
    /// The body of our legacy handshake, signed; empty on flatend/2.
    pub(crate) handshake_body: Vec<u8>,
    /// The address in it, and room that it leaves for what follows it.
    pub(crate) shown: Option<SocketAddr>,
    pub(super) trailer_bytes: usize,
    pub(crate) failed: bool,
    /// What the caller has left for windows.
    pub(crate) room: WindowRoom,
    answers: Answers,
    started: Millis,
    /// Length of the caller's unread input when it was last seen, less what was consumed: more than this means that bytes came in.
    seen_input: usize,
}

impl Shared {
    pub(super) fn new(now: Millis, config: &Config<'_>) -> Result<Self, ApiMisuse> {
        let limits = config.limits;
        for (limit, value, min) in [
            (
                "frame_bytes_max",
                limits.frame_bytes_max,
                GO_FRAME_BYTES_MAX,
            ),
            (
                "transmit_bytes_max",
                limits.transmit_bytes_max,
                2 * NODE_MESSAGE_BYTES_MAX,
            ),
            ("streams_open_max", limits.streams_open_max, 1),
        ] {
            if value < min {
                return Err(ApiMisuse::LimitTooLow { limit, min });
            }
        }
        if config.role == Role::Acceptor && config.identity.is_none() && !config.services.is_empty()
        {
            // Rule G06.
            return Err(ApiMisuse::ServicesWithoutIdentity);
        }
        let trailer_bytes = config.flatend2.as_ref().map_or(0, |_| TRAILER_BYTES);
        Ok(Self {
            role: config.role,
            limits,
            out: Outbox::default(),
            clock: ReadingClock::new(now),
            events: VecDeque::new(),
            own_key: config
                .identity
                .as_ref()
                .map(|(key, _)| key.verifying_key().to_bytes()),
            handshake_body: handshake::encode(
                config.identity.as_ref(),
                config.services,
                trailer_bytes,
            )?,
            shown: config.identity.as_ref().map(|(_, address)| *address),
            trailer_bytes,
            failed: false,
            room: WindowRoom::UNLIMITED,
            answers: Answers::default(),
            started: now,
            seen_input: 0,
        })
    }

    /// The link is at rest: gives back what is not in use.
    pub(crate) fn rest(&mut self) {
        self.out.rest();
        self.events.shrink_to_fit();
    }

    /// Nothing is said on legacy any more: what was to be is given back.
    pub(super) fn speaks_flatend2(&mut self) {
        self.handshake_body = Vec::new();
    }

    pub(crate) fn handshake_due(&self) -> Millis {
        self.started.after(HANDSHAKE_TIMEOUT_MS)
    }

    pub(crate) fn check_handshake_due(&self, now: Millis) -> Result<(), ProtocolError> {
        if now >= self.handshake_due() {
            return Err(ProtocolError::HandshakeTimeout {
                after_ms: HANDSHAKE_TIMEOUT_MS,
            });
        }
        Ok(())
    }

    /// A peer that makes us answer and does not read gets no more answers.
    pub(crate) fn check_reads(&self) -> Result<(), ProtocolError> {
        let queued = self.out.waiting_len();
        let max = self.limits.transmit_bytes_max.saturating_mul(2);
        if queued > max {
            return Err(ProtocolError::NotReading { queued, max });
        }
        Ok(())
    }

    /// The peer has made us answer `bytes` that nobody here asked for.
    pub(crate) fn count_answer(&mut self, bytes: usize) {
        let answers = &mut self.answers;
        if self.out.transmitted_total() >= answers.until {
            // What was counted has left.
            answers.bytes = 0;
            answers.until = self.out.queued_total();
        }
        answers.bytes = answers.bytes.saturating_add(bytes);
    }

    /// As [`count_answer`](Self::count_answer), before it is written: who does not read is not answered on and on.
    pub(crate) fn note_answer(&mut self, bytes: usize) -> Result<(), ProtocolError> {
        self.count_answer(bytes);
        let (queued, max) = (self.answers.bytes, UNREAD_ANSWERS_BYTES_MAX);
        if queued > max {
            return Err(ProtocolError::NotReading { queued, max });
        }
        Ok(())
    }

    /// The caller shows `len` unread bytes.
    pub(super) fn note_input(&mut self, now: Millis, len: usize) {
        if len > self.seen_input {
            self.clock.note_bytes(now);
        }
        self.seen_input = len;
    }

    pub(super) fn note_consumed(&mut self, count: usize) {
        self.seen_input = self.seen_input.saturating_sub(count);
    }

    pub(super) fn check_invariants(&self) {
        self.out.check_invariants();
    }
}
