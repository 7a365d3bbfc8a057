//! The key schedule (flatend2.md 2): one secret a link, from it the binding that identities sign, and one chain of keys a direction.
//! The invariant that a change is likeliest to break: a chain only goes forward, so that a leaked key opens nothing older.

use crate::connection::Role;
use crate::error::ProtocolError;
use crate::limits::KEY_BYTES;
use crate::session::Secret;
use blake2::digest::{KeyInit, Mac};
use blake2::Blake2bMac512;
use x25519_dalek::x25519;

/// Bytes of a chained secret: what BLAKE2b-512 gives.
const SECRET_BYTES: usize = 64;

/// `out(k, l) = BLAKE2b-512(key = k, l)`; the label comes in parts.
fn out(key: &[u8], label: &[&[u8]]) -> [u8; SECRET_BYTES] {
    // Keys here have 32 or 64 bytes, of which both are possible (RFC 7693 2.1); another length would be a fault of this file.
    let Ok(mut mac) = Blake2bMac512::new_from_slice(key) else {
        debug_assert!(false, "a key of at most 64 bytes");
        return [0; SECRET_BYTES];
    };
    for part in label {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The secret of one direction: `s_n`, from which `key_n` and `s_(n+1)` follow. Overwritten when dropped.
pub(crate) struct Chain([u8; SECRET_BYTES]);

impl Chain {
    /// `key_n`.
    pub(crate) fn key(&self) -> Secret {
        let mut key = Secret([0; KEY_BYTES]);
        for (to, from) in key.0.iter_mut().zip(out(&self.0, &[b"key"])) {
            *to = from;
        }
        key
    }

    /// Goes from `s_n` to `s_(n+1)`.
    pub(crate) fn step(&mut self) {
        self.0 = out(&self.0, &[b"next"]);
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        self.0 = [0; SECRET_BYTES];
        std::hint::black_box(&self.0);
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Chain")
    }
}

/// What both ends of a link derive from its first 64 bytes.
#[derive(Debug)]
pub(crate) struct Secrets {
    /// What an identity signs, so that its signature serves for this link alone.
    pub(crate) binding: [u8; KEY_BYTES],
    pub(crate) dialer: Chain,
    pub(crate) acceptor: Chain,
}

/// The first 32 bytes of both directions, bit 255 as sent.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opening {
    pub(crate) dialer: [u8; KEY_BYTES],
    pub(crate) acceptor: [u8; KEY_BYTES],
}

impl Opening {
    fn of(self, role: Role) -> [u8; KEY_BYTES] {
        match role {
            Role::Dialer => self.dialer,
            Role::Acceptor => self.acceptor,
        }
    }

    /// Both keys with bit 255 cleared: what a downgrade trailer signs (flatend2.md 1).
    pub(crate) fn cleared(self) -> [u8; 2 * KEY_BYTES] {
        let mut both = [0; 2 * KEY_BYTES];
        let bytes = self.dialer.iter().chain(&self.acceptor);
        for (slot, byte) in both.iter_mut().zip(bytes) {
            *slot = *byte;
        }
        for at in [KEY_BYTES - 1, 2 * KEY_BYTES - 1] {
            if let Some(byte) = both.get_mut(at) {
                *byte &= 0x7f;
            }
        }
        both
    }
}

impl Secrets {
    /// Agrees. `secret` is our own ephemeral one, `network_key` the pre-shared key of the network (zeros if there is none).
    ///
    /// # Errors
    /// [`ProtocolError::LowOrderKey`]: the shared secret is all zero.
    pub(crate) fn agree(
        secret: &[u8; KEY_BYTES],
        role: Role,
        opening: Opening,
        network_key: Option<&[u8; KEY_BYTES]>,
    ) -> Result<Secrets, ProtocolError> {
        let peer = opening.of(match role {
            Role::Dialer => Role::Acceptor,
            Role::Acceptor => Role::Dialer,
        });
        // X25519 ignores bit 255 (RFC 7748 5).
        let shared = x25519(*secret, peer);
        if shared == [0; KEY_BYTES] {
            return Err(ProtocolError::LowOrderKey);
        }
        Ok(Self::derive(&shared, opening, network_key))
    }

    /// `secret_0`, from which all else follows.
    pub(crate) fn secret_0(
        shared: &[u8; KEY_BYTES],
        opening: Opening,
        network_key: Option<&[u8; KEY_BYTES]>,
    ) -> [u8; SECRET_BYTES] {
        let Opening { dialer, acceptor } = opening;
        let extract: [&[u8]; 4] = [b"flatend/2 extract", shared, &dialer, &acceptor];
        out(network_key.unwrap_or(&[0; KEY_BYTES]), &extract)
    }

    fn derive(
        shared: &[u8; KEY_BYTES],
        opening: Opening,
        network_key: Option<&[u8; KEY_BYTES]>,
    ) -> Secrets {
        let secret = Self::secret_0(shared, opening, network_key);
        let mut binding = [0; KEY_BYTES];
        for (to, from) in binding
            .iter_mut()
            .zip(out(&secret, &[b"flatend/2 binding"]))
        {
            *to = from;
        }
        Secrets {
            binding,
            dialer: Chain(out(&secret, &[b"flatend/2 dialer"])),
            acceptor: Chain(out(&secret, &[b"flatend/2 acceptor"])),
        }
    }

    /// The chains to seal and to open with.
    pub(crate) fn directions(self, role: Role) -> (Chain, Chain) {
        match role {
            Role::Dialer => (self.dialer, self.acceptor),
            Role::Acceptor => (self.acceptor, self.dialer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::public_key;

    fn opening(d: u8, a: u8) -> Opening {
        let mut opening = Opening {
            dialer: public_key(&[d; 32]),
            acceptor: public_key(&[a; 32]),
        };
        opening.dialer[31] |= 0x80;
        opening.acceptor[31] |= 0x80;
        opening
    }

    #[test]
    fn both_sides_derive_the_same_and_each_direction_its_own() {
        let dialer = Secrets::agree(&[1; 32], Role::Dialer, opening(1, 2), None).unwrap();
        let acceptor = Secrets::agree(&[2; 32], Role::Acceptor, opening(1, 2), None).unwrap();
        assert_eq!(dialer.binding, acceptor.binding);
        let (seal, open) = dialer.directions(Role::Dialer);
        let (answer, hear) = acceptor.directions(Role::Acceptor);
        assert_eq!(seal.key().0, hear.key().0);
        assert_eq!(open.key().0, answer.key().0);
        assert_ne!(seal.key().0, open.key().0);
    }

    #[test]
    fn the_network_key_and_the_bits_as_sent_count() {
        let plain = Secrets::agree(&[1; 32], Role::Dialer, opening(1, 2), None).unwrap();
        let keyed = Secrets::agree(&[1; 32], Role::Dialer, opening(1, 2), Some(&[7; 32])).unwrap();
        assert_ne!(plain.binding, keyed.binding);
        let mut cleared = opening(1, 2);
        cleared.acceptor[31] &= 0x7f;
        let other = Secrets::agree(&[1; 32], Role::Dialer, cleared, None).unwrap();
        assert_ne!(plain.binding, other.binding);
        assert_eq!(cleared.cleared(), opening(1, 2).cleared());
    }

    #[test]
    fn a_chain_goes_forward_and_low_order_points_are_refused() {
        let mut chain = Secrets::derive(&[3; 32], opening(1, 2), None).dialer;
        let first = chain.key();
        chain.step();
        assert_ne!(chain.key().0, first.0);
        let mut low = opening(1, 2);
        low.acceptor = [0; 32];
        let refused = Secrets::agree(&[1; 32], Role::Dialer, low, None).err();
        assert_eq!(refused, Some(ProtocolError::LowOrderKey));
    }
}
