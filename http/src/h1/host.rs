//! Host and authorities (RFC 9110 7.2, RFC 9112 3.2, RFC 3986 3.2).
//!
//! Owns the check that exactly one valid Host came. Refuses what another server could read as a
//! second host: user information, empty hosts and ports, lists, unclosed brackets. Invariant:
//! an authority that passes has one host and at most one port, both visible ASCII.

use httparse::Header;
use std::net::Ipv6Addr;

use super::head::Version;
use crate::error::RequestError;

/// The value of the one Host field; `None` only on HTTP/1.0 without one.
pub(super) fn of<'a>(
    raw: &[Header<'a>],
    version: Version,
) -> Result<Option<&'a str>, RequestError> {
    let mut found: Option<&'a [u8]> = None;
    for header in raw {
        if header.name.len() == 4 && header.name.eq_ignore_ascii_case("host") {
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
    let (host_is_valid, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((address, port)) = rest.split_once(']') else {
                return false;
            };
            (address.parse::<Ipv6Addr>().is_ok(), port)
        }
        None => {
            let at = text.bytes().position(|b| b == b':').unwrap_or(text.len());
            let (name, port) = text.split_at(at);
            (is_valid_name(name.as_bytes()), port)
        }
    };
    host_is_valid && (port.is_empty() || port.strip_prefix(':').is_some_and(is_valid_port))
}

fn is_valid_port(port: &str) -> bool {
    (1..=5).contains(&port.len())
        && port.bytes().all(|b| b.is_ascii_digit())
        && port.parse::<u16>().is_ok()
}

fn is_valid_name(name: &[u8]) -> bool {
    let mut rest = name;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => tail,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b';' | b'=' => tail,
            b'%' => match tail {
                [high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    tail
                }
                _ => return false,
            },
            _ => return false,
        };
    }
    !name.is_empty()
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
