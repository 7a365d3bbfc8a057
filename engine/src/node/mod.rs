//! The node: what a program starts. A builder, the running node, handlers of services and their context.

mod body_error;
mod body_io;
mod body_length;
mod builder;
mod carry;
mod check;
mod context;
mod credentials;
mod events;
mod handler_error;
mod handlers;
mod node_limits;
mod offers;
mod reconnect;
mod relaying;
mod reply;
mod respond;
mod response_header;
mod running;
mod split;
mod start;
mod state;
mod watch;

pub use body_error::{ReadError, WriteError};
pub use body_io::{RequestReader, ResponseWriter};
pub use builder::NodeBuilder;
pub use carry::{carry, Carried};
pub use context::Context;
pub use events::{NodeEvent, PeerName};
pub use handler_error::{HandlerError, OrStatus};
pub use node_limits::NodeLimits;
pub use offers::OfferError;
pub use reconnect::Reconnect;
pub use relaying::RELAY_ERROR;
pub use running::Node;
pub use split::{RequestBody, Responder};

pub use state::{NodeState, PeerState};
pub use watch::{Watch, WatchError};

pub(crate) use credentials::{now_s, Credentials, SOFTWARE};
pub(crate) use events::Events;
pub(crate) use handlers::{find_relay, start_handler, Caller, Handlers};
pub(crate) use watch::Watchers;

use std::net::SocketAddr;

use ed25519_dalek::SigningKey;

/// Who this node is, when it shows an ID.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) key: SigningKey,
    /// The address to show instead of that of each link.
    pub(crate) public_addr: Option<SocketAddr>,
    /// The port of the first mesh listener: shown on links that we dialed.
    pub(crate) listen_port: u16,
}

impl Identity {
    pub(crate) fn public_key(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }
}
