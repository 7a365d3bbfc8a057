//! What a request was and how it ended, for whoever keeps an access log.
//!
//! Owns [`Notes`], which gather while a request runs, and [`Record`], their view at its end. Refuses to format, to write
//! and to read a clock but the turn's. The invariant that a change is likeliest to break: each request that began, also one
//! whose head could not be read, gives exactly one record; `Io::note` does nothing where no handler asks for records.

use std::cell::RefCell;
use std::fmt::{self, Write};
use std::ops::Range;

use flatend::{rt, Millis};

use super::Client;
use crate::h1::{RequestHead, Version};
use crate::limits::{RECORD_FIELD_BYTES_MAX, RECORD_TARGET_BYTES_MAX};

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The whole response was handed to the system.
    Complete,
    /// The gateway cut it: the service broke off, or the server stopped.
    Cut,
    /// The client went away, or took nothing for the write timeout.
    ClientGone,
}

/// A text of the request, as received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<'a> {
    /// The bytes; nothing is known of them.
    pub bytes: &'a [u8],
    /// More followed, which was too long to keep.
    pub is_cut: bool,
}

/// One request, when it has ended. What is unknown is `None`: all of the head, if it could not be read.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The client.
    pub client: &'a Client,
    /// When the first byte of the head came, in milliseconds since 1970; as of that turn.
    pub unix_ms: u64,
    /// From then to the end, in milliseconds, by the turns' clock.
    pub duration_ms: u64,
    /// From the call to the response's head, in milliseconds.
    pub upstream_ms: Option<u64>,
    /// The request's id.
    pub request_id: Option<Text<'a>>,
    /// The method.
    pub method: Option<Text<'a>>,
    /// The target as received, query included.
    pub target: Option<Text<'a>>,
    /// The version.
    pub version: Option<Version>,
    /// Host, or the authority of an absolute target.
    pub host: Option<Text<'a>>,
    /// User-Agent.
    pub user_agent: Option<Text<'a>>,
    /// Referer.
    pub referer: Option<Text<'a>>,
    /// The number that the handler gave the route.
    pub route: Option<usize>,
    /// Who answered, or was asked last.
    pub provider: Option<Text<'a>>,
    /// How many were asked.
    pub tries: u32,
    /// The status; `None` if no response began.
    pub status: Option<u16>,
    /// Bytes of the request's body that were read.
    pub request_bytes: u64,
    /// Bytes of the response's body that were handed to the system.
    pub response_bytes: u64,
    /// How it ended.
    pub end: End,
}

#[derive(Clone, Copy)]
enum Part {
    RequestId,
    Method,
    Target,
    Host,
    UserAgent,
    Referer,
    Provider,
}

const PARTS: usize = 7;

#[derive(Clone, Default)]
struct Kept {
    range: Range<usize>,
    is_cut: bool,
}

/// What is known of a request so far.
#[derive(Default)]
pub struct Notes {
    /// The texts, one behind the other; its memory is used again.
    text: Vec<u8>,
    kept: [Option<Kept>; PARTS],
    version: Option<Version>,
    route: Option<usize>,
    tries: u32,
    began: Millis,
    unix_ms: u64,
    asked: Option<Millis>,
    upstream_ms: Option<u64>,
    pub(super) status: Option<u16>,
    pub(super) request_bytes: u64,
    pub(super) response_bytes: u64,
    /// The whole response was queued.
    pub(super) is_finished: bool,
}

/// Notes kept for the next requests of a shard.
const IDLE_MAX: usize = 256;

thread_local! {
    /// Idle connections hold none.
    #[allow(clippy::vec_box)] // the boxes themselves are used again
    static IDLE: RefCell<Vec<Box<Notes>>> = const { RefCell::new(Vec::new()) };
}

impl Notes {
    /// Notes of a request whose first byte came at `began`.
    pub(super) fn begin(began: Millis) -> Box<Notes> {
        let mut notes = IDLE
            .with(|idle| idle.borrow_mut().pop())
            .unwrap_or_default();
        let mut text = std::mem::take(&mut notes.text);
        text.clear();
        let passed_ms = rt::now().0.saturating_sub(began.0);
        *notes = Notes {
            text,
            began,
            unix_ms: rt::unix_millis().saturating_sub(passed_ms),
            ..Notes::default()
        };
        notes
    }

    /// Gives the memory back.
    pub(super) fn end(self: Box<Notes>) {
        IDLE.with(|idle| {
            let mut idle = idle.borrow_mut();
            if idle.len() < IDLE_MAX {
                idle.push(self);
            }
        });
    }

    /// Takes what the record tells of the head.
    pub(super) fn head(&mut self, head: &RequestHead<'_>) {
        self.version = Some(head.version);
        self.keep(Part::Method, head.method.as_str().as_bytes());
        self.keep(Part::Target, head.target.raw.as_bytes());
        if let Some(host) = head.authority {
            self.keep(Part::Host, host.as_bytes());
        }
        for field in head.fields.iter() {
            let (part, name) = match field.name.len() {
                7 => (Part::Referer, "referer"),
                10 => (Part::UserAgent, "user-agent"),
                _ => continue,
            };
            if field.name.eq_ignore_ascii_case(name) {
                self.keep(part, field.value);
            }
        }
    }

    /// The request's id; the first that is told counts.
    pub fn request_id(&mut self, id: &str) {
        if self.kept[Part::RequestId as usize].is_none() {
            self.keep(Part::RequestId, id.as_bytes());
        }
    }

    /// The route that was found.
    pub fn route(&mut self, route: usize) {
        self.route = Some(route);
    }

    /// Somebody is asked for the response from now on.
    pub fn asked(&mut self) {
        self.asked = Some(rt::now());
    }

    /// The head of the response came.
    pub fn responded(&mut self) {
        self.upstream_ms = self.asked.map(|asked| rt::now().0.saturating_sub(asked.0));
    }

    /// How many were asked, and who was the last.
    pub fn provider(&mut self, tries: u32, name: Option<impl fmt::Display>) {
        self.tries = tries;
        if let Some(name) = name {
            let start = self.text.len();
            let mut bounded = Bounded {
                text: &mut self.text,
                room: RECORD_FIELD_BYTES_MAX,
            };
            let is_cut = write!(bounded, "{name}").is_err();
            let range = start..self.text.len();
            self.kept[Part::Provider as usize] = Some(Kept { range, is_cut });
        }
    }

    fn keep(&mut self, part: Part, bytes: &[u8]) {
        let room = match part {
            Part::Target => RECORD_TARGET_BYTES_MAX,
            _ => RECORD_FIELD_BYTES_MAX,
        };
        let start = self.text.len();
        self.text
            .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.kept[part as usize] = Some(Kept {
            range: start..self.text.len(),
            is_cut: bytes.len() > room,
        });
    }

    fn part(&self, part: Part) -> Option<Text<'_>> {
        let kept = self.kept[part as usize].as_ref()?;
        Some(Text {
            bytes: self.text.get(kept.range.clone())?,
            is_cut: kept.is_cut,
        })
    }

    /// The record of a request that ended now. `unsent` bytes of output wait still.
    pub(super) fn record<'a>(&'a self, client: &'a Client, end: End, unsent: usize) -> Record<'a> {
        let lost = if end == End::Complete { 0 } else { unsent };
        Record {
            client,
            unix_ms: self.unix_ms,
            duration_ms: rt::now().0.saturating_sub(self.began.0),
            upstream_ms: self.upstream_ms,
            request_id: self.part(Part::RequestId),
            method: self.part(Part::Method),
            target: self.part(Part::Target),
            version: self.version,
            host: self.part(Part::Host),
            user_agent: self.part(Part::UserAgent),
            referer: self.part(Part::Referer),
            route: self.route,
            provider: self.part(Part::Provider),
            tries: self.tries,
            status: self.status,
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes.saturating_sub(lost as u64),
            end,
        }
    }
}

/// Takes whole pieces of text as long as there is room, and the beginning of the one that does not fit.
struct Bounded<'a> {
    text: &'a mut Vec<u8>,
    room: usize,
}

impl Write for Bounded<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let taken = piece.len().min(self.room);
        self.text
            .extend_from_slice(piece.as_bytes().get(..taken).unwrap_or_default());
        self.room -= taken;
        if taken < piece.len() {
            return Err(fmt::Error);
        }
        Ok(())
    }
}
