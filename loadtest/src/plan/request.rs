//! A plan's requests: what HTTP allows, and their encoding.

use std::net::SocketAddr;
use std::sync::Arc;

use super::model::{Expect, Request};
use crate::client::{self, Body, Content, Parts, Template};
use crate::limits::PATHS_MAX;
use crate::pattern::Pattern;

/// Checks and encodes a request.
///
/// # Errors
/// A sentence: what HTTP does not allow, or what excludes each other.
pub(crate) fn template_of(
    request: &Request,
    path: &str,
    addr: SocketAddr,
    pattern: &Arc<Pattern>,
) -> Result<Template, String> {
    let method = &request.method;
    if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(format!(
            "\"{method}\" is no method: write \"GET\", \"POST\" …"
        ));
    }
    if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!(
            "\"{path}\" is no path: write one that begins with / and has no spaces"
        ));
    }
    let fields = request
        .fields
        .iter()
        .map(|line| field(line))
        .collect::<Result<Vec<_>, _>>()?;
    let body = match (&request.body, request.body_bytes) {
        (Some(_), Some(_)) => {
            return Err("`body` and `body_bytes` exclude each other: write one of them".to_owned())
        }
        (Some(text), None) => Body::Text(text),
        (None, Some(bytes)) => Body::Pattern(bytes),
        (None, None) => Body::None,
    };
    let parts = Parts {
        method,
        path,
        fields: &fields,
        body,
    };
    Ok(Template::new(
        &parts,
        addr,
        expect(&request.expect, pattern)?,
    ))
}

/// A line `name: value`.
fn field(line: &str) -> Result<(String, String), String> {
    let wrong = || format!("\"{line}\" is no field: write \"name: value\"");
    let (name, value) = line.split_once(':').ok_or_else(wrong)?;
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty()
        || !name.bytes().all(token)
        || value.bytes().any(|byte| byte.is_ascii_control())
    {
        return Err(wrong());
    }
    if ["content-length", "transfer-encoding", "connection"]
        .iter()
        .any(|own| name.eq_ignore_ascii_case(own))
    {
        return Err(format!(
            "`{name}` is written by the client itself: leave it out"
        ));
    }
    Ok((name.to_owned(), value.trim().to_owned()))
}

fn expect(own: &Expect, pattern: &Arc<Pattern>) -> Result<client::Expect, String> {
    own.check()?;
    let bytes = |text: &String| Arc::<[u8]>::from(text.as_bytes());
    let content = match (&own.body, &own.repeats, own.pattern) {
        (None, None, false) => None,
        (Some(text), None, false) => Some(Content::Text(bytes(text))),
        (None, Some(text), false) if !text.is_empty() => Some(Content::Repeats(bytes(text))),
        (None, Some(_), false) => {
            return Err("`repeats` is empty: write the text that the body repeats".to_owned())
        }
        (None, None, true) => Some(Content::Pattern(pattern.clone())),
        _ => {
            return Err(
                "`body`, `repeats` and `pattern` exclude each other: write one of them".to_owned(),
            )
        }
    };
    Ok(client::Expect {
        status: own.status,
        length: own.length,
        content,
        head_only: false,
    })
}

/// The paths of `/a/{1..3}`: `/a/1`, `/a/2`, `/a/3`; `{001..200}` keeps the zeros.
///
/// # Errors
/// A sentence: the range is none.
pub(super) fn expand(path: &str) -> Result<Vec<String>, String> {
    let Some((before, rest)) = path.split_once('{') else {
        return Ok(vec![path.to_owned()]);
    };
    let wrong =
        || format!("\"{path}\" has no range: write {{1..200}}, with at most {PATHS_MAX} numbers");
    let (range, after) = rest.split_once('}').ok_or_else(wrong)?;
    let (first, last) = range.split_once("..").ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<usize>().map_err(|_| wrong());
    let (from, to) = (number(first)?, number(last)?);
    if from > to || to - from >= PATHS_MAX {
        return Err(wrong());
    }
    let width = if first.starts_with('0') {
        first.len()
    } else {
        0
    };
    Ok((from..=to)
        .map(|number| format!("{before}{number:0width$}{after}"))
        .collect())
}
