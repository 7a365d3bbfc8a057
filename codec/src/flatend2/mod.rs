//! A link that speaks flatend/2. Owns its session, streams with their windows, grants of requests, and timers. Refuses to act on
//! anything that a peer says before its HELLO is verified.

mod address;
mod codes;
mod control;
mod downgrade;
mod hello;
mod keys;
mod lookup;
mod message;
mod purse;
mod receive;
mod record;
mod seal;
mod send;
mod services;
mod streams;
mod timers;
#[cfg(test)]
mod vectors;

pub(crate) use downgrade::{Downgrade, TRAILER_BYTES};
pub use hello::Hello;
pub(crate) use keys::{Opening, Secrets};
pub use record::{Record, RecordsRef};

#[cfg(any(test, fuzzing))]
pub(crate) use message::decode_any;

use ed25519_dalek::SigningKey;

use crate::connection::{Opened, Peer, Plaintext, Retirement, Role, Shared};
use crate::error::ProtocolError;
use crate::limits::{
    HELLO_FRAME_BYTES_MAX, KEY_BYTES, LENGTH_BYTES, MESSAGE_HEADER_BYTES, PLAINTEXT_BYTES_MAX,
    TAG_BYTES,
};
use crate::rest::Rest;
use crate::session::MessageHead;
use crate::{Messages, Millis, StreamId, WindowRoom};
use lookup::Lookups;
use message::kind;
use purse::Purse;
use seal::{Opener, Sealer};
use services::Incoming;
use streams::Streams;
use timers::Pings;

/// What we say of ourselves on flatend/2, owned by the connection.
pub(crate) struct Own {
    pub(crate) key: SigningKey,
    pub(crate) network_key: Option<[u8; KEY_BYTES]>,
    pub(crate) hello: Hello,
    /// The list of services, encoded.
    pub(crate) services: Vec<String>,
    /// The number of that list; 0 counts by itself.
    pub(crate) epoch: u64,
    pub(crate) expected_key: Option<[u8; KEY_BYTES]>,
    pub(crate) legacy: bool,
    /// What identities sign on this link, as soon as it is known.
    pub(crate) binding: [u8; KEY_BYTES],
}

impl std::fmt::Debug for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Secrets stay out.
        f.debug_struct("Own")
            .field("hello", &self.hello)
            .finish_non_exhaustive()
    }
}

/// Where the handshake stands.
///
/// ```text
/// AwaitHello ──the peer's HELLO, verified (a dialer answers with its own)──▶ AwaitServices ──its first list──▶ Up
/// ```
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Phase {
    AwaitHello,
    /// Requests may come and go already; who the peer is is known, what it offers is not.
    AwaitServices,
    Up,
}

/// Requests that may be sent beyond those that were.
#[derive(Debug)]
struct Grants {
    /// Ours, given by the peer.
    ours: u64,
    /// The peer's, given by us.
    theirs: u64,
    /// Requests of theirs that ended and were not granted anew yet.
    ended: u64,
}

#[derive(Debug)]
pub(crate) struct Link {
    role: Role,
    opener: Opener,
    sealer: Sealer,
    phase: Phase,
    hello: Option<Hello>,
    peer: Option<Peer>,
    /// The number of our next stream.
    next: u64,
    /// The highest number that the peer has used; 0 if none.
    theirs: u64,
    streams: Streams,
    grants: Grants,
    /// A list of the peer's that has begun and not ended.
    incoming: Option<Box<Incoming>>,
    /// Of our last list, what the caller wants the next one to have, and of the peer's last.
    epoch: u64,
    next_epoch: u64,
    peer_epoch: u64,
    pings: Pings,
    rest: Rest,
    /// The end behind a piece of a body that was just handed out.
    pending_end: Option<StreamId>,
    lookups: Lookups,
    said_goodbye: bool,
    heard_goodbye: bool,
    requests_taken: u64,
    dropped: u64,
}

impl Link {
    /// Both keys are known. An acceptor says HELLO at once.
    pub(crate) fn new(
        shared: &mut Shared,
        now: Millis,
        own: &mut Own,
        secrets: Secrets,
        table_seed: [u64; 2],
    ) -> Self {
        let role = shared.role;
        own.binding = secrets.binding;
        let (seal, open) = secrets.directions(role);
        let mut link = Self {
            role,
            opener: Opener::new(open),
            sealer: Sealer::new(seal),
            phase: Phase::AwaitHello,
            hello: None,
            peer: None,
            next: match role {
                Role::Dialer => 1,
                Role::Acceptor => 2,
            },
            theirs: 0,
            streams: Streams::new(
                table_seed,
                Purse::new(shared.limits.extra_window_bytes_max, shared.room),
            ),
            grants: Grants {
                ours: 0,
                theirs: u64::from(own.hello.first_grant),
                ended: 0,
            },
            incoming: None,
            epoch: 0,
            next_epoch: own.epoch,
            peer_epoch: 0,
            pings: Pings::new(shared.clock.at(now)),
            rest: Rest::default(),
            pending_end: None,
            lookups: Lookups::default(),
            said_goodbye: false,
            heard_goodbye: false,
            requests_taken: 0,
            dropped: 0,
        };
        if role == Role::Acceptor {
            link.say_hello(shared, own);
        }
        link
    }

    fn say_hello(&mut self, shared: &mut Shared, own: &Own) {
        let body = own.hello.encode(self.role, &own.binding, &own.key);
        self.put(shared, kind::HELLO, 0, 0, body.len(), |out| {
            out.extend_from_slice(&body);
        });
        // Alone in the first frame.
        shared.out.seal_gathered(&mut self.sealer);
    }

    /// Appends a message whose body has `bytes` bytes.
    fn put(
        &mut self,
        shared: &mut Shared,
        kind: u8,
        flags: u8,
        stream: u64,
        bytes: usize,
        body: impl FnOnce(&mut Vec<u8>),
    ) {
        if stream != 0 {
            self.rest.note(shared.clock.bytes_came());
        }
        let head = MessageHead {
            kind,
            flags,
            stream,
        };
        shared.out.put_message(head, bytes, &mut self.sealer, body);
    }

    /// Seals what was gathered.
    pub(crate) fn seal(&mut self, shared: &mut Shared) {
        shared.out.seal_gathered(&mut self.sealer);
        if self.rest.is_at_rest() {
            self.sealer.rest();
        }
    }

    /// The socket took `count` bytes.
    pub(crate) fn transmitted(&self, shared: &mut Shared, count: usize) {
        shared.out.transmitted(count);
        if self.rest.is_at_rest() {
            shared.out.rest();
        }
    }

    /// Takes a frame off the front of the input and opens it in place.
    pub(crate) fn open<'a>(&mut self, input: &'a mut [u8]) -> Result<Opened<'a>, ProtocolError> {
        let Some((length_bytes, rest)) = input.split_first_chunk_mut::<LENGTH_BYTES>() else {
            return Ok(Opened::Incomplete {
                at_least: LENGTH_BYTES,
            });
        };
        let length_bytes = *length_bytes;
        let bytes = u32::from_be_bytes(length_bytes);
        let (min, max) = (
            // A frame without messages is none.
            TAG_BYTES + MESSAGE_HEADER_BYTES,
            match self.phase {
                Phase::AwaitHello => HELLO_FRAME_BYTES_MAX,
                Phase::AwaitServices | Phase::Up => PLAINTEXT_BYTES_MAX + TAG_BYTES,
            },
        );
        let length = usize::try_from(bytes).unwrap_or(usize::MAX);
        if !(min..=max).contains(&length) {
            return Err(ProtocolError::FrameLength { bytes, min, max });
        }
        let consumed = LENGTH_BYTES + length;
        let Some(sealed) = rest.get_mut(..length) else {
            return Ok(Opened::Incomplete { at_least: consumed });
        };
        let first = self.opener.frame() == 0;
        let plaintext = self
            .opener
            .open(length_bytes, sealed)
            .map_err(|error| match error {
                // What another network key looks like.
                ProtocolError::Tag { .. } if first => ProtocolError::FirstFrame,
                error => error,
            })?;
        self.pings.note_alive();
        Ok(Opened::Frame {
            consumed,
            messages: Messages(Plaintext::Flatend2(plaintext)),
        })
    }

    pub(crate) fn peer(&self) -> Option<&Peer> {
        self.peer.as_ref().filter(|_| self.phase == Phase::Up)
    }

    pub(crate) fn hello(&self) -> Option<&Hello> {
        self.hello.as_ref()
    }

    /// Our own goodbye ends the peer's requests, not ours.
    pub(crate) fn is_ready(&self) -> bool {
        self.phase == Phase::Up && !self.heard_goodbye
    }

    pub(crate) fn retirement(&self) -> Retirement {
        if self.heard_goodbye {
            Retirement::Retiring
        } else {
            Retirement::Active
        }
    }

    pub(crate) fn set_window_room(&mut self, room: WindowRoom) {
        self.streams.set_room(room);
    }

    pub(crate) fn window_bytes(&self) -> u64 {
        self.streams.given()
    }

    /// The link is lost: nothing of its streams will come any more.
    pub(crate) fn forget_streams(&mut self) {
        self.streams.clear();
    }

    pub(crate) fn open_streams(&self) -> usize {
        self.streams.ours + self.streams.theirs
    }

    pub(crate) const fn is_at_rest(&self) -> bool {
        self.rest.is_at_rest()
    }

    pub(crate) fn requests_open(&self) -> usize {
        self.streams.theirs
    }

    pub(crate) fn dropped_packets(&self) -> u64 {
        self.dropped
    }

    /// Bytes that may be sent on a stream now; without a bound for one that is gone, which the next piece is told.
    pub(crate) fn send_capacity(&self, stream: StreamId) -> usize {
        self.streams.get(stream.0).map_or(usize::MAX, |stream| {
            usize::try_from(stream.send_window).unwrap_or(usize::MAX)
        })
    }

    pub(crate) fn is_gone(&self, stream: StreamId) -> bool {
        self.streams.get(stream.0).is_none()
    }

    pub(crate) fn check_invariants(&self) {
        self.streams.check_invariants();
        debug_assert_eq!(self.peer.is_some(), self.phase != Phase::AwaitHello);
    }
}
