//! What an operation's completion says of it: what it was for, and whose it was.

use crate::wire::Token;

/// What an operation is for; the low three bits of its key, above them the token of its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Recv,
    Send,
    Accept,
    LinkRecv,
    LinkSend,
    /// Nothing depends on its end.
    Other,
}

/// Bits of a key that are the kind; lives of a slot lose as many, which is enough.
const KIND_BITS: u32 = 3;

impl Kind {
    pub(super) fn key(self, token: Token) -> u64 {
        token.to_u64() << KIND_BITS | self as u64
    }

    /// Whether something has come, which epoll would tell too.
    pub(super) fn is_news(self) -> bool {
        matches!(self, Kind::Recv | Kind::Accept | Kind::LinkRecv)
    }

    pub(super) fn of(key: u64) -> (Kind, Token) {
        let kind = match key & ((1 << KIND_BITS) - 1) {
            0 => Kind::Recv,
            1 => Kind::Send,
            2 => Kind::Accept,
            3 => Kind::LinkRecv,
            4 => Kind::LinkSend,
            _ => Kind::Other,
        };
        (kind, Token::from_u64(key >> KIND_BITS))
    }
}

/// Of an operation that is no client's.
pub(super) const NOBODY: Token = Token { slot: 0, life: 0 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_what_and_whose() {
        let kinds = [
            Kind::Recv,
            Kind::Send,
            Kind::Accept,
            Kind::LinkRecv,
            Kind::LinkSend,
            Kind::Other,
        ];
        let token = Token {
            slot: 1023,
            life: (1 << (32 - KIND_BITS)) - 1,
        };
        for kind in kinds {
            assert_eq!(Kind::of(kind.key(token)), (kind, token));
        }
    }
}
