//! Where a path that no route takes is sent instead.
//!
//! Owns path cleaning and the safety of Location. Refuses to send a client to another host: a
//! Location begins with one slash and neither `/` nor `\` after it, which browsers read as a
//! host. Invariant: a redirect leads to a path that a route of the same method takes, and never
//! to the path that was asked for.

use super::pattern::{Part, Pattern};
use super::tree::Tree;

/// The path that `asked` should have been, if the other form of its end is a route.
pub(super) fn other_slash(tree: &Tree, asked: &str) -> Option<String> {
    let other = toggle_slash(asked)?;
    (tree.takes(&other) && is_safe(&other)).then_some(other)
}

/// The path that `asked` is when cleaned and compared without case; with `slash` also with the
/// other form of its end.
pub(super) fn fixed(tree: &Tree, patterns: &[Pattern], asked: &str, slash: bool) -> Option<String> {
    let cleaned = clean(asked);
    let respelled = respell(tree, patterns, &cleaned).or_else(|| {
        let other = toggle_slash(&cleaned).filter(|_| slash)?;
        respell(tree, patterns, &other)
    })?;
    (respelled != asked && is_safe(&respelled) && tree.takes(&respelled)).then_some(respelled)
}

/// `path` with the literal parts as the matching pattern writes them.
fn respell(tree: &Tree, patterns: &[Pattern], path: &str) -> Option<String> {
    let folded = path.to_ascii_lowercase();
    let matched = tree.at_folded(&folded)?;
    let pattern = patterns.get(*matched.value)?;
    // Folding ASCII keeps lengths, so positions in `folded` are positions in `path`.
    let mut values = matched.params.iter().map(|(_, value)| {
        let from = (value.as_ptr() as usize).wrapping_sub(folded.as_ptr() as usize);
        path.get(from..from.checked_add(value.len())?)
    });
    let mut out = String::with_capacity(path.len());
    for part in &pattern.parts {
        match part {
            Part::Literal(text) => out.push_str(text),
            Part::Param => out.push_str(values.next()??),
            Part::CatchAll => out.push_str(values.next().flatten().unwrap_or_default()),
        }
    }
    Some(out)
}

/// The same path with or without a slash at its end.
fn toggle_slash(path: &str) -> Option<String> {
    match path.strip_suffix('/') {
        Some("") => None,
        Some(shorter) => Some(shorter.to_owned()),
        None => Some(format!("{path}/")),
    }
}

/// Without empty, `.` and `..` segments; a slash at the end stays.
pub(super) fn clean(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            other => kept.push(other),
        }
    }
    let ends_with_slash = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    let mut out = String::with_capacity(path.len() + 1);
    for segment in &kept {
        out.push('/');
        out.push_str(segment);
    }
    if kept.is_empty() || ends_with_slash {
        out.push('/');
    }
    out
}

fn is_safe(path: &str) -> bool {
    path.starts_with('/') && !matches!(path.as_bytes().get(1), Some(b'/' | b'\\'))
}

#[cfg(test)]
mod tests {
    use super::{clean, is_safe};

    #[test]
    fn cleaning() {
        for (path, cleaned) in [
            ("/", "/"),
            ("//", "/"),
            ("/a//b", "/a/b"),
            ("/a/./b/", "/a/b/"),
            ("/a/../b", "/b"),
            ("/../../a", "/a"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/a/.", "/a/"),
            ("//evil.example/..", "/"),
            ("/a/%2e%2e/b", "/a/%2e%2e/b"),
        ] {
            assert_eq!(clean(path), cleaned, "{path}");
        }
    }

    #[test]
    fn locations_that_name_a_host_are_not_safe() {
        for path in ["//a", "/\\a", "a", "", "\\/a"] {
            assert!(!is_safe(path), "{path}");
        }
        assert!(is_safe("/") && is_safe("/a//b"));
    }
}
