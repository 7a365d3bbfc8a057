//! What becomes due: rest, and PING (flatend2.md 4), asked after 15 s without a byte, or 5 s while requests wait; a peer that then stays silent for 5 s is dead.
//! Kept in reading time: nobody is judged silent while we are the ones who do not listen.

use super::message::{flag, kind, Message};
use super::{Link, Phase};
use crate::connection::Shared;
use crate::error::ProtocolError;
use crate::event::Event;
use crate::limits::{MESSAGE_HEADER_BYTES, PING_AFTER_MS, PING_TIMEOUT_MS, PING_WAITING_MS};
use crate::Millis;

#[derive(Debug)]
pub(super) struct Pings {
    /// When, in reading time, a question was asked that is not answered.
    asked: Option<u64>,
    sent: u64,
    /// When the link began, in reading time.
    began: u64,
}

impl Pings {
    pub(super) fn new(now: u64) -> Pings {
        Pings {
            asked: None,
            sent: 0,
            began: now,
        }
    }

    /// Whatever comes shows that the peer lives.
    pub(super) fn note_alive(&mut self) {
        self.asked = None;
    }
}

impl Link {
    /// When, in reading time, something is due.
    fn ping_due(&self, shared: &Shared) -> u64 {
        if let Some(asked) = self.pings.asked {
            return asked + PING_TIMEOUT_MS;
        }
        let quiet_ms = if self.streams.waiting > 0 {
            PING_WAITING_MS
        } else {
            PING_AFTER_MS
        };
        shared.clock.bytes_at().max(self.pings.began) + quiet_ms
    }

    pub(crate) fn next_deadline(&self, shared: &Shared) -> Option<Millis> {
        match self.phase {
            Phase::AwaitHello | Phase::AwaitServices => Some(shared.handshake_due()),
            Phase::Up => {
                let ping = shared.clock.moment_of(self.ping_due(shared));
                ping.into_iter().chain(self.rest.next_look()).min()
            }
        }
    }

    pub(crate) fn handle_timeout(
        &mut self,
        shared: &mut Shared,
        now: Millis,
    ) -> Result<(), ProtocolError> {
        if self.phase != Phase::Up {
            return shared.check_handshake_due(now);
        }
        if self.rest.look(now) {
            self.come_to_rest(shared, now);
        }
        let at = shared.clock.at(now);
        if at < self.ping_due(shared) {
            return Ok(());
        }
        if let Some(asked) = self.pings.asked {
            return Err(ProtocolError::PeerSilent {
                for_ms: at - asked.min(shared.clock.bytes_at()),
            });
        }
        self.pings.asked = Some(at);
        self.pings.sent += 1;
        let payload = self.pings.sent.to_be_bytes();
        self.put(shared, kind::PING, 0, 0, payload.len(), |out| {
            out.extend_from_slice(&payload);
        });
        Ok(())
    }

    /// Gives up what the next message can make anew.
    fn come_to_rest(&mut self, shared: &mut Shared, now: Millis) {
        self.sealer.rest();
        self.opener.rest();
        self.streams.rest();
        self.lookups.rest(now);
        shared.rest();
    }

    pub(super) fn on_ping<'a>(
        &mut self,
        shared: &mut Shared,
        message: Message<'a>,
    ) -> Result<Option<Event<'a>>, ProtocolError> {
        let payload = message.ping()?;
        if !message.has(flag::ACK) {
            shared.check_reads()?;
            shared.note_answer(MESSAGE_HEADER_BYTES + payload.len())?;
            self.put(shared, kind::PING, flag::ACK, 0, payload.len(), |out| {
                out.extend_from_slice(&payload);
            });
        }
        Ok(None)
    }
}
