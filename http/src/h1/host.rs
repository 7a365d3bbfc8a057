//! Host and authorities (RFC 9110 7.2, RFC 9112 3.2, RFC 3986 3.2).
//!
//! Owns the check that exactly one valid Host came. Refuses what another server could read as a
//! second host: user information, empty hosts and ports, lists, unclosed brackets. Invariant:
//! an authority that passes has one host and at most one port, both visible ASCII.

use httparse::Header;
use std::net::Ipv6Addr;

use super::head::Version;
use crate::eights::is_named;
use crate::error::RequestError;

/// The value of the one Host field; `None` only on HTTP/1.0 without one.
#[inline]
pub(super) fn of<'a>(
    raw: &[Header<'a>],
    version: Version,
) -> Result<Option<&'a str>, RequestError> {
    let mut found: Option<&'a [u8]> = None;
    for header in raw {
        if is_named(header.name.as_bytes(), b"host") {
            if found.is_some() {
                return Err(RequestError::bad("The request has more than one Host"));
            }
            found = Some(header.value);
        }
    }
    let Some(value) = found else {
        return match version {
            Version::Http10 => Ok(None),
            Version::Http11 => Err(RequestError::bad("The request has no Host")),
        };
    };
    match std::str::from_utf8(value) {
        Ok(text) if is_valid_authority(text) => Ok(Some(text)),
        _ => Err(RequestError::bad(
            "The Host of the request is not a host with an optional port",
        )),
    }
}

/// Whether `text` is a host with an optional port: a name, an IPv4 address or an IPv6 address
/// in brackets. Stricter than RFC 3986: no user information, no empty host or port, no comma in a
/// name, no zone and no future version in brackets.
pub fn is_valid_authority(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (host_is_valid, port) = if bytes.first() == Some(&b'[') {
        let Some((address, port)) = text.get(1..).and_then(|rest| rest.split_once(']')) else {
            return false;
        };
        (address.parse::<Ipv6Addr>().is_ok(), port.as_bytes())
    } else {
        let end = name_length(bytes);
        (end > 0, bytes.get(end..).unwrap_or_default())
    };
    host_is_valid
        && match port {
            [] => true,
            [b':', digits @ ..] => is_valid_port(digits),
            _ => false,
        }
}

fn is_valid_port(digits: &[u8]) -> bool {
    const DIGITS_MAX: usize = 5;
    if !(1..=DIGITS_MAX).contains(&digits.len()) {
        return false;
    }
    let value = digits.iter().try_fold(0u32, |sum, &byte| match byte {
        b'0'..=b'9' => Some(sum * 10 + u32::from(byte - b'0')),
        _ => None,
    });
    value.is_some_and(|port| port <= u32::from(u16::MAX))
}

/// Unreserved characters and sub-delimiters without the comma, which would look like a list.
static NAME_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = matches!(byte as u8,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~'
            | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b';' | b'=');
        byte += 1;
    }
    table
};

/// How many bytes at the front are of a name; escapes count if they are whole.
fn name_length(bytes: &[u8]) -> usize {
    let plain = |bytes: &[u8]| {
        bytes
            .iter()
            .take_while(|&&b| NAME_BYTES[usize::from(b)])
            .count()
    };
    let mut at = plain(bytes);
    while let Some([b'%', high, low, rest @ ..]) = bytes.get(at..) {
        if !high.is_ascii_hexdigit() || !low.is_ascii_hexdigit() {
            break;
        }
        at += 3 + plain(rest);
    }
    at
}

#[cfg(test)]
mod tests {
    use super::is_valid_authority;

    #[test]
    fn authorities_that_pass() {
        for text in [
            "a",
            "a.example",
            "a.example.",
            "A_b-c~",
            "a:1",
            "a:65535",
            "a:080",
            "127.0.0.1:80",
            "[::1]",
            "[::1]:8080",
            "[2001:db8::1]",
            "x%41",
            "a!b",
        ] {
            assert!(is_valid_authority(text), "{text:?}");
        }
    }

    #[test]
    fn authorities_that_do_not() {
        for text in [
            "",
            ":",
            ":80",
            "a:",
            "a:b",
            "a:80:80",
            "a:65536",
            "a:000080",
            "a:+80",
            "a: 80",
            "[::1",
            "::1",
            "[]",
            "[::1]a",
            "[::1]:",
            "[::1]:x",
            "[fe80::1%25eth0]",
            "[v1.a]",
            "a@b",
            "u:p@b",
            "a b",
            "a,b",
            "a/b",
            "a\\b",
            "a?b",
            "a#b",
            "a\tb",
            "ä",
            "x%4",
            "x%zz",
            "a\"",
            "a<b",
            "[a]",
        ] {
            assert!(!is_valid_authority(text), "{text:?}");
        }
    }
}
