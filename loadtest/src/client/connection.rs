//! One connection of the client: its socket, what is still to be sent, and the requests that wait for their answers.
//!
//! Owns no schedule and no counts: the driver says when to send, and is told what became whole. Invariant: `flights` are in the order of
//! their requests on the wire, so the first one owns the next bytes that come.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{self, sockopt, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::poller::{Interest, Poller};
use super::request::Template;
use super::response::Reader;
use super::tally::Times;
use crate::limits::UPLOAD_PIECES_A_TURN_MAX;
use crate::pattern::Pattern;

/// A request that was sent, or is being sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flight {
    /// Index of its template.
    pub(crate) template: usize,
    pub(crate) times: Times,
}

/// Where a connection stands.
///
/// ```text
/// Down ──▶ Connecting ──▶ Up ──▶ Down …
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Down,
    Connecting,
    Up,
}

/// A connection and its successors on the same place.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Index of its group.
    pub(crate) group: usize,
    pub(crate) stage: Stage,
    socket: Option<OwnedFd>,
    token: u64,
    interest: Interest,
    /// Bytes of heads and small bodies to be sent, from `pending_at` on, and then bytes of the pattern.
    pending: Vec<u8>,
    pending_at: usize,
    pattern_at: u64,
    pattern_end: u64,
    /// The socket took no more of a request.
    gave_up: bool,
    pub(crate) flights: VecDeque<Flight>,
    pub(crate) reader: Reader,
    /// Requests that were begun on this socket.
    pub(crate) begun: u64,
    /// When bytes last moved, or the first of the flights began.
    pub(crate) progress_ns: u64,
    /// Whether the driver's list of connections with room holds it.
    pub(crate) listed: bool,
}

impl Connection {
    /// A connection that is to be opened.
    pub(crate) fn new(group: usize) -> Connection {
        Connection {
            group,
            stage: Stage::Down,
            socket: None,
            token: 0,
            interest: Interest::Read,
            pending: Vec::new(),
            pending_at: 0,
            pattern_at: 0,
            pattern_end: 0,
            gave_up: false,
            flights: VecDeque::new(),
            reader: Reader::new(),
            begun: 0,
            progress_ns: 0,
            listed: false,
        }
    }

    /// Whether an event with `token` is about the present socket, not about one that was closed since.
    pub(crate) fn is(&self, token: u64) -> bool {
        self.socket.is_some() && self.token == token
    }

    /// Begins to connect. The next event says how it went.
    ///
    /// # Errors
    /// A sentence: the system refuses at once.
    pub(crate) fn connect(
        &mut self,
        addr: SocketAddr,
        source: Option<IpAddr>,
        token: u64,
        poller: &Poller,
    ) -> Result<(), String> {
        let family = if addr.is_ipv4() {
            AddressFamily::INET
        } else {
            AddressFamily::INET6
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let refused = |error: Errno| format!("cannot connect: {error}");
        let socket = net::socket_with(family, SocketType::STREAM, flags, None).map_err(refused)?;
        sockopt::set_tcp_nodelay(&socket, true).map_err(refused)?;
        if let Some(source) = source {
            net::bind(&socket, &SocketAddr::new(source, 0))
                .map_err(|error| format!("cannot connect from {source}: {error}"))?;
        }
        match net::connect(&socket, &addr) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(refused(error)),
        }
        poller
            .add(socket.as_fd(), token, Interest::ReadAndWrite)
            .map_err(refused)?;
        self.interest = Interest::ReadAndWrite;
        self.socket = Some(socket);
        self.token = token;
        self.stage = Stage::Connecting;
        Ok(())
    }

    /// The socket that was connecting can be written: it is up, or it failed.
    ///
    /// # Errors
    /// A sentence: the connection was refused.
    pub(crate) fn connected(&mut self) -> Result<(), String> {
        let refused = |error: Errno| format!("cannot connect: {error}");
        let socket = self.socket.as_ref().ok_or_else(|| refused(Errno::BADF))?;
        sockopt::socket_error(socket)
            .and_then(|outcome| outcome)
            .map_err(refused)?;
        self.stage = Stage::Up;
        Ok(())
    }

    /// Closes the socket and forgets what was on it; gives what still waited for answers.
    pub(crate) fn close(&mut self) -> VecDeque<Flight> {
        self.socket = None;
        self.stage = Stage::Down;
        self.pending.clear();
        self.pending_at = 0;
        self.pattern_at = 0;
        self.pattern_end = 0;
        self.gave_up = false;
        self.begun = 0;
        self.reader = Reader::new();
        std::mem::take(&mut self.flights)
    }

    /// Whether something of a request is still to be sent.
    pub(crate) fn is_sending(&self) -> bool {
        self.pending_at < self.pending.len() || self.pattern_at < self.pattern_end
    }

    /// Whether a request has not left whole, or never will.
    pub(crate) fn is_unsent(&self) -> bool {
        self.gave_up || self.is_sending()
    }

    /// Puts a request into the output; [`Connection::flush`] sends it.
    pub(crate) fn begin(&mut self, flight: Flight, template: &Template) {
        if self.flights.is_empty() {
            self.progress_ns = flight.times.sent_ns;
        }
        self.flights.push_back(flight);
        self.begun += 1;
        self.pending.extend_from_slice(&template.bytes);
        self.pattern_at = 0;
        self.pattern_end = template.pattern_bytes;
    }

    /// Sends what the socket takes; gives the bytes of the pattern among it. What is left goes when the socket can be written again.
    ///
    /// # Errors
    /// A sentence: the socket is broken. There may be an answer to be read that says why.
    pub(crate) fn flush(&mut self, pattern: &Pattern, poller: &Poller) -> Result<usize, String> {
        let before = self.pattern_at;
        let outcome = self.send_some(pattern);
        let wanted = match (&outcome, self.is_sending()) {
            (Ok(()), true) => Interest::ReadAndWrite,
            _ => Interest::Read,
        };
        if let (Some(socket), true) = (&self.socket, wanted != self.interest) {
            poller
                .change(socket.as_fd(), self.token, wanted)
                .map_err(|error| format!("cannot watch a connection: {error}"))?;
            self.interest = wanted;
        }
        outcome?;
        Ok(usize::try_from(self.pattern_at - before).unwrap_or(usize::MAX))
    }

    fn send_some(&mut self, pattern: &Pattern) -> Result<(), String> {
        let Some(socket) = &self.socket else {
            return Ok(());
        };
        let send = |bytes: &[u8]| match net::send(
            socket,
            bytes,
            SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
        ) {
            Ok(count) => Ok(count),
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(error) => Err(format!("cannot send: {error}")),
        };
        if self.pending_at < self.pending.len() {
            self.pending_at += send(self.pending.get(self.pending_at..).unwrap_or_default())?;
            if self.pending_at < self.pending.len() {
                return Ok(());
            }
            self.pending.clear();
            self.pending_at = 0;
        }
        for _ in 0..UPLOAD_PIECES_A_TURN_MAX {
            let piece = pattern.piece(self.pattern_at, self.pattern_end - self.pattern_at);
            if piece.is_empty() {
                break;
            }
            let sent = send(piece)?;
            self.pattern_at += sent as u64;
            if sent < piece.len() {
                break;
            }
        }
        Ok(())
    }

    /// Drops what was not sent: the socket takes no more.
    pub(crate) fn give_up_sending(&mut self) {
        self.pending.clear();
        self.pending_at = 0;
        self.pattern_end = self.pattern_at;
        self.gave_up = true;
    }

    /// Reads once. `None`: nothing is there; 0: the peer ended the connection.
    ///
    /// # Errors
    /// A sentence: the connection is broken.
    pub(crate) fn recv(&self, buffer: &mut [u8]) -> Result<Option<usize>, String> {
        let Some(socket) = &self.socket else {
            return Ok(None);
        };
        match net::recv(socket, buffer, RecvFlags::DONTWAIT) {
            Ok((count, _)) => Ok(Some(count)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(error) => Err(format!("the connection failed: {error}")),
        }
    }
}
