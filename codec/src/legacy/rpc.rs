//! RPC numbers (protocol.md 2): odd from the dialer, even from the acceptor, never 0. Owns which questions of ours wait for a reply.

use crate::connection::Role;
use crate::limits::RPC_PENDING_MAX;

/// What a reply answers; a reply carries no opcode, so only its number tells.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    Handshake,
    FindNode,
    /// A FindNode of our own that only asks whether the peer still reads (rule G10).
    Probe,
}

#[derive(Debug)]
pub(crate) struct Rpc {
    parity: u32,
    next: u32,
    pending: Vec<(u32, Question)>,
}

impl Rpc {
    pub(crate) const fn new(role: Role) -> Self {
        let (parity, next) = match role {
            Role::Dialer => (1, 1),
            Role::Acceptor => (0, 2),
        };
        Self {
            parity,
            next,
            pending: Vec::new(),
        }
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
        self.next = match self.next.wrapping_add(2) {
            0 => 2,
            next => next,
        };
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
    fn dialers_count_odd_and_acceptors_even_and_zero_is_skipped() {
        let mut dialer = Rpc::new(Role::Dialer);
        assert_eq!(
            [
                dialer.ask(Question::Handshake),
                dialer.ask(Question::FindNode)
            ],
            [Some(1), Some(3)]
        );
        dialer.next = u32::MAX;
        assert_eq!(
            [dialer.ask(Question::Probe), dialer.ask(Question::Probe)],
            [Some(u32::MAX), Some(5)]
        );
        let mut acceptor = Rpc::new(Role::Acceptor);
        acceptor.next = u32::MAX - 1;
        assert_eq!(
            [acceptor.ask(Question::Probe), acceptor.ask(Question::Probe)],
            [Some(u32::MAX - 1), Some(2)]
        );
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
