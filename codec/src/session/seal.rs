//! AES-256-GCM in place, one counter a direction.

use super::{Cipher, Secret};
use crate::error::ProtocolError;
use crate::limits::{KEY_BYTES, LENGTH_BYTES, TAG_BYTES};
use ring::aead::{Aad, LessSafeKey, Nonce, UnboundKey, AES_256_GCM, NONCE_LEN};

/// Seals one frame after the other.
pub(crate) trait Seal {
    /// Encrypts `plaintext` in place and gives the tag; `length` are the bytes that stand before the frame. `None` only for
    /// plaintexts beyond the AEAD's 64 GiB.
    fn seal(&mut self, length: [u8; LENGTH_BYTES], plaintext: &mut [u8])
        -> Option<[u8; TAG_BYTES]>;
}

/// `None` only if the AEAD refuses a 32-byte key, which it does not.
pub(super) fn aead_key(bytes: &[u8; KEY_BYTES]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, bytes)
        .ok()
        .map(LessSafeKey::new)
}

/// `u64 counter`, four zero bytes.
pub(crate) fn nonce(counter: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    if let Some(front) = bytes.first_chunk_mut::<8>() {
        *front = counter.to_be_bytes();
    }
    Nonce::assume_unique_for_key(bytes)
}

/// One direction: its key, and the number of the next frame.
#[derive(Debug)]
struct Direction {
    secret: Secret,
    cipher: Cipher,
    counter: u64,
}

impl Direction {
    fn new(bytes: &[u8; KEY_BYTES]) -> Self {
        Self {
            secret: Secret(*bytes),
            cipher: Cipher::default(),
            counter: 0,
        }
    }

    fn key(&mut self) -> Option<&LessSafeKey> {
        let secret = &self.secret;
        self.cipher.key(|| Secret(secret.0))
    }
}

/// Seals what we send.
#[derive(Debug)]
pub(crate) struct Sealer(Direction);

impl Sealer {
    pub(crate) fn new(bytes: &[u8; KEY_BYTES]) -> Self {
        Self(Direction::new(bytes))
    }

    /// Gives up what the next frame can make anew.
    pub(crate) fn rest(&mut self) {
        self.0.cipher.rest();
    }
}

impl Seal for Sealer {
    /// Legacy frames do not cover their length.
    fn seal(&mut self, _: [u8; LENGTH_BYTES], plaintext: &mut [u8]) -> Option<[u8; TAG_BYTES]> {
        let nonce = nonce(self.0.counter);
        let tag = self
            .0
            .key()?
            .seal_in_place_separate_tag(nonce, Aad::empty(), plaintext)
            .ok()?;
        self.0.counter += 1;
        tag.as_ref().try_into().ok()
    }
}

/// Opens what we receive.
#[derive(Debug)]
pub(crate) struct Opener(Direction);

impl Opener {
    pub(crate) fn new(bytes: &[u8; KEY_BYTES]) -> Self {
        Self(Direction::new(bytes))
    }

    /// As [`Sealer::rest`].
    pub(crate) fn rest(&mut self) {
        self.0.cipher.rest();
    }

    /// Decrypts `sealed` (ciphertext and tag) in place and gives the plaintext.
    pub(crate) fn open<'a>(&mut self, sealed: &'a mut [u8]) -> Result<&'a [u8], ProtocolError> {
        let frame = self.0.counter;
        let wrong = ProtocolError::Tag { frame };
        let plaintext = self
            .0
            .key()
            .and_then(|key| key.open_in_place(nonce(frame), Aad::empty(), sealed).ok())
            .ok_or(wrong)?;
        self.0.counter += 1;
        Ok(plaintext)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_in_order_and_only_in_order() {
        let mut sealer = Sealer::new(&[5; 32]);
        let mut frames = Vec::new();
        for text in [&b"one"[..], b"two"] {
            let mut frame = text.to_vec();
            let tag = sealer.seal([0; 4], &mut frame).unwrap();
            frame.extend_from_slice(&tag);
            frames.push(frame);
        }
        let mut opener = Opener::new(&[5; 32]);
        assert_eq!(
            opener.open(&mut frames[1].clone()),
            Err(ProtocolError::Tag { frame: 0 })
        );
        assert_eq!(opener.open(&mut frames[0].clone()).unwrap(), b"one");
        assert_eq!(opener.open(&mut frames[1].clone()).unwrap(), b"two");
        assert_eq!(
            opener.open(&mut frames[1]),
            Err(ProtocolError::Tag { frame: 2 })
        );
    }

    #[test]
    fn each_flipped_bit_is_found() {
        let mut sealer = Sealer::new(&[5; 32]);
        let mut frame = b"payload".to_vec();
        let tag = sealer.seal([0; 4], &mut frame).unwrap();
        frame.extend_from_slice(&tag);
        for bit in 0..frame.len() * 8 {
            let mut altered = frame.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            let mut opener = Opener::new(&[5; 32]);
            assert!(opener.open(&mut altered).is_err(), "bit {bit}");
        }
    }
}
