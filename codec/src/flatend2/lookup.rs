//! Lookups in both directions (flatend2.md 4, FIND_NODE and NODES): whose answers are awaited, and what was named to the peer. Peers
//! that speak legacy alone sign no record; they are named in a message of their own before NODES, and are hearsay as they are there.

use std::borrow::Borrow;

use super::message::{kind, Message};
use super::receive::Received;
use super::{Link, Phase};
use crate::connection::Shared;
use crate::error::{ApiMisuse, ProtocolError, SendError};
use crate::event::{Event, Token};
use crate::limits::{
    KEY_BYTES, LOOKUPS_PENDING_MAX, MESSAGE_HEADER_BYTES, NODES_MAX, RECORD_BYTES_MAX,
    RPC_PENDING_MAX,
};
use crate::named::Named;
use crate::node_id::NodeId;
use crate::wire::{put_u16, put_u32};
use crate::Millis;

#[derive(Debug, Default)]
pub(super) struct Lookups {
    next: u32,
    asked: Vec<u32>,
    /// Questions of the peer that were not answered yet.
    unanswered: Vec<u32>,
    named: Named,
}

impl Lookups {
    /// Gives back what is not needed any more.
    pub(super) fn rest(&mut self, now: Millis) {
        self.asked.shrink_to_fit();
        self.unanswered.shrink_to_fit();
        self.named.forget_old(now);
    }

    /// Where among the unanswered questions of the peer this one stands.
    fn position(&self, token: Token) -> Result<usize, SendError> {
        let waits = |asked: &u32| u64::from(*asked) == token.0;
        let at = self.unanswered.iter().position(waits);
        at.ok_or(SendError::ApiMisuse(ApiMisuse::UnknownToken))
    }

    /// Where among our questions this one stands.
    fn asked_at(&self, token: u32) -> Result<usize, ProtocolError> {
        let at = self.asked.iter().position(|asked| *asked == token);
        at.ok_or(ProtocolError::UnknownReply { seq: token })
    }
}

impl Link {
    pub(crate) fn find_node(
        &mut self,
        shared: &mut Shared,
        target: [u8; KEY_BYTES],
    ) -> Result<Token, SendError> {
        if self.phase != Phase::Up || self.lookups.asked.len() >= RPC_PENDING_MAX {
            return Err(SendError::NotReady);
        }
        self.has_room(shared)?;
        self.lookups.next = self.lookups.next.wrapping_add(1);
        let token = self.lookups.next;
        self.lookups.asked.push(token);
        self.put(shared, kind::FIND_NODE, 0, 0, 4 + KEY_BYTES, |out| {
            put_u32(out, token);
            out.extend_from_slice(&target);
        });
        Ok(Token(u64::from(token)))
    }

    /// Names peers that speak legacy alone; [`Link::records`] follows for the same token.
    pub(crate) fn legacy_nodes<I: Borrow<NodeId>>(
        &mut self,
        shared: &mut Shared,
        now: Millis,
        token: Token,
        ids: impl Iterator<Item = I>,
    ) -> Result<(), SendError> {
        let at = self.lookups.position(token)?;
        self.has_room(shared)?;
        let token = self.lookups.unanswered[at];
        let room = self.lookups.named.room(now);
        let named = &mut self.lookups.named;
        let mut body = Vec::new();
        let mut count = 0u8;
        let speakable = |id: &NodeId| !id.address.ip().is_unspecified() && id.address.port() != 0;
        for id in ids {
            if usize::from(count) >= room {
                break;
            }
            let id = id.borrow();
            if speakable(id) && named.note(now, id.public_key) {
                id.encode(&mut body);
                count += 1;
            }
        }
        if count > 0 {
            shared.count_answer(MESSAGE_HEADER_BYTES + 4 + 1 + body.len());
            self.put(
                shared,
                kind::LEGACY_NODES,
                0,
                0,
                4 + 1 + body.len(),
                |out| {
                    put_u32(out, token);
                    out.push(count);
                    out.extend_from_slice(&body);
                },
            );
        }
        Ok(())
    }

    /// Answers a lookup with signed records; what cannot be one is left out.
    pub(crate) fn records<R: AsRef<[u8]>>(
        &mut self,
        shared: &mut Shared,
        now: Millis,
        token: Token,
        records: impl IntoIterator<Item = R>,
    ) -> Result<(), SendError> {
        let at = self.lookups.position(token)?;
        self.has_room(shared)?;
        let token = self.lookups.unanswered.swap_remove(at);
        let room = self.lookups.named.room(now);
        let own = self.hello.as_ref().map(|hello| hello.public_key);
        let mut body = Vec::new();
        let mut count = 0u8;
        for record in records {
            if usize::from(count) >= room {
                break;
            }
            let record = record.as_ref();
            let Some(key) = record.first_chunk::<KEY_BYTES>() else {
                continue;
            };
            if record.len() > RECORD_BYTES_MAX
                || own == Some(*key)
                || !self.lookups.named.note(now, *key)
            {
                continue;
            }
            // Far below 64 KiB each.
            put_u16(&mut body, record.len() as u16);
            body.extend_from_slice(record);
            count += 1;
        }
        shared.count_answer(MESSAGE_HEADER_BYTES + 4 + 1 + body.len());
        self.put(shared, kind::NODES, 0, 0, 4 + 1 + body.len(), |out| {
            put_u32(out, token);
            out.push(count);
            out.extend_from_slice(&body);
        });
        Ok(())
    }

    pub(super) fn on_find_node<'a>(
        &mut self,
        shared: &mut Shared,
        message: Message<'a>,
    ) -> Received<'a> {
        shared.check_reads()?;
        // What it costs is counted with the answer.
        shared.note_answer(0)?;
        let (token, target) = message.find_node()?;
        if self.lookups.unanswered.len() >= LOOKUPS_PENDING_MAX {
            return Err(ProtocolError::Flood {
                what: "find node requests",
                max: LOOKUPS_PENDING_MAX,
            });
        }
        self.lookups.unanswered.push(token);
        Ok(Some(Event::FindNode {
            token: Token(u64::from(token)),
            target,
        }))
    }

    pub(super) fn on_nodes<'a>(&mut self, message: Message<'a>) -> Received<'a> {
        let (token, records) = message.nodes()?;
        let at = self.lookups.asked_at(token)?;
        self.lookups.asked.swap_remove(at);
        check_count(records.len())?;
        Ok(Some(Event::Records {
            token: Token(u64::from(token)),
            records,
        }))
    }

    pub(super) fn on_legacy_nodes<'a>(&mut self, message: Message<'a>) -> Received<'a> {
        let (token, ids) = message.legacy_nodes()?;
        self.lookups.asked_at(token)?;
        check_count(ids.len())?;
        Ok(Some(Event::Nodes {
            token: Token(u64::from(token)),
            ids,
        }))
    }
}

fn check_count(named: usize) -> Result<(), ProtocolError> {
    if named > NODES_MAX {
        return Err(ProtocolError::Flood {
            what: "nodes in an answer",
            max: NODES_MAX,
        });
    }
    Ok(())
}
