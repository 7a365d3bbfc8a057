//! Header fields in general (RFC 9110 5 and 7.6.1).
//!
//! Owns tokens, lists, the hop-by-hop set and the joining of repeated fields. Refuses to know
//! what a field means beyond that. Invariant: what [`join`] emits has each name once, in lower
//! case, and none that belongs to this hop.

use std::collections::HashSet;

use crate::eights::{is_named, is_plain_name, is_plain_value, place_of, push_lower, PLACES};
use crate::h1::{Field, Fields};
use crate::limits::REQUEST_ID_BYTES_MAX;

/// What `nocache = true` says to caches, in place of what an answer said by itself.
pub const NOCACHE: [(&str, &str); 3] = [
    ("cache-control", "no-cache, no-store, must-revalidate"),
    ("pragma", "no-cache"),
    ("expires", "0"),
];

/// Which bytes may stand in a token (RFC 9110 5.6.2).
static TOKEN_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = matches!(byte as u8,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\''
            | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~');
        byte += 1;
    }
    table
};

/// Whether a byte may stand in a token (RFC 9110 5.6.2).
pub fn is_token_byte(byte: u8) -> bool {
    TOKEN_BYTES[usize::from(byte)]
}

/// Whether `text` is a token.
pub fn is_token(text: &[u8]) -> bool {
    // Nearly all names are.
    is_plain_name(text) || (!text.is_empty() && text.iter().all(|&b| is_token_byte(b)))
}

/// Whether `value` may be sent as a field value: no control character but the tab (RFC 9110 5.5).
pub fn is_field_value(value: &[u8]) -> bool {
    is_plain_value(value)
        || value
            .iter()
            .all(|&b| (b >= b' ' && b != 0x7f) || b == b'\t')
}

/// Whether a client's `x-request-id` is kept: 1 to 128 of letters, digits, `_`, `.` and `-`.
pub fn is_request_id(value: &[u8]) -> bool {
    (1..=REQUEST_ID_BYTES_MAX).contains(&value.len())
        && value
            .iter()
            .all(|&b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// The elements of a comma-separated list without the white space around them; empty ones are
/// left out (RFC 9110 5.6.1).
pub fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    value
        .split(|&b| b == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
}

/// Whether a field belongs to one hop by its name alone. RFC 9110 7.6.1 names the first six;
/// Trailer describes chunks that we frame anew, and the two Proxy ones are for the next proxy.
pub fn is_hop_by_hop(name: &[u8]) -> bool {
    match name.len() {
        2 => is_named(name, b"te"),
        7 => is_named(name, b"upgrade") || is_named(name, b"trailer"),
        10 => is_named(name, b"connection") || is_named(name, b"keep-alive"),
        16 => is_named(name, b"proxy-connection"),
        17 => is_named(name, b"transfer-encoding"),
        18 => is_named(name, b"proxy-authenticate"),
        19 => is_named(name, b"proxy-authorization"),
        _ => false,
    }
}

/// The fields that the Connection fields of a message nominate, beyond those that are of one hop by their names. Host and
/// Content-Length cannot be taken away so: they frame and route the message. Made once a message and only where there are such: to
/// look through all tokens for every field would cost their product.
#[derive(Debug, Default)]
pub struct Nominated(HashSet<Vec<u8>>);

impl Nominated {
    /// What the Connection fields among `fields`, names and values, nominate.
    pub fn of<'f>(fields: impl Iterator<Item = (&'f [u8], &'f [u8])>) -> Nominated {
        let (mut names, mut name) = (HashSet::new(), Vec::new());
        let connections = fields.filter(|(name, _)| is_named(name, b"connection"));
        for token in connections.flat_map(|(_, value)| list(value)) {
            name.clear();
            push_lower(&mut name, token);
            let stays = matches!(&name[..], b"host" | b"content-length" | b"close");
            if !stays && !is_hop_by_hop(&name) && !names.contains(&name) {
                names.insert(name.clone());
            }
        }
        Nominated(names)
    }

    /// Whether the field of this name is among them.
    pub fn has(&self, name: &[u8]) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let mut lower = Vec::with_capacity(name.len());
        push_lower(&mut lower, name);
        self.0.contains(&lower)
    }
}

/// Whether a TE field says that its sender takes trailers (RFC 9110 10.1.4).
pub fn accepts_trailers(te: &[u8]) -> bool {
    list(te).any(|coding| coding.eq_ignore_ascii_case(b"trailers"))
}

/// Whether a Connection field nominates a field whose name does not say by itself that it is of one hop.
pub fn nominates_others(connection: &[u8]) -> bool {
    list(connection).any(|token| !is_hop_by_hop(token) && !token.eq_ignore_ascii_case(b"close"))
}

/// Whether an Accept field asks for JSON: a JSON type is named and not refused by `q=0`.
pub fn accepts_json(accept: &[u8]) -> bool {
    list(accept).any(|range| {
        let mut parts = range.split(|&b| b == b';').map(<[u8]>::trim_ascii);
        let is_json = parts.next().is_some_and(|media| {
            media.eq_ignore_ascii_case(b"application/json")
                || media.eq_ignore_ascii_case(b"application/problem+json")
        });
        is_json && !parts.any(is_zero_weight)
    })
}

fn is_zero_weight(parameter: &[u8]) -> bool {
    match parameter {
        [b'q' | b'Q', b'=', weight @ ..] => {
            !weight.is_empty() && weight.iter().all(|&b| b == b'0' || b == b'.')
        }
        _ => false,
    }
}

/// Room for names in lower case and joined values; keep one a connection.
#[derive(Debug, Default)]
pub struct JoinScratch {
    name: Vec<u8>,
    value: Vec<u8>,
}

/// Gives the end-to-end fields to `emit`: names in lower case, each once, at the place of its
/// first appearance; repeated values joined with `, `, those of Cookie with `; `. Hop-by-hop
/// fields and those that Connection nominates are left out.
pub fn join<'a>(fields: Fields<'a>, scratch: &mut JoinScratch, mut emit: impl FnMut(&[u8], &[u8])) {
    let (repeated, nominating) = survey(fields);
    let nominated = nominating.then(|| Nominated::of(fields.pairs()));
    let is_nominated = |name: &[u8]| nominated.as_ref().is_some_and(|those| those.has(name));
    for (index, field) in fields.iter().enumerate() {
        let name = field.name.as_bytes();
        if is_hop_by_hop(name) || is_nominated(name) {
            continue;
        }
        scratch.name.clear();
        push_lower(&mut scratch.name, name);
        let same = |other: &Field<'a>| other.name.eq_ignore_ascii_case(field.name);
        let is_alone = |places: &Places| !places.has(place_of(name));
        if repeated.as_ref().is_none_or(is_alone) {
            emit(&scratch.name, field.value);
            continue;
        }
        if fields.iter().take(index).any(|other| same(&other)) {
            continue;
        }
        let separator: &[u8] = if scratch.name == b"cookie" {
            b"; "
        } else {
            b", "
        };
        scratch.value.clear();
        scratch.value.extend_from_slice(field.value);
        for other in fields.iter().skip(index + 1).filter(same) {
            scratch.value.extend_from_slice(separator);
            scratch.value.extend_from_slice(other.value);
        }
        emit(&scratch.name, &scratch.value);
    }
}

/// A bit for each place of a name.
#[derive(Default)]
struct Places([u64; PLACES / 64]);

impl Places {
    fn has(&self, place: usize) -> bool {
        let word = self.0.get(place / 64).copied().unwrap_or_default();
        word >> (place % 64) & 1 == 1
    }

    fn add(&mut self, place: usize) {
        if let Some(word) = self.0.get_mut(place / 64) {
            *word |= 1 << (place % 64);
        }
    }
}

/// The places of names that may be repeated, if there are any, and whether Connection nominates any field beyond the
/// usual ones. Spares the quadratic search for nearly all requests.
fn survey(fields: Fields<'_>) -> (Option<Places>, bool) {
    let (mut seen, mut repeated, mut nominating) = (Places::default(), None, false);
    for field in fields.iter() {
        let name = field.name.as_bytes();
        let place = place_of(name);
        if seen.has(place) {
            repeated.get_or_insert_with(Places::default).add(place);
        }
        seen.add(place);
        if is_named(name, b"connection") {
            nominating |=
                list(field.value).any(|token| !is_named(token, b"close") && !is_hop_by_hop(token));
        }
    }
    (repeated, nominating)
}

/// Whether a field may come in a trailer section: not if it frames, routes, authenticates or
/// describes the content or the request (RFC 9110 6.5.1).
pub fn is_trailer(name: &[u8]) -> bool {
    const FORBIDDEN: [&[u8]; 16] = [
        b"host",
        b"content-length",
        b"content-encoding",
        b"content-type",
        b"content-range",
        b"authorization",
        b"cache-control",
        b"cookie",
        b"set-cookie",
        b"expect",
        b"max-forwards",
        b"range",
        b"forwarded",
        b"x-real-ip",
        b"x-request-id",
        b"www-authenticate",
    ];
    let begins = |prefix: &[u8]| {
        name.get(..prefix.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(prefix))
    };
    !is_hop_by_hop(name)
        && !FORBIDDEN
            .iter()
            .any(|forbidden| name.eq_ignore_ascii_case(forbidden))
        && !begins(b"if-")
        && !begins(b"x-forwarded-")
}
