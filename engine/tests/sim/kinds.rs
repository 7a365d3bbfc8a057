//! What travels, what happens, and what stands in the world of the simulation.

use std::net::SocketAddr;

use flatend::discovery::{DialEnd, DialId};
use flatend::kademlia::Key;

use super::net::{ConnId, To};
use super::node::Ours;
use super::old::{Fault, Old};

/// What travels over a link.
#[derive(Clone)]
pub(crate) enum Msg {
    Hello {
        key: Option<Key>,
        shown: Option<SocketAddr>,
        services: u32,
    },
    HelloReply {
        key: Option<Key>,
        shown: Option<SocketAddr>,
        services: u32,
    },
    FindNode {
        target: Key,
    },
    Nodes {
        ids: Vec<(Key, SocketAddr)>,
    },
    /// A second Handshake; its reply says nothing new.
    Services {
        services: u32,
    },
}

impl std::fmt::Debug for Msg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let short = |key: &Key| u16::from_be_bytes([key[0], key[1]]);
        match self {
            Msg::Hello { key, services, .. } => {
                write!(f, "Hello({:04x?}, {services})", key.as_ref().map(short))
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
    pub(super) alive: bool,
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
