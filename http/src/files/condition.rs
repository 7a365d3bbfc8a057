//! Conditional requests (RFC 9110 13) and what they leave of a range.
//!
//! Owns the fields that make a request conditional and their order (RFC 9110 13.2.2). Refuses to know the file: validators
//! come in. Invariant: a date that cannot be read, or a field given twice that may stand once, is as if it were not there.

use std::time::UNIX_EPOCH;

use super::etag::{is_named, Compare};
use super::range::{self, Asked, Span};
use crate::h1::Fields;

/// The conditions of a request, taken out of its head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    if_match: Option<Vec<u8>>,
    if_none_match: Option<Vec<u8>>,
    /// Seconds since 1970.
    if_modified_since: Option<u64>,
    if_unmodified_since: Option<u64>,
    if_range: Option<Vec<u8>>,
    range: Option<Vec<u8>>,
}

/// What a form of a file is compared by.
#[derive(Clone, Copy, Debug)]
pub struct Validators<'a> {
    /// Its tag, if it has one: a strong one.
    pub etag: Option<&'a str>,
    /// When it was last changed, seconds since 1970, as it is told to clients.
    pub modified: Option<u64>,
    /// Its size.
    pub bytes: u64,
}

/// What the client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// 200
    Whole,
    /// 206
    Part(Span),
    /// 206 with several parts; two or more.
    Parts(Vec<Span>),
    /// 304
    NotModified,
    /// 412
    Failed,
    /// 416
    Unsatisfiable,
}

impl Conditions {
    /// Takes them out of a head; `None` if there are none, as nearly always.
    pub fn read(fields: Fields<'_>) -> Option<Box<Conditions>> {
        let mut any = false;
        for field in fields.iter() {
            let name = field.name.as_bytes();
            let starts_so = matches!(name.first(), Some(b'i' | b'I' | b'r' | b'R'));
            any |= starts_so && (name.len() == 5 || matches!(name.get(2), Some(b'-')));
        }
        if !any {
            return None;
        }
        let date = |name| one(fields, name).and_then(seconds);
        let conditions = Conditions {
            if_match: joined(fields, "if-match"),
            if_none_match: joined(fields, "if-none-match"),
            if_modified_since: date("if-modified-since"),
            if_unmodified_since: date("if-unmodified-since"),
            if_range: one(fields, "if-range").map(<[u8]>::to_vec),
            range: one(fields, "range").map(<[u8]>::to_vec),
        };
        (conditions != Conditions::default()).then(|| Box::new(conditions))
    }

    /// Judges a GET (`is_get`) or HEAD of a form of a file at `now`, seconds since 1970.
    pub fn judge(&self, is_get: bool, form: &Validators<'_>, now: u64) -> Verdict {
        // RFC 9110 13.2.2, steps 1 and 2.
        if let Some(field) = &self.if_match {
            if !is_named(field, form.etag, Compare::Strong) {
                return Verdict::Failed;
            }
        } else if let (Some(since), Some(modified)) = (self.if_unmodified_since, form.modified) {
            if modified > since {
                return Verdict::Failed;
            }
        }
        // Steps 3 and 4.
        if let Some(field) = &self.if_none_match {
            if is_named(field, form.etag, Compare::Weak) {
                return Verdict::NotModified;
            }
        } else if let (Some(since), Some(modified)) = (self.if_modified_since, form.modified) {
            if modified <= since {
                return Verdict::NotModified;
            }
        }
        // Step 5. Range is defined for GET alone (RFC 9110 14.2).
        let Some(field) = self.range.as_ref().filter(|_| is_get) else {
            return Verdict::Whole;
        };
        if !self.may_have_part(form, now) {
            return Verdict::Whole;
        }
        match range::read(field, form.bytes) {
            Asked::Ignored => Verdict::Whole,
            Asked::Unsatisfiable => Verdict::Unsatisfiable,
            Asked::Spans(spans) => match spans.as_slice() {
                [span] => Verdict::Part(*span),
                _ => Verdict::Parts(spans),
            },
        }
    }

    /// If-Range: the client has a part of exactly this form already (RFC 9110 13.1.5).
    fn may_have_part(&self, form: &Validators<'_>, now: u64) -> bool {
        let Some(field) = &self.if_range else {
            return true;
        };
        let field = field.trim_ascii();
        if field.starts_with(b"\"") || field.starts_with(b"W/") {
            // Strong comparison: a weak tag never matches. One tag alone, no list and no `*`.
            return form.etag.is_some_and(|etag| etag.as_bytes() == field);
        }
        // A date is as good as a strong tag once the second that it names is over (RFC 9110 8.8.2.2).
        match (seconds(field), form.modified) {
            (Some(date), Some(modified)) => date == modified && now > modified + 1,
            _ => false,
        }
    }
}

/// All values of a field that is a list.
fn joined(fields: Fields<'_>, name: &str) -> Option<Vec<u8>> {
    let mut values = fields.values(name);
    let mut joined = values.next()?.to_vec();
    for value in values {
        joined.extend_from_slice(b", ");
        joined.extend_from_slice(value);
    }
    Some(joined)
}

/// The value of a field that may stand once.
fn one<'a>(fields: Fields<'a>, name: &str) -> Option<&'a [u8]> {
    let mut values = fields.values(name);
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

/// An HTTP date as seconds since 1970.
fn seconds(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text.trim_ascii()).ok()?;
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(UNIX_EPOCH).ok()?.as_secs())
}
