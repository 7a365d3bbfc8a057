//! Who offers what: the immutable snapshot that all shards read, and the choice of a provider. Pure: no sockets, no
//! clocks, no threads.

mod balance;
mod name;
mod snapshot;

pub use balance::{choose, Load, Look, Pick, Rng};
pub use name::ProviderName;
pub use snapshot::{LinkInfo, LinkRef, Peer, Provider, ProviderKey, Snapshot};
