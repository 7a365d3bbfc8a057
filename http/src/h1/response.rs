//! Response heads (RFC 9112 4 and 6, RFC 9110 15).
//!
//! Owns status line, fields, framing choice and the bodies of our own error answers. Refuses
//! names and values that would end a line: a service that sends them gets 502 from the gateway.
//! Invariant: on an error `out` is as it was; on success its head is complete.

use super::framing::parse_length;
use super::head::{RequestFacts, Version};
use super::out_body::{OutBody, OutFraming};
use super::status::reason_phrase;
use crate::date::DATE_BYTES;
use crate::eights::is_named;
use crate::error::ResponseError;
use crate::headers::{self, Nominated};
use crate::limits::RESPONSE_OWN_BYTES_MAX;

/// The interim response that a waiting client wants before it sends its body.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What a response head has beside the service's fields.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a> {
    /// 200 to 599.
    pub status: u16,
    /// The length of the body if the caller knows it; goes before a `content-length` field.
    pub body_bytes: Option<u64>,
    /// The Date, unless the fields have one.
    pub date: &'a [u8; DATE_BYTES],
    /// Echoed as `x-request-id`, in place of a field of this name.
    pub request_id: Option<&'a str>,
}

/// Appends the head of a response to `out`. `fields` are names and values in any case and
/// order; hop-by-hop ones are left out, `content-length` is kept if it is one valid number.
/// `close` asks for the end of the connection; the returned flag says whether it lives on.
///
/// # Errors
/// [`ResponseError::Status`], `FieldName` or `FieldValue`; `out` is unchanged then.
pub fn encode_response<'f, I>(
    out: &mut Vec<u8>,
    facts: &RequestFacts,
    close: bool,
    head: &ResponseHead<'_>,
    fields: I,
) -> Result<(OutBody, bool), ResponseError>
where
    I: IntoIterator<Item = (&'f [u8], &'f [u8])>,
    I::IntoIter: Clone,
{
    let start = out.len();
    let result = write_response(out, facts, close, head, fields.into_iter());
    if result.is_err() {
        out.truncate(start);
    }
    result
}

fn write_response<'f>(
    out: &mut Vec<u8>,
    facts: &RequestFacts,
    close: bool,
    head: &ResponseHead<'_>,
    fields: impl Iterator<Item = (&'f [u8], &'f [u8])> + Clone,
) -> Result<(OutBody, bool), ResponseError> {
    if !(200..=599).contains(&head.status) {
        return Err(ResponseError::Status(head.status));
    }
    out.reserve(RESPONSE_OWN_BYTES_MAX);
    write_status_line(out, head.status);
    let from = out.len();
    let mut written = write_fields(out, head, &fields, false);
    // What a service says of one hop may name fields that were written already, or that cannot be written.
    if written.as_ref().map_or(true, |written| written.nominating) && nominates(&fields) {
        out.truncate(from);
        written = write_fields(out, head, &fields, true);
    }
    let Written {
        dated, declared, ..
    } = written?;
    if let Some(id) = head.request_id {
        write_sound_name(out, b"x-request-id", id.as_bytes())?;
    }
    if !dated {
        out.extend_from_slice(b"date: ");
        out.extend_from_slice(head.date);
        out.extend_from_slice(b"\r\n");
    }

    let known = head.body_bytes.or(declared);
    let framing = match (head.status, known) {
        (204, _) => OutFraming::Nothing,
        (205, _) => {
            write_length(out, 0);
            OutFraming::Nothing
        }
        (304, _) => {
            // The length would be that of the 200, which the service alone can tell (RFC 9110 8.6).
            if let Some(bytes) = declared {
                write_length(out, bytes);
            }
            OutFraming::Nothing
        }
        (_, Some(bytes)) => {
            write_length(out, bytes);
            if facts.is_head {
                OutFraming::Nothing
            } else {
                OutFraming::Length(bytes)
            }
        }
        (_, None) if facts.is_head => OutFraming::Nothing,
        (_, None) if facts.version == Version::Http11 => {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
            OutFraming::Chunked
        }
        (_, None) => OutFraming::UntilClose,
    };
    let keep_alive = facts.keep_alive && !close && framing != OutFraming::UntilClose;
    match (keep_alive, facts.version) {
        (false, _) => out.extend_from_slice(b"connection: close\r\n"),
        (true, Version::Http10) => out.extend_from_slice(b"connection: keep-alive\r\n"),
        (true, Version::Http11) => {}
    }
    out.extend_from_slice(b"\r\n");
    Ok((OutBody::new(framing), keep_alive))
}

/// What the fields of a response said.
struct Written {
    /// There is a Date among them.
    dated: bool,
    /// The one valid `content-length`, if there is one.
    declared: Option<u64>,
    /// A Connection is among them.
    nominating: bool,
}

/// Appends the fields that pass; those that Connection names do not, where it is `nominating`.
#[inline]
fn write_fields<'f>(
    out: &mut Vec<u8>,
    head: &ResponseHead<'_>,
    fields: &(impl Iterator<Item = (&'f [u8], &'f [u8])> + Clone),
    nominating: bool,
) -> Result<Written, ResponseError> {
    let nominated = nominating.then(|| Nominated::of(fields.clone()));
    let (mut lengths, mut declared) = (0, None);
    let mut written = Written {
        dated: false,
        declared: None,
        nominating: false,
    };
    for (name, value) in fields.clone() {
        if nominated.as_ref().is_some_and(|those| those.has(name)) {
            continue;
        }
        // One look at the length of a name spares nearly all comparisons.
        let ours = match name.len() {
            // Only one: a message has one date (RFC 9110 5.3, 6.6.1).
            4 if is_named(name, b"date") => std::mem::replace(&mut written.dated, true),
            10 if is_named(name, b"connection") => {
                written.nominating = true;
                true
            }
            12 => head.request_id.is_some() && is_named(name, b"x-request-id"),
            14 if is_named(name, b"content-length") => {
                lengths += 1;
                declared = parse_length(value.trim_ascii()).ok();
                true
            }
            _ => headers::is_hop_by_hop(name),
        };
        if ours {
            continue;
        }
        write_field(out, name, value)?;
    }
    written.declared = declared.filter(|_| lengths == 1);
    Ok(written)
}

fn nominates<'f>(fields: &(impl Iterator<Item = (&'f [u8], &'f [u8])> + Clone)) -> bool {
    fields
        .clone()
        .any(|(name, _)| is_named(name, b"connection"))
}

/// Appends a 1xx response other than 100 (see [`CONTINUE`]) and 101, such as 103.
///
/// # Errors
/// As [`encode_response`].
pub fn encode_interim<'f>(
    out: &mut Vec<u8>,
    status: u16,
    fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
) -> Result<(), ResponseError> {
    if !(102..=199).contains(&status) {
        return Err(ResponseError::Status(status));
    }
    write_simple(out, status, fields)
}

/// Appends 101 with the chosen `protocol` (RFC 9110 7.8); what follows is not HTTP.
///
/// # Errors
/// As [`encode_response`].
pub fn encode_upgrade<'f>(
    out: &mut Vec<u8>,
    protocol: &'f [u8],
    fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
) -> Result<(), ResponseError> {
    let start = out.len();
    let result = write_simple(out, 101, fields).and_then(|()| {
        out.truncate(out.len() - 2);
        write_field(out, b"connection", b"upgrade")?;
        write_field(out, b"upgrade", protocol)?;
        out.extend_from_slice(b"\r\n");
        Ok(())
    });
    if result.is_err() {
        out.truncate(start);
    }
    result
}

fn write_simple<'f>(
    out: &mut Vec<u8>,
    status: u16,
    fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
) -> Result<(), ResponseError> {
    let start = out.len();
    write_status_line(out, status);
    for (name, value) in fields {
        let framing = name.eq_ignore_ascii_case(b"content-length");
        if framing || headers::is_hop_by_hop(name) {
            continue;
        }
        if let Err(error) = write_field(out, name, value) {
            out.truncate(start);
            return Err(error);
        }
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

fn write_status_line(out: &mut Vec<u8>, status: u16) {
    out.extend_from_slice(b"HTTP/1.1 ");
    write_number(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(reason_phrase(status).as_bytes());
    out.extend_from_slice(b"\r\n");
}

pub(super) fn write_field(
    out: &mut Vec<u8>,
    name: &[u8],
    value: &[u8],
) -> Result<(), ResponseError> {
    if !headers::is_token(name) {
        return Err(ResponseError::FieldName);
    }
    write_sound_name(out, name, value)
}

/// As [`write_field`], of a name that is known to be a token.
fn write_sound_name(out: &mut Vec<u8>, name: &[u8], value: &[u8]) -> Result<(), ResponseError> {
    if !headers::is_field_value(value) {
        return Err(ResponseError::FieldValue);
    }
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
    Ok(())
}

pub(super) fn write_length(out: &mut Vec<u8>, bytes: u64) {
    out.extend_from_slice(b"content-length: ");
    write_number(out, bytes);
    out.extend_from_slice(b"\r\n");
}

fn write_number(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0u8; 20];
    let mut rest = number;
    let mut used = 0;
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + (rest % 10) as u8;
        rest /= 10;
        used += 1;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[digits.len() - used..]);
}
