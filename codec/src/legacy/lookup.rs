//! Lookups in both directions (protocol.md 5). Owns which lookups of the peer are unanswered and which keys were named to it: Node's
//! bootstrap asks for ever if an answer repeats one (rule N04).

use super::{Link, Question};
use crate::connection::Shared;
use crate::error::{ApiMisuse, ProtocolError, SendError};
use crate::event::Token;
use crate::limits::{KEY_BYTES, LOOKUPS_PENDING_MAX, NAMED_KEYS_MAX, NODES_MAX};
use crate::node_id::NodeId;
use crate::packet::Opcode;
use std::collections::BTreeSet;

#[derive(Debug, Default)]
pub(super) struct Lookups {
    own: Option<Token>,
    unanswered: Vec<u32>,
    named: BTreeSet<[u8; KEY_BYTES]>,
}

impl Lookups {
    pub(super) const fn own(&self) -> Option<Token> {
        self.own
    }

    /// The peer asks.
    pub(super) fn note_asked(&mut self, seq: u32) -> Result<Token, ProtocolError> {
        if self.unanswered.len() >= LOOKUPS_PENDING_MAX {
            return Err(ProtocolError::Flood {
                what: "find node requests",
                max: LOOKUPS_PENDING_MAX,
            });
        }
        if self.unanswered.contains(&seq) {
            return Err(ProtocolError::Sequence {
                seq,
                packet: "find node",
            });
        }
        self.unanswered.push(seq);
        Ok(Token(u64::from(seq)))
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

    pub(crate) fn nodes<'i>(
        &mut self,
        shared: &mut Shared,
        token: Token,
        ids: impl Iterator<Item = &'i NodeId>,
    ) -> Result<(), SendError> {
        let unknown = SendError::ApiMisuse(ApiMisuse::UnknownToken);
        let seq = u32::try_from(token.0).map_err(|_| unknown.clone())?;
        let at = self
            .lookups
            .unanswered
            .iter()
            .position(|asked| *asked == seq)
            .ok_or(unknown)?;
        self.has_room(shared, NODES_MAX * 51)?;
        self.lookups.unanswered.swap_remove(at);

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
            if usize::from(count) >= NODES_MAX || self.lookups.named.len() >= NAMED_KEYS_MAX {
                break;
            }
            let address = id.address;
            let speakable = (takes_ipv6 || address.is_ipv4())
                && !address.ip().is_unspecified()
                && address.port() != 0;
            if !speakable || own == Some(id.public_key) || !self.lookups.named.insert(id.public_key)
            {
                continue;
            }
            id.encode(shared.out.message());
            count += 1;
        }
        if let Some(slot) = shared.out.message().get_mut(count_at) {
            *slot = count;
        }
        shared.out.finish(start, &mut self.sealer);
        Ok(())
    }
}
