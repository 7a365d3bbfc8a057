//! A link that speaks the legacy dialect (protocol.md). Owns its session, RPC numbers, streams and timers. Refuses to act for the
//! peer's good name: whatever breaks the protocol is an error, except where section 6 says that honest peers do it.

mod abandon;
mod announce;
mod cut;
mod exchange;
mod hold;
mod liveness;
mod lookup;
mod receive;
mod rpc;
mod send;
mod silence;
mod timers;
mod unwanted;

use std::collections::VecDeque;

use crate::connection::{Opened, Peer, Plaintext, Retirement, Role, Shared};
use crate::dialect::{Dialect, PeerKind};
use crate::error::ProtocolError;
use crate::event::Token;
use crate::flatend2::Downgrade;
use crate::limits::{FRAME_BYTES_MIN, HANDSHAKE_FRAME_BYTES_MAX, LENGTH_BYTES};
use crate::packet::Opcode;
use crate::rest::Rest;
use crate::session::{FrameStart, Opener, Sealer, Secret};
use crate::stream::ids::StreamIds;
use crate::stream::StreamTable;
use crate::{Messages, Millis};
use abandon::Abandoned;
use liveness::Liveness;
use lookup::Lookups;
use rpc::{Question, Rpc};
use silence::SilentQueue;
use unwanted::Unwanted;

/// Where the handshake stands.
///
/// ```text
/// dialer:   AwaitReply ──reply──▶ Up
/// acceptor: AwaitHandshake ──Handshake, answered──▶ FirstWait ──next packet or 200 ms──▶ Up
/// ```
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Phase {
    AwaitReply,
    AwaitHandshake,
    /// Rule G08: Go dies of a request before it has digested our reply.
    FirstWait {
        until: Millis,
    },
    Up,
}

#[derive(Debug)]
pub(crate) struct Link {
    opener: Opener,
    sealer: Sealer,
    phase: Phase,
    peer: Option<Peer>,
    kind: PeerKind,
    rpc: Rpc,
    ids: StreamIds,
    streams: StreamTable,
    silent: SilentQueue,
    liveness: Liveness,
    rest: Rest,
    abandoned: Abandoned,
    unwanted: Unwanted,
    /// Requests of ours, complete and given up, whose answers may still come; the oldest first.
    discarded: VecDeque<u32>,
    lookups: Lookups,
    /// What a node that speaks flatend/2 adds to its Handshake and looks for behind the peer's.
    downgrade: Option<Downgrade>,
    said_goodbye: bool,
    /// Another link is to take its place.
    replaced: bool,
    dropped: u64,
    malformed: u64,
}

impl Link {
    /// The session key is known. A dialer shakes hands at once.
    pub(crate) fn new(
        shared: &mut Shared,
        now: Millis,
        key: &Secret,
        table_seed: [u64; 2],
        downgrade: Option<Downgrade>,
    ) -> Self {
        let phase = match shared.role {
            Role::Dialer => Phase::AwaitReply,
            Role::Acceptor => Phase::AwaitHandshake,
        };
        let mut link = Self {
            opener: Opener::new(&key.0),
            sealer: Sealer::new(&key.0),
            phase,
            peer: None,
            kind: PeerKind::Unknown,
            rpc: Rpc::new(shared.role),
            ids: StreamIds::new(shared.role),
            streams: StreamTable::new(table_seed),
            silent: SilentQueue::default(),
            liveness: Liveness::new(shared.clock.at(now)),
            rest: Rest::default(),
            abandoned: Abandoned::default(),
            unwanted: Unwanted::default(),
            discarded: VecDeque::new(),
            lookups: Lookups::default(),
            downgrade,
            said_goodbye: false,
            replaced: false,
            dropped: 0,
            malformed: 0,
        };
        if phase == Phase::AwaitReply {
            let seq = link.rpc.ask_handshake();
            // One Handshake a connection: Node dies of a second (rule N01).
            link.shake_hands(shared, seq);
        }
        link
    }

    /// Sends our Handshake as the request `seq`.
    fn shake_hands(&mut self, shared: &mut Shared, seq: u32) {
        let start = shared.out.begin(seq);
        let message = shared.out.message();
        message.push(Opcode::Handshake as u8);
        message.extend_from_slice(&shared.handshake_body);
        message.extend_from_slice(self.trailer());
        shared.out.finish(start, &mut self.sealer);
    }

    /// Seals the frame of a message of a stream.
    fn finish(&mut self, shared: &mut Shared, start: FrameStart) {
        self.rest.note(shared.clock.bytes_came());
        shared.out.finish(start, &mut self.sealer);
    }

    /// What was said is to leave.
    pub(crate) fn seal(&mut self) {
        if self.rest.is_at_rest() {
            self.sealer.rest();
        }
    }

    /// What follows our Handshake.
    fn trailer(&self) -> &[u8] {
        self.downgrade
            .as_ref()
            .map_or(&[], |downgrade| &downgrade.trailer)
    }

    /// Takes a frame off the front of the input and opens it in place.
    pub(crate) fn open<'a>(
        &mut self,
        shared: &Shared,
        input: &'a mut [u8],
    ) -> Result<Opened<'a>, ProtocolError> {
        let Some((length, rest)) = input.split_first_chunk_mut::<LENGTH_BYTES>() else {
            return Ok(Opened::Incomplete {
                at_least: LENGTH_BYTES,
            });
        };
        let bytes = u32::from_be_bytes(*length);
        let max = match self.phase {
            Phase::AwaitHandshake | Phase::AwaitReply => {
                HANDSHAKE_FRAME_BYTES_MAX.min(shared.limits.frame_bytes_max)
            }
            Phase::FirstWait { .. } | Phase::Up => shared.limits.frame_bytes_max,
        };
        let length = usize::try_from(bytes).unwrap_or(usize::MAX);
        if !(FRAME_BYTES_MIN..=max).contains(&length) {
            return Err(ProtocolError::FrameLength {
                bytes,
                min: FRAME_BYTES_MIN,
                max,
            });
        }
        let consumed = LENGTH_BYTES + length;
        let Some(sealed) = rest.get_mut(..length) else {
            return Ok(Opened::Incomplete { at_least: consumed });
        };
        let plaintext = self.opener.open(sealed)?;
        Ok(Opened::Frame {
            consumed,
            messages: Messages(Plaintext::Legacy(plaintext)),
        })
    }

    pub(crate) fn peer(&self) -> Option<&Peer> {
        self.peer.as_ref()
    }

    pub(crate) fn kind(&self) -> PeerKind {
        self.kind
    }

    fn dialect(&self) -> &'static Dialect {
        Dialect::of(self.kind)
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.phase == Phase::Up && self.retirement() != Retirement::Dead
    }

    pub(crate) fn retirement(&self) -> Retirement {
        match (self.abandoned.retirement(), self.unwanted.retirement()) {
            (Retirement::Dead, _) | (_, Retirement::Dead) => Retirement::Dead,
            (Retirement::Active, Retirement::Active) if !self.said_goodbye && !self.replaced => {
                Retirement::Active
            }
            _ => Retirement::Retiring,
        }
    }

    pub(crate) fn open_streams(&self) -> usize {
        self.streams.counts().live
    }

    pub(crate) const fn is_at_rest(&self) -> bool {
        self.rest.is_at_rest()
    }

    pub(crate) fn requests_open(&self) -> usize {
        self.streams.counts().theirs
    }

    pub(crate) fn own_lookup(&self) -> Option<Token> {
        self.lookups.own()
    }

    pub(crate) fn dropped_packets(&self) -> u64 {
        self.dropped
    }

    pub(crate) fn malformed_packets(&self) -> u64 {
        self.malformed
    }

    pub(crate) fn abandoned_streams(&self) -> u32 {
        self.abandoned.count()
    }

    pub(crate) fn retire(&mut self) {
        self.replaced = true;
    }

    pub(crate) fn goodbye(&mut self) {
        self.said_goodbye = true;
    }

    pub(crate) fn check_invariants(&self) {
        self.streams.check_invariants();
        if cfg!(debug_assertions) {
            debug_assert_eq!(
                self.peer.is_some(),
                matches!(self.phase, Phase::FirstWait { .. } | Phase::Up)
            );
            debug_assert!(self.peer.as_ref().is_none_or(|peer| peer.kind == self.kind));
        }
    }
}
