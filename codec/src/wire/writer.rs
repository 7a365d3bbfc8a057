//! The writing half: appends to the one output buffer of a connection.

pub(crate) fn put_u16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_be_bytes());
}

pub(crate) fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// `u8 len, bytes`. False, and nothing written, if the name is longer than its length can say (rule B01).
#[must_use]
pub(crate) fn put_name(out: &mut Vec<u8>, name: &[u8]) -> bool {
    let Ok(len) = u8::try_from(name.len()) else {
        return false;
    };
    out.push(len);
    out.extend_from_slice(name);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b01_a_name_of_255_bytes_is_written_and_one_of_256_is_not() {
        let mut out = Vec::new();
        assert!(put_name(&mut out, &[b'n'; 255]));
        assert_eq!(out.len(), 256);
        assert!(!put_name(&mut out, &[b'n'; 256]));
        assert_eq!(out.len(), 256);
    }
}
