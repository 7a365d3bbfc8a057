//! What a connection tells its caller, and the values in it.

use crate::flatend2::RecordsRef;
use crate::header::HeadersRef;
use crate::names::{IdsRef, NamesRef};
use crate::StreamId;

/// Matches a lookup with its answer.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Token(pub u64);

/// Why a stream was cut. Legacy peers cannot say; on such a link only [`Protocol`](Self::Protocol) is received.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum ResetCode {
    /// Not started, safe to send elsewhere.
    Refused,
    /// Response complete, stop the body, no error.
    Done,
    /// The asker no longer wants it.
    Cancel,
    /// Its time is over.
    Deadline,
    /// A limit was exceeded.
    Limit,
    /// The handler failed.
    Internal,
    /// The other side broke the protocol on this stream.
    Protocol,
    /// The service cannot answer now.
    Unavailable,
}

/// Why a link says goodbye.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum GoodbyeCode {
    /// Go elsewhere.
    Drain,
    /// Dial this address again now.
    Restart,
    /// The other side broke the protocol.
    Protocol,
    /// The other side's key is not welcome.
    Key,
}

/// What happened. Borrows the input buffer, not the connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Keys agreed, identity verified, services known: see [`Connection::peer`](crate::Connection::peer).
    Handshake {
        /// A Go peer shook hands again on a live link (rule G07): its list of services replaces the old one.
        again: bool,
    },
    /// The peer asks. On links that we dialed this may come before `Handshake`: a Go acceptor may call before it has answered ours.
    Request {
        /// Its number.
        stream: StreamId,
        /// Names in order of preference: take the first that has a handler.
        services: NamesRef<'a>,
        /// Headers.
        headers: HeadersRef<'a>,
        /// What is left of the caller's time, in milliseconds, if it has set itself a limit (flatend/2 only).
        deadline_ms: Option<u32>,
        /// No body follows.
        end: bool,
    },
    /// The peer answers.
    Response {
        /// Of which request.
        stream: StreamId,
        /// The HTTP status, where the dialect has a field for it; legacy peers send a header `:status`.
        status: Option<u16>,
        /// Headers.
        headers: HeadersRef<'a>,
        /// No body follows.
        end: bool,
    },
    /// The peer has no handler (handled = 0): safe to try elsewhere. The stream is gone.
    Refused {
        /// Of which request.
        stream: StreamId,
    },
    /// A piece of a body, never empty: a sub-slice of the input.
    Data {
        /// Of which stream.
        stream: StreamId,
        /// The piece.
        bytes: &'a [u8],
    },
    /// Clean end of the peer's direction.
    End {
        /// Of which stream.
        stream: StreamId,
    },
    /// Headers behind a body; ends the peer's direction (flatend/2 only).
    Trailers {
        /// Of which stream.
        stream: StreamId,
        /// Headers.
        headers: HeadersRef<'a>,
    },
    /// The stream is cut. On legacy links: the peer's headers did not decode (rules B01, N06), the link lives.
    Reset {
        /// Which stream.
        stream: StreamId,
        /// Why.
        code: ResetCode,
        /// Why, in words.
        reason: &'a str,
    },
    /// The peer looks for nodes close to a key: answer with [`Connection::nodes`](crate::Connection::nodes).
    FindNode {
        /// For the answer.
        token: Token,
        /// The key.
        target: [u8; 32],
    },
    /// The answer to [`Connection::find_node`](crate::Connection::find_node), or to the lookup that a dialer sends on its own
    /// ([`Connection::own_lookup`](crate::Connection::own_lookup)).
    Nodes {
        /// Of the question.
        token: Token,
        /// Who was named.
        ids: IdsRef<'a>,
    },
    /// The same on flatend/2: signed records, to be verified before anything of them is used.
    Records {
        /// Of the question.
        token: Token,
        /// What was named.
        records: RecordsRef<'a>,
    },
    /// The peer takes no more requests (flatend/2 only).
    Goodbye {
        /// Why.
        code: GoodbyeCode,
        /// Requests of ours that it took.
        requests_taken: u64,
        /// When it will go, in milliseconds.
        after_ms: u32,
        /// Why, in words.
        reason: &'a str,
    },
    /// More may be sent on a stream (flatend/2 only).
    Credit {
        /// Which stream.
        stream: StreamId,
        /// Bytes more.
        bytes: usize,
    },
}

impl Event<'_> {
    /// The stream that it is about.
    pub(crate) const fn stream(&self) -> Option<StreamId> {
        match self {
            Event::Request { stream, .. }
            | Event::Response { stream, .. }
            | Event::Refused { stream }
            | Event::Data { stream, .. }
            | Event::End { stream }
            | Event::Trailers { stream, .. }
            | Event::Reset { stream, .. }
            | Event::Credit { stream, .. } => Some(*stream),
            Event::Handshake { .. }
            | Event::FindNode { .. }
            | Event::Nodes { .. }
            | Event::Records { .. }
            | Event::Goodbye { .. } => None,
        }
    }
}
