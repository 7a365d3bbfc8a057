//! One HTTP/1.1 connection: keep-alive, pipelining, and how it ends (RFC 9112 9).
//!
//! Owns the order of events; `recv` and `send` hold the two directions. Refuses to hold bytes:
//! the read buffer and the output are the caller's. Invariant: a head is parsed only when the
//! response before it is complete and the body before it is consumed, so that responses leave in
//! the order of requests and a connection holds one request at a time, however many are piped.
//!
//! ```text
//!            ┌──────── response and body complete, keep-alive ───────┐
//!            ▼                                                       │
//!        ReadHead ──head──▶ Exchange ──response complete, body not──▶ Drain ──too much──┐
//!            │ fault            │ no keep-alive                                          │
//!            ▼                  ├── body complete ──▶ Close                              ▼
//!         Refuse ──answered──▶ Linger ◀──────────────body not complete──────────────────┘
//! ```

mod recv;
mod send;

use super::body::BodyDecoder;
use super::head::RequestFacts;
use super::out_body::OutBody;
use super::trailers::Trailers;
use crate::error::RequestError;
use crate::limits::Limits;

/// What the connection needs now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Give the read buffer to [`Connection::recv_head`]; read more if it is not whole.
    ReadHead,
    /// A request is being answered; its body may be read with [`Connection::recv_body`] meanwhile.
    Exchange,
    /// A response is owed to a fault: [`Connection::send_answer`] with it, then the connection
    /// lingers. If a response head is out already, [`Connection::abort`].
    Refuse(RequestError),
    /// The response is complete and the request body is not: read on with
    /// [`Connection::recv_body`] and drop the data.
    Drain,
    /// Flush, shut down our side, then read and drop until the client's end, or until nothing
    /// came for [`LINGER_IDLE_MS`](crate::limits::LINGER_IDLE_MS), within
    /// [`LINGER_TIMEOUT_MS`](crate::limits::LINGER_TIMEOUT_MS) and
    /// [`LINGER_BYTES_MAX`](crate::limits::LINGER_BYTES_MAX); so the client sees the answer and
    /// not a reset.
    Linger,
    /// Flush and close.
    Close,
    /// Close at once, with a reset, so that the client cannot take what it has for a whole
    /// response.
    Reset,
    /// 101 was sent; the connection is no longer HTTP. The read buffer holds its first bytes.
    Upgraded,
}

/// Which of the client's bytes are waited for, and so which timeout runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// `idle`: no byte of the next request yet.
    Idle,
    /// `read_header`: some of a head; from its first byte to its last.
    Head,
    /// `read`: more of a body, while there is room for it.
    Body,
    /// `linger`: the client's end.
    End,
    /// Nothing from the client.
    Nothing,
}

#[derive(Debug)]
enum Recv {
    Head,
    Body(BodyDecoder),
    Done,
    Refused(RequestError),
}

#[derive(Debug)]
enum Send {
    /// No response head yet.
    Head,
    Body(OutBody),
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    Linger,
    Close,
    Reset,
    Upgraded,
}

/// The state of one connection. See the crate documentation for how to drive it.
#[derive(Debug)]
pub struct Connection {
    limits: Limits,
    recv: Recv,
    send: Send,
    end: End,
    facts: RequestFacts,
    /// What the current response promised, and `false` once the connection cannot live on.
    keep_alive: bool,
    /// The client waits for 100 and has sent nothing of the body.
    continue_owed: bool,
    /// Body limits were checked against the length that is known.
    body_limited: bool,
    /// Stop after the current request.
    draining: bool,
    /// Body bytes consumed since the response was complete.
    drained: u64,
    /// Of the current request's body, at its end.
    trailers: Trailers,
    /// The head that is being read begins with the method HEAD.
    asks_head: bool,
    /// Bytes of the read buffer that were parsed and that were searched for LF.
    parsed: usize,
    searched: usize,
}

impl Connection {
    /// A connection that has received nothing.
    pub fn new(limits: Limits) -> Self {
        Connection {
            limits,
            recv: Recv::Head,
            send: Send::Head,
            end: End::Open,
            facts: RequestFacts::UNKNOWN,
            keep_alive: true,
            continue_owed: false,
            body_limited: false,
            draining: false,
            drained: 0,
            trailers: Trailers::new(),
            asks_head: false,
            parsed: 0,
            searched: 0,
        }
    }

    /// What is needed now; asked after every other call.
    pub fn next(&self) -> Next {
        match (self.end, &self.recv, &self.send) {
            (End::Linger, ..) => Next::Linger,
            (End::Close, ..) => Next::Close,
            (End::Reset, ..) => Next::Reset,
            (End::Upgraded, ..) => Next::Upgraded,
            (End::Open, Recv::Refused(error), _) => Next::Refuse(*error),
            (End::Open, Recv::Head, _) => Next::ReadHead,
            (End::Open, _, Send::Done) => Next::Drain,
            (End::Open, ..) => Next::Exchange,
        }
    }

    /// Which timeout runs; `buffered` is the number of bytes in the read buffer.
    pub fn wait(&self, buffered: usize) -> Wait {
        match (self.next(), &self.recv) {
            (Next::ReadHead, _) if buffered == 0 => Wait::Idle,
            (Next::ReadHead, _) => Wait::Head,
            (Next::Drain, _) | (Next::Exchange, Recv::Body(_)) => Wait::Body,
            (Next::Linger, _) => Wait::End,
            _ => Wait::Nothing,
        }
    }

    /// What is known of the current request; [`RequestFacts::UNKNOWN`] before the first.
    pub fn facts(&self) -> &RequestFacts {
        &self.facts
    }

    /// Whether a response head of the current request is out.
    pub fn is_response_begun(&self) -> bool {
        !matches!(self.send, Send::Head)
    }

    /// Whether the body of the current request has been consumed.
    pub fn is_body_done(&self) -> bool {
        matches!(self.recv, Recv::Done)
    }

    /// The server stops: the connection closes after the current response, at once if none is
    /// owed. `buffered` is the number of bytes in the read buffer; a request that has begun is
    /// still answered.
    pub fn shut_down(&mut self, buffered: usize) {
        self.draining = true;
        if matches!(self.recv, Recv::Head) && buffered == 0 && self.end == End::Open {
            self.end = End::Close;
        }
    }

    /// Ends the connection without a clean end of the current response.
    pub fn abort(&mut self) {
        self.end = End::Reset;
    }

    /// After either direction came to its end: on to the next request, or to the end.
    fn settle(&mut self) {
        if self.end != End::Open || !matches!(self.send, Send::Done) {
            return;
        }
        match (&self.recv, self.keep_alive) {
            (Recv::Done, true) => {
                self.recv = Recv::Head;
                self.send = Send::Head;
                self.drained = 0;
            }
            (Recv::Done, false) => self.end = End::Close,
            (Recv::Body(_), true) => {}
            (Recv::Body(_) | Recv::Refused(_), _) => self.end = End::Linger,
            (Recv::Head, _) => {}
        }
        self.check_invariants();
    }

    fn check_invariants(&self) {
        debug_assert!(
            !matches!(self.recv, Recv::Head) || !matches!(self.send, Send::Body(_)),
            "a response body without a request"
        );
        debug_assert!(self.searched <= self.limits.head_bytes_max);
        debug_assert!(self.drained <= self.limits.drain_body_bytes_max || self.end != End::Open);
    }
}
