//! What a request head is, once parsed.
//!
//! Owns the borrowed types of a head and the room for its fields. Refuses to parse. Invariant:
//! everything in a [`RequestHead`] but `facts` borrows from the read buffer, so that it is gone
//! before the buffer moves on.

use std::mem::MaybeUninit;

use httparse::Header;

use super::framing::BodyLength;
use super::target::Target;
use crate::limits::FIELDS_MAX;

/// The version of a request; a later 1.x counts as 1.1 (RFC 9110 2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// A method; names are case-sensitive (RFC 9110 9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Method<'a> {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Patch,
    Options,
    Connect,
    Trace,
    /// Any other token.
    Other(&'a str),
}

impl<'a> Method<'a> {
    /// The method that a token names.
    pub fn new(token: &'a str) -> Self {
        match token {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "DELETE" => Method::Delete,
            "PATCH" => Method::Patch,
            "OPTIONS" => Method::Options,
            "CONNECT" => Method::Connect,
            "TRACE" => Method::Trace,
            other => Method::Other(other),
        }
    }

    /// Whether asking twice does what asking once does, and nobody need know which was answered (RFC 9110 9.2.2). TRACE, which
    /// is never passed on, and methods that are not known are left out.
    pub fn is_idempotent(&self) -> bool {
        matches!(
            self,
            Method::Get | Method::Head | Method::Options | Method::Put | Method::Delete
        )
    }

    /// The token, as received.
    pub fn as_str(&self) -> &'a str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
            Method::Patch => "PATCH",
            Method::Options => "OPTIONS",
            Method::Connect => "CONNECT",
            Method::Trace => "TRACE",
            Method::Other(token) => token,
        }
    }
}

/// One header field as received: the name in the client's case, the value without the white
/// space around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// A token (RFC 9110 5.1), case as received.
    pub name: &'a str,
    /// Visible bytes, spaces, tabs and bytes from 0x80.
    pub value: &'a [u8],
}

/// The header fields of a request in the order of arrival. Copies are two words.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    raw: &'a [Header<'a>],
}

impl<'a> Fields<'a> {
    pub(crate) fn new(raw: &'a [Header<'a>]) -> Self {
        Fields { raw }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.raw.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// The field at `index`.
    pub fn at(&self, index: usize) -> Option<Field<'a>> {
        self.raw.get(index).map(|h| Field {
            name: h.name,
            value: h.value,
        })
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Field<'a>> + Clone + 'a {
        self.raw.iter().map(|h| Field {
            name: h.name,
            value: h.value,
        })
    }

    /// Their names and values, as what comes over the mesh gives them.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + 'a {
        self.iter()
            .map(|field| (field.name.as_bytes(), field.value))
    }

    /// The values of the fields called `name`, compared without case.
    pub fn values<'n>(self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a, 'n> {
        self.raw
            .iter()
            .filter(move |h| h.name.eq_ignore_ascii_case(name))
            .map(|h| h.value)
    }

    /// The value of the first field called `name`, compared without case.
    pub fn first(&self, name: &str) -> Option<&'a [u8]> {
        self.raw
            .iter()
            .find(|h| h.name.eq_ignore_ascii_case(name))
            .map(|h| h.value)
    }
}

/// Room for the fields of one head, on the caller's stack; 4 KiB that are not initialised.
pub struct FieldScratch<'b> {
    pub(super) fields: [MaybeUninit<Header<'b>>; FIELDS_MAX],
    /// Only for versions above 1.1, which httparse does not take; empty otherwise.
    pub(super) later_version: Vec<Header<'b>>,
}

impl FieldScratch<'_> {
    /// New room; costs nothing.
    pub const fn new() -> Self {
        FieldScratch {
            fields: [const { MaybeUninit::uninit() }; FIELDS_MAX],
            later_version: Vec::new(),
        }
    }
}

impl Default for FieldScratch<'_> {
    fn default() -> Self {
        FieldScratch::new()
    }
}

impl std::fmt::Debug for FieldScratch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FieldScratch").finish_non_exhaustive()
    }
}

/// A request head, borrowed from the read buffer.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: Method<'a>,
    /// The target, taken apart.
    pub target: Target<'a>,
    /// The version.
    pub version: Version,
    /// The header fields, all of them, hop-by-hop ones too.
    pub fields: Fields<'a>,
    /// The authority that the request is for: of an absolute target if there is one (RFC 9112
    /// 3.2.2), else of Host. Valid by [`is_valid_authority`](super::is_valid_authority); `None` only on HTTP/1.0.
    pub authority: Option<&'a str>,
    /// How the body is framed.
    pub body: BodyLength,
    /// Whether the client lets the connection live on (RFC 9112 9.3).
    pub keep_alive: bool,
    /// Whether the client waits for 100 before it sends the body (RFC 9110 10.1.1).
    pub expect_continue: bool,
    /// The value of Upgrade, if Connection names it and the version is 1.1 (RFC 9110 7.8).
    pub upgrade: Option<&'a [u8]>,
}

/// What of a head is still needed when its borrow has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestFacts {
    /// The method is HEAD: the response carries no body.
    pub is_head: bool,
    /// The method is POST, PUT or PATCH: a smallest body size holds even if there is none.
    pub wants_body: bool,
    /// The version.
    pub version: Version,
    /// How the body is framed.
    pub body: BodyLength,
    /// Whether the client lets the connection live on.
    pub keep_alive: bool,
    /// Whether the client waits for 100.
    pub expect_continue: bool,
}

impl RequestFacts {
    /// For the answer to a head that could not be parsed: nothing is known of it.
    pub const UNKNOWN: RequestFacts = RequestFacts {
        is_head: false,
        wants_body: false,
        version: Version::Http11,
        body: BodyLength::None,
        keep_alive: false,
        expect_continue: false,
    };
}

impl RequestHead<'_> {
    /// The part of the head that outlives its borrow.
    pub fn facts(&self) -> RequestFacts {
        RequestFacts {
            is_head: self.method == Method::Head,
            wants_body: matches!(self.method, Method::Post | Method::Put | Method::Patch),
            version: self.version,
            body: self.body,
            keep_alive: self.keep_alive,
            expect_continue: self.expect_continue,
        }
    }
}
