//! Hex digits of keys.
//!
//! Owns both directions; takes either case, writes the lower one. Refuses lengths other than the caller's.

/// `bytes` as lower-case hex digits.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `2 * N` hex digits of either case as bytes; `None` if `text` is anything else.
#[must_use]
pub fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_either_case_and_nothing_else() {
        assert_eq!(decode::<2>("aB09"), Some([0xAB, 0x09]));
        assert_eq!(decode::<0>(""), Some([]));
        for text in ["aB0", "aB091", "aB0g", "+B09", "ab é", " b09"] {
            assert_eq!(decode::<2>(text), None, "{text}");
        }
        assert_eq!(encode(&[0, 0x7F, 0xFF]), "007fff");
    }
}
