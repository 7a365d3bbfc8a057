//! The geometry of keys (protocol.md 5): distance by XOR, 256 buckets by leading zero bits, the table of IDs and the order in
//! which a lookup asks. Pure: keys, addresses and times come in as values. Refuses to know links, dials or answers: that is
//! the mesh core's.

mod bucket;
mod lookup;
mod table;

pub use lookup::Lookup;
pub use table::{Entry, Seen, Table};

/// An Ed25519 public key, raw: the place of a node in the key space. Anonymous nodes stand at zero.
pub type Key = [u8; 32];

/// Where an anonymous node stands, and what it looks up at its start.
pub const ZERO: Key = [0; 32];

/// The XOR of two keys; as bytes in order it compares as a distance.
pub fn distance(a: &Key, b: &Key) -> Key {
    std::array::from_fn(|i| a[i] ^ b[i])
}

/// The bucket of `key` as seen from `own`: leading zero bits of their XOR. `None` for `own` itself.
pub fn bucket_index(own: &Key, key: &Key) -> Option<usize> {
    let mut zeros = 0;
    for byte in distance(own, key) {
        zeros += byte.leading_zeros() as usize;
        if byte != 0 {
            return Some(zeros);
        }
    }
    None
}

/// The nearest key to `own` within its bucket `bucket` (0 to 255): what a node that stands at `own` is asked so that it names
/// that bucket.
pub fn target_in_bucket(own: &Key, bucket: usize) -> Key {
    let mut key = *own;
    key[bucket / 8 % key.len()] ^= 0x80 >> (bucket % 8);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_count_leading_zero_bits_and_own_key_has_none() {
        assert_eq!(bucket_index(&ZERO, &ZERO), None);
        assert_eq!(bucket_index(&ZERO, &[0x80; 32]), Some(0));
        assert_eq!(bucket_index(&[0x80; 32], &[0x81; 32]), Some(7));
        let mut last = ZERO;
        last[31] = 1;
        assert_eq!(bucket_index(&ZERO, &last), Some(255));
    }

    #[test]
    fn each_bucket_has_a_target_in_it() {
        let own = [0x5a; 32];
        for bucket in 0..256 {
            assert_eq!(
                bucket_index(&own, &target_in_bucket(&own, bucket)),
                Some(bucket)
            );
        }
    }
}
