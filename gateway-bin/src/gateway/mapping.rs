//! From an HTTP head to the headers of a service request: names in lower case, what the gateway says under names that no
//! client can forge, hop-by-hop fields removed, the client's own word about where it came from replaced.

use std::cell::RefCell;

use flatend::{header_block, HeaderBlock, HeaderTooLarge};
use flatend_http::h1::{RequestHead, TargetForm, Trailers};
use flatend_http::headers::{self, JoinScratch};
use flatend_http::router::Match;
use flatend_http::{query, RequestError};

use super::hops::{self, Hops};

/// Why a head cannot be passed on.
pub(super) enum MapError {
    /// A query or route parameter does not decode.
    Request(RequestError),
    /// A name or value is longer than the mesh's length fields can say.
    TooLarge {
        /// Which field.
        what: &'static str,
    },
}

impl From<RequestError> for MapError {
    fn from(error: RequestError) -> MapError {
        MapError::Request(error)
    }
}

fn too_large(what: &'static str) -> impl Fn(HeaderTooLarge) -> MapError {
    move |_| MapError::TooLarge { what }
}

/// What every head of a section is mapped with: memory that is used again, and what is the same for all.
pub(super) struct Mapper {
    /// For a name and a value that are joined, and for the name of a parameter.
    scratch: RefCell<(JoinScratch, Vec<u8>)>,
    constant_extras: HeaderBlock,
}

impl Mapper {
    pub(super) fn new() -> Mapper {
        Mapper {
            scratch: RefCell::default(),
            constant_extras: constant_extras(),
        }
    }

    /// The headers of the call, with the parameters where a match is given, and what the gateway adds.
    ///
    /// # Errors
    /// Why the head cannot be passed on.
    pub(super) fn map<T>(
        &self,
        head: &RequestHead<'_>,
        parameters_of: Option<&Match<'_, '_, T>>,
        client_ip: &str,
        request_id: &str,
    ) -> Result<(HeaderBlock, HeaderBlock), MapError> {
        let (mut headers, mut added) = (header_block(), header_block());
        let (join, name) = &mut *self.scratch.borrow_mut();
        fields(&mut headers, join, head)?;
        if let Some(matched) = parameters_of {
            parameters(&mut headers, name, head, matched)?;
        }
        let constant = &self.constant_extras;
        extras(&mut added, constant, head, client_ip, request_id)?;
        Ok((headers, added))
    }
}

/// The header fields of the request.
fn fields(
    block: &mut HeaderBlock,
    scratch: &mut JoinScratch,
    head: &RequestHead<'_>,
) -> Result<(), MapError> {
    // RFC 9112 3.2.2: the authority of an absolute target replaces Host.
    let host = head
        .authority
        .filter(|_| head.target.form == TargetForm::Absolute);
    let hops = hops::of(head);
    let mut pushed = match host {
        Some(host) => block.push(b"host", host.as_bytes()),
        None => Ok(()),
    };
    headers::join(head.fields, scratch, |name, value| {
        if pushed.is_err() || is_forgeable(name) || (host.is_some() && name == b"host") {
            return;
        }
        pushed = match hops {
            Hops::Left(hops) if name == b"max-forwards" => {
                block.push(name, hops.to_string().as_bytes())
            }
            _ => block.push(name, value),
        };
    });
    pushed.map_err(too_large(
        "a header's name is over 255 bytes or its value over 65,535",
    ))
}

/// The parameters of the query and of the route's path. `header`: memory for a name.
fn parameters<T>(
    block: &mut HeaderBlock,
    header: &mut Vec<u8>,
    head: &RequestHead<'_>,
    matched: &Match<'_, '_, T>,
) -> Result<(), MapError> {
    if let Some(query) = head.target.query {
        let mut is_first = true;
        for parameter in query::limited(query) {
            let (name, value) = parameter?;
            lower_case(header, b"query.", &name);
            // Names that differ in case only are one name here; the first stands. No other header is called so.
            if !std::mem::take(&mut is_first) && block.get(header).is_some() {
                continue;
            }
            block.push(header, &value).map_err(too_large(
                "a query parameter's name is over 249 bytes or its value over 65,535",
            ))?;
        }
    }
    for parameter in matched.params.decoded() {
        let (name, value) = parameter?;
        lower_case(header, b"params.", name.as_bytes());
        block
            .push(header, &value)
            .map_err(too_large("a route parameter's value is over 65,535 bytes"))?;
    }
    Ok(())
}

/// Makes `header` the name `prefix` and `name` in lower case.
fn lower_case(header: &mut Vec<u8>, prefix: &[u8], name: &[u8]) {
    header.clear();
    header.extend_from_slice(prefix);
    header.extend(name.iter().map(u8::to_ascii_lowercase));
}

/// What is the same for every request of a section: appended in one copy.
fn constant_extras() -> HeaderBlock {
    let mut block = HeaderBlock::new();
    for (name, value) in [(":scheme", "http"), ("x-forwarded-proto", "http")] {
        // Both fit by far; a block without them would only say less.
        let _ = block.push(name.as_bytes(), value.as_bytes());
    }
    block
}

/// What the gateway adds, and leaves out first where the provider's frame is too small for both.
fn extras(
    block: &mut HeaderBlock,
    constant: &HeaderBlock,
    head: &RequestHead<'_>,
    client_ip: &str,
    request_id: &str,
) -> Result<(), MapError> {
    let (path, query) = (head.target.path.as_bytes(), head.target.query);
    let authority = head.authority.unwrap_or_default().as_bytes();
    let pushed = block
        .push(b":method", head.method.as_str().as_bytes())
        .and_then(|()| match query {
            None => block.push(b":path", path),
            Some(query) => block.push_parts(&[b":path"], &[path, b"?", query.as_bytes()]),
        })
        .and_then(|()| block.push(b":authority", authority))
        .and_then(|()| block.push(b"x-forwarded-for", client_ip.as_bytes()))
        .and_then(|()| block.push(b"x-forwarded-host", authority))
        .and_then(|()| block.push(b"x-request-id", request_id.as_bytes()))
        .and_then(|()| block.append(constant));
    pushed.map_err(too_large("the request target or host is over 65,535 bytes"))
}

/// The trailers of a chunked request, without what must not pass as one, names that the gateway speaks under among them.
pub(super) fn trailers(fields: &Trailers) -> HeaderBlock {
    let mut block = HeaderBlock::new();
    for (name, value) in fields {
        if !is_forgeable(name.as_bytes()) {
            // The server bounds all of them together; a name of over 255 bytes is none that anybody waits for.
            block.push(name.as_bytes(), value).ok();
        }
    }
    block
}

/// Names under which the gateway itself speaks, and those by which a client could lie about where it came from. The
/// request's id comes back with the extras; Expect was answered by the gateway.
fn is_forgeable(name: &[u8]) -> bool {
    match name.first() {
        Some(b':') => true,
        Some(b'q') => name.starts_with(b"query."),
        Some(b'p') => name.starts_with(b"params."),
        Some(b'x') => {
            name.starts_with(b"x-forwarded-") || name == b"x-real-ip" || name == b"x-request-id"
        }
        Some(b'f') => name == b"forwarded",
        Some(b'e') => name == b"expect",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgeable_names_are_the_gateways_own() {
        for name in [
            ":status",
            ":path",
            "query.a",
            "params.id",
            "x-forwarded-for",
            "x-real-ip",
            "forwarded",
            "x-request-id",
            "expect",
        ] {
            assert!(is_forgeable(name.as_bytes()), "{name}");
        }
        for name in [
            "query",
            "querya",
            "params",
            "x-forward",
            "accept",
            "etag",
            "forwarded-by",
            "content-length",
        ] {
            assert!(!is_forgeable(name.as_bytes()), "{name}");
        }
    }
}
