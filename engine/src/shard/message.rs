//! What travels between shards: requests for a link that another shard owns, their bodies both ways, and credit.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use flatend_codec::{HeaderBlock, Millis};

use super::{Shard, Stage};
use crate::client::Exchange;
use crate::error::{CallError, Fault};
use crate::kademlia::Key;
use crate::mesh::{Dial, Handover, Head};
use crate::routing::LinkRef;

/// Names a call between two shards: who asks, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CallId {
    pub(crate) shard: usize,
    pub(crate) number: u64,
}

/// A message to a shard.
pub(crate) enum Message {
    /// A new snapshot can be read.
    Republished,
    /// Every shard is ready: links and tasks may begin.
    Start,
    /// The node shuts down.
    Drain,
    /// Every shard has come so far in its end.
    Over(Stage),
    /// What this node offers has changed: the peers are told.
    Offers,
    /// Whom the node takes has changed: each link is looked at again.
    Trust,
    /// Dial a node, and run the link.
    Dial(Dial),
    /// A link that another shard has accepted for this one.
    Handover(Box<Handover>),
    /// Another link leads to the same instance: end this one with its last stream.
    Supersede { link: LinkRef },
    /// Ask the peer of a link for nodes.
    Ask { link: LinkRef, target: Key },
    /// A piece of a call whose link and caller live on different shards.
    Relay(Relay),
    /// Something of another thread to run here. It must not block or panic.
    Run(Run),
    /// A thread that is no shard has changed something of its request.
    Poke(Arc<Exchange>),
}

/// What [`Message::Run`] runs. If it is dropped instead, the shard has ended.
pub(crate) type Run = Box<dyn FnOnce(&Rc<Shard>) + Send>;

/// One piece of a relayed call.
pub(crate) enum Relay {
    /// Caller → link: open a stream.
    Open(Box<Open>),
    /// Caller → link: a piece of the request's body.
    Body { call: CallId, bytes: Bytes },
    /// Caller → link: the body is complete, with what headers stand behind it.
    BodyEnd { call: CallId, trailers: HeaderBlock },
    /// Caller → link: the reader took so many bytes of the response.
    Taken { call: CallId, bytes: usize },
    /// Caller → link: give the stream up.
    Cancel { call: CallId, done: bool },
    /// Link → caller: the stream is open; only told if a body follows.
    Opened { call: CallId },
    /// Link → caller: the link took so many bytes of the body.
    Sent { call: CallId, bytes: usize },
    /// Link → caller: the stream could not be opened; another provider may be tried.
    NotOpened { call: CallId, error: CallError },
    /// Link → caller: the response's head.
    Head { call: CallId, headers: HeaderBlock },
    /// Link → caller: a piece of the response's body.
    Data { call: CallId, bytes: Bytes },
    /// Link → caller: headers behind the response's body, whose end follows.
    Trailers { call: CallId, trailers: HeaderBlock },
    /// Link → caller: the response is complete.
    End { call: CallId },
    /// Link → caller: the stream broke.
    Failed { call: CallId, fault: Fault },
}

/// What opens a stream on another shard's link.
pub(crate) struct Open {
    pub(crate) call: CallId,
    pub(crate) link: LinkRef,
    pub(crate) services: Arc<[String]>,
    pub(crate) headers: HeaderBlock,
    pub(crate) extras: HeaderBlock,
    pub(crate) deadline: Option<Millis>,
    pub(crate) end: bool,
}

impl Open {
    pub(crate) fn head(&self) -> Head<'_> {
        Head {
            headers: &self.headers,
            extras: &self.extras,
            deadline: self.deadline,
            end: self.end,
        }
    }
}
