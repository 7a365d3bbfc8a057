//! From the raw path of a request to a name below a directory.
//!
//! Owns the one decoding of each segment and what no file of ours is called. Refuses whatever two programs may read
//! differently: an escaped slash, a backslash, `.` and `..` in any spelling, empty segments, NUL. Invariant: decoding happens
//! once, after the path was cut at its slashes.

use std::borrow::Cow;

use crate::error::RequestError;
use crate::limits::FILE_PATH_BYTES_MAX;
use crate::percent;

/// A name below a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved<'a> {
    /// Segments with one slash between two; empty for the directory itself.
    pub path: Cow<'a, [u8]>,
    /// The path ends with a slash, so it means a directory.
    pub is_directory: bool,
}

/// Why a path names nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSuchName {
    /// An escape is not `%` and two hexadecimal digits: 400.
    BadEscape,
    /// Nothing here is called so, or it is nobody's business: 404.
    Hidden,
}

impl From<NoSuchName> for RequestError {
    fn from(why: NoSuchName) -> RequestError {
        match why {
            NoSuchName::BadEscape => percent::BadEscape.into(),
            NoSuchName::Hidden => RequestError::new(404, "No file here has this name"),
        }
    }
}

/// What `raw` names: the part of a request's path that follows the route's own, so empty or beginning with a slash.
///
/// # Errors
/// [`NoSuchName`].
pub fn resolve(raw: &str) -> Result<Resolved<'_>, NoSuchName> {
    let names = match raw.strip_prefix('/') {
        Some(names) => names,
        None if raw.is_empty() => "",
        None => return Err(NoSuchName::Hidden),
    };
    let (names, is_directory) = match names.strip_suffix('/') {
        Some(names) => (names, true),
        None => (names, names.is_empty()),
    };
    if names.is_empty() {
        // `//` has an empty segment.
        return if is_directory && raw.len() < 2 {
            Ok(Resolved {
                path: Cow::Borrowed(b""),
                is_directory,
            })
        } else {
            Err(NoSuchName::Hidden)
        };
    }
    if names.len() > FILE_PATH_BYTES_MAX {
        return Err(NoSuchName::Hidden);
    }
    for segment in names.split('/') {
        let name = percent::decode(segment).map_err(|_| NoSuchName::BadEscape)?;
        if !is_name(&name) {
            return Err(NoSuchName::Hidden);
        }
    }
    // No segment decodes to a slash, so the whole decodes to the same segments.
    let path = percent::decode(names).map_err(|_| NoSuchName::BadEscape)?;
    Ok(Resolved { path, is_directory })
}

/// Whether a segment may be looked for. Names that begin with a dot are the operator's own, except for RFC 8615's folder.
fn is_name(name: &[u8]) -> bool {
    let hidden = name.first() == Some(&b'.') && name != b".well-known";
    !name.is_empty() && !hidden && !name.iter().any(|byte| matches!(byte, b'/' | b'\\' | 0))
}

/// Whether a single-page application answers for a path that does not exist: a page, not an asset. A last segment with a dot
/// names an asset, whose absence must not look like a page, unless the client says that it wants one: browsers ask for pages
/// with `Accept: text/html,…`, for scripts, styles and images without.
pub fn takes_fallback<'a>(path: &[u8], accept: impl Iterator<Item = &'a [u8]>) -> bool {
    let last = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let is_html = |range: &[u8]| {
        let media = range.split(|&b| b == b';').next().unwrap_or_default();
        media.trim_ascii().eq_ignore_ascii_case(b"text/html")
    };
    !last.contains(&b'.') || accept.flat_map(crate::headers::list).any(is_html)
}
