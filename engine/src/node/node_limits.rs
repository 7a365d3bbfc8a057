//! What a node lets its peers use, where a service's author may want less or more than the defaults.

use std::time::Duration;

use crate::limits;
use crate::rt;

/// Limits of a node, each of them one shard's or one link's ([`NodeBuilder::limits`](super::NodeBuilder::limits)).
///
/// ```
/// use flatend::{Node, NodeLimits};
///
/// let node = Node::builder().limits(NodeLimits {
///     links: 100,
///     ..NodeLimits::default()
/// });
/// # let _ = node;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeLimits {
    /// Links that a shard has at most; a further one that dials us is closed at once. 8,192. Descriptors are needed for other
    /// things too, and a mesh in which each node has more peers needs another form.
    pub links: usize,
    /// Requests of one link whose handlers run, or whose bodies still come. Past it a request is refused, so that its caller may
    /// ask another node. 65,536: a gateway sends the requests of all its clients over a few links.
    pub handler_streams: usize,
    /// Bytes of the heads of requests of one link whose handlers run. Past it requests are refused. 16 MiB; at least 128 KiB,
    /// which is the largest head.
    pub handler_head_bytes: usize,
    /// Bytes of one body that arrived and that its reader has not taken. Past it the link is not read, for legacy has no credit by
    /// stream; a reader that takes nothing for 1 s is then given what the link has left. 512 KiB; at least 64 KiB, which is the largest
    /// piece.
    pub stream_unread_bytes: usize,
    /// The same for all bodies of one link together, those that are whole included; a reader that takes nothing for 10 s then loses
    /// its stream. 16 MiB; not below `stream_unread_bytes`.
    pub link_unread_bytes: usize,
    /// What peers on flatend/2 may send a shard before anybody reads it, over all of its links: 64 KiB for each request of ours that is
    /// not answered whole, and for each of theirs whose body still comes, and what windows are widened by. A request of ours that finds
    /// no room waits, as long as it may be held, else 1.5 s ([`CallError::OverBudget`](crate::CallError)); one of theirs with a body is refused. At
    /// least 1 MiB; `None` is a sixteenth of the memory that the process may use, divided by its shards, and 64 MiB if that is less
    /// ([`NodeLimits::receive_bytes_of`]).
    pub receive_bytes: Option<usize>,
    /// How long requests in flight may take to end at shutdown. 10 s: longer than most, shorter than an orchestrator waits before
    /// it kills.
    pub drain: Duration,
}

impl Default for NodeLimits {
    fn default() -> Self {
        NodeLimits {
            links: limits::LINKS_MAX,
            handler_streams: limits::HANDLER_STREAMS_MAX,
            handler_head_bytes: limits::HANDLER_HEAD_BYTES_MAX,
            stream_unread_bytes: limits::STREAM_UNREAD_BYTES_MAX,
            link_unread_bytes: limits::LINK_UNREAD_BYTES_MAX,
            receive_bytes: None,
            drain: Duration::from_millis(limits::DRAIN_MS),
        }
    }
}

impl NodeLimits {
    /// A sentence for each limit that makes no sense.
    pub(super) fn findings(&self) -> Vec<String> {
        let least = [
            ("links", self.links, 1),
            ("handler_streams", self.handler_streams, 1),
            (
                "handler_head_bytes",
                self.handler_head_bytes,
                limits::HANDLER_HEAD_BYTES_MIN,
            ),
            (
                "stream_unread_bytes",
                self.stream_unread_bytes,
                limits::STREAM_UNREAD_BYTES_MIN,
            ),
            (
                "link_unread_bytes",
                self.link_unread_bytes,
                self.stream_unread_bytes,
            ),
            (
                "receive_bytes",
                self.receive_bytes.unwrap_or(limits::RECEIVE_BYTES_MIN),
                limits::RECEIVE_BYTES_MIN,
            ),
        ];
        let low = least.into_iter().filter(|(_, value, min)| value < min);
        low.map(|(name, value, min)| {
            format!("the limit {name} is {value}: at least {min} are needed")
        })
        .collect()
    }

    /// [`NodeLimits::receive_bytes`] of each of `shards` shards: what is said, or what the memory of this process allows.
    #[must_use]
    pub fn receive_bytes_of(&self, shards: usize) -> usize {
        self.receive_bytes
            .unwrap_or_else(|| receive_share(rt::memory_bytes(), shards))
    }

    /// `drain` in milliseconds.
    pub(crate) fn drain_ms(&self) -> u64 {
        u64::try_from(self.drain.as_millis()).unwrap_or(u64::MAX)
    }
}

/// What of `memory` one of `shards` shards may hold unread.
fn receive_share(memory: Option<u64>, shards: usize) -> usize {
    let share = memory.unwrap_or(0) / limits::RECEIVE_MEMORY_SHARE / shards.max(1) as u64;
    let share = usize::try_from(share).unwrap_or(usize::MAX);
    share.max(limits::RECEIVE_BYTES_DEFAULT_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_value_of_each_limit_passes_and_the_one_below_is_named() {
        let least = NodeLimits {
            links: 1,
            handler_streams: 1,
            handler_head_bytes: 128 * 1024,
            stream_unread_bytes: 64 * 1024,
            link_unread_bytes: 64 * 1024,
            receive_bytes: Some(1024 * 1024),
            drain: Duration::ZERO,
        };
        assert!(least.findings().is_empty());
        let below = NodeLimits {
            links: 0,
            handler_streams: 0,
            handler_head_bytes: least.handler_head_bytes - 1,
            stream_unread_bytes: least.stream_unread_bytes - 1,
            link_unread_bytes: least.stream_unread_bytes - 2,
            receive_bytes: Some(1024 * 1024 - 1),
            drain: Duration::ZERO,
        };
        assert_eq!(
            below.findings(),
            [
                "the limit links is 0: at least 1 are needed",
                "the limit handler_streams is 0: at least 1 are needed",
                "the limit handler_head_bytes is 131071: at least 131072 are needed",
                "the limit stream_unread_bytes is 65535: at least 65536 are needed",
                "the limit link_unread_bytes is 65534: at least 65535 are needed",
                "the limit receive_bytes is 1048575: at least 1048576 are needed",
            ]
        );
        assert!(NodeLimits::default().findings().is_empty());
    }

    #[test]
    fn the_receive_budget_is_a_part_of_the_memory_and_not_less_than_a_thousand_streams_a_shard() {
        const MIB: u64 = 1024 * 1024;
        let share = |memory, shards| receive_share(memory, shards) as u64 / MIB;
        assert_eq!(share(None, 1), 64);
        assert_eq!(share(Some(512 * MIB), 2), 64);
        assert_eq!(share(Some(2 * 1024 * MIB), 2), 64);
        assert_eq!(share(Some(2 * 1024 * MIB), 1), 128);
        assert_eq!(share(Some(64 * 1024 * MIB), 8), 512);
        let said = NodeLimits {
            receive_bytes: Some(7),
            ..NodeLimits::default()
        };
        assert_eq!(said.receive_bytes_of(3), 7);
        assert!(NodeLimits::default().receive_bytes_of(1) as u64 >= 64 * MIB);
    }
}
