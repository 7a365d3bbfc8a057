//! The central type: a façade over whichever dialect the link speaks. Owns what both dialects share (output buffer, limits, clock,
//! events without a frame); refuses to know packets. Invariant: after an error the connection has failed for good.

mod agreement;
mod announce;
mod config;
mod input;
mod output;
mod shared;

pub use announce::Announced;
pub use config::{Ask, Config, Flatend2, Peer, Retirement, Role, WindowRoom};
pub(crate) use input::Plaintext;
pub use input::{Messages, Opened};
pub(crate) use shared::Shared;

use crate::dialect::{Dialect, PeerKind};
use crate::error::{ApiMisuse, OpenError, ProtocolError};
use crate::event::{Event, Token};
use crate::flatend2::{self, Hello, Own};
use crate::legacy;
use crate::Millis;
use agreement::Agreement;

/// What the link speaks; [`Agreement`] decides.
#[derive(Debug)]
enum Protocol {
    /// The 32 bytes of the peer are awaited.
    Agreeing(Agreement),
    Legacy(Box<legacy::Link>),
    /// With what is still to be said of ourselves, until hands are shaken.
    Flatend2(Box<(flatend2::Link, Option<Box<Own>>)>),
}

/// One side of one link: bytes in, events out; calls in, bytes out. See the crate's documentation for how to drive it.
#[derive(Debug)]
pub struct Connection {
    shared: Shared,
    protocol: Protocol,
}

impl Connection {
    /// A connection whose TCP link has just been made. A dialer has 32 bytes to send at once.
    ///
    /// # Errors
    /// [`ApiMisuse`] for service names outside of 1 to 255 bytes, more than 255 of them, a handshake that a Go peer would not take,
    /// services of an acceptor without an identity, an address with port 0, limits below what the protocol needs.
    pub fn new(now: Millis, config: Config<'_>) -> Result<Self, ApiMisuse> {
        let mut shared = Shared::new(now, &config)?;
        let own = match &config.flatend2 {
            Some(flatend2) => Some(Box::new(flatend2.to_own(config.services)?)),
            None => None,
        };
        let agreement = Agreement::new(&mut shared, config.ephemeral_secret, own);
        Ok(Self {
            shared,
            protocol: Protocol::Agreeing(agreement),
        })
    }

    /// What may be promised to the peer from now on (flatend2.md 4). Tell it before calls that can promise something:
    /// [`ask`](Self::ask), [`next_event`](Self::next_event), [`credit`](Self::credit). Unlimited if nothing is said.
    pub fn set_window_room(&mut self, room: WindowRoom) {
        self.shared.room = room;
        if let Protocol::Flatend2(link) = &mut self.protocol {
            link.0.set_window_room(room);
        }
    }

    /// What all windows that the peer has now amount to, used or not. It counts until the peer's direction of a stream has ended;
    /// nothing on legacy links.
    #[must_use]
    pub fn window_bytes(&self) -> u64 {
        match &self.protocol {
            Protocol::Agreeing(_) | Protocol::Legacy(_) => 0,
            Protocol::Flatend2(link) => link.0.window_bytes(),
        }
    }

    /// The link is lost: no byte comes or goes any more. Streams are forgotten, with their
    /// windows.
    pub fn forget_streams(&mut self) {
        if let Protocol::Flatend2(link) = &mut self.protocol {
            link.0.forget_streams();
        }
    }

    // ---- time

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next; may change with every other call.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> {
        if self.shared.failed {
            return None;
        }
        match &self.protocol {
            Protocol::Agreeing(_) => Some(self.shared.handshake_due()),
            Protocol::Legacy(link) => link.next_deadline(&self.shared),
            Protocol::Flatend2(link) => link.0.next_deadline(&self.shared),
        }
    }

    /// Does what is due. In a turn of the caller's loop it comes last: first feed what was read and report empty reads, so that nobody
    /// is judged silent whose bytes lie in a buffer of ours.
    ///
    /// # Errors
    /// The link must close: no handshake within 5 s, or a dead peer (rule G10).
    pub fn handle_timeout(&mut self, now: Millis) -> Result<(), ProtocolError> {
        if self.shared.failed {
            return Err(ProtocolError::Closed);
        }
        let result = match &mut self.protocol {
            Protocol::Agreeing(_) => self.shared.check_handshake_due(now),
            Protocol::Legacy(link) => link.handle_timeout(&mut self.shared, now),
            Protocol::Flatend2(link) => link.0.handle_timeout(&mut self.shared, now),
        };
        self.settle(result)
    }

    /// Tell when you stop reading the socket (backpressure) and when you go on: clocks that wait for the peer's bytes stand still
    /// between.
    pub fn set_reading(&mut self, now: Millis, reading: bool) {
        self.shared.clock.set(now, reading);
    }

    /// Tell that a read just found the socket empty (`EAGAIN`, or fewer bytes than asked for).
    pub fn read_empty(&mut self, now: Millis) {
        self.shared.clock.note_empty(now);
    }

    // ---- state

    /// Who the peer is; after the handshake.
    #[must_use]
    pub fn peer(&self) -> Option<&Peer> {
        match &self.protocol {
            Protocol::Agreeing(_) => None,
            Protocol::Legacy(link) => link.peer(),
            Protocol::Flatend2(link) => link.0.peer(),
        }
    }

    /// The peer's HELLO, verified; on flatend/2 alone.
    #[must_use]
    pub fn hello(&self) -> Option<&Hello> {
        match &self.protocol {
            Protocol::Agreeing(_) | Protocol::Legacy(_) => None,
            Protocol::Flatend2(link) => link.0.hello(),
        }
    }

    /// What implementation the peer is, as far as it has shown.
    #[must_use]
    pub fn peer_kind(&self) -> PeerKind {
        match &self.protocol {
            Protocol::Agreeing(_) => PeerKind::Unknown,
            Protocol::Legacy(link) => link.kind(),
            Protocol::Flatend2(_) => PeerKind::Flatend2,
        }
    }

    /// What this peer can take.
    #[must_use]
    pub fn dialect(&self) -> &Dialect {
        Dialect::of(self.peer_kind())
    }

    /// Handshake done, and the first request need not wait any longer (rule G08).
    #[must_use]
    pub fn is_ready(&self) -> bool {
        match &self.protocol {
            Protocol::Agreeing(_) => false,
            Protocol::Legacy(link) => !self.shared.failed && link.is_ready(),
            Protocol::Flatend2(link) => !self.shared.failed && link.0.is_ready(),
        }
    }

    /// Whether another request may be made now, as far as the peer decides that and the number of those that are open: it has granted
    /// no more, say, or said goodbye. What else can keep one from being sent is told when it is made.
    ///
    /// # Errors
    /// What [`open_stream`](Self::open_stream) would give.
    pub fn may_ask(&self) -> Result<(), OpenError> {
        match &self.protocol {
            _ if self.shared.failed => Err(OpenError::Retiring),
            Protocol::Agreeing(_) => Err(OpenError::NotReady),
            Protocol::Legacy(link) => link.may_ask(),
            Protocol::Flatend2(link) => link.0.may_ask(&self.shared),
        }
    }

    /// Whether new requests should go elsewhere.
    #[must_use]
    pub fn retirement(&self) -> Retirement {
        match &self.protocol {
            _ if self.shared.failed => Retirement::Dead,
            Protocol::Agreeing(_) => Retirement::Active,
            Protocol::Legacy(link) => link.retirement(),
            Protocol::Flatend2(link) => link.0.retirement(),
        }
    }

    /// Streams in flight about which anybody here still cares: ours, without those that were reset, and theirs.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        match &self.protocol {
            Protocol::Agreeing(_) => 0,
            Protocol::Legacy(link) => link.open_streams(),
            Protocol::Flatend2(link) => link.0.open_streams(),
        }
    }

    /// Requests of the peer in flight, without those that were given up.
    #[must_use]
    pub fn requests_open(&self) -> usize {
        match &self.protocol {
            Protocol::Agreeing(_) => 0,
            Protocol::Legacy(link) => link.requests_open(),
            Protocol::Flatend2(link) => link.0.requests_open(),
        }
    }

    /// No message of a stream has gone for a while, and what the next frame can make anew was given up. A link begins so.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        match &self.protocol {
            Protocol::Agreeing(_) => false,
            Protocol::Legacy(link) => link.is_at_rest(),
            Protocol::Flatend2(link) => link.0.is_at_rest(),
        }
    }

    /// The token of the lookup of our own key that a dialer sends second, so that an acceptor of ours knows it for no Go peer.
    #[must_use]
    pub fn own_lookup(&self) -> Option<Token> {
        match &self.protocol {
            Protocol::Agreeing(_) | Protocol::Flatend2(_) => None,
            Protocol::Legacy(link) => link.own_lookup(),
        }
    }

    /// Packets for streams that were closed before they came (an early answer or an abort leaves such in flight).
    #[must_use]
    pub fn dropped_packets(&self) -> u64 {
        match &self.protocol {
            Protocol::Agreeing(_) => 0,
            Protocol::Legacy(link) => link.dropped_packets(),
            Protocol::Flatend2(link) => link.0.dropped_packets(),
        }
    }

    /// Requests and responses whose headers did not decode (rules B01, N06).
    #[must_use]
    pub fn malformed_packets(&self) -> u64 {
        match &self.protocol {
            Protocol::Agreeing(_) | Protocol::Flatend2(_) => 0,
            Protocol::Legacy(link) => link.malformed_packets(),
        }
    }

    /// Streams that could not be ended (protocol.md 4); 64 retire a link, 1,024 end it.
    #[must_use]
    pub fn abandoned_streams(&self) -> u32 {
        match &self.protocol {
            Protocol::Agreeing(_) | Protocol::Flatend2(_) => 0,
            Protocol::Legacy(link) => link.abandoned_streams(),
        }
    }

    /// Events that no frame carries; poll after `open`, `next_event` and `handle_timeout`.
    pub fn poll_event(&mut self) -> Option<Event<'static>> {
        self.shared.events.pop_front()
    }

    /// Remembers a failure, checks what must hold.
    fn settle<T>(&mut self, result: Result<T, ProtocolError>) -> Result<T, ProtocolError> {
        if result.is_err() {
            self.shared.failed = true;
        }
        self.check_invariants();
        result
    }

    /// Asserts in debug builds what must always hold; free in release builds.
    pub fn check_invariants(&self) {
        if cfg!(debug_assertions) {
            self.shared.check_invariants();
            match &self.protocol {
                Protocol::Agreeing(_) => {}
                Protocol::Legacy(link) => link.check_invariants(),
                Protocol::Flatend2(link) => link.0.check_invariants(),
            }
        }
    }
}
