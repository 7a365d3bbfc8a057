//! From headers of the mesh to the head of an HTTP request (RFC 9112 3, 5 and 6).
//!
//! Owns the one mapping that routes with `proxy` and the agent share. Refuses what could end a line or split a request: a caller
//! on the mesh may be anybody. Invariant: the head that is written has exactly one Host and exactly one length.
//!
//! | header of the mesh | HTTP |
//! | --- | --- |
//! | `:method` | the method; without it GET, or POST if there is a body |
//! | `:path` | the target; without it `/` and the `query.NAME` headers as its query |
//! | `:authority`, else `host` | Host; without both that of the upstream |
//! | other `:…`, `query.…`, `params.…`, hop-by-hop fields and those that `connection` names, `expect` | not sent |
//! | `via` | ours is added behind it; a request that passed too many of our kind is refused |
//! | `content-length` | kept if it is there once and valid |
//! | all others | as they are |

use std::fmt;

use crate::h1::framing::parse_length;
use crate::h1::host::is_valid_authority;
use crate::h1::out_body::{OutBody, OutFraming};
use crate::h1::response::{write_field, write_length};
use crate::headers::{self, Nominated};
use crate::limits::GATEWAYS_PASSED_MAX;

/// Why headers of the mesh make no HTTP request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestRefused {
    /// `:method` is no token.
    Method,
    /// CONNECT or TRACE, which no upstream is asked.
    NotImplemented,
    /// `:path` is no target: it does not begin with a slash, or has a byte that no target has.
    Target,
    /// `:authority` or `host` is no host with an optional port.
    Authority,
    /// A header's name is no token.
    FieldName,
    /// A header's value has a control character.
    FieldValue,
    /// `via` names so many of our kind that the request goes round.
    Loop,
    /// `content-length` promises a body and there is none.
    NoBody,
    /// A call in a state that does not allow it.
    Misuse(&'static str),
}

impl RequestRefused {
    /// The status that tells the caller whose fault it is (RFC 9110 15.5, 15.6).
    pub const fn status(self) -> u16 {
        match self {
            RequestRefused::NotImplemented => 501,
            RequestRefused::Loop => 502,
            RequestRefused::Misuse(_) => 500,
            RequestRefused::Method
            | RequestRefused::Target
            | RequestRefused::Authority
            | RequestRefused::FieldName
            | RequestRefused::FieldValue
            | RequestRefused::NoBody => 400,
        }
    }
}

impl fmt::Display for RequestRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RequestRefused::Loop => {
                return write!(
                    f,
                    "it has passed more than {GATEWAYS_PASSED_MAX} flatend gateways by its via (gateways_passed_max); look for an upstream that leads back to its gateway"
                );
            }
            RequestRefused::Method => ":method is not a token",
            RequestRefused::NotImplemented => "CONNECT and TRACE are not passed on",
            RequestRefused::Target => {
                ":path is not a path of visible characters that begins with /"
            }
            RequestRefused::Authority => ":authority or host is not a host with an optional port",
            RequestRefused::FieldName => "a header's name is not a token",
            RequestRefused::FieldValue => "a header's value has a control character",
            RequestRefused::NoBody => "content-length promises a body and there is none",
            RequestRefused::Misuse(what) => what,
        })
    }
}

impl std::error::Error for RequestRefused {}

/// What is known of a block before its head is written.
#[derive(Default)]
struct Survey<'f> {
    method: Option<&'f [u8]>,
    path: Option<&'f [u8]>,
    authority: Option<&'f [u8]>,
    host: Option<&'f [u8]>,
    /// Of the one valid `content-length`.
    length: Option<u64>,
    lengths: u32,
    nominating: bool,
    /// How often `via` names our kind.
    passed: usize,
}

impl<'f> Survey<'f> {
    fn of(fields: impl Iterator<Item = (&'f [u8], &'f [u8])>) -> Survey<'f> {
        let mut survey = Survey::default();
        for (name, value) in fields {
            let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
            match name.len() {
                3 if is(b"via") => {
                    survey.passed += headers::list(value).filter(|hop| is_ours(hop)).count()
                }
                4 if is(b"host") => survey.host = survey.host.or(Some(value)),
                5 if is(b":path") => survey.path = survey.path.or(Some(value)),
                7 if is(b":method") => survey.method = survey.method.or(Some(value)),
                10 if is(b":authority") => survey.authority = survey.authority.or(Some(value)),
                10 if is(b"connection") => survey.nominating = true,
                14 if is(b"content-length") => {
                    survey.lengths += 1;
                    survey.length = parse_length(value.trim_ascii()).ok();
                }
                _ => {}
            }
        }
        survey.length = survey.length.filter(|_| survey.lengths == 1);
        survey
    }
}

/// Whether a body with these headers goes out in chunks, which a server that speaks HTTP/1.0 cannot read.
pub fn wants_chunks<'f>(fields: impl Iterator<Item = (&'f [u8], &'f [u8])>) -> bool {
    Survey::of(fields).length.is_none()
}

/// Appends the head of a request. Gives the body that it announces and whether the method is HEAD.
///
/// # Errors
/// [`RequestRefused`]; `out` then holds a part of a head.
pub(super) fn encode<'f>(
    out: &mut Vec<u8>,
    fields: impl Iterator<Item = (&'f [u8], &'f [u8])> + Clone,
    has_body: bool,
    authority: &str,
) -> Result<(OutBody, bool), RequestRefused> {
    let survey = Survey::of(fields.clone());
    if survey.passed > GATEWAYS_PASSED_MAX {
        return Err(RequestRefused::Loop);
    }
    let method = survey
        .method
        .unwrap_or(if has_body { b"POST" } else { b"GET" });
    if !headers::is_token(method) {
        return Err(RequestRefused::Method);
    }
    if matches!(method, b"CONNECT" | b"TRACE") {
        return Err(RequestRefused::NotImplemented);
    }
    out.extend_from_slice(method);
    out.push(b' ');
    match survey.path {
        Some(path) if is_target(method, path) => out.extend_from_slice(path),
        Some(_) => return Err(RequestRefused::Target),
        None => write_query(out, fields.clone()),
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
    // A client of HTTP/1.0 may have named no host: the gateway's word for that is an empty one.
    let host = survey
        .authority
        .filter(|host| !host.is_empty())
        .or(survey.host)
        .unwrap_or(authority.as_bytes());
    if !std::str::from_utf8(host).is_ok_and(is_valid_authority) {
        return Err(RequestRefused::Authority);
    }
    write(out, b"host", host)?;
    let nominated = survey.nominating.then(|| Nominated::of(fields.clone()));
    let is_nominated = |name| nominated.as_ref().is_some_and(|those| those.has(name));
    for (name, value) in fields {
        if is_left_out(name) || is_nominated(name) {
            continue;
        }
        write(out, name, value)?;
    }
    // RFC 9110 7.6.3: a gateway names itself towards the server that it asks.
    out.extend_from_slice(VIA);
    let framing = match (has_body, survey.length) {
        (true, Some(bytes)) => OutFraming::Length(bytes),
        (true, None) => OutFraming::Chunked,
        (false, Some(1..)) => return Err(RequestRefused::NoBody),
        (false, _) => OutFraming::Nothing,
    };
    match framing {
        OutFraming::Length(bytes) => write_length(out, bytes),
        OutFraming::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        // RFC 9110 8.6: methods that usually have a body say that there is none.
        _ if survey.length.is_some() || matches!(method, b"POST" | b"PUT" | b"PATCH") => {
            write_length(out, 0);
        }
        _ => {}
    }
    out.extend_from_slice(b"\r\n");
    Ok((OutBody::new(framing), method == b"HEAD"))
}

const VIA: &[u8] = b"via: 1.1 flatend\r\n";

/// Whether an element of Via is what we write: a protocol, white space and our pseudonym.
fn is_ours(hop: &[u8]) -> bool {
    let mut words = hop
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    words.nth(1) == Some(b"flatend")
}

fn write(out: &mut Vec<u8>, name: &[u8], value: &[u8]) -> Result<(), RequestRefused> {
    write_field(out, name, value).map_err(|error| match error {
        crate::error::ResponseError::FieldName => RequestRefused::FieldName,
        _ => RequestRefused::FieldValue,
    })
}

/// Origin form, or `*` of OPTIONS (RFC 9112 3.2). Bytes from 0x80 pass as they do on the gateway's own port.
fn is_target(method: &[u8], path: &[u8]) -> bool {
    let visible = |&byte: &u8| byte > b' ' && byte != 0x7f && byte != b'#';
    match path {
        b"*" => method == b"OPTIONS",
        [b'/', ..] => path.iter().all(visible),
        _ => false,
    }
}

/// What is not sent: the mesh's own names, what belongs to one hop, what is written anew.
fn is_left_out(name: &[u8]) -> bool {
    let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
    match name.first() {
        None | Some(b':') => true,
        Some(b'q' | b'Q') if begins(name, b"query.") => true,
        Some(b'p' | b'P') if begins(name, b"params.") => true,
        _ => is(b"host") || is(b"content-length") || is(b"expect") || headers::is_hop_by_hop(name),
    }
}

fn begins(name: &[u8], prefix: &[u8]) -> bool {
    name.get(..prefix.len())
        .is_some_and(|begin| begin.eq_ignore_ascii_case(prefix))
}

/// `/`, and the `query.NAME` headers as a query: what a caller of the mesh who knows nothing of HTTP means.
fn write_query<'f>(out: &mut Vec<u8>, fields: impl Iterator<Item = (&'f [u8], &'f [u8])>) {
    out.push(b'/');
    let mut separator = b'?';
    for (name, value) in fields {
        let Some(name) = name
            .get(b"query.".len()..)
            .filter(|_| begins(name, b"query."))
        else {
            continue;
        };
        out.push(separator);
        separator = b'&';
        escape(out, name);
        out.push(b'=');
        escape(out, value);
    }
}

/// Escapes all but unreserved characters (RFC 3986 2.3).
fn escape(out: &mut Vec<u8>, text: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in text {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(byte);
        } else {
            out.extend_from_slice(&[
                b'%',
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 0xf)],
            ]);
        }
    }
}
