//! A new list of services on a live link: a second Handshake, where the peer takes one.

use super::{Link, Phase, Question};
use crate::connection::{Announced, Shared};
use crate::dialect::PeerKind;
use crate::error::SendError;

impl Link {
    /// Says the list that `shared` holds now.
    pub(crate) fn announce(&mut self, shared: &mut Shared) -> Result<Announced, SendError> {
        match (self.phase, self.kind) {
            // It will be in the reply to the peer's Handshake.
            (Phase::AwaitHandshake, _) => Ok(Announced::Sent),
            (Phase::AwaitReply | Phase::FirstWait { .. }, _) => Ok(Announced::Later),
            (Phase::Up, PeerKind::Unknown) => Ok(Announced::Later),
            (Phase::Up, _) if !self.dialect().takes_second_handshake => Ok(Announced::NeedsNewLink),
            (Phase::Up, _) => {
                self.has_room(shared, shared.handshake_body.len())?;
                let seq = self
                    .rpc
                    .ask(Question::Announce)
                    .ok_or(SendError::NotReady)?;
                self.shake_hands(shared, seq);
                Ok(Announced::Sent)
            }
        }
    }
}
