//! Our own answers: errors and redirects, one short plain sentence each.
//!
//! Owns their bodies as text and as `application/problem+json` (RFC 9457). Refuses to decide a
//! status. Invariant: the sentence is ours, so no byte of a request is reflected into the body
//! but the request id, which was checked.

use super::head::RequestFacts;
use super::out_body::OutBody;
use super::response::{encode_response, ResponseHead};
use super::status::reason_phrase;
use crate::date::DATE_BYTES;
use crate::error::ResponseError;

/// An answer that this server gives by itself.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// 300 to 599.
    pub status: u16,
    /// One short plain sentence with its full stop, that names what refused and which limit; empty for no body.
    pub sentence: &'a str,
    /// Whether the client asked for JSON, see [`accepts_json`](crate::headers::accepts_json).
    pub json: bool,
    /// The id of the request; goes into the body too.
    pub request_id: Option<&'a str>,
    /// The Date.
    pub date: &'a [u8; DATE_BYTES],
    /// Further fields, such as `allow`, `location` or `retry-after`.
    pub fields: &'a [(&'a str, &'a str)],
}

/// Appends a whole answer, head and body, to `out`; returns whether the connection lives on.
///
/// # Errors
/// As [`encode_response`], if the further fields are not valid; `out` is unchanged then.
pub fn encode_answer(
    out: &mut Vec<u8>,
    facts: &RequestFacts,
    close: bool,
    answer: &Answer<'_>,
) -> Result<bool, ResponseError> {
    let body = if answer.sentence.is_empty() {
        String::new()
    } else if answer.json {
        json(answer)
    } else {
        text(answer)
    };
    let kind: &str = if answer.json {
        "application/problem+json"
    } else {
        "text/plain; charset=utf-8"
    };
    let head = ResponseHead {
        status: answer.status,
        body_bytes: Some(body.len() as u64),
        date: answer.date,
        request_id: answer.request_id,
    };
    let own = [("content-type", kind)];
    let own = if body.is_empty() { &own[..0] } else { &own };
    let fields = own
        .iter()
        .chain(answer.fields)
        .map(|(n, v)| (n.as_bytes(), v.as_bytes()));
    let (mut framing, keep_alive): (OutBody, bool) =
        encode_response(out, facts, close, &head, fields)?;
    if framing.frame(body.len())?.carries_data() {
        out.extend_from_slice(body.as_bytes());
    }
    Ok(keep_alive)
}

fn text(answer: &Answer<'_>) -> String {
    match answer.request_id {
        Some(id) => format!("{} (request {id})\n", answer.sentence),
        None => format!("{}\n", answer.sentence),
    }
}

fn json(answer: &Answer<'_>) -> String {
    let mut body = format!(
        "{{\"type\":\"about:blank\",\"title\":\"{}\",\"status\":{},\"detail\":\"",
        reason_phrase(answer.status),
        answer.status
    );
    escape(answer.sentence, &mut body);
    if let Some(id) = answer.request_id {
        body.push_str("\",\"request_id\":\"");
        escape(id, &mut body);
    }
    body.push_str("\"}\n");
    body
}

fn escape(text: &str, body: &mut String) {
    for character in text.chars() {
        match character {
            '"' | '\\' => body.extend(['\\', character]),
            '\0'..='\x1f' => body.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => body.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_strings_are_escaped() {
        let mut out = String::new();
        escape("a \"b\" \\ \n ü", &mut out);
        assert_eq!(out, "a \\\"b\\\" \\\\ \\u000a ü");
    }
}
