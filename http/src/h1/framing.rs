//! How a request body is framed and what the hop-by-hop fields ask for (RFC 9112 6 and 9).
//!
//! Owns Content-Length, Transfer-Encoding, Connection, Expect and Upgrade of requests. Refuses
//! every message whose length two parsers could see differently, also where RFC 9112 would allow
//! a repair: the cost of strictness is a 400 for a client that nobody has, the cost of a repair
//! is request smuggling. Invariant: a head that passes has exactly one length.

use httparse::Header;

use super::head::Version;
use super::request::offset;
use crate::eights::is_named;
use crate::error::RequestError;
use crate::headers::{is_token, list};

/// How long a request body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// No body: neither Content-Length nor Transfer-Encoding.
    None,
    /// Content-Length, in bytes; may be 0.
    Length(u64),
    /// Transfer-Encoding: chunked.
    Chunked,
}

pub(super) struct Framing<'a> {
    pub(super) body: BodyLength,
    pub(super) keep_alive: bool,
    pub(super) expect_continue: bool,
    pub(super) upgrade: Option<&'a [u8]>,
}

/// Reads the framing fields of a complete head.
#[inline]
pub(super) fn of<'a>(
    head: &[u8],
    raw: &[Header<'a>],
    version: Version,
) -> Result<Framing<'a>, RequestError> {
    let mut length: Option<u64> = None;
    let mut coding = Coding::default();
    let mut close = false;
    let mut keep_alive = false;
    let mut names_upgrade = false;
    let mut upgrade = None;
    let (mut expect, mut expects) = (None, 0);

    // One look at the length of a name spares nearly all comparisons.
    for header in raw {
        let name = header.name.as_bytes();
        match name.len() {
            6 if is_named(name, b"expect") => {
                expects += 1;
                expect = Some(header.value);
            }
            7 if is_named(name, b"upgrade") => upgrade = Some(header.value),
            10 if is_named(name, b"connection") => {
                for token in list(header.value) {
                    close |= is_named(token, b"close");
                    keep_alive |= is_named(token, b"keep-alive");
                    names_upgrade |= is_named(token, b"upgrade");
                }
            }
            14 if is_named(name, b"content-length") => {
                if length.is_some() {
                    return Err(RequestError::bad(
                        "The request has more than one Content-Length",
                    ));
                }
                refuse_tabs(head, header)?;
                length = Some(parse_length(header.value)?);
            }
            17 if is_named(name, b"transfer-encoding") => {
                refuse_tabs(head, header)?;
                coding.add(header.value)?;
            }
            _ => {}
        }
    }

    let body = match (coding.present, length) {
        (true, Some(_)) => {
            return Err(RequestError::bad(
                "The request has both Content-Length and Transfer-Encoding",
            ));
        }
        (true, None) if version == Version::Http10 => {
            return Err(RequestError::bad(
                "Transfer-Encoding is not part of HTTP/1.0",
            ));
        }
        (true, None) if !coding.chunked => {
            // RFC 9112 6.3: where the last coding is not chunked nobody can know the length.
            return Err(RequestError::bad(
                "The last transfer coding of the request is not chunked",
            ));
        }
        (true, None) if coding.unknown => {
            return Err(RequestError::new(
                501,
                "The request has a transfer coding other than chunked",
            ));
        }
        (true, None) => BodyLength::Chunked,
        (false, Some(length)) => BodyLength::Length(length),
        (false, None) => BodyLength::None,
    };
    if expects > 1 {
        return Err(RequestError::bad("The request has more than one Expect"));
    }
    let is_11 = version == Version::Http11;
    let expect_continue = match expect {
        Some(value) if value.eq_ignore_ascii_case(b"100-continue") => is_11,
        Some(_) if is_11 => {
            return Err(RequestError::new(
                417,
                "The request expects other than 100-continue",
            ));
        }
        _ => false,
    };
    Ok(Framing {
        body,
        keep_alive: !close && (is_11 || keep_alive),
        expect_continue,
        upgrade: upgrade.filter(|_| names_upgrade && is_11),
    })
}

/// The Transfer-Encoding fields, read as the one list that they are (RFC 9110 5.3).
#[derive(Default)]
struct Coding {
    present: bool,
    chunked: bool,
    unknown: bool,
}

impl Coding {
    fn add(&mut self, value: &[u8]) -> Result<(), RequestError> {
        self.present = true;
        for element in value.split(|&b| b == b',') {
            let coding = element.trim_ascii();
            if self.chunked {
                return Err(RequestError::bad(
                    "The transfer coding chunked is not the last one",
                ));
            }
            if coding.eq_ignore_ascii_case(b"chunked") {
                self.chunked = true;
            } else if is_token(coding) {
                self.unknown = true;
            } else {
                return Err(RequestError::bad(
                    "The Transfer-Encoding of the request is not valid",
                ));
            }
        }
        Ok(())
    }
}

/// Digits only: no sign, no list, no prefix, no white space within (RFC 9110 8.6).
pub(super) fn parse_length(value: &[u8]) -> Result<u64, RequestError> {
    const NOT_A_NUMBER: RequestError =
        RequestError::bad("The Content-Length of the request is not one decimal number");
    if value.is_empty() {
        return Err(NOT_A_NUMBER);
    }
    value.iter().try_fold(0u64, |sum, &byte| {
        let digit = match byte {
            b'0'..=b'9' => u64::from(byte - b'0'),
            _ => return Err(NOT_A_NUMBER),
        };
        sum.checked_mul(10)
            .and_then(|sum| sum.checked_add(digit))
            .ok_or(RequestError::bad(
                "The Content-Length of the request does not fit 64 bits",
            ))
    })
}

/// A tab beside the value of a framing field is allowed white space, and hides the field from
/// parsers that know only the space. No client sends it.
fn refuse_tabs(head: &[u8], header: &Header<'_>) -> Result<(), RequestError> {
    if has_tab(head, header) {
        return Err(RequestError::bad(
            "Content-Length or Transfer-Encoding has a tab beside its value",
        ));
    }
    Ok(())
}

/// Whether the line of `header`, which stands in `head`, has a tab behind its name.
pub(super) fn has_tab(head: &[u8], header: &Header<'_>) -> bool {
    let from = offset(head, header.name.as_bytes()) + header.name.len();
    let line = head.get(from..).unwrap_or_default();
    let end = memchr::memchr(b'\n', line).unwrap_or(line.len());
    memchr::memchr(b'\t', &line[..end]).is_some()
}
