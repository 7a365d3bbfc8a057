//! Who offers what: the immutable snapshot that all shards read, and the choice of a provider by its load, latency and health.
//! Pure: no sockets, no clocks, no threads.

mod balance;
mod health;
mod latency;
mod name;
mod open;
mod repute;
mod snapshot;

pub use balance::{choose, Load, Look, Pick, Rng};
pub use health::{Cause, Change, Failure, Health, Standing};
pub use latency::Latency;
pub use name::ProviderName;
pub use open::{Open, Openness};
pub use repute::{Ask, Begun, Repute};
pub use snapshot::{LinkInfo, LinkRef, Peer, Provider, ProviderKey, Snapshot};
