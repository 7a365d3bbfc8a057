//! Entity tags (RFC 9110 8.8.3).
//!
//! Owns how ours are made and how lists of theirs are compared. Refuses to repair a malformed list: what cannot be read
//! matches nothing.

use super::Coding;

/// The tag of one form of a file: when it was changed to the nanosecond, its size, its inode, and the coding.
///
/// It is a strong one. A change of content changes the time; a file that is put in another's place, as editors and deploys do,
/// has another inode; and forms of one file in different codings differ by their last part. Two changes within one tick of
/// the kernel's clock (4 ms, before Linux 6.13) that keep the size are not told apart.
pub fn etag(modified_s: i64, modified_ns: u32, bytes: u64, inode: u64, coding: Coding) -> String {
    let suffix = match coding {
        Coding::Identity => "",
        Coding::Brotli => "-br",
        Coding::Zstd => "-zst",
        Coding::Gzip => "-gz",
    };
    format!("\"{modified_s:x}.{modified_ns:x}-{bytes:x}-{inode:x}{suffix}\"")
}

/// How two tags are compared (RFC 9110 8.8.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    /// Equal, and neither is weak.
    Strong,
    /// Equal but for weakness.
    Weak,
}

/// Whether the value of If-Match or If-None-Match names `ours`. `*` names every file that is there; so does nothing else if we
/// have no tag.
pub(super) fn is_named(field: &[u8], ours: Option<&str>, compare: Compare) -> bool {
    let mut rest = field.trim_ascii();
    if rest == b"*" {
        return true;
    }
    let Some(ours) = ours else { return false };
    while !rest.is_empty() {
        let Some((weak, opaque, after)) = first(rest) else {
            return false;
        };
        // Ours are strong.
        if opaque == ours.as_bytes() && (compare == Compare::Weak || !weak) {
            return true;
        }
        let after = after.trim_ascii_start();
        rest = match after.split_first() {
            Some((b',', after)) => after.trim_ascii_start(),
            Some(_) => return false,
            None => after,
        };
        // Empty elements are allowed in a list (RFC 9110 5.6.1).
        while let Some((b',', after)) = rest.split_first() {
            rest = after.trim_ascii_start();
        }
    }
    false
}

/// The first tag of a list: whether it is weak, the tag with its quotes, and what follows.
fn first(list: &[u8]) -> Option<(bool, &[u8], &[u8])> {
    let (weak, tag) = match list.strip_prefix(b"W/") {
        Some(tag) => (true, tag),
        None => (false, list),
    };
    let inside = tag.strip_prefix(b"\"")?;
    let end = memchr::memchr(b'"', inside)?;
    let (opaque, after) = (tag.get(..end + 2)?, tag.get(end + 2..)?);
    // etagc: visible bytes but the quote, and bytes from 0x80.
    let legal = |&byte: &u8| byte > b' ' && byte != 0x7f;
    inside
        .get(..end)?
        .iter()
        .all(legal)
        .then_some((weak, opaque, after))
}
