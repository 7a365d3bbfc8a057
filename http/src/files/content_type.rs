//! The media type of a file, by the end of its name.
//!
//! Owns what is added to the table of `mime_guess`: text is UTF-8. Refuses to look at content.

use std::borrow::Cow;

/// For names that the table does not know: a browser offers to save it.
const UNKNOWN: &str = "application/octet-stream";

/// The value of Content-Type for a file of this path.
pub fn content_type(path: &[u8]) -> Cow<'static, str> {
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let extension = name
        .iter()
        .rposition(|&byte| byte == b'.')
        .and_then(|dot| name.get(dot + 1..))
        .and_then(|extension| std::str::from_utf8(extension).ok());
    let known = extension.and_then(|extension| mime_guess::from_ext(extension).first_raw());
    match known {
        None => Cow::Borrowed(UNKNOWN),
        Some("text/html") => Cow::Borrowed("text/html; charset=utf-8"),
        Some("text/css") => Cow::Borrowed("text/css; charset=utf-8"),
        Some("text/javascript" | "application/javascript") => {
            Cow::Borrowed("text/javascript; charset=utf-8")
        }
        Some(text) if text.starts_with("text/") => Cow::Owned(format!("{text}; charset=utf-8")),
        Some(other) => Cow::Borrowed(other),
    }
}
