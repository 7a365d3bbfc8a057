//! Byte ranges (RFC 9110 14) and multipart bodies of several (RFC 9110 14.6).
//!
//! Owns parsing, what is satisfiable, what is joined, and the frame of the parts. Refuses to hold a body. Invariant: the spans
//! of an answer lie inside the file, never overlap, and are few, so an answer is never much longer than the file.

use crate::limits::{RANGES_MAX, RANGE_FIELD_BYTES_MAX, RANGE_GAP_BYTES};

/// Some bytes of a file; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first byte's offset.
    pub from: u64,
    /// How many.
    pub len: u64,
}

impl Span {
    fn end(self) -> u64 {
        self.from + self.len
    }

    /// The value of Content-Range.
    pub fn content_range(self, bytes: u64) -> String {
        format!("bytes {}-{}/{bytes}", self.from, self.end() - 1)
    }
}

/// What a Range field asks of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// It is malformed, of another unit, or asks for too many pieces: as if it were not there (RFC 9110 14.2).
    Ignored,
    /// Nothing of what it asks for is there.
    Unsatisfiable,
    /// These, in the order of the field; at least one.
    Spans(Vec<Span>),
}

/// Reads the value of Range for a file of `bytes`.
pub(super) fn read(field: &[u8], bytes: u64) -> Asked {
    let set = match field.trim_ascii() {
        [unit @ .., _] if field.len() > RANGE_FIELD_BYTES_MAX || unit.len() < 6 => None,
        [b'b' | b'B', b'y' | b'Y', b't' | b'T', b'e' | b'E', b's' | b'S', b'=', set @ ..] => {
            Some(set)
        }
        _ => None,
    };
    // An empty file has no byte that a range could name; it is served whole.
    let Some(set) = set.filter(|_| bytes > 0) else {
        return Asked::Ignored;
    };
    let (mut spans, mut asked) = (Vec::new(), 0);
    for element in crate::headers::list(set) {
        asked += 1;
        let Some(span) = (asked <= RANGES_MAX)
            .then(|| spec(element, bytes))
            .flatten()
        else {
            return Asked::Ignored;
        };
        if let Some(span) = span {
            join(&mut spans, span);
        }
    }
    match (asked, spans.is_empty()) {
        (0, _) => Asked::Ignored,
        (_, true) => Asked::Unsatisfiable,
        (_, false) => Asked::Spans(spans),
    }
}

/// One `first-last`, `first-` or `-suffix`: `None` if it is malformed, `Some(None)` if nothing of it is there.
fn spec(text: &[u8], bytes: u64) -> Option<Option<Span>> {
    let dash = memchr::memchr(b'-', text)?;
    let (first, last) = (text.get(..dash)?, text.get(dash + 1..)?);
    if first.is_empty() {
        let suffix = number(last)?.min(bytes);
        return Some((suffix > 0).then_some(Span {
            from: bytes - suffix,
            len: suffix,
        }));
    }
    let first = number(first)?;
    let last = if last.is_empty() {
        u64::MAX
    } else {
        number(last)?
    };
    if last < first {
        return None;
    }
    Some((first < bytes).then(|| Span {
        from: first,
        len: last.min(bytes - 1) - first + 1,
    }))
}

/// Digits alone; what is beyond 64 bits is beyond every file.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let fold = |number: u64, digit: &u8| {
        number
            .saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    };
    Some(digits.iter().fold(0, fold))
}

/// Adds a span; those that overlap or nearly touch become one, at the place of the first (RFC 9110 15.3.7.2).
fn join(spans: &mut Vec<Span>, mut new: Span) {
    let near = |one: &Span, other: &Span| {
        one.from <= other.end().saturating_add(RANGE_GAP_BYTES)
            && other.from <= one.end().saturating_add(RANGE_GAP_BYTES)
    };
    let mut place = None;
    let mut at = 0;
    while let Some(old) = spans.get(at).copied() {
        if near(&old, &new) {
            let from = old.from.min(new.from);
            new = Span {
                from,
                len: old.end().max(new.end()) - from,
            };
            spans.remove(at);
            place = Some(place.map_or(at, |place: usize| place.min(at)));
            // The larger one may now touch others.
            at = 0;
        } else {
            at += 1;
        }
    }
    spans.insert(place.unwrap_or(spans.len()).min(spans.len()), new);
}

/// The frame of a `multipart/byteranges` body.
#[derive(Clone, Debug)]
pub struct Multipart {
    boundary: String,
    /// What goes before each span.
    pub heads: Vec<String>,
    /// What goes after the last.
    pub tail: String,
    /// All of it, the spans included.
    pub bytes: u64,
}

impl Multipart {
    /// For `spans` of a file of `bytes`, whose tag is `etag`: it tells this file's content from every other, so it serves as a
    /// boundary that the content does not hold.
    pub fn new(spans: &[Span], bytes: u64, content_type: &str, etag: &str) -> Multipart {
        let boundary: String = std::iter::once("flatend.")
            .chain([etag.trim_matches('"')])
            .collect();
        let mut heads: Vec<String> = Vec::with_capacity(spans.len());
        for span in spans {
            let lead = if heads.is_empty() { "" } else { "\r\n" };
            let range = span.content_range(bytes);
            heads.push(format!("{lead}--{boundary}\r\ncontent-type: {content_type}\r\ncontent-range: {range}\r\n\r\n"));
        }
        let tail = format!("\r\n--{boundary}--\r\n");
        let frame: usize = heads.iter().map(String::len).sum::<usize>() + tail.len();
        let data: u64 = spans.iter().map(|span| span.len).sum();
        Multipart {
            boundary,
            heads,
            tail,
            bytes: frame as u64 + data,
        }
    }

    /// The value of Content-Type.
    pub fn content_type(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }
}
