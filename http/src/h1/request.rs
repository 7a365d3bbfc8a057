//! Request heads (RFC 9112 2, 3 and 5).
//!
//! Owns the step from bytes to a borrowed [`RequestHead`] and the choice of the sentence for what
//! is refused. Refuses to allocate for a request of HTTP/1.0 or 1.1, and to repair anything: what
//! another parser could read differently is an error. Invariant: the verdict on a head depends on
//! its bytes alone, never on how they were cut into reads. httparse reports the first fault from
//! the left; every check of our own runs after the head is complete, in a fixed order.

use std::mem::MaybeUninit;

use httparse::{Error as ParseError, Header, Status};

use super::framing::{self, BodyLength};
use super::host;
use super::target::{Target, TargetForm};
use crate::error::RequestError;
use crate::limits::{Limits, FIELDS_MAX, LEADING_EMPTY_LINES_MAX};

/// The version of a request; a later 1.x counts as 1.1 (RFC 9110 2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// A method; names are case-sensitive (RFC 9110 9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Method<'a> {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Patch,
    Options,
    Connect,
    Trace,
    /// Any other token.
    Other(&'a str),
}

impl<'a> Method<'a> {
    /// The method that a token names.
    pub fn new(token: &'a str) -> Self {
        match token {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "DELETE" => Method::Delete,
            "PATCH" => Method::Patch,
            "OPTIONS" => Method::Options,
            "CONNECT" => Method::Connect,
            "TRACE" => Method::Trace,
            other => Method::Other(other),
        }
    }

    /// The token, as received.
    pub fn as_str(&self) -> &'a str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
            Method::Patch => "PATCH",
            Method::Options => "OPTIONS",
            Method::Connect => "CONNECT",
            Method::Trace => "TRACE",
            Method::Other(token) => token,
        }
    }
}

/// One header field as received: the name in the client's case, the value without the white
/// space around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// A token (RFC 9110 5.1), case as received.
    pub name: &'a str,
    /// Visible bytes, spaces, tabs and bytes from 0x80.
    pub value: &'a [u8],
}

/// The header fields of a request in the order of arrival. Copies are two words.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    raw: &'a [Header<'a>],
}

impl<'a> Fields<'a> {
    pub(crate) fn new(raw: &'a [Header<'a>]) -> Self {
        Fields { raw }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.raw.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// The field at `index`.
    pub fn at(&self, index: usize) -> Option<Field<'a>> {
        self.raw.get(index).map(|h| Field {
            name: h.name,
            value: h.value,
        })
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Field<'a>> + Clone + 'a {
        self.raw.iter().map(|h| Field {
            name: h.name,
            value: h.value,
        })
    }

    /// The values of the fields called `name`, compared without case.
    pub fn values<'n>(self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a, 'n> {
        self.raw
            .iter()
            .filter(move |h| h.name.eq_ignore_ascii_case(name))
            .map(|h| h.value)
    }

    /// The value of the first field called `name`, compared without case.
    pub fn first(&self, name: &str) -> Option<&'a [u8]> {
        self.raw
            .iter()
            .find(|h| h.name.eq_ignore_ascii_case(name))
            .map(|h| h.value)
    }
}

/// Room for the fields of one head, on the caller's stack; 4 KiB that are not initialised.
pub struct FieldScratch<'b> {
    fields: [MaybeUninit<Header<'b>>; FIELDS_MAX],
    /// Only for versions above 1.1, which httparse does not take; empty otherwise.
    later_version: Vec<Header<'b>>,
}

impl FieldScratch<'_> {
    /// New room; costs nothing.
    pub const fn new() -> Self {
        FieldScratch {
            fields: [const { MaybeUninit::uninit() }; FIELDS_MAX],
            later_version: Vec::new(),
        }
    }
}

impl Default for FieldScratch<'_> {
    fn default() -> Self {
        FieldScratch::new()
    }
}

impl std::fmt::Debug for FieldScratch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FieldScratch").finish_non_exhaustive()
    }
}

/// A request head, borrowed from the read buffer.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: Method<'a>,
    /// The target, taken apart.
    pub target: Target<'a>,
    /// The version.
    pub version: Version,
    /// The header fields, all of them, hop-by-hop ones too.
    pub fields: Fields<'a>,
    /// The authority that the request is for: of an absolute target if there is one (RFC 9112
    /// 3.2.2), else of Host. Valid by [`host::is_valid_authority`]; `None` only on HTTP/1.0.
    pub authority: Option<&'a str>,
    /// How the body is framed.
    pub body: BodyLength,
    /// Whether the client lets the connection live on (RFC 9112 9.3).
    pub keep_alive: bool,
    /// Whether the client waits for 100 before it sends the body (RFC 9110 10.1.1).
    pub expect_continue: bool,
    /// The value of Upgrade, if Connection names it and the version is 1.1 (RFC 9110 7.8).
    pub upgrade: Option<&'a [u8]>,
}

/// What of a head is still needed when its borrow has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestFacts {
    /// The method is HEAD: the response carries no body.
    pub is_head: bool,
    /// The method is POST, PUT or PATCH: a smallest body size holds even if there is none.
    pub wants_body: bool,
    /// The version.
    pub version: Version,
    /// How the body is framed.
    pub body: BodyLength,
    /// Whether the client lets the connection live on.
    pub keep_alive: bool,
    /// Whether the client waits for 100.
    pub expect_continue: bool,
}

impl RequestFacts {
    /// For the answer to a head that could not be parsed: nothing is known of it.
    pub const UNKNOWN: RequestFacts = RequestFacts {
        is_head: false,
        wants_body: false,
        version: Version::Http11,
        body: BodyLength::None,
        keep_alive: false,
        expect_continue: false,
    };
}

impl RequestHead<'_> {
    /// The part of the head that outlives its borrow.
    pub fn facts(&self) -> RequestFacts {
        RequestFacts {
            is_head: self.method == Method::Head,
            wants_body: matches!(self.method, Method::Post | Method::Put | Method::Patch),
            version: self.version,
            body: self.body,
            keep_alive: self.keep_alive,
            expect_continue: self.expect_continue,
        }
    }
}

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
                let Some(line) = later_version_line(buf)? else {
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
    RequestError::limit(
        414,
        "The request target has more bytes than the server takes",
        "target_bytes_max",
        limits.target_bytes_max as u64,
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
fn later_version_line(buf: &[u8]) -> Result<Option<usize>, RequestError> {
    let Some(lf) = memchr::memchr(b'\n', buf) else {
        return Ok(None);
    };
    let line = buf[..lf].strip_suffix(b"\r").unwrap_or(&buf[..lf]);
    let version = line.rsplit(|&b| b == b' ').next().unwrap_or(line);
    match version {
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            if *major == b'1' {
                Ok(Some(lf + 1))
            } else {
                Err(RequestError::new(
                    505,
                    "The server speaks HTTP/1.1 and HTTP/1.0 here",
                ))
            }
        }
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
        ParseError::Token if buf.starts_with(&[0x16, 0x03]) => {
            RequestError::bad("This port speaks plain HTTP and the client began with TLS")
        }
        ParseError::Token | ParseError::Status | ParseError::Version => RequestError::bad(LINE),
    }
}

/// What is wrong with the first field name that is wrong.
fn explain_name(buf: &[u8]) -> &'static str {
    for (number, line) in buf.split(|&b| b == b'\n').enumerate().skip(1) {
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
            b'\r' => return "A header line has no colon",
            _ => break,
        }
    }
    "A header field name has a character that is not allowed"
}
