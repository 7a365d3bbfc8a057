//! The flatend wire protocol as a pure core: bytes in, bytes out.
#![forbid(unsafe_code)]

mod connection;
pub mod dialect;
mod error;
mod event;
mod header;
mod legacy;
pub mod limits;
mod names;
mod node_id;
mod packet;
mod session;
mod stream;
mod time;
mod wire;

pub use connection::{Config, Connection, Messages, Opened, Peer, Retirement, Role};
pub use dialect::{Dialect, PeerKind};
pub use error::{ApiMisuse, HeaderTooLarge, IdentityFault, OpenError, ProtocolError, SendError};
pub use event::{Event, GoodbyeCode, ResetCode, Token};
pub use header::{HeaderBlock, HeadersRef};
pub use limits::Limits;
pub use names::{IdsRef, NamesRef};
pub use node_id::NodeId;
pub use time::Millis;

/// Number of a stream on one link. 64 bits, so that flatend/2's 56 fit; legacy uses 32.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct StreamId(pub u64);
