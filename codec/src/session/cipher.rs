//! Keys that are there while frames come and go. The cipher unrolls 32 bytes into half a KiB, twice a link; a link at rest keeps what
//! it derives them from alone. The invariant likeliest to break: bytes of a key are overwritten before their memory is given back.

use super::seal::aead_key;
use crate::limits::KEY_BYTES;
use ring::aead::LessSafeKey;

/// 32 secret bytes. Kept out of debug output, overwritten when dropped.
pub(crate) struct Secret(pub(crate) [u8; KEY_BYTES]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0 = [0; KEY_BYTES];
        std::hint::black_box(&self.0);
    }
}

/// A key as the cipher unrolls it: made when a frame needs it, given up at rest.
#[derive(Default)]
pub(crate) struct Cipher(Option<Box<LessSafeKey>>);

impl Cipher {
    /// The unrolled key; `secret` gives its bytes if they are needed for that. `None` only if the AEAD refuses a 32-byte key, which it
    /// does not.
    pub(crate) fn key(&mut self, secret: impl FnOnce() -> Secret) -> Option<&LessSafeKey> {
        if self.0.is_none() {
            self.0 = aead_key(&secret().0).map(Box::new);
        }
        self.0.as_deref()
    }

    pub(crate) fn is_unrolled(&self) -> bool {
        self.0.is_some()
    }

    /// Gives the unrolled key up, overwritten by that of a key that is none.
    pub(crate) fn rest(&mut self) {
        let Some(mut key) = self.0.take() else {
            return;
        };
        if let Some(blank) = aead_key(&[0; KEY_BYTES]) {
            *key = blank;
            std::hint::black_box(&*key);
        }
    }
}

impl Drop for Cipher {
    fn drop(&mut self) {
        self.rest();
    }
}

impl std::fmt::Debug for Cipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_unrolled() {
            "Cipher(unrolled)"
        } else {
            "Cipher"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::aead::{Aad, Nonce};

    fn tag(cipher: &mut Cipher) -> Vec<u8> {
        let key = cipher.key(|| Secret([7; KEY_BYTES])).unwrap();
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut []);
        tag.unwrap().as_ref().to_vec()
    }

    #[test]
    fn a_key_is_unrolled_when_it_is_needed_and_the_same_again_after_a_rest() {
        let mut cipher = Cipher::default();
        assert!(!cipher.is_unrolled());
        let first = tag(&mut cipher);
        assert!(cipher.is_unrolled());
        assert!(cipher.key(|| panic!("it is there")).is_some());
        cipher.rest();
        assert!(!cipher.is_unrolled());
        assert_eq!(tag(&mut cipher), first);
    }

    #[test]
    fn nothing_of_a_key_is_in_debug_output() {
        let mut cipher = Cipher::default();
        tag(&mut cipher);
        assert_eq!(format!("{cipher:?}"), "Cipher(unrolled)");
        assert_eq!(format!("{:?}", Secret([7; KEY_BYTES])), "Secret");
    }
}
