//! The page that lists a directory.
//!
//! Owns order, escaping and sizes in words. Refuses to read a directory. Invariant: a name is escaped twice, once for the link
//! and once for the page, so that no file's name can be anything but a name there.

use std::fmt::Write;
use std::time::{Duration, UNIX_EPOCH};

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its name; any bytes but `/` and NUL.
    pub name: Vec<u8>,
    /// It is a directory.
    pub is_directory: bool,
    /// Its size.
    pub bytes: u64,
    /// When it was changed, seconds since 1970.
    pub modified: u64,
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:56rem;padding:0 1rem;color:#222;background:#fff}\
h1{font-size:1.2rem;overflow-wrap:anywhere}table{border-collapse:collapse;width:100%}td{padding:.2rem .6rem;border-top:1px solid #e4e4e4}\
td+td{text-align:right;white-space:nowrap;color:#666;font-variant-numeric:tabular-nums}td:first-child{overflow-wrap:anywhere}\
a{color:#0b57d0;text-decoration:none}a:hover{text-decoration:underline}\
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}td{border-color:#333}td+td{color:#999}a{color:#8ab4f8}}";

/// The page for a directory at `path`, the decoded path of the request; `has_parent` links to the one above. `cut`: there are
/// more entries than these.
pub fn page(path: &[u8], has_parent: bool, mut rows: Vec<Row>, cut: bool) -> String {
    rows.sort_by(|one, other| {
        let key = |row: &Row| (!row.is_directory, row.name.to_ascii_lowercase());
        key(one)
            .cmp(&key(other))
            .then_with(|| one.name.cmp(&other.name))
    });
    let title = escape(&String::from_utf8_lossy(path));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style></head>\n<body><h1>{title}</h1>\n<table>\n"
    );
    if has_parent {
        page.push_str("<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>\n");
    }
    for row in &rows {
        let slash = if row.is_directory { "/" } else { "" };
        let name = escape(&String::from_utf8_lossy(&row.name));
        let size = if row.is_directory {
            String::new()
        } else {
            size(row.bytes)
        };
        let (link, when) = (link(&row.name), when(row.modified));
        page.push_str(&format!("<tr><td><a href=\"./{link}{slash}\">{name}{slash}</a></td><td>{size}</td><td>{when}</td></tr>\n"));
    }
    page.push_str("</table>\n");
    let shown = rows.len();
    if cut {
        page.push_str(&format!(
            "<p>There are more than these {shown} entries; the rest is not shown.</p>\n"
        ));
    } else if shown == 0 {
        page.push_str("<p>There is nothing here.</p>\n");
    }
    page.push_str("</body></html>\n");
    page
}

/// A name as a segment of a path (RFC 3986 3.3): all but unreserved characters are escaped.
fn link(name: &[u8]) -> String {
    let mut link = String::with_capacity(name.len());
    for &byte in name {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            link.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(link, "%{byte:02X}");
        }
    }
    link
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\0'..='\x1f' | '\x7f' => escaped.push('\u{fffd}'),
            // Marks that turn the direction of text could make a name look like another.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut tenths, mut unit) = (u128::from(bytes) * 10 / 1024, 0);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// `2026-11-30 04:07` in UTC.
fn when(modified: u64) -> String {
    // The last second of the year 9999, the last that the format can hold.
    let seconds = modified.min(253_402_300_799);
    let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
    // "Sun, 06 Nov 1994 08:49:37 GMT"
    let mut parts = text.split(' ').skip(1);
    let (day, month) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let (year, time) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let number = MONTHS
        .iter()
        .position(|name| *name == month)
        .map_or(0, |at| at + 1);
    let minutes = time.get(..5).unwrap_or_default();
    format!("{year}-{number:02}-{day} {minutes}")
}
