//! Messages of flatend/2, gathered in one frame until it is full or the caller takes its bytes (flatend2.md 3): many small ones cost
//! one seal and one write. The invariant likeliest to break: a message never spans frames, so its size is known before it begins.

use super::{Outbox, Seal};
use crate::limits::{LENGTH_BYTES, MESSAGE_HEADER_BYTES, PLAINTEXT_BYTES_MAX, TAG_BYTES};

/// The frame that is being gathered at the end of the buffer.
#[derive(Debug)]
pub(super) struct Gathering {
    /// Where the room for its length begins.
    pub(super) frame_at: usize,
    /// Where its last message begins.
    last_at: usize,
}

impl Gathering {
    /// The buffer's front was cut off.
    pub(super) fn moved(&mut self, bytes: usize) {
        self.frame_at -= bytes;
        self.last_at -= bytes;
    }
}

/// What a message begins with (flatend2.md 3).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct MessageHead {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    /// 56 bits.
    pub(crate) stream: u64,
}

impl MessageHead {
    fn encode(self, body_len: u32) -> [u8; MESSAGE_HEADER_BYTES] {
        let [_, l0, l1, l2] = body_len.to_be_bytes();
        let [_, s0, s1, s2, s3, s4, s5, s6] = self.stream.to_be_bytes();
        [
            l0, l1, l2, self.kind, self.flags, s0, s1, s2, s3, s4, s5, s6,
        ]
    }
}

impl Outbox {
    /// Appends a message whose body has exactly `body_bytes` bytes, which `body` writes. Seals the gathered frame first if
    /// both do not fit into one.
    pub(crate) fn put_message(
        &mut self,
        head: MessageHead,
        body_bytes: usize,
        sealer: &mut impl Seal,
        body: impl FnOnce(&mut Vec<u8>),
    ) {
        let whole = MESSAGE_HEADER_BYTES + body_bytes;
        debug_assert!(
            whole <= PLAINTEXT_BYTES_MAX,
            "callers bound their messages: {head:?} of {body_bytes} bytes"
        );
        let gathered = self.gathered_bytes();
        if gathered > 0 && gathered + whole > PLAINTEXT_BYTES_MAX {
            self.seal_gathered(sealer);
        }
        let at = self.bytes.len();
        let frame_at = match &self.gathering {
            Some(gathering) => gathering.frame_at,
            None => {
                self.bytes.extend_from_slice(&[0; LENGTH_BYTES]);
                self.queued_total += LENGTH_BYTES as u64;
                at
            }
        };
        let last_at = self.bytes.len();
        let body_len = u32::try_from(body_bytes).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&head.encode(body_len));
        body(&mut self.bytes);
        debug_assert_eq!(self.bytes.len(), last_at + whole, "{head:?}");
        self.queued_total += (self.bytes.len() - last_at) as u64;
        self.gathering = Some(Gathering { frame_at, last_at });
    }

    /// Sets flags of the last gathered message if it is one of `kind` on `stream`; false if it is not.
    pub(crate) fn flag_last(&mut self, kind: u8, stream: u64, flags: u8) -> bool {
        let Some(gathering) = &self.gathering else {
            return false;
        };
        let Some(header) = self
            .bytes
            .get_mut(gathering.last_at..)
            .and_then(|rest| rest.first_chunk_mut::<MESSAGE_HEADER_BYTES>())
        else {
            return false;
        };
        let wanted = MessageHead {
            kind,
            flags: 0,
            stream,
        };
        let [_, _, _, is_kind, is_flags, is_stream @ ..] = header;
        let [_, _, _, of_kind, _, of_stream @ ..] = wanted.encode(0);
        if *is_kind != of_kind || *is_stream != of_stream {
            return false;
        }
        *is_flags |= flags;
        true
    }

    /// Plaintext bytes gathered so far.
    fn gathered_bytes(&self) -> usize {
        self.gathering.as_ref().map_or(0, |gathering| {
            self.bytes.len() - gathering.frame_at - LENGTH_BYTES
        })
    }

    /// Seals what was gathered, so that it can be sent.
    pub(crate) fn seal_gathered(&mut self, sealer: &mut impl Seal) {
        if let Some(gathering) = self.gathering.take() {
            if self.seal_from(gathering.frame_at, sealer) {
                self.queued_total += TAG_BYTES as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{Opener, Sealer};

    fn head(stream: u64) -> MessageHead {
        MessageHead {
            kind: 3,
            flags: 0,
            stream,
        }
    }

    fn put(out: &mut Outbox, sealer: &mut Sealer, stream: u64, bytes: usize) {
        out.put_message(head(stream), bytes, sealer, |to| {
            to.resize(to.len() + bytes, 7);
        });
        out.check_invariants();
    }

    #[test]
    fn messages_share_a_frame_until_it_is_full() {
        let (mut out, mut sealer) = (Outbox::default(), Sealer::new(&[1; 32]));
        put(&mut out, &mut sealer, 1, 100);
        put(&mut out, &mut sealer, 3, 200);
        assert!(out.waiting().is_empty(), "nothing is sealed yet");
        assert_eq!(out.waiting_len(), 4 + 2 * 12 + 300);
        // The last that fits, and the first that does not.
        let left = PLAINTEXT_BYTES_MAX - 2 * 12 - 300 - 12;
        put(&mut out, &mut sealer, 5, left);
        assert!(out.waiting().is_empty());
        put(&mut out, &mut sealer, 7, 0);
        assert_eq!(out.waiting().len(), 4 + PLAINTEXT_BYTES_MAX + 16);
        out.seal_gathered(&mut sealer);
        assert_eq!(out.waiting().len(), out.waiting_len());
        out.check_invariants();
        let mut sent = out.waiting().to_vec();
        let mut opener = Opener::new(&[1; 32]);
        let (first, second) = sent.split_at_mut(4 + PLAINTEXT_BYTES_MAX + 16);
        let plain = opener.open(&mut first[4..]).unwrap();
        assert_eq!(plain[..12], [0, 0, 100, 3, 0, 0, 0, 0, 0, 0, 0, 1]);
        let plain = opener.open(&mut second[4..]).unwrap();
        assert_eq!(plain, [0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 7]);
    }

    #[test]
    fn the_last_message_takes_a_flag_and_another_does_not() {
        let (mut out, mut sealer) = (Outbox::default(), Sealer::new(&[1; 32]));
        assert!(!out.flag_last(3, 1, 1));
        put(&mut out, &mut sealer, 1, 1);
        put(&mut out, &mut sealer, 3, 1);
        assert!(!out.flag_last(3, 1, 1) && !out.flag_last(2, 3, 1));
        assert!(out.flag_last(3, 3, 1));
        out.seal_gathered(&mut sealer);
        assert!(!out.flag_last(3, 3, 1), "what is sealed stays as it is");
    }

    #[test]
    fn taking_bytes_in_pieces_moves_what_is_gathered_with_the_rest() {
        let (mut out, mut sealer) = (Outbox::default(), Sealer::new(&[1; 32]));
        let (mut sent, mut opener) = (Vec::new(), Opener::new(&[1; 32]));
        for round in 0..400u64 {
            put(&mut out, &mut sealer, round, 1_000);
            let piece = out.waiting().len().min(9_973);
            sent.extend_from_slice(&out.waiting()[..piece]);
            out.transmitted(piece);
            out.check_invariants();
        }
        out.seal_gathered(&mut sealer);
        sent.extend_from_slice(out.waiting());
        out.transmitted(out.waiting().len());
        let (mut rest, mut messages) = (&mut sent[..], 0);
        while !rest.is_empty() {
            let length = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
            let (frame, behind) = rest.split_at_mut(4 + length);
            messages += opener.open(&mut frame[4..]).unwrap().len() / 1_012;
            rest = behind;
        }
        assert_eq!(messages, 400);
    }
}
