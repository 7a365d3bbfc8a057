//! RPC numbers (protocol.md 2): odd from the dialer, even from the acceptor, never 0. Owns which questions of ours wait for a reply.
//! A dialer's Handshake has number 1, as everybody's; all else of ours has numbers from the upper half, which no legacy peer
//! reaches: so two nodes of this project know each other by their second packet.

use crate::connection::Role;
use crate::limits::RPC_PENDING_MAX;

const UPPER_HALF: u32 = 1 << 31;
const HANDSHAKE_SEQ: u32 = 1;

/// What a reply answers; a reply carries no opcode, so only its number tells.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    Handshake,
    FindNode,
    /// A Handshake on a live link, with a new list of services.
    Announce,
    /// A FindNode of our own that only asks whether the peer still reads (rule G10).
    Probe,
}

#[derive(Debug)]
pub(crate) struct Rpc {
    parity: u32,
    /// In the upper half.
    next: u32,
    pending: Vec<(u32, Question)>,
}

impl Rpc {
    pub(crate) const fn new(role: Role) -> Self {
        let parity = match role {
            Role::Dialer => 1,
            Role::Acceptor => 0,
        };
        Self {
            parity,
            next: UPPER_HALF | parity,
            pending: Vec::new(),
        }
    }

    /// The number of a dialer's Handshake: the first question there is.
    pub(crate) fn ask_handshake(&mut self) -> u32 {
        self.pending.push((HANDSHAKE_SEQ, Question::Handshake));
        HANDSHAKE_SEQ
    }

    /// Gives back what no question needs.
    pub(crate) fn rest(&mut self) {
        self.pending.shrink_to_fit();
    }

    /// A number for a question; `None` with too many open.
    pub(crate) fn ask(&mut self, question: Question) -> Option<u32> {
        if self.pending.len() >= RPC_PENDING_MAX {
            return None;
        }
        // 64 open ones at most: this ends soon.
        while self.pending.iter().any(|(seq, _)| *seq == self.next) {
            self.advance();
        }
        let seq = self.next;
        self.pending.push((seq, question));
        self.advance();
        Some(seq)
    }

    fn advance(&mut self) {
        self.next = self.next.wrapping_add(2) | UPPER_HALF;
    }

    /// Is this the number of a question that only a node of this project asks?
    pub(crate) const fn is_native(&self, seq: u32) -> bool {
        seq >= UPPER_HALF && !self.is_reply(seq)
    }

    /// Is a frame with this number a reply to us?
    pub(crate) const fn is_reply(&self, seq: u32) -> bool {
        seq != 0 && seq % 2 == self.parity
    }

    /// The question that a reply answers, once.
    pub(crate) fn answered(&mut self, seq: u32) -> Option<Question> {
        let at = self
            .pending
            .iter()
            .position(|(pending, _)| *pending == seq)?;
        Some(self.pending.swap_remove(at).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dialers_count_odd_and_acceptors_even_in_the_upper_half() {
        const HALF: u32 = 1 << 31;
        let mut dialer = Rpc::new(Role::Dialer);
        assert_eq!(dialer.ask_handshake(), 1);
        assert_eq!(dialer.ask(Question::FindNode), Some(HALF + 1));
        dialer.next = u32::MAX;
        assert_eq!(
            [dialer.ask(Question::Probe), dialer.ask(Question::Probe)],
            [Some(u32::MAX), Some(HALF + 3)],
            "a number that waits for its reply is skipped"
        );
        let mut acceptor = Rpc::new(Role::Acceptor);
        assert_eq!(acceptor.ask(Question::FindNode), Some(HALF));
        acceptor.next = u32::MAX - 1;
        assert_eq!(
            [acceptor.ask(Question::Probe), acceptor.ask(Question::Probe)],
            [Some(u32::MAX - 1), Some(HALF + 2)]
        );
        assert!(acceptor.is_native(HALF + 1) && !acceptor.is_native(HALF));
        assert!(!acceptor.is_native(3) && !dialer.is_native(2) && dialer.is_native(HALF));
        assert!(acceptor.is_reply(2) && !acceptor.is_reply(0) && !acceptor.is_reply(3));
        assert!(dialer.is_reply(3) && !dialer.is_reply(0) && !dialer.is_reply(2));
    }

    #[test]
    fn a_reply_counts_once_and_questions_are_bounded() {
        let mut rpc = Rpc::new(Role::Dialer);
        let seq = rpc.ask(Question::FindNode).unwrap();
        assert_eq!(rpc.answered(seq), Some(Question::FindNode));
        assert_eq!(rpc.answered(seq), None);
        for _ in 0..RPC_PENDING_MAX {
            assert!(rpc.ask(Question::FindNode).is_some());
        }
        assert!(rpc.ask(Question::FindNode).is_none());
    }
}
