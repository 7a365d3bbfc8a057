//! X25519 and BLAKE2b-256.

use super::Secret;
use crate::error::ProtocolError;
use crate::limits::KEY_BYTES;
use blake2::digest::consts::U32;
use blake2::{Blake2b, Digest};
use x25519_dalek::{x25519, X25519_BASEPOINT_BYTES};

/// The public key of an ephemeral secret. Bit 255 is 0, as legacy peers have it.
pub(crate) fn public_key(secret: &[u8; KEY_BYTES]) -> [u8; KEY_BYTES] {
    x25519(*secret, X25519_BASEPOINT_BYTES)
}

/// `BLAKE2b-256(X25519(own secret, peer public))`; bit 255 of the peer's key is ignored (RFC 7748 section 5).
pub(crate) fn session_key(
    secret: &[u8; KEY_BYTES],
    peer: [u8; KEY_BYTES],
) -> Result<Secret, ProtocolError> {
    let shared = x25519(*secret, peer);
    // No secret depends on how long this takes: an all-zero result is known to the peer that sent the point.
    if shared == [0; KEY_BYTES] {
        return Err(ProtocolError::LowOrderKey);
    }
    Ok(Secret(Blake2b::<U32>::digest(shared).into()))
}

/// Seeds for the hash of the stream table, which the peer, knowing the session key, must not be able to guess.
pub(crate) fn table_seed(secret: &[u8; KEY_BYTES]) -> [u64; 2] {
    let digest: [u8; KEY_BYTES] = Blake2b::<U32>::new()
        .chain_update(b"flatend stream table")
        .chain_update(secret)
        .finalize()
        .into();
    let mut seeds = [0u64; 2];
    for (seed, chunk) in seeds.iter_mut().zip(digest.chunks_exact(8)) {
        *seed = chunk
            .iter()
            .fold(0, |seed, byte| seed << 8 | u64::from(*byte));
    }
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_find_the_same_key_and_bit_255_does_not_count() {
        let (a, b) = ([1; 32], [2; 32]);
        let key = session_key(&a, public_key(&b)).unwrap();
        assert_eq!(session_key(&b, public_key(&a)).unwrap().0, key.0);
        let mut marked = public_key(&b);
        assert_eq!(marked[31] & 0x80, 0);
        marked[31] |= 0x80;
        assert_eq!(session_key(&a, marked).unwrap().0, key.0);
    }

    #[test]
    fn low_order_points_are_refused() {
        let mut one = [0; 32];
        one[0] = 1;
        for point in [[0; 32], one] {
            assert_eq!(
                session_key(&[3; 32], point).err(),
                Some(ProtocolError::LowOrderKey)
            );
        }
    }

    #[test]
    fn the_table_seed_is_not_the_session_key() {
        assert_ne!(table_seed(&[1; 32]), table_seed(&[2; 32]));
    }
}
