//! Response heads of upstreams (RFC 9112 4, 5 and 6.3).
//!
//! Owns the step from bytes to a borrowed [`UpstreamHead`] and the one length that its body has. Refuses every response whose
//! end two parsers could see differently, also where RFC 9112 allows a repair: an upstream that sends one answers all clients
//! of the connection, and a wrong end gives one of them the answer of another. Invariant: the verdict depends on the bytes
//! alone, never on how they were cut into reads.

use flatend::HeaderBlock;
use httparse::{Error as ParseError, Header, Status};

use super::framing::Framing;

use crate::error::UpstreamError;
use crate::h1::head::{FieldScratch, Fields, Version};
use crate::headers::{is_hop_by_hop, Nominated};
use crate::limits::{FIELDS_MAX, UPSTREAM_HEAD_BYTES_MAX};

/// How the end of a response's body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseLength {
    /// No body: the answer to HEAD, 204, 304.
    None,
    /// Content-Length, in bytes; may be 0.
    Length(u64),
    /// Transfer-Encoding: chunked.
    Chunked,
    /// Neither: the end of the connection is the end of the body (RFC 9112 6.3, rule 8).
    UntilClose,
}

/// A response head, borrowed from the read buffer.
#[derive(Clone, Copy, Debug)]
pub struct UpstreamHead<'a> {
    /// 200 to 599.
    pub status: u16,
    /// The version.
    pub version: Version,
    /// The fields, hop-by-hop ones too.
    pub fields: Fields<'a>,
    /// Where its body ends.
    pub body: ResponseLength,
    /// Whether the upstream lets the connection live on (RFC 9112 9.3).
    pub keep_alive: bool,
    /// How long it keeps it idle, if it says so (`keep-alive: timeout=5`), in seconds.
    pub keep_alive_s: Option<u64>,
}

/// The outcome of [`parse_response`].
#[derive(Debug)]
pub enum ParsedResponse<'a> {
    /// No fault so far, and not all of the head yet.
    Partial,
    /// A 1xx response of so many bytes; another head follows (RFC 9110 15.2).
    Interim(usize),
    /// A whole head, and how many bytes of the buffer it took.
    Head(UpstreamHead<'a>, usize),
}

/// Whether a head that is not whole in `buf` is too large.
pub(super) fn is_full(buf: &[u8]) -> bool {
    buf.len() >= UPSTREAM_HEAD_BYTES_MAX
}

/// Whether `buf` cannot begin with a response.
pub(super) fn is_foreign(buf: &[u8]) -> bool {
    let known = buf.len().min(VERSION_BEGIN.len());
    buf.get(..known) != VERSION_BEGIN.get(..known)
}

const VERSION_BEGIN: &[u8] = b"HTTP/1.";

/// Parses the response head that `buf` begins with. To be called again with the same bytes and more after
/// [`ParsedResponse::Partial`]. `is_head`: it answers a HEAD request.
///
/// # Errors
/// [`UpstreamError`]; nothing of the connection can be used then.
pub fn parse_response<'b, 's>(
    buf: &'b [u8],
    is_head: bool,
    scratch: &'s mut FieldScratch<'b>,
) -> Result<ParsedResponse<'s>, UpstreamError>
where
    'b: 's,
{
    if is_foreign(buf) {
        return Err(NOT_HTTP);
    }
    let bounded = &buf[..buf.len().min(UPSTREAM_HEAD_BYTES_MAX)];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        bounded,
        &mut scratch.fields,
    );
    let length = match parsed {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) if is_full(buf) => {
            return Err(UpstreamError::limit(
                "the response's head has more bytes than are taken",
                "upstream_head_bytes_max",
                UPSTREAM_HEAD_BYTES_MAX as u64,
            ));
        }
        Ok(Status::Partial) => return Ok(ParsedResponse::Partial),
        Err(error) => return Err(explain(error)),
    };
    let head = bounded.get(..length).unwrap_or_default();
    check_line_ends(head)?;
    let (Some(status), Some(version)) = (response.code, response.version) else {
        return Err(NOT_HTTP);
    };
    let version = if version == 0 {
        Version::Http10
    } else {
        Version::Http11
    };
    let raw: &'s [Header<'b>] = response.headers;
    let framing = Framing::of(head, raw, version)?;
    match status {
        101 => Err(UpstreamError::new(
            "it switched protocols, which nobody had asked for",
        )),
        // RFC 9110 15.2, RFC 9112 6.3: an interim response has no body and may not announce one.
        100..=199 if framing.length.is_some() || framing.chunked => Err(UpstreamError::new(
            "an interim response of it announces a body",
        )),
        100..=199 if version == Version::Http10 => Err(UpstreamError::new(
            "it sent an interim response over HTTP/1.0",
        )),
        100..=199 => Ok(ParsedResponse::Interim(length)),
        200..=599 => Ok(ParsedResponse::Head(
            framing.into_head(status, version, is_head, Fields::new(raw)),
            length,
        )),
        _ => Err(UpstreamError::new("its status is not from 200 to 599")),
    }
}

const NOT_HTTP: UpstreamError =
    UpstreamError::new("what it sent does not begin as a response of HTTP/1.1");

/// httparse takes a bare LF for a line end. All line ends are CRLF here: an LF can stand nowhere else, for the parser lets no
/// control character into a value.
fn check_line_ends(head: &[u8]) -> Result<(), UpstreamError> {
    let bare = memchr::memchr_iter(b'\n', head)
        .any(|at| at == 0 || head.get(at - 1).is_none_or(|&before| before != b'\r'));
    if bare || !head.ends_with(b"\r\n\r\n") {
        return Err(UpstreamError::new(
            "a line of the response's head ends with LF without CR",
        ));
    }
    Ok(())
}

fn explain(error: ParseError) -> UpstreamError {
    match error {
        ParseError::TooManyHeaders => UpstreamError::limit(
            "the response has more header fields than are taken",
            "fields_max",
            FIELDS_MAX as u64,
        ),
        ParseError::HeaderName => UpstreamError::new(
            "a header field of the response is folded, has white space in its name, or a name that is no token",
        ),
        ParseError::HeaderValue => {
            UpstreamError::new("a header field value of the response has a control character")
        }
        ParseError::NewLine => UpstreamError::new("the response's head has a CR without LF"),
        ParseError::Version => NOT_HTTP,
        ParseError::Token | ParseError::Status => UpstreamError::new(
            "the status line of the response is not a version, three digits and a reason",
        ),
    }
}

impl UpstreamHead<'_> {
    /// Adds the head to a block for the mesh: `:status`, and every end-to-end field, repeated ones as often as they came, names
    /// in lower case.
    ///
    /// # Errors
    /// [`UpstreamError`]: a name over 255 bytes or a value over 65,535.
    pub fn to_block(&self, block: &mut HeaderBlock) -> Result<(), UpstreamError> {
        let digits = [100, 10, 1].map(|unit| b'0' + (self.status / unit % 10) as u8);
        let mut pushed = block.push(b":status", &digits);
        let nominated = Nominated::of(self.fields.pairs());
        let mut name = Vec::new();
        for field in self.fields.iter() {
            let of_one_hop = is_hop_by_hop(field.name.as_bytes());
            if of_one_hop || nominated.has(field.name.as_bytes()) {
                continue;
            }
            name.clear();
            name.extend(field.name.bytes().map(|byte| byte.to_ascii_lowercase()));
            pushed = pushed.and_then(|()| block.push(&name, field.value));
        }
        pushed.map_err(|_| {
            UpstreamError::new(
                "a header field of the response has a name over 255 bytes or a value over 65,535",
            )
        })
    }
}
