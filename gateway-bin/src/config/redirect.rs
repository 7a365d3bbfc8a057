//! `redirect` and `status`: routes that the gateway answers by itself.
//!
//! Owns the grammar of a redirect's location: parameters of the path may stand, as `:name` or `*name`, after a `/`, `?`, `&`,
//! `=` or `#` behind the host. The invariant that a change is likeliest to break: no parameter can stand in scheme, host or
//! port, so that a client never chooses where it is sent.

use std::fmt;

use super::model::Target;
use super::pattern::Pattern;
use super::reader::Check;
use super::schema::shorten;
use super::section::Section;

/// Where a redirect leads, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub struct Location {
    text: String,
    /// Up to the fragment, in order.
    pub pieces: Vec<Piece>,
    /// From its `#` on.
    pub fragment: Vec<Piece>,
}

/// A part of a location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Stands for itself: visible ASCII.
    Text(String),
    /// The value of the path's parameter of this name.
    Param(String),
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl Location {
    /// Whether it is a path of the same host.
    #[must_use]
    pub fn is_path(&self) -> bool {
        self.text.starts_with('/')
    }

    /// Whether it has a query of its own.
    #[must_use]
    pub fn has_query(&self) -> bool {
        self.text
            .split('#')
            .next()
            .unwrap_or_default()
            .contains('?')
    }

    /// A parameter of `pattern` that stands where it is taken as it is written, with its mark.
    fn literal<'p>(&self, pattern: &'p Pattern) -> Option<(char, &'p str)> {
        let all = self.pieces.iter().chain(&self.fragment);
        let texts = all.filter_map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            Piece::Param(_) => None,
        });
        let names = |text: &str| {
            pattern
                .params()
                .flat_map(|name| [(':', name), ('*', name)])
                .find(|(mark, name)| stands_in(text, *mark, name))
        };
        texts.filter_map(names).next()
    }

    fn params(&self) -> impl Iterator<Item = &str> {
        let all = self.pieces.iter().chain(&self.fragment);
        all.filter_map(|piece| match piece {
            Piece::Param(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        })
    }
}

/// Takes a location apart.
///
/// # Errors
/// What is wrong and what to write, to follow the key's name.
pub(crate) fn parse(text: &str) -> Result<Location, String> {
    let shown = shorten(text);
    if let Some(odd) = text.chars().find(|&c| {
        !c.is_ascii_graphic() || matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}')
    }) {
        let mut utf8 = [0; 4];
        let encoded: String = odd
            .encode_utf8(&mut utf8)
            .bytes()
            .map(|byte| format!("%{byte:02X}"))
            .collect();
        return Err(format!(
            "is \"{shown}\", which has a character that no URL has: write it as {encoded}"
        ));
    }
    let host_end = match text.split_once("://") {
        Some(("https" | "http", rest)) if !rest.is_empty() && !rest.starts_with(['/', '?', '#', ':']) => {
            let host = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            text.len() - rest.len() + host
        }
        _ if text.starts_with('/') && !text.starts_with("//") => 0,
        _ => return Err(format!("is \"{shown}\": write a URL that begins with \"https://\" or \"http://\" and a host, or a path that begins with one \"/\"")),
    };
    let (host, rest) = text.split_at(host_end);
    // What looks like a parameter there would travel as it stands: no parameter may choose the host.
    if host.contains('*') || !has_plain_port(host) {
        return Err(format!("is \"{shown}\", whose host or port is none: write both out; parameters may stand behind the host, after a \"/\""));
    }
    let (before, fragment) = rest.split_at(rest.find('#').unwrap_or(rest.len()));
    let mut pieces = vec![Piece::Text(host.to_owned())];
    pieces.extend(split(before));
    Ok(Location {
        text: text.to_owned(),
        pieces,
        fragment: split(fragment),
    })
}

/// Whether `host`, a scheme and an authority or nothing, ends with digits behind its last colon, if there is one outside of
/// brackets.
fn has_plain_port(host: &str) -> bool {
    let authority = host.split_once("://").map_or("", |(_, rest)| rest);
    let address_end = authority.rfind(']').map_or(0, |end| end + 1);
    let name_and_port = authority.get(address_end..).unwrap_or_default();
    let port = name_and_port
        .rsplit_once('@')
        .map_or(name_and_port, |(_, host)| host);
    match port.split_once(':') {
        Some((_, port)) => port.parse::<u16>().is_ok() && port.bytes().all(|b| b.is_ascii_digit()),
        None => true,
    }
}

/// Whether `mark` and the whole word `name` stand in `text`.
fn stands_in(text: &str, mark: char, name: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    text.match_indices(mark)
        .filter_map(|(at, _)| text.get(at + 1..)?.strip_prefix(name))
        .any(|rest| !rest.starts_with(is_word))
}

/// Parameters and what stands between them.
fn split(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for part in text.split_inclusive(['/', '?', '&', '=', '#']) {
        let separator = part.len() - part.trim_end_matches(['/', '?', '&', '=', '#']).len();
        let (word, end) = part.split_at(part.len() - separator);
        match word.strip_prefix([':', '*']) {
            Some(name) => {
                pieces.extend([Piece::Param(name.to_owned()), Piece::Text(end.to_owned())])
            }
            None => pieces.push(Piece::Text(part.to_owned())),
        }
    }
    pieces
}

/// Reads `redirect` and `status` of one route.
pub(super) fn read(
    section: &Section<'_>,
    pattern: Option<&Pattern>,
    check: &mut Check<'_, '_>,
) -> Option<Target> {
    let status = section
        .number("status", (200, 599), check)
        .and_then(|status| u16::try_from(status).ok());
    let status_span = section.entry("status").map(|entry| entry.span());
    let is_redirect = section.entry("redirect").is_some();
    if let (Some(status), Some(span)) = (status, status_span) {
        let is_left_empty = is_status_of_redirect(status)
            && section
                .emptied
                .refuse("redirect", "\"https://a.example/\"", check);
        if let Some(message) = misfit(status, is_redirect).filter(|_| !is_left_empty) {
            check
                .findings
                .error(span, format!("`status` is {status}, {message}"));
        }
    }
    if !is_redirect {
        return status.map(Target::Status);
    }
    let text = section.text("redirect", "\"https://a.example/:id\"", check)?;
    let location = match parse(&text.text) {
        Ok(location) => location,
        Err(message) => {
            check
                .findings
                .error(text.span, format!("`redirect` {message}"));
            return None;
        }
    };
    for param in location.params() {
        if let Some(pattern) = pattern.filter(|pattern| !pattern.params().any(|name| name == param))
        {
            let message = format!("`redirect` uses the parameter \"{}\", which the path \"{}\" does not have: write one that it has", shorten(param), shorten(&pattern.path));
            check.findings.error(text.span.clone(), message);
        }
    }
    if let Some((mark, name)) = pattern.and_then(|pattern| location.literal(pattern)) {
        let message = format!("`redirect` has \"{mark}{}\" where it stands for itself: a parameter stands behind a \"/\", \"?\", \"&\", \"=\" or \"#\", such as \"/{mark}{}\"", shorten(name), shorten(name));
        check.findings.warning(text.span, message);
    }
    Some(Target::Redirect { location, status })
}

fn is_status_of_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// Why a status cannot stand, if so: clients need more with it than it would come with.
fn misfit(status: u16, is_redirect: bool) -> Option<&'static str> {
    match (status, is_redirect) {
        (_, false) if is_status_of_redirect(status) => {
            Some("which is a redirect: write `redirect` too")
        }
        (_, true) if is_status_of_redirect(status) => None,
        (_, true) => Some("which is no redirect: write 301, 302, 303, 307 or 308"),
        (206 | 401 | 405 | 407 | 416 | 426, false) => {
            Some("which means nothing without a header field that is not sent here: write another, such as 403 or 404")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> String {
        let location = parse(text).unwrap();
        let show = |pieces: &[Piece]| {
            let parts = pieces.iter().map(|piece| match piece {
                Piece::Text(text) => text.clone(),
                Piece::Param(name) => format!("<{name}>"),
            });
            parts.collect::<String>()
        };
        format!("{} {}", show(&location.pieces), show(&location.fragment))
    }

    #[test]
    fn parameters_stand_behind_the_host_only() {
        for (text, pieces) in [
            ("/a/:id", "/a/<id> "),
            (
                "https://a.example:8443/:id/x?q=:id&:id#:id",
                "https://a.example:8443/<id>/x?q=<id>&<id> #<id>",
            ),
            ("https://a.example?p=*rest", "https://a.example?p=<rest> "),
            ("http://:80", ""),
            ("https://[::1]:80/*rest", "https://[::1]:80/<rest> "),
            ("/a:b/c*d", "/a:b/c*d "),
            ("/a//:id/", "/a//<id>/ "),
        ] {
            if pieces.is_empty() {
                assert!(parse(text).is_err(), "{text}");
            } else {
                assert_eq!(shape(text), pieces);
            }
        }
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for text in [
            "",
            "a",
            "//a",
            "https://",
            "https:///a",
            "https://?a",
            "ftp://a/b",
            "javascript:alert(1)",
            "/a b",
            "/a\nb",
            "/ü",
            "/\\a",
            "https:/a",
            "HTTPS//a",
            "https://a.example*rest",
            "https://*rest/a",
            "https://a.example:id/",
            "https://a.example:/",
            "https://a.example:65536/",
            "https://[::1]:port/",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
        assert!(parse("/ü").unwrap_err().contains("write it as %C3%BC"));
    }
}
