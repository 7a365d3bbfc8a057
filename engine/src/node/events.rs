//! What happens to a node, for its log. The receiver must not block: events come from the shards and the control thread.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::limits::EVENT_NAMES_BYTES_MAX;
use crate::routing::{Cause, ProviderName};

/// Where events go.
pub(crate) type Events = Arc<dyn Fn(NodeEvent) + Send + Sync>;

/// How a peer is named in the log: its address, or `<anon>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerName(pub Option<SocketAddr>);

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(addr) => addr.fmt(f),
            None => f.write_str("<anon>"),
        }
    }
}

/// Something worth a log line. Its `Display` is the line as the seed's gateway writes it, where it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeEvent {
    /// The file of the node's secret key was not there, and was made.
    KeyMade {
        /// The file.
        path: PathBuf,
    },
    /// The node listens for peers.
    Listening(SocketAddr),
    /// The node listens there for everybody who reaches it: it has neither a network key nor lists of keys.
    OpenMesh(SocketAddr),
    /// A peer dialed us and shook hands.
    Accepted {
        /// Who.
        peer: PeerName,
        /// What it offers.
        services: Vec<String>,
    },
    /// We dialed a peer and shook hands.
    Dialed {
        /// Who.
        peer: PeerName,
        /// What it offers.
        services: Vec<String>,
    },
    /// A connected peer shook hands again.
    Reprobed {
        /// Who.
        peer: PeerName,
        /// What it offers now.
        services: Vec<String>,
    },
    /// A link ended after its handshake.
    Disconnected {
        /// Who.
        peer: PeerName,
        /// What it offered.
        services: Vec<String>,
        /// Why, in a few words; not part of the seed's line.
        reason: String,
    },
    /// A bootstrap address is dialed again after a pause.
    Redialing {
        /// The address as configured.
        target: String,
        /// The pause before the dial.
        pause_ms: u64,
    },
    /// A bootstrap address is dialed no more ([`Reconnect::attempts`](crate::Reconnect::attempts)).
    GaveUp {
        /// The address as configured.
        target: String,
        /// Dials that failed in a row, the one that found it away not counted.
        attempts: u32,
    },
    /// The first lookup of this node has ended.
    Discovered {
        /// How many IDs peers have named to it, those left out that it was connected to already.
        peers: usize,
    },
    /// A peer offers what it may not ([`Trust`](crate::Trust)): these names are as if it did not; the rest stands.
    NotBelieved {
        /// Who.
        peer: PeerName,
        /// The names.
        services: Vec<String>,
    },
    /// A peer broke a rule and was disconnected.
    PeerFault {
        /// Where it came from.
        from: Option<SocketAddr>,
        /// What it did, and the rule.
        what: String,
    },
    /// A peer shows this node's own key: it is this node itself, or another that runs with the same secret key.
    OwnKey {
        /// Where it is.
        from: Option<SocketAddr>,
        /// Its link is closed: it is this node, or one on legacy, where that cannot be told.
        closed: bool,
    },
    /// A provider fails: a shard sends its requests to others for a while, if there are others.
    SetAside {
        /// The shard that does so; each has its own view.
        shard: usize,
        /// Who.
        provider: ProviderName,
        /// Until a single request tries it again.
        pause_ms: u64,
        /// Why.
        cause: Cause,
    },
    /// A provider that was set aside answers again, or has come back.
    Back {
        /// The shard that had set it aside.
        shard: usize,
        /// Who.
        provider: ProviderName,
    },
    /// A request found no room in the receive budget of its shard for as long as it may wait, and was refused. Told once until half of
    /// the budget has been free again.
    OverBudget {
        /// Whose budget.
        shard: usize,
        /// What the request asked for.
        service: Option<String>,
        /// The budget, [`NodeLimits::receive_bytes`](crate::NodeLimits::receive_bytes).
        bytes_max: u64,
    },
    /// A handler panicked: its request got status 500, or its response was cut; all else goes on.
    HandlerPanicked {
        /// Where it ran.
        shard: usize,
        /// Whose handler.
        service: String,
        /// What the panic said.
        what: String,
    },
    /// A shard ended although nobody asked it to: its links and listeners are dead, and the process should end.
    ShardDied {
        /// Which.
        shard: usize,
        /// Why.
        why: String,
    },
    /// Something on our side that an operator should know.
    Trouble(String),
}

impl NodeEvent {
    /// A name of its kind, for counting and rate limits.
    pub fn kind(&self) -> &'static str {
        match self {
            NodeEvent::KeyMade { .. } => "key made",
            NodeEvent::Listening(_) => "listening",
            NodeEvent::OpenMesh(_) => "open mesh",
            NodeEvent::NotBelieved { .. } => "not believed",
            NodeEvent::Accepted { .. } => "accepted",
            NodeEvent::Dialed { .. } => "dialed",
            NodeEvent::Reprobed { .. } => "reprobed",
            NodeEvent::Disconnected { .. } => "disconnected",
            NodeEvent::Redialing { .. } => "redialing",
            NodeEvent::GaveUp { .. } => "gave up",
            NodeEvent::Discovered { .. } => "discovered",
            NodeEvent::PeerFault { .. } => "peer fault",
            NodeEvent::OwnKey { .. } => "own key",
            NodeEvent::SetAside { .. } => "set aside",
            NodeEvent::Back { .. } => "back",
            NodeEvent::OverBudget { .. } => "over budget",
            NodeEvent::HandlerPanicked { .. } => "handler panicked",
            NodeEvent::ShardDied { .. } => "shard died",
            NodeEvent::Trouble(_) => "trouble",
        }
    }
}

/// `[a b]`, as the seed prints lists; a peer chooses the names, so a long list is cut.
struct List<'a>(&'a [String]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        let mut bytes = 0;
        for (i, name) in self.0.iter().enumerate() {
            bytes += name.len();
            if bytes > EVENT_NAMES_BYTES_MAX {
                return write!(f, " … and {} more]", self.0.len() - i);
            }
            let gap = if i == 0 { "" } else { " " };
            write!(f, "{gap}{}", name.escape_debug())?;
        }
        f.write_str("]")
    }
}

impl fmt::Display for NodeEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NodeEvent::KeyMade { path } => {
                write!(f, "Made a secret key for this node in '{}'.", path.display())
            }
            NodeEvent::Listening(addr) => write!(f, "Listening for Flatend nodes on '{addr}'."),
            NodeEvent::OpenMesh(addr) => write!(
                f,
                "Everybody who reaches '{addr}' may connect, call and offer services: set a network key or lists of keys, or listen on loopback."
            ),
            NodeEvent::NotBelieved { peer, services } => {
                write!(f, "{peer} offers what its key may not: {}", List(services))
            }
            NodeEvent::Accepted { peer, services } => {
                write!(f, "{peer} has connected. Services: {}", List(services))
            }
            NodeEvent::Dialed { peer, services } => write!(
                f,
                "You are now connected to {peer}. Services: {}",
                List(services)
            ),
            NodeEvent::Reprobed { peer, services } => {
                write!(f, "Re-probed {peer}. Services: {}", List(services))
            }
            NodeEvent::Disconnected { peer, services, .. } => {
                write!(
                    f,
                    "{peer} has disconnected from you. Services: {}",
                    List(services)
                )
            }
            NodeEvent::Redialing { target, pause_ms } => write!(
                f,
                "Trying to reconnect to {target}. Sleeping for {pause_ms}ms."
            ),
            NodeEvent::GaveUp { target, attempts } => write!(
                f,
                "Not dialing {target} any more: {attempts} attempt(s) in a row have failed."
            ),
            NodeEvent::Discovered { peers } => write!(f, "Discovered {peers} peer(s)."),
            NodeEvent::PeerFault {
                from: Some(from),
                what,
            } => write!(f, "Closing the link to {from}: {what}"),
            NodeEvent::PeerFault { from: None, what } => write!(f, "Closing a link: {what}"),
            NodeEvent::OwnKey { from, closed } => {
                let peer = PeerName(*from);
                match closed {
                    true => write!(f, "Closing the link to {peer}: it shows this node's own key. It is this node itself, or another that has the same secret key"),
                    false => write!(f, "{peer} is another node that has the same secret key as this one: who looks one of them up may find the other"),
                }
            }
            NodeEvent::SetAside {
                shard,
                provider,
                pause_ms,
                cause,
            } => write!(
                f,
                "Shard {shard} sets {provider} aside for {} s where others offer the same: {cause}.",
                pause_ms / 1_000
            ),
            NodeEvent::Back { shard, provider } => {
                write!(f, "Shard {shard} sends requests to {provider} again.")
            }
            NodeEvent::OverBudget {
                shard,
                service,
                bytes_max,
            } => write!(
                f,
                "Shard {shard} refused a request for '{}': the responses that it waits for and reads take its receive budget of {} MiB, each 64 KiB or as much as its window was widened to. \
                 Raise it (receive_budget) if so many at once are meant. Told once until half of it has been free.",
                service.as_deref().unwrap_or_default().escape_debug(),
                bytes_max / (1024 * 1024)
            ),
            NodeEvent::HandlerPanicked {
                shard,
                service,
                what,
            } => write!(
                f,
                "The handler of '{service}' panicked on shard {shard}: {what}"
            ),
            NodeEvent::ShardDied { shard, why } => write!(f, "Shard {shard} died: {why}"),
            NodeEvent::Trouble(what) => f.write_str(what),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(services: &[String]) -> String {
        let event = NodeEvent::Accepted {
            peer: PeerName(None),
            services: services.to_vec(),
        };
        event.to_string()
    }

    #[test]
    fn lines_are_the_seeds_and_long_lists_are_cut() {
        assert_eq!(accepted(&[]), "<anon> has connected. Services: []");
        assert_eq!(
            accepted(&["a".to_owned(), "b".to_owned()]),
            "<anon> has connected. Services: [a b]"
        );
        let many: Vec<String> = (0..255).map(|_| "n".repeat(255)).collect();
        let line = accepted(&many);
        assert!(
            line.len() < 1_200 && line.ends_with("… and 251 more]"),
            "{line}"
        );
    }
}
