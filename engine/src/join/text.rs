//! The bytes of a join token as text: fields, CRC-32 (as in Ethernet) and base64url without padding (RFC 4648 section 5).

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A kind, a length and a value of at most 65,535 bytes.
pub(super) fn put_field(out: &mut Vec<u8>, kind: u8, value: &[u8]) {
    let len = u16::try_from(value.len()).unwrap_or(u16::MAX);
    out.push(kind);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend(value.iter().take(usize::from(len)));
}

/// The first field: kind, value, and what follows.
pub(super) fn take_field(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<3>()?;
    let len = usize::from(u16::from_be_bytes([head[1], head[2]]));
    let (value, rest) = rest.split_at_checked(len)?;
    Some((head[0], value, rest))
}

pub(super) fn checksum(bytes: &[u8]) -> u32 {
    let each = bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            let carry = if sum & 1 == 1 { 0xedb8_8320 } else { 0 };
            (sum >> 1) ^ carry
        })
    });
    !each
}

pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let all = three
            .iter()
            .fold(0u32, |all, byte| all << 8 | u32::from(*byte));
        let bits = 8 * three.len();
        let all = all << (24 - bits);
        for letter in 0..bits.div_ceil(6) {
            let at = all >> (18 - 6 * letter) & 63;
            text.push(char::from(LETTERS[at as usize]));
        }
    }
    text
}

/// `None` for another letter, an impossible length, or bits that no encoder leaves.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for four in text.as_bytes().chunks(4) {
        let mut all = 0u32;
        for letter in four {
            let at = LETTERS.iter().position(|known| known == letter)?;
            all = all << 6 | at as u32;
        }
        let bits = 6 * four.len();
        let spare = bits % 8;
        // A single letter holds no byte, and the bits beside the last one are zeros.
        if bits < 8 || all & ((1 << spare) - 1) != 0 {
            return None;
        }
        let whole = (all >> spare) << (24 - (bits - spare));
        bytes.extend_from_slice(&whole.to_be_bytes()[1..=bits / 8]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg"),
            ("fooba", "Zm9vYmE"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(encode(&[0xfb, 0xff]), "-_8");
        for text in ["Z", "Zm9vZ", "Zh", "Zm9=", "Zm 9", "Zm+9", "é"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    #[test]
    fn fields_that_are_cut_are_none() {
        let mut bytes = Vec::new();
        put_field(&mut bytes, 7, b"abc");
        assert_eq!(take_field(&bytes), Some((7, &b"abc"[..], &b""[..])));
        for end in 0..bytes.len() {
            assert_eq!(take_field(&bytes[..end]), None);
        }
    }
}
