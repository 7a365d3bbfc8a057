//! What goes into the mesh core and comes out of it.

use std::net::SocketAddr;

use super::Redial;
use crate::kademlia::Key;
use crate::routing::LinkRef;

/// What a core is made from.
#[derive(Clone, Debug)]
pub struct Config {
    /// Our public key; `None`: this node is anonymous.
    pub own: Option<Key>,
    /// The key that we prove on flatend/2: `own`, or one for this run.
    pub proved: Key,
    /// The number of our process.
    pub instance: [u8; 16],
    /// Our shards.
    pub shards: usize,
    /// Where we listen and what we show: never dialed.
    pub own_addrs: Vec<SocketAddr>,
    /// How many bootstrap addresses there are; they are known by their numbers here.
    pub bootstrap: usize,
    /// Pauses between dials.
    pub redial: Redial,
    /// For jitter and the choice of whom to ask: any number.
    pub seed: u64,
}

/// Names a dial from its action to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DialId(pub u64);

/// What is dialed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A bootstrap address, by its number.
    Bootstrap(usize),
    /// An ID that others named, or that was connected before.
    Peer {
        /// Whom we expect there.
        key: Key,
        /// Where.
        addr: SocketAddr,
        /// The key has signed that it is there (flatend2.md 4): nobody else is to answer.
        signed: bool,
    },
    /// A further link to a process: nobody else is to answer.
    Lane {
        /// Which process.
        process: Process,
        /// The number of the lane.
        lane: u16,
        /// Where.
        addr: SocketAddr,
        /// Our shard that is to own the link.
        shard: usize,
    },
}

/// What an answer names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// Whose key.
    pub key: Key,
    /// Where it is said to be.
    pub addr: SocketAddr,
    /// The key has signed that, on flatend/2.
    pub signed: bool,
}

/// A process of a node: replicas may share a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    /// The key that it has proved.
    pub key: Key,
    /// Its number.
    pub instance: [u8; 16],
}

/// A process, and which of the links to it this is (flatend2.md 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Where it leads to.
    pub process: Process,
    /// Which link, as its dialer says.
    pub lane: u16,
    /// Shards of the process.
    pub shards: u16,
}

/// How a link ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Down {
    /// It is lost, the peer has left, or another leads to the same process.
    Lost,
    /// By ourselves, so that it is made again, or the peer says that it restarts: if we had dialed it, at once.
    Renewed,
}

/// A handshake is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkUp {
    /// Which link.
    pub link: LinkRef,
    /// Which process it has proved to be, and the lane; `None` on legacy.
    pub lane: Option<Lane>,
    /// Whose key the peer shows; `None`: it is anonymous.
    pub key: Option<Key>,
    /// Where it can be dialed.
    pub addr: Option<SocketAddr>,
    /// The other end of the connection: the dialed address if we dialed.
    pub from: Option<SocketAddr>,
    /// The dial that led to it; `None`: the peer dialed us.
    pub dial: Option<DialId>,
}

/// How a dial ended that led to no link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialEnd {
    /// Nobody answers there, or not as a node does.
    Failed,
    /// We answer there ourselves.
    Ourselves,
}

/// What the core wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Dial: the end is told by [`Core::link_up`](super::Core::link_up) or [`Core::dial_ended`](super::Core::dial_ended).
    Dial {
        /// Its name.
        dial: DialId,
        /// What.
        target: Target,
        /// Dials of it that failed just before.
        attempt: u32,
    },
    /// Send FindNode over a link; the answer is told by [`Core::named`](super::Core::named).
    Ask {
        /// Over which link.
        link: LinkRef,
        /// For which key.
        target: Key,
    },
    /// End a link with its last stream: another leads to the same process.
    Supersede {
        /// Which link.
        link: LinkRef,
    },
    /// For the log: a bootstrap address is dialed again after a pause.
    Pausing {
        /// Its number.
        bootstrap: usize,
        /// The pause.
        pause_ms: u64,
    },
    /// For the log: a bootstrap address is not dialed again.
    GaveUp {
        /// Its number.
        bootstrap: usize,
        /// Attempts that failed in a row.
        attempts: u32,
    },
    /// For the log: the first lookup has ended.
    Discovered {
        /// IDs that it brought.
        peers: usize,
    },
}

/// What the core has counted since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Dials begun.
    pub dials: u64,
    /// Dials that led to no link.
    pub dials_failed: u64,
    /// Dials that found another identity than the expected one.
    pub wrong_identities: u64,
    /// FindNode questions, without those that a dialer asks on its own.
    pub questions: u64,
    /// Questions without an answer in time.
    pub unanswered: u64,
    /// IDs that peers named.
    pub named: u64,
    /// Of them, those that were news.
    pub discovered: u64,
    /// Of them, those with an address that cannot be dialed, or that is ours or known as another's.
    pub bad_addresses: u64,
    /// Of them, those for which there was no room.
    pub forgotten: u64,
    /// Refreshes.
    pub refreshes: u64,
    /// Links that were ended for another to the same process.
    pub superseded: u64,
}
