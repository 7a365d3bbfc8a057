//! The downgrade trailer (flatend2.md 1): who speaks flatend/2 says so behind its legacy Handshake, signed for this very link. Whoever
//! speaks it too and finds a valid one knows that somebody cleared the bits. Legacy decoders ignore trailing bytes.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use super::Opening;
use crate::connection::Role;
use crate::limits::{KEY_BYTES, SIGNATURE_BYTES};
use crate::wire::Reader;

const MARK: &[u8; 3] = b"FL2";
/// Bytes of a trailer.
pub(crate) const TRAILER_BYTES: usize = MARK.len() + KEY_BYTES + SIGNATURE_BYTES;

/// `"flatend/2 downgrade" | u8 role of the signer | D | A`, bit 255 cleared in both.
fn signed(role: Role, opening: Opening) -> Vec<u8> {
    let mut message = b"flatend/2 downgrade".to_vec();
    message.push(match role {
        Role::Dialer => 0,
        Role::Acceptor => 1,
    });
    message.extend_from_slice(&opening.cleared());
    message
}

/// What a legacy link of a node that speaks flatend/2 adds and looks for.
#[derive(Debug)]
pub(crate) struct Downgrade {
    pub(crate) trailer: Vec<u8>,
    opening: Opening,
    peer: Role,
}

impl Downgrade {
    pub(crate) fn new(key: &SigningKey, role: Role, opening: Opening) -> Downgrade {
        let mut trailer = MARK.to_vec();
        trailer.extend_from_slice(key.verifying_key().as_bytes());
        trailer.extend_from_slice(&key.sign(&signed(role, opening)).to_bytes());
        Downgrade {
            trailer,
            opening,
            peer: match role {
                Role::Dialer => Role::Acceptor,
                Role::Acceptor => Role::Dialer,
            },
        }
    }

    /// Whether the bytes behind a peer's legacy Handshake show that it speaks flatend/2. `shown` is the key of its ID, if it has one:
    /// then no other counts.
    pub(crate) fn is_proved_by(&self, trailing: &[u8], shown: Option<[u8; KEY_BYTES]>) -> bool {
        self.check(trailing, shown).is_some()
    }

    fn check(&self, trailing: &[u8], shown: Option<[u8; KEY_BYTES]>) -> Option<()> {
        let mut reader = Reader::new(trailing);
        let mark = reader.array::<3>()?;
        let key = reader.array::<KEY_BYTES>()?;
        let signature = reader.array::<SIGNATURE_BYTES>()?;
        if mark != *MARK || shown.is_some_and(|shown| shown != key) {
            return None;
        }
        VerifyingKey::from_bytes(&key)
            .ok()?
            .verify_strict(
                &signed(self.peer, self.opening),
                &Signature::from_bytes(&signature),
            )
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening(marked: bool) -> Opening {
        let mut opening = Opening {
            dialer: [1; 32],
            acceptor: [2; 32],
        };
        if marked {
            opening.dialer[31] |= 0x80;
        }
        opening
    }

    #[test]
    fn a_trailer_counts_on_its_link_for_its_role_and_key_alone() {
        let key = SigningKey::from_bytes(&[3; 32]);
        let public = key.verifying_key().to_bytes();
        // The dialer's bit was cleared on the way.
        let dialer = Downgrade::new(&key, Role::Dialer, opening(true));
        let acceptor = Downgrade::new(&key, Role::Acceptor, opening(false));
        assert_eq!(dialer.trailer.len(), TRAILER_BYTES);
        assert!(acceptor.is_proved_by(&dialer.trailer, None));
        assert!(acceptor.is_proved_by(&dialer.trailer, Some(public)));
        assert!(dialer.is_proved_by(&acceptor.trailer, Some(public)));
        assert!(!acceptor.is_proved_by(&dialer.trailer, Some([9; 32])));
        assert!(!acceptor.is_proved_by(&acceptor.trailer, None), "reflected");
        let mut other = opening(false);
        other.acceptor[0] ^= 1;
        let elsewhere = Downgrade::new(&key, Role::Acceptor, other);
        assert!(!elsewhere.is_proved_by(&dialer.trailer, None), "replayed");
        for cut in 0..TRAILER_BYTES {
            assert!(!acceptor.is_proved_by(&dialer.trailer[..cut], None));
        }
    }
}
