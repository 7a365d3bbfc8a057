//! What travels, the same for every loop: heads of requests, the answer, and frames on the link. Pure: bytes in, bytes out.
//!
//! Nothing is encrypted and of HTTP only the end of a head is looked for: what is compared is the loop around it. The invariant
//! that a change is likeliest to break: a head or a frame may be cut at any byte.

use memchr::memmem;

use crate::limits::{ANSWERS_A_WRITE_MAX, FRAME_BYTES, HEAD_BYTES_MAX};

/// Every request gets it.
pub(crate) const ANSWER: [u8; 115] =
    *b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\nDate: Mon, 30 Nov 2026 12:00:00 GMT\r\n\r\nHello, world!";

/// Many answers behind each other, for who has asked for several. It lives as long as the process: the kernel may read it whenever it
/// likes.
static ANSWERS: [u8; ANSWER.len() * ANSWERS_A_WRITE_MAX] = {
    let mut all = [0; ANSWER.len() * ANSWERS_A_WRITE_MAX];
    let mut at = 0;
    while at < all.len() {
        all[at] = ANSWER[at % ANSWER.len()];
        at += 1;
    }
    all
};

/// Names a client on the link. A slot is used again; its life says for whom an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) slot: u32,
    pub(crate) life: u32,
}

impl Token {
    pub(crate) fn to_u64(self) -> u64 {
        u64::from(self.life) << 32 | u64::from(self.slot)
    }

    pub(crate) fn from_u64(word: u64) -> Token {
        Token {
            slot: word as u32,
            life: (word >> 32) as u32,
        }
    }
}

/// A client's head is too long.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HeadTooLong;

/// Finds the heads in what one client sends.
#[derive(Default)]
pub(crate) struct Heads {
    /// The beginning of a head whose end has not come.
    partial: Vec<u8>,
}

impl Heads {
    /// Gives every head that is whole now to `each`.
    ///
    /// # Errors
    /// One is longer than [`HEAD_BYTES_MAX`].
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), HeadTooLong> {
        let rest = if self.partial.is_empty() {
            split(bytes, &mut each)
        } else {
            self.partial.extend_from_slice(bytes);
            let whole = std::mem::take(&mut self.partial);
            let used = whole.len() - split(&whole, &mut each).len();
            self.partial = whole;
            self.partial.drain(..used);
            &[]
        };
        self.partial.extend_from_slice(rest);
        match self.partial.len() {
            0..=HEAD_BYTES_MAX => Ok(()),
            _ => Err(HeadTooLong),
        }
    }
}

/// Gives every whole head to `each`, and what is left back.
fn split<'b>(mut bytes: &'b [u8], each: &mut impl FnMut(&[u8])) -> &'b [u8] {
    while let Some(end) = memmem::find(bytes, b"\r\n\r\n") {
        let (head, rest) = bytes.split_at(end + 4);
        each(head);
        bytes = rest;
    }
    bytes
}

/// A request as a frame: who asks, and the beginning of the head.
pub(crate) fn frame(token: Token, head: &[u8]) -> [u8; FRAME_BYTES] {
    let mut frame = [0; FRAME_BYTES];
    let (who, what) = frame.split_at_mut(8);
    who.copy_from_slice(&token.to_u64().to_le_bytes());
    let len = head.len().min(what.len());
    what[..len].copy_from_slice(&head[..len]);
    frame
}

/// Finds the frames in what comes on the link.
#[derive(Default)]
pub(crate) struct Frames {
    partial: Vec<u8>,
}

impl Frames {
    /// Gives the client of every frame that is whole now to `each`.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(Token)) {
        let mut one = |frame: &[u8]| {
            if let Some(who) = frame.first_chunk() {
                each(Token::from_u64(u64::from_le_bytes(*who)));
            }
        };
        if !self.partial.is_empty() {
            let (more, rest) = bytes.split_at(bytes.len().min(FRAME_BYTES - self.partial.len()));
            self.partial.extend_from_slice(more);
            bytes = rest;
            if self.partial.len() < FRAME_BYTES {
                return;
            }
            one(&self.partial);
            self.partial.clear();
        }
        let whole = bytes.chunks_exact(FRAME_BYTES);
        self.partial.extend_from_slice(whole.remainder());
        whole.for_each(one);
    }
}

/// The answers that a client is still to get.
#[derive(Default)]
pub(crate) struct Owed {
    /// Where in an answer the next byte stands.
    position: usize,
    bytes: usize,
}

impl Owed {
    /// So many answers more.
    pub(crate) fn add(&mut self, answers: usize) {
        self.bytes += answers * ANSWER.len();
    }

    /// What to send next; empty if the client has all.
    pub(crate) fn next(&self) -> &'static [u8] {
        let end = (self.position + self.bytes).min(ANSWERS.len());
        &ANSWERS[self.position..end]
    }

    /// So many bytes of it were sent.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.position = (self.position + bytes) % ANSWER.len();
        self.bytes -= bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"GET /hello HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";

    #[test]
    fn heads_are_found_wherever_they_are_cut() {
        let two = [HEAD, HEAD].concat();
        for cut in 0..=two.len() {
            let (mut heads, mut found) = (Heads::default(), Vec::new());
            for part in [&two[..cut], &two[cut..]] {
                heads
                    .feed(part, |head| found.push(head.to_vec()))
                    .expect("they are short");
            }
            assert_eq!(found, [HEAD, HEAD], "cut at {cut}");
        }
    }

    #[test]
    fn the_longest_head_passes_and_one_byte_more_is_refused() {
        let mut heads = Heads::default();
        assert_eq!(heads.feed(&[b'x'; HEAD_BYTES_MAX], |_| ()), Ok(()));
        assert_eq!(heads.feed(b"x", |_| ()), Err(HeadTooLong));
    }

    #[test]
    fn frames_are_found_wherever_they_are_cut() {
        let tokens =
            [(1, 7), (u32::MAX, 0), (3, u32::MAX)].map(|(slot, life)| Token { slot, life });
        let all = tokens.map(|token| frame(token, HEAD)).concat();
        for first in 0..=all.len() {
            for second in first..=all.len() {
                let (mut frames, mut found) = (Frames::default(), Vec::new());
                for part in [&all[..first], &all[first..second], &all[second..]] {
                    frames.feed(part, |token| found.push(token));
                }
                assert_eq!(found, tokens, "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn every_answer_is_whole_however_little_is_sent_at_once() {
        for step in [1, 7, ANSWER.len(), 1_000, usize::MAX] {
            let (mut owed, mut got) = (Owed::default(), Vec::new());
            owed.add(ANSWERS_A_WRITE_MAX + 2);
            while !owed.next().is_empty() {
                let piece = owed.next();
                let piece = &piece[..piece.len().min(step)];
                got.extend_from_slice(piece);
                owed.sent(piece.len());
            }
            assert_eq!(
                got,
                ANSWER.repeat(ANSWERS_A_WRITE_MAX + 2),
                "{step} bytes at once"
            );
        }
    }
}
