//! The gateway proper: HTTP requests in, service calls out. [`section`] makes the handler of one `[[http]]` section on one
//! shard; `mapping` turns heads into headers of the mesh, `reply` turns answers back, `statuses` holds the table of errors.

mod bridge;
mod ids;
mod mapping;
mod reply;
mod statuses;

pub use bridge::{Bridge, RouteTable};
