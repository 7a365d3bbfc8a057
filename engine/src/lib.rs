//! flatend: microservices without the plumbing, on a thread-per-core engine.
//!
//! A [`Node`] offers functions by name and calls those of other nodes, over an encrypted mesh of links that finds its members by
//! itself. A service dials out and needs no port; a gateway (the binary `flatend`) routes HTTP requests to whoever offers the name.
//! It speaks with the npm package `flatend` 0.0.8 and with the Go module of the same version.
//!
//! Two nodes in one program, which is all that a mesh needs:
//!
//! ```
//! use std::time::Duration;
//!
//! use flatend::{Node, OrStatus, Request};
//! use futures_lite::future::block_on;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let server = Node::builder()
//!         .bind("127.0.0.1:0")
//!         .service("square", |context| async move {
//!             let n = context.query("n").or_status(400, "say ?n=NUMBER")?;
//!             let n: i64 = n.parse().or_status(400, "n is not a number")?;
//!             let square = n.checked_mul(n).or_status(422, "n is too large")?;
//!             context.send(square.to_string()).await
//!         })
//!         .start()?;
//!
//!     let client = Node::builder()
//!         .bind("127.0.0.1:0")
//!         .bootstrap(server.addrs()[0].to_string())
//!         .start()?;
//!     client.watch().wait_until(Duration::from_secs(10), |state| {
//!         !state.providers("square").is_empty()
//!     })?;
//!     let mut response = block_on(client.handle().call(Request::to("square").query("n", "12")))?;
//!     assert_eq!(response.status(), 200);
//!     assert_eq!(&block_on(response.read_all(100))?[..], b"144");
//!
//!     client.shutdown()?;
//!     server.shutdown()?;
//!     Ok(())
//! }
//! ```
//!
//! # Where to look
//!
//! | to | look at |
//! | --- | --- |
//! | describe a node, its key, its limits; start it | [`NodeBuilder`] |
//! | answer a request | [`Context`]: head, body, response; [`HandlerError`] and [`OrStatus`] for what goes wrong |
//! | keep state on each core | [`NodeBuilder::service_per_shard`], [`Shard::submit_to`] |
//! | call a service from a handler | [`Context::client`], [`Request`], [`Response`] |
//! | call one from tokio or a plain thread | [`Node::handle`], [`Handle`] |
//! | offer and withdraw services while the node runs | [`Node::offer`], [`Node::withdraw`] |
//! | see who is there, wait for somebody | [`Node::state`], [`Node::watch`], [`Shard::changed`] |
//! | log what happens | [`NodeBuilder::on_event`], [`NodeEvent`] |
//! | know why a default is what it is | [`manual`], [`limits`] |
//!
//! Nodes run as *shards*: one pinned executor a core, each of which owns its connections, streams and handlers. The shards share one
//! immutable routing snapshot; everything else between them is a message.
//!
//! Linux only: the engine stands on epoll and io_uring (5.8 or later). What a legacy link says can be read on the wire, and an
//! identity proves nothing: keep a mesh on loopback or inside a tunnel.

#![deny(missing_docs)]

mod blocks;
mod call;
mod client;
mod control;
mod error;
pub mod hex;
mod host_port;
mod idmap;
mod join;
mod json;
pub mod kademlia;
pub mod keys;
pub mod limits;
pub mod manual;
mod mesh;
mod node;
pub mod routing;
pub mod rt;
mod shard;
mod trust;
mod utc;

pub use blocks::{header_block, recycle};
pub use bytes::Bytes;
pub use call::{BodyRefused, Call, CallRequest, Outlet, OutletRequest, OutletStream, ResponseSink};
pub use client::{
    BodyWriter, Client, Handle, HandleBody, HandleResponse, ProviderInfo, Request, Response,
    ResponseError, ResponseHead,
};
pub use error::{CallError, Fault, StartError};
pub use flatend_codec::{HeaderBlock, HeaderTooLarge, Millis, NodeId};
pub use join::{JoinError, JoinSecrets, JoinToken};
pub use json::json_string;
pub use mesh::core as discovery;
pub use node::{
    carry, Carried, Context, HandlerError, Node, NodeBuilder, NodeEvent, NodeLimits, NodeState,
    OfferError, OrStatus, PeerName, PeerState, ReadError, Reconnect, RequestBody, RequestReader,
    Responder, ResponseWriter, Watch, WatchError, WriteError, RELAY_ERROR,
};
pub use routing::ProviderName;
pub use shard::{ServiceSet, Shard, SubmitError};
pub use trust::{Legacy, Trust};
pub use utc::utc_string;
