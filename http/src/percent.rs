//! Percent-decoding and -encoding (RFC 3986 2.1).
//!
//! Owns the one decoder for path parameters and query parameters, and what a Location of ours may hold. Refuses to repair: an escape
//! that is not `%` and two hexadecimal digits is an error. Invariant: text without an escape is
//! borrowed, not copied.

use std::borrow::Cow;

use crate::error::RequestError;

/// An escape that is not `%` and two hexadecimal digits; answered with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadEscape;

impl std::fmt::Display for BadEscape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an escape is not % and two hexadecimal digits")
    }
}

impl std::error::Error for BadEscape {}

impl From<BadEscape> for RequestError {
    fn from(_: BadEscape) -> Self {
        RequestError::bad("The request target has an escape that is not % and two hex digits")
    }
}

/// Escapes what may not stand in an address, such as bytes that are not ASCII; all that may stays, escapes too. A client's
/// target may hold such bytes, a Location of ours may not (RFC 9110 2.2, 10.2.2).
pub fn escape(text: &str) -> Cow<'_, str> {
    if text.bytes().all(may_stand_in_address) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    push_escaped(&mut out, text, may_stand_in_address);
    Cow::Owned(out)
}

/// Appends `text` with every byte escaped that may not stand as it is; `may_stand` sees ASCII only.
pub fn push_escaped(out: &mut String, text: &str, may_stand: impl Fn(u8) -> bool) {
    for byte in text.bytes() {
        if byte.is_ascii() && may_stand(byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for digit in [byte >> 4, byte & 0xf] {
                let digit = char::from_digit(u32::from(digit), 16).unwrap_or('0');
                out.push(digit.to_ascii_uppercase());
            }
        }
    }
}

/// The unreserved and the reserved characters of RFC 3986 2.2 and 2.3, and `%`.
fn may_stand_in_address(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte)
}

/// Decodes escapes; everything else stays, `+` too. The result may be any bytes.
///
/// # Errors
/// [`BadEscape`].
pub fn decode(text: &str) -> Result<Cow<'_, [u8]>, BadEscape> {
    match memchr::memchr(b'%', text.as_bytes()) {
        None => Ok(Cow::Borrowed(text.as_bytes())),
        Some(at) => unescape(text.as_bytes(), at, false),
    }
}

/// Whether every `%` begins an escape.
///
/// # Errors
/// [`BadEscape`].
pub fn check(text: &str) -> Result<(), BadEscape> {
    let bytes = text.as_bytes();
    let is_escape = |at: usize| {
        let digits = bytes.get(at + 1..at + 3).unwrap_or_default();
        digits.len() == 2 && digits.iter().all(u8::is_ascii_hexdigit)
    };
    match memchr::memchr_iter(b'%', bytes).all(is_escape) {
        true => Ok(()),
        false => Err(BadEscape),
    }
}

/// As [`decode`], and `+` is a space: the rule of HTML forms, which queries follow.
///
/// # Errors
/// [`BadEscape`].
pub fn decode_form(text: &str) -> Result<Cow<'_, [u8]>, BadEscape> {
    match memchr::memchr2(b'%', b'+', text.as_bytes()) {
        None => Ok(Cow::Borrowed(text.as_bytes())),
        Some(at) => unescape(text.as_bytes(), at, true),
    }
}

/// `plain` bytes at the front hold nothing to decode.
fn unescape(text: &[u8], plain: usize, form: bool) -> Result<Cow<'_, [u8]>, BadEscape> {
    let (head, mut rest) = text.split_at(plain);
    let mut out = Vec::with_capacity(text.len());
    out.extend_from_slice(head);
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        out.push(match byte {
            b'%' => {
                let [high, low, tail @ ..] = tail else {
                    return Err(BadEscape);
                };
                rest = tail;
                hex(*high)? << 4 | hex(*low)?
            }
            b'+' if form => b' ',
            other => other,
        });
    }
    Ok(Cow::Owned(out))
}

fn hex(digit: u8) -> Result<u8, BadEscape> {
    char::from(digit)
        .to_digit(16)
        .map(|value| value as u8)
        .ok_or(BadEscape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_checked_decodes_and_nothing_else_does() {
        for text in [
            "", "a+b", "%00", "%fF%20", "a%2Fb", "%", "a%", "%4", "%zz", "%4g", "%%41", "%41%",
            "%ü",
        ] {
            assert_eq!(check(text).is_ok(), decode(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn decodes() {
        for (text, plain) in [
            ("", &b""[..]),
            ("a+b", b"a+b"),
            ("%41%62", b"Ab"),
            ("a%2fb", b"a/b"),
            ("%2F%00%ff%C3%a9", b"/\0\xff\xc3\xa9"),
            ("100%25", b"100%"),
            ("%252e", b"%2e"),
        ] {
            assert_eq!(decode(text).as_deref(), Ok(plain), "{text:?}");
        }
        assert_eq!(decode_form("a+b%2B%20").as_deref(), Ok(&b"a b+ "[..]));
        assert!(matches!(decode("plain"), Ok(Cow::Borrowed(_))));
    }

    #[test]
    fn refuses_bad_escapes() {
        for text in [
            "%", "a%", "%4", "%4g", "%g4", "%%41", "%+1", "% 1", "%-1", "%é",
        ] {
            assert_eq!(decode(text), Err(BadEscape), "{text:?}");
            assert_eq!(decode_form(text), Err(BadEscape), "{text:?}");
        }
    }
}
