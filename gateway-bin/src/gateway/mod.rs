//! The gateway proper: HTTP requests in, answers out. [`Sections`] binds and serves what the configuration names. [`Bridge`] is
//! the handler of one `[[http]]` section on one shard: it finds the route and hands the request to the module of its target
//! (`services` for services and plain HTTP upstreams, `files`; `own` and `redirects` for what needs nobody). `mapping` turns
//! heads into headers of the mesh, `reply` turns answers back, `statuses` holds the table of errors.

mod bridge;
mod files;
mod hops;
mod ids;
mod mapping;
mod own;
mod redirects;
mod reply;
mod sections;
mod services;
mod statuses;
#[doc(hidden)]
pub mod steps;
mod table;
mod upstreams;

pub use bridge::Bridge;
pub use sections::Sections;
pub(crate) use table::RouteTable;
pub use upstreams::Upstreams;
