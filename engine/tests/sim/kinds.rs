//! What travels, what happens, and what stands in the world of the simulation.

use std::net::SocketAddr;

use flatend::discovery::{DialEnd, DialId, Lane};
use flatend::kademlia::Key;

use super::net::{ConnId, To};
use super::node::Ours;
use super::old::{Fault, Old};

/// What travels over a link.
#[derive(Clone)]
pub(crate) enum Msg {
    /// `claim`: what its sender says of itself on flatend/2; old peers do not, and pass it over.
    Hello {
        key: Option<Key>,
        shown: Option<SocketAddr>,
        services: u32,
        claim: Option<Lane>,
    },
    HelloReply {
        key: Option<Key>,
        shown: Option<SocketAddr>,
        services: u32,
        claim: Option<Lane>,
    },
    FindNode {
        target: Key,
    },
    Nodes {
        ids: Vec<(Key, SocketAddr)>,
    },
    /// No new requests: another link leads there.
    Goodbye,
    /// A second Handshake; its reply says nothing new.
    Services {
        services: u32,
    },
}

impl std::fmt::Debug for Msg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let short = |key: &Key| u16::from_be_bytes([key[0], key[1]]);
        match self {
            Msg::Hello {
                key,
                services,
                claim,
                ..
            } => {
                let lane = claim.map(|claim| claim.lane);
                write!(
                    f,
                    "Hello({:04x?}, {services}, lane {lane:?})",
                    key.as_ref().map(short)
                )
            }
            Msg::HelloReply { key, services, .. } => {
                write!(
                    f,
                    "HelloReply({:04x?}, {services})",
                    key.as_ref().map(short)
                )
            }
            Msg::FindNode { target } => write!(f, "FindNode({:04x})", short(target)),
            Msg::Nodes { ids } => {
                let keys: Vec<u16> = ids.iter().map(|(key, _)| short(key)).collect();
                write!(f, "Nodes({keys:04x?})")
            }
            Msg::Goodbye => write!(f, "Goodbye"),
            Msg::Services { services } => write!(f, "Services({services})"),
        }
    }
}

/// What happens at a time.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// A core's deadline.
    Timeout {
        host: usize,
    },
    /// 200 ms after a handshake: questions may be sent.
    Ready {
        conn: ConnId,
    },
    Arrive {
        conn: ConnId,
        to: To,
        msg: Msg,
    },
    /// A side sees that its link has ended.
    Closed {
        conn: ConnId,
        to: To,
        renewed: bool,
    },
    /// The last stream of a link that one side has said goodbye on has ended.
    Left {
        conn: ConnId,
        by: To,
    },
    /// Requests have passed over a link.
    Works {
        conn: ConnId,
    },
    /// A dial has found nobody.
    DialFailed {
        host: usize,
        life: u32,
        by: Dialer,
        end: DialEnd,
    },
    /// An old peer dials again.
    OldRedial {
        host: usize,
        life: u32,
        addr: SocketAddr,
        left: u32,
    },
}

/// Who dials.
#[derive(Clone, Copy, Debug)]
pub(super) enum Dialer {
    Ours(DialId),
    /// An old peer, with so many tries left.
    Old(u32),
}

pub(super) enum Running {
    Ours(Box<Ours>),
    Old(Old),
}

/// A machine with an address, on which a node runs or not.
pub(crate) struct Host {
    pub(crate) key: Option<Key>,
    pub(crate) addr: SocketAddr,
    pub(crate) seeds: Vec<usize>,
    pub(crate) old: Option<Fault>,
    /// Shards of a node of ours here.
    pub(crate) shards: u16,
    /// The version of its list of services.
    pub(crate) services: u32,
    /// What each of its messages is late.
    pub(crate) slow_ms: u64,
    pub(super) running: Option<Running>,
    pub(super) life: u32,
    pub(super) wake: Option<u64>,
}

pub(super) struct Conn {
    pub(super) dialer: usize,
    pub(super) acceptor: usize,
    pub(super) lives: (u32, u32),
    pub(super) by: Dialer,
    pub(super) addr: SocketAddr,
    /// Which of the links to a process, and the shards that own it, the dialer's and the acceptor's.
    pub(super) lane: u16,
    pub(super) shards: (usize, usize),
    pub(super) alive: bool,
    /// One side has said goodbye.
    pub(super) leaving: bool,
    /// The dialer has its reply.
    pub(super) up: bool,
}

/// What was counted in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) events: u64,
    pub(crate) messages: u64,
    pub(crate) lookups: u64,
    pub(crate) dials: u64,
}
