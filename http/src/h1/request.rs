//! Request heads (RFC 9112 2, 3 and 5).
//!
//! Owns the step from bytes to a borrowed [`RequestHead`] and the choice of the sentence for what
//! is refused. Refuses to allocate for a request of HTTP/1.0 or 1.1, and to repair anything: what
//! another parser could read differently is an error. Invariant: the verdict on a head depends on
//! its bytes alone, never on how they were cut into reads. httparse reports the first fault from
//! the left; every check of our own runs after the head is complete, in a fixed order.

use httparse::{Error as ParseError, Header, Status};

use super::framing;
use super::head::{FieldScratch, Fields, Method, RequestHead, Version};
use super::host;
use super::target::{Target, TargetForm};
use crate::error::RequestError;
use crate::limits::{Limits, FIELDS_MAX, LEADING_EMPTY_LINES_MAX};

/// The outcome of [`parse_head`].
#[derive(Debug)]
pub enum Parsed<'a> {
    /// No fault so far, and not all of the head yet.
    Partial,
    /// A whole head, and how many bytes of the buffer it took.
    Head(RequestHead<'a>, usize),
}

/// Parses the head that `buf` begins with. To be called again with the same bytes and more
/// after [`Parsed::Partial`]; looks at no byte behind the head or behind `head_bytes_max`.
///
/// # Errors
/// 400, 414, 417, 431, 501 or 505; the connection is over then.
pub fn parse_head<'b, 's>(
    buf: &'b [u8],
    limits: &Limits,
    scratch: &'s mut FieldScratch<'b>,
) -> Result<Parsed<'s>, RequestError>
where
    'b: 's,
{
    let bounded = &buf[..buf.len().min(limits.head_bytes_max)];
    match parse_bounded(bounded, limits, scratch)? {
        Parsed::Partial if buf.len() >= limits.head_bytes_max => {
            Err(match memchr::memchr(b' ', bounded) {
                Some(at) if memchr::memchr(b' ', &bounded[at + 1..]).is_none() => {
                    target_too_long(limits)
                }
                _ => RequestError::limit(
                    431,
                    "The request head has more bytes than the server takes",
                    "http.max.header_size",
                    limits.head_bytes_max as u64,
                ),
            })
        }
        parsed => Ok(parsed),
    }
}

#[inline]
fn parse_bounded<'b, 's>(
    buf: &'b [u8],
    limits: &Limits,
    scratch: &'s mut FieldScratch<'b>,
) -> Result<Parsed<'s>, RequestError>
where
    'b: 's,
{
    let Some(leading) = leading_empty_lines(buf)? else {
        return Ok(Parsed::Partial);
    };
    let buf = &buf[leading..];
    let room = limits.fields_max.min(FIELDS_MAX);

    let mut request = httparse::Request::new(&mut []);
    let (version, raw, length) =
        match request.parse_with_uninit_headers(buf, &mut scratch.fields[..room]) {
            Ok(Status::Complete(length)) => {
                let version = if request.version == Some(0) {
                    Version::Http10
                } else {
                    Version::Http11
                };
                (version, &*request.headers, length)
            }
            Ok(Status::Partial) => return Ok(Parsed::Partial),
            Err(ParseError::Version) => {
                let Some(line) = later_version_line(buf, request.path)? else {
                    return Ok(Parsed::Partial);
                };
                scratch.later_version.resize(room, httparse::EMPTY_HEADER);
                match httparse::parse_headers(&buf[line..], &mut scratch.later_version) {
                    Ok(Status::Complete((length, raw))) => (Version::Http11, raw, line + length),
                    Ok(Status::Partial) => return Ok(Parsed::Partial),
                    Err(error) => return Err(explain(error, buf, limits)),
                }
            }
            Err(error) => return Err(explain(error, buf, limits)),
        };
    let (Some(method), Some(target)) = (request.method, request.path) else {
        return Err(RequestError::bad(LINE));
    };

    let head = &buf[..length];
    check_line_ends(head, target, raw)?;
    if target.len() > limits.target_bytes_max {
        return Err(target_too_long(limits));
    }
    let method = Method::new(method);
    let target = Target::parse(method, target)?;
    let framing = framing::of(head, raw, version)?;
    let host = host::of(raw, version)?;
    let authority = match target.form {
        TargetForm::Absolute | TargetForm::Authority => target.authority,
        TargetForm::Origin | TargetForm::Asterisk => host,
    };
    let head = RequestHead {
        method,
        target,
        version,
        fields: Fields::new(raw),
        authority,
        body: framing.body,
        keep_alive: framing.keep_alive,
        expect_continue: framing.expect_continue,
        upgrade: framing.upgrade,
    };
    Ok(Parsed::Head(head, leading + length))
}

const LINE: &str =
    "The request line is not a method, a target and a version with one space between";

fn target_too_long(limits: &Limits) -> RequestError {
    // A target without a limit of its own is bounded by its head.
    let (name, bytes_max) = if limits.target_bytes_max < limits.head_bytes_max {
        ("target_bytes_max", limits.target_bytes_max)
    } else {
        ("http.max.header_size", limits.head_bytes_max)
    };
    RequestError::limit(
        414,
        "The request target has more bytes than the server takes",
        name,
        bytes_max as u64,
    )
}

/// Bytes of the empty lines ahead of the request line; `None` if a CR waits for its LF.
fn leading_empty_lines(buf: &[u8]) -> Result<Option<usize>, RequestError> {
    let mut at = 0;
    loop {
        match (buf.get(at), buf.get(at + 1)) {
            (Some(b'\r'), Some(b'\n')) if at < 2 * LEADING_EMPTY_LINES_MAX => at += 2,
            (Some(b'\r'), Some(b'\n')) => {
                return Err(RequestError::limit(
                    400,
                    "There are more empty lines before the request line than the server takes",
                    "leading_empty_lines_max",
                    LEADING_EMPTY_LINES_MAX as u64,
                ));
            }
            (Some(b'\r'), None) => return Ok(None),
            (Some(b'\r'), Some(_)) => return Err(RequestError::bad(BARE_CR)),
            (Some(b'\n'), _) => return Err(RequestError::bad(BARE_LF)),
            _ => return Ok(Some(at)),
        }
    }
}

const BARE_LF: &str = "A line of the request head ends with LF without CR";
const BARE_CR: &str = "The request head has a CR without LF";

/// httparse takes a bare LF for a line end; RFC 9112 2.2 leaves that to us, and it is a known way
/// to smuggle. Since it consumed the head, what follows each part (white space apart) is either
/// CRLF or LF.
fn check_line_ends(head: &[u8], target: &str, raw: &[Header<'_>]) -> Result<(), RequestError> {
    const VERSION_BYTES: usize = " HTTP/1.1".len();
    let line_end = offset(head, target.as_bytes()) + target.len() + VERSION_BYTES;
    let mut whole = head.get(line_end) == Some(&b'\r');
    for header in raw {
        let mut at = offset(head, header.value) + header.value.len();
        while let Some(b' ' | b'\t') = head.get(at) {
            at += 1;
        }
        whole &= head.get(at) == Some(&b'\r');
    }
    whole &= head.ends_with(b"\r\n");
    if whole {
        Ok(())
    } else {
        Err(RequestError::bad(BARE_LF))
    }
}

/// Where `part`, a slice of `whole`, begins in it.
pub(super) fn offset(whole: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize)
}

/// For a version that httparse refuses: the length of the request line if the version is a later
/// 1.x, `None` while the line is incomplete.
fn later_version_line(buf: &[u8], target: Option<&str>) -> Result<Option<usize>, RequestError> {
    let Some(lf) = memchr::memchr(b'\n', buf) else {
        return Ok(None);
    };
    // What follows the target and its one space is the version, to the end of the line.
    let version = target.and_then(|target| {
        let line = buf.get(..lf)?;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        line.get(offset(buf, target.as_bytes()) + target.len() + 1..)
    });
    match version {
        Some([b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9']) => Ok(Some(lf + 1)),
        Some([b'H', b'T', b'T', b'P', b'/', b'0' | b'2'..=b'9', b'.', b'0'..=b'9']) => Err(
            RequestError::new(505, "The server speaks HTTP/1.1 and HTTP/1.0 here"),
        ),
        _ => Err(RequestError::bad(LINE)),
    }
}

/// The sentence for a fault that httparse found; depends on nothing behind the faulty byte.
fn explain(error: ParseError, buf: &[u8], limits: &Limits) -> RequestError {
    match error {
        ParseError::TooManyHeaders => RequestError::limit(
            431,
            "The request has more header fields than the server takes",
            "fields_max",
            limits.fields_max.min(FIELDS_MAX) as u64,
        ),
        ParseError::HeaderName => RequestError::bad(explain_name(buf)),
        ParseError::HeaderValue => RequestError::bad(
            "A header field value has a control character, such as NUL or a CR without LF",
        ),
        ParseError::NewLine => RequestError::bad(BARE_CR),
        ParseError::Token if buf.first() == Some(&TLS_HANDSHAKE) => {
            RequestError::bad("This port speaks plain HTTP and the client began with TLS")
        }
        ParseError::Token | ParseError::Status | ParseError::Version => RequestError::bad(LINE),
    }
}

/// First byte of a TLS connection (RFC 8446 5.1); no method begins so.
const TLS_HANDSHAKE: u8 = 0x16;

/// What is wrong with the first field name that is wrong.
fn explain_name(buf: &[u8]) -> &'static str {
    for (number, line) in buf.split_inclusive(|&b| b == b'\n').enumerate().skip(1) {
        let Some(&fault) = line.iter().find(|&&b| !crate::headers::is_token_byte(b)) else {
            continue;
        };
        match fault {
            b':' if line.first() != Some(&b':') => continue,
            b' ' | b'\t' if line.first() == Some(&fault) && number == 1 => {
                return "There is white space before the first header field";
            }
            b' ' | b'\t' if line.first() == Some(&fault) => {
                return "A header field is folded onto a second line";
            }
            b' ' | b'\t' => {
                return "A header field has white space in its name or before its colon"
            }
            b'\r' | b'\n' => return "A header line has no colon",
            _ => break,
        }
    }
    "A header field name has a character that is not allowed"
}
