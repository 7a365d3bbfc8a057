//! Request targets (RFC 9112 3.2).
//!
//! Owns the split of a target into authority, path and query. Refuses to decode or to clean a
//! path: routes match on it as received. Invariant: the path of every request but `OPTIONS *`, in
//! either spelling, and CONNECT begins with `/`.

use super::head::Method;
use super::host;
use crate::error::RequestError;

/// The four forms of RFC 9112 3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetForm {
    /// `/path?query`
    Origin,
    /// `http://authority/path?query`
    Absolute,
    /// `host:port`, for CONNECT only; the caller refuses it.
    Authority,
    /// `*`, for OPTIONS only.
    Asterisk,
}

/// A request target, taken apart; all parts are still escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// As received.
    pub raw: &'a str,
    /// Which form it has.
    pub form: TargetForm,
    /// The path; `/` if an absolute target has none, `*` for the asterisk form and for OPTIONS of an
    /// absolute target with neither path nor query (RFC 9112 3.2.4), empty for the authority form.
    pub path: &'a str,
    /// What stands behind the first `?`, without it.
    pub query: Option<&'a str>,
    /// The authority of an absolute or authority form, checked.
    pub authority: Option<&'a str>,
    /// The target is absolute and its scheme is https.
    pub is_https: bool,
}

impl<'a> Target<'a> {
    /// Takes `raw` apart; it holds no space and no control character.
    #[inline]
    pub(super) fn parse(method: Method<'a>, raw: &'a str) -> Result<Self, RequestError> {
        if method == Method::Connect {
            if !host::is_valid_authority(raw) || !raw.contains(':') {
                return Err(RequestError::bad(
                    "The target of CONNECT is not a host and a port",
                ));
            }
            let form = TargetForm::Authority;
            return Ok(Target {
                raw,
                form,
                path: "",
                query: None,
                authority: Some(raw),
                is_https: false,
            });
        }
        if memchr::memchr(b'#', raw.as_bytes()).is_some() {
            return Err(RequestError::bad("The request target has a fragment"));
        }
        if raw.starts_with('/') {
            let (path, query) = split_query(raw);
            return Ok(Target {
                raw,
                form: TargetForm::Origin,
                path,
                query,
                authority: None,
                is_https: false,
            });
        }
        if raw == "*" && method == Method::Options {
            let form = TargetForm::Asterisk;
            return Ok(Target {
                raw,
                form,
                path: raw,
                query: None,
                authority: None,
                is_https: false,
            });
        }
        Target::parse_absolute(method, raw)
    }

    fn parse_absolute(method: Method<'a>, raw: &'a str) -> Result<Self, RequestError> {
        let https = strip_scheme(raw, "https://");
        let Some(rest) = https.or_else(|| strip_scheme(raw, "http://")) else {
            return Err(RequestError::bad(
                "The request target is neither a path nor an http or https address",
            ));
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        if !host::is_valid_authority(authority) {
            return Err(RequestError::bad(
                "The authority of the request target is not valid",
            ));
        }
        let (path, query) = split_query(rest);
        let path = match (path, query, method) {
            ("", None, Method::Options) => "*",
            ("", ..) => "/",
            _ => path,
        };
        let form = TargetForm::Absolute;
        Ok(Target {
            raw,
            form,
            path,
            query,
            authority: Some(authority),
            is_https: https.is_some(),
        })
    }

    /// Appends path and query, the origin form, to `out`.
    pub fn write_origin_form(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.path.as_bytes());
        if let Some(query) = self.query {
            out.push(b'?');
            out.extend_from_slice(query.as_bytes());
        }
    }
}

fn strip_scheme<'a>(raw: &'a str, scheme: &str) -> Option<&'a str> {
    let (head, rest) = raw.split_at_checked(scheme.len())?;
    head.eq_ignore_ascii_case(scheme).then_some(rest)
}

fn split_query(target: &str) -> (&str, Option<&str>) {
    match memchr::memchr(b'?', target.as_bytes()) {
        Some(at) => (&target[..at], Some(&target[at + 1..])),
        None => (target, None),
    }
}
