//! HTTP/1.1 upstreams on a shard: an [`Outlet`] of the engine for each, so that choice, failover, timeouts and limits are the
//! call's, as for peers of the mesh.
//!
//! Owns sockets, the pool of idle connections, look-ups of names and health checks; every rule of HTTP lives in
//! [`ClientConnection`](crate::h1::ClientConnection). One task a connection, none a request: a request finds an idle
//! connection's task or begins a new one (`connection`), its body waits in an `exchange` that both sides see.
//! The invariant that a change is likeliest to break: a connection goes back to the pool only when its protocol says idle **and**
//! nothing waits in its output.

mod connect;
mod connection;
#[cfg(test)]
mod crowded_tests;
mod exchange;
mod health;
#[cfg(test)]
mod on_shard;
mod origin;
mod pool;
mod report;
mod resolve;
mod transfer;
mod upstream;

pub use health::HealthCheck;
pub use origin::Origin;
pub use report::{Report, UpstreamEvent};
pub use upstream::{Upstream, UpstreamHandle};
