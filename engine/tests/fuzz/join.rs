//! Join tokens out of any bytes: as text, and as fields in a text whose checksum is good.

use flatend::JoinToken;

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    };
    !bytes.iter().fold(!0, step)
}

fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0u32, |bits, at| {
            bits << 8 | u32::from(chunk.get(at).copied().unwrap_or(0))
        });
        for at in 0..=chunk.len() {
            text.push(DIGITS[(bits >> (18 - 6 * at)) as usize & 63] as char);
        }
    }
    text
}

fn check(text: &str) -> bool {
    let Ok(token) = text.parse::<JoinToken>() else {
        return false;
    };
    assert!((1..=16).contains(&token.addrs().len()));
    let again = token.to_string();
    assert_eq!(again.parse::<JoinToken>().as_ref(), Ok(&token));
    true
}

/// The largest body of a text that the fuzzer makes.
const FIELDS_BYTES_MAX: usize = 4_096;

pub fn join_token(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        check(text);
        check(&format!("flatend-join-1-{text}"));
    }
    let fields = &input[..input.len().min(FIELDS_BYTES_MAX)];
    let body = [fields, &crc32(fields).to_be_bytes()].concat();
    check(&format!("flatend-join-1-{}", base64url(&body)));
}

/// A text made here is a token: the checksum and the digits are the wire's.
pub fn sound() -> bool {
    let fields = [&[2, 0, 12][..], b"10.0.0.1:900"].concat();
    let body = [&fields[..], &crc32(&fields).to_be_bytes()].concat();
    check(&format!("flatend-join-1-{}", base64url(&body)))
}
