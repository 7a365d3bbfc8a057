//! Requests as bytes, made once before a run, and what is expected in return.
//!
//! Owns the encoding. Refuses nothing: the plan has checked names and values. Invariant: what a connection sends is the head's bytes and
//! then exactly as many of the body as the head announces.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::pattern::Pattern;

/// A body that a response must have.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// This text.
    Text(Arc<[u8]>),
    /// This text again and again, cut anywhere; never empty.
    Repeats(Arc<[u8]>),
    /// The sequence of [`Pattern`] from its beginning.
    Pattern(Arc<Pattern>),
}

/// What a response must be.
#[derive(Clone, Debug)]
pub(crate) struct Expect {
    pub(crate) status: u16,
    /// Bytes of the body.
    pub(crate) length: Option<u64>,
    pub(crate) content: Option<Content>,
    /// The answer to HEAD has no body whatever it announces.
    pub(crate) head_only: bool,
}

impl Expect {
    /// The length that the body must have.
    pub(crate) fn length(&self) -> Option<u64> {
        match &self.content {
            Some(Content::Text(text)) => Some(text.len() as u64),
            _ => self.length,
        }
    }
}

/// One request, ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    /// Head, and a body that is a text.
    pub(crate) bytes: Arc<[u8]>,
    /// Bytes of [`Pattern`] that follow.
    pub(crate) pattern_bytes: u64,
    pub(crate) expect: Expect,
}

/// A request before it is encoded.
#[derive(Clone, Debug)]
pub(crate) struct Parts<'p> {
    pub(crate) method: &'p str,
    pub(crate) path: &'p str,
    /// Fields besides Host and Content-Length.
    pub(crate) fields: &'p [(String, String)],
    pub(crate) body: Body<'p>,
}

/// A request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body<'p> {
    None,
    Text(&'p str),
    Pattern(u64),
}

impl Template {
    /// Encodes a request to `addr`.
    pub(crate) fn new(parts: &Parts<'_>, addr: SocketAddr, expect: Expect) -> Template {
        let mut text = format!("{} {} HTTP/1.1\r\n", parts.method, parts.path);
        let host = parts
            .fields
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("host"));
        if !host {
            text.push_str(&format!("Host: {addr}\r\n"));
        }
        for (name, value) in parts.fields {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let (length, inline, pattern_bytes) = match parts.body {
            Body::None => (None, "", 0),
            Body::Text(body) => (Some(body.len() as u64), body, 0),
            Body::Pattern(bytes) => (Some(bytes), "", bytes),
        };
        if let Some(length) = length {
            text.push_str(&format!("Content-Length: {length}\r\n"));
        }
        text.push_str("\r\n");
        text.push_str(inline);
        let expect = Expect {
            head_only: parts.method == "HEAD",
            ..expect
        };
        Template {
            bytes: text.into_bytes().into(),
            pattern_bytes,
            expect,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_whole() {
        let addr = SocketAddr::from(([127, 0, 0, 1], 80));
        let expect = Expect {
            status: 200,
            length: None,
            content: None,
            head_only: false,
        };
        let fields = [("Accept".to_owned(), "*/*".to_owned())];
        let named = [("host".to_owned(), "a.example".to_owned())];
        for (parts, bytes, pattern_bytes) in [
            (
                Parts {
                    method: "GET",
                    path: "/a",
                    fields: &fields,
                    body: Body::None,
                },
                "GET /a HTTP/1.1\r\nHost: 127.0.0.1:80\r\nAccept: */*\r\n\r\n",
                0,
            ),
            (
                Parts {
                    method: "POST",
                    path: "/",
                    fields: &named,
                    body: Body::Text("hi"),
                },
                "POST / HTTP/1.1\r\nhost: a.example\r\nContent-Length: 2\r\n\r\nhi",
                0,
            ),
            (
                Parts {
                    method: "PUT",
                    path: "/",
                    fields: &named,
                    body: Body::Pattern(7),
                },
                "PUT / HTTP/1.1\r\nhost: a.example\r\nContent-Length: 7\r\n\r\n",
                7,
            ),
        ] {
            let template = Template::new(&parts, addr, expect.clone());
            assert_eq!(std::str::from_utf8(&template.bytes), Ok(bytes));
            assert_eq!(template.pattern_bytes, pattern_bytes);
            assert!(!template.expect.head_only);
        }
        let head = Parts {
            method: "HEAD",
            path: "/",
            fields: &[],
            body: Body::None,
        };
        assert!(Template::new(&head, addr, expect).expect.head_only);
    }
}
