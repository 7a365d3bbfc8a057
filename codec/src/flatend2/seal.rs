//! Frames sealed and opened in place (flatend2.md 3): AES-256-GCM, the length bytes as associated data, one counter a direction
//! that is never reset, and a new key every 2²⁰ frames.

use super::keys::Chain;
use crate::error::ProtocolError;
use crate::limits::{FRAMES_A_KEY_LOG2, LENGTH_BYTES, TAG_BYTES};
use crate::session::{nonce, Cipher, Seal};
use ring::aead::{Aad, LessSafeKey};

/// One direction: its chain, the key of the present frame as long as it is in use, and the frame's number.
#[derive(Debug)]
struct Direction {
    chain: Chain,
    cipher: Cipher,
    counter: u64,
}

impl Direction {
    fn new(chain: Chain) -> Self {
        Self {
            chain,
            cipher: Cipher::default(),
            counter: 0,
        }
    }

    #[cfg(test)]
    fn at(mut chain: Chain, frames: u64) -> Self {
        for _ in 0..frames >> FRAMES_A_KEY_LOG2 {
            chain.step();
        }
        let mut direction = Self::new(chain);
        direction.counter = frames;
        direction
    }

    fn key(&mut self) -> Option<&LessSafeKey> {
        let chain = &self.chain;
        self.cipher.key(|| chain.key())
    }

    /// The frame is through: the next one has the next number, and perhaps the next key.
    fn advance(&mut self) {
        let before = self.counter >> FRAMES_A_KEY_LOG2;
        self.counter += 1;
        if self.counter >> FRAMES_A_KEY_LOG2 != before {
            self.cipher.rest();
            self.chain.step();
        }
    }
}

/// Seals what we send.
#[derive(Debug)]
pub(crate) struct Sealer(Direction);

impl Sealer {
    pub(crate) fn new(chain: Chain) -> Self {
        Self(Direction::new(chain))
    }

    /// One that has sealed `frames` frames.
    #[cfg(test)]
    pub(crate) fn at(chain: Chain, frames: u64) -> Self {
        Self(Direction::at(chain, frames))
    }

    /// Gives up what the next frame can make anew.
    pub(crate) fn rest(&mut self) {
        self.0.cipher.rest();
    }
}

impl Seal for Sealer {
    fn seal(
        &mut self,
        length: [u8; LENGTH_BYTES],
        plaintext: &mut [u8],
    ) -> Option<[u8; TAG_BYTES]> {
        let direction = &mut self.0;
        let nonce = nonce(direction.counter);
        let tag = direction
            .key()?
            .seal_in_place_separate_tag(nonce, Aad::from(length), plaintext)
            .ok()?;
        direction.advance();
        tag.as_ref().try_into().ok()
    }
}

/// Opens what we receive.
#[derive(Debug)]
pub(crate) struct Opener(Direction);

impl Opener {
    pub(crate) fn new(chain: Chain) -> Self {
        Self(Direction::new(chain))
    }

    /// One that has opened `frames` frames.
    #[cfg(test)]
    pub(crate) fn at(chain: Chain, frames: u64) -> Self {
        Self(Direction::at(chain, frames))
    }

    /// Number of the next frame.
    pub(crate) fn frame(&self) -> u64 {
        self.0.counter
    }

    /// As [`Sealer::rest`].
    pub(crate) fn rest(&mut self) {
        self.0.cipher.rest();
    }

    /// Decrypts `sealed` (ciphertext and tag) in place and gives the plaintext.
    pub(crate) fn open<'a>(
        &mut self,
        length: [u8; LENGTH_BYTES],
        sealed: &'a mut [u8],
    ) -> Result<&'a [u8], ProtocolError> {
        let direction = &mut self.0;
        let frame = direction.counter;
        let plaintext = direction
            .key()
            .and_then(|key| {
                key.open_in_place(nonce(frame), Aad::from(length), sealed)
                    .ok()
            })
            .ok_or(ProtocolError::Tag { frame })?;
        direction.advance();
        Ok(plaintext)
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::{Opening, Secrets};
    use super::*;
    use crate::connection::Role;
    use crate::session::public_key;

    fn pair() -> (Sealer, Opener) {
        let opening = Opening {
            dialer: public_key(&[1; 32]),
            acceptor: public_key(&[2; 32]),
        };
        let chain = |role| {
            let secret = if role == Role::Dialer {
                [1; 32]
            } else {
                [2; 32]
            };
            Secrets::agree(&secret, role, opening, None).unwrap()
        };
        let (seal, _) = chain(Role::Dialer).directions(Role::Dialer);
        let (_, open) = chain(Role::Acceptor).directions(Role::Acceptor);
        (Sealer::new(seal), Opener::new(open))
    }

    fn frame(sealer: &mut Sealer, text: &[u8]) -> ([u8; 4], Vec<u8>) {
        let mut sealed = text.to_vec();
        let length = ((text.len() + TAG_BYTES) as u32).to_be_bytes();
        let tag = sealer.seal(length, &mut sealed).unwrap();
        sealed.extend_from_slice(&tag);
        (length, sealed)
    }

    #[test]
    fn the_length_is_covered_and_frames_open_in_order_only() {
        let (mut sealer, mut opener) = pair();
        let (length, one) = frame(&mut sealer, b"one");
        let (_, two) = frame(&mut sealer, b"two");
        let mut other = length;
        other[3] ^= 1;
        assert!(opener.open(other, &mut one.clone()).is_err());
        assert!(opener.open(length, &mut two.clone()).is_err());
        assert_eq!(opener.open(length, &mut one.clone()).unwrap(), b"one");
        assert_eq!(
            opener.open(length, &mut one.clone()),
            Err(ProtocolError::Tag { frame: 1 })
        );
        assert_eq!(opener.open(length, &mut two.clone()).unwrap(), b"two");
    }

    #[test]
    fn a_rest_changes_neither_key_nor_number() {
        let (mut sealer, mut opener) = pair();
        for text in [&b"one"[..], b"two", b"three"] {
            let (length, mut sealed) = frame(&mut sealer, text);
            assert_eq!(opener.open(length, &mut sealed).unwrap(), text);
            for direction in [&mut sealer.0, &mut opener.0] {
                assert!(direction.cipher.is_unrolled());
                direction.cipher.rest();
                assert!(!direction.cipher.is_unrolled());
            }
        }
        assert_eq!(opener.frame(), 3);
    }

    #[test]
    fn the_key_changes_with_the_last_frame_of_its_share_and_not_before() {
        let (mut sealer, mut opener) = pair();
        let last = (1u64 << FRAMES_A_KEY_LOG2) - 1;
        (sealer.0.counter, opener.0.counter) = (last, last);
        let before = sealer.0.chain.key().0;
        let (length, mut sealed) = frame(&mut sealer, b"last");
        assert_ne!(sealer.0.chain.key().0, before);
        assert_eq!(opener.open(length, &mut sealed).unwrap(), b"last");
        let (length, mut sealed) = frame(&mut sealer, b"first");
        assert_eq!(opener.frame(), last + 1);
        assert_eq!(opener.open(length, &mut sealed).unwrap(), b"first");
    }
}
