//! Lookups in both directions (protocol.md 5). Owns which lookups of the peer are unanswered and which keys were named to it: Node's
//! bootstrap asks for ever if an answer repeats one (rule N04). So a key is named once a minute, and asking again brings the next
//! ones; to a target that is asked for again and again, as Node does, 64 at most, or it would crawl through a large mesh by squares.

use super::{Link, Question};
use crate::connection::Shared;
use crate::error::{ApiMisuse, ProtocolError, SendError};
use crate::event::Token;
use crate::limits::{FIRST_TARGET_NODES_MAX, KEY_BYTES, LOOKUPS_PENDING_MAX, NODES_MAX};
use crate::named::Named;
use crate::node_id::NodeId;
use crate::packet::Opcode;
use crate::Millis;
use std::borrow::Borrow;

#[derive(Debug, Default)]
pub(super) struct Lookups {
    own: Option<Token>,
    unanswered: Vec<(u32, [u8; KEY_BYTES])>,
    named: Named,
    /// What the peer asked for first, and how many keys it was told for that.
    first: Option<([u8; KEY_BYTES], usize)>,
}

impl Lookups {
    pub(super) const fn own(&self) -> Option<Token> {
        self.own
    }

    /// Gives back what is not needed any more.
    pub(super) fn rest(&mut self, now: Millis) {
        self.unanswered.shrink_to_fit();
        self.named.forget_old(now);
    }

    /// The peer asks.
    pub(super) fn note_asked(
        &mut self,
        seq: u32,
        target: [u8; KEY_BYTES],
    ) -> Result<Token, ProtocolError> {
        if self.unanswered.len() >= LOOKUPS_PENDING_MAX {
            return Err(ProtocolError::Flood {
                what: "find node requests",
                max: LOOKUPS_PENDING_MAX,
            });
        }
        if self.unanswered.iter().any(|(asked, _)| *asked == seq) {
            return Err(ProtocolError::Sequence {
                seq,
                packet: "find node",
            });
        }
        self.unanswered.push((seq, target));
        self.first.get_or_insert((target, 0));
        Ok(Token(u64::from(seq)))
    }

    /// How many keys an answer about `target` may name.
    fn room(&mut self, now: Millis, target: &[u8; KEY_BYTES]) -> usize {
        let mut room = self.named.room(now);
        if let Some((first, told)) = self.first {
            if first == *target {
                room = room.min(FIRST_TARGET_NODES_MAX.saturating_sub(told));
            }
        }
        room
    }
}

impl Link {
    pub(crate) fn find_node(
        &mut self,
        shared: &mut Shared,
        target: [u8; KEY_BYTES],
    ) -> Result<Token, SendError> {
        if self.peer.is_none() {
            return Err(SendError::NotReady);
        }
        self.has_room(shared, KEY_BYTES)?;
        let seq = self
            .ask_nodes(shared, target, Question::FindNode)
            .ok_or(SendError::NotReady)?;
        Ok(Token(u64::from(seq)))
    }

    /// What a dialer says second: an acceptor of ours sees by it that this is not Go.
    pub(super) fn look_up_own_key(&mut self, shared: &mut Shared) {
        let target = shared.own_key.unwrap_or_default();
        self.lookups.own = self
            .ask_nodes(shared, target, Question::FindNode)
            .map(|seq| Token(u64::from(seq)));
    }

    pub(super) fn ask_nodes(
        &mut self,
        shared: &mut Shared,
        target: [u8; KEY_BYTES],
        question: Question,
    ) -> Option<u32> {
        let seq = self.rpc.ask(question)?;
        let start = shared.out.begin(seq);
        let message = shared.out.message();
        message.push(Opcode::FindNode as u8);
        message.extend_from_slice(&target);
        shared.out.finish(start, &mut self.sealer);
        Some(seq)
    }

    pub(crate) fn nodes<I: Borrow<NodeId>>(
        &mut self,
        shared: &mut Shared,
        now: Millis,
        token: Token,
        ids: impl Iterator<Item = I>,
    ) -> Result<(), SendError> {
        let unknown = SendError::ApiMisuse(ApiMisuse::UnknownToken);
        let seq = u32::try_from(token.0).map_err(|_| unknown.clone())?;
        let at = self
            .lookups
            .unanswered
            .iter()
            .position(|(asked, _)| *asked == seq)
            .ok_or(unknown)?;
        self.has_room(shared, NODES_MAX * 51)?;
        let (_, target) = self.lookups.unanswered.swap_remove(at);
        let room = self.lookups.room(now, &target);

        let takes_ipv6 = self.dialect().takes_ipv6_ids;
        let own = self
            .peer
            .as_ref()
            .and_then(|peer| peer.id.as_ref())
            .map(|id| id.public_key);
        let start = shared.out.begin(seq);
        let count_at = shared.out.message().len();
        shared.out.message().push(0);
        let mut count = 0u8;
        for id in ids {
            if usize::from(count) >= room {
                break;
            }
            let id = id.borrow();
            let address = id.address;
            let speakable = (takes_ipv6 || address.is_ipv4())
                && !address.ip().is_unspecified()
                && address.port() != 0;
            if !speakable
                || own == Some(id.public_key)
                || !self.lookups.named.note(now, id.public_key)
            {
                continue;
            }
            id.encode(shared.out.message());
            count += 1;
        }
        if let Some(slot) = shared.out.message().get_mut(count_at) {
            *slot = count;
        }
        if let Some((_, told)) = self
            .lookups
            .first
            .as_mut()
            .filter(|(first, _)| *first == target)
        {
            *told += usize::from(count);
        }
        shared.out.finish(start, &mut self.sealer);
        Ok(())
    }
}
