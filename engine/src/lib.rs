//! flatend: microservices without the plumbing, on a thread-per-core engine.
//!
//! A [`Node`] dials out to any other node, offers functions by name, and calls those of others over an encrypted mesh of
//! links. It runs as *shards*: one pinned executor a core, each of which owns its connections, streams and handlers. The
//! shards share one immutable routing snapshot; everything else between them is a message.
//!
//! ```no_run
//! use flatend::Node;
//!
//! let node = Node::builder()
//!     .bootstrap("127.0.0.1:9000")
//!     .service("hello_world", |context| async move { context.send("Hello world!").await })
//!     .start()?;
//! # node.shutdown().ok();
//! # Ok::<(), flatend::StartError>(())
//! ```
//!
//! Linux only: the engine stands on epoll and io_uring.

mod blocks;
mod call;
mod client;
mod control;
mod error;
pub mod hex;
mod idmap;
mod json;
pub mod kademlia;
pub mod keys;
pub mod limits;
mod mesh;
mod node;
pub mod routing;
pub mod rt;
mod shard;

pub use blocks::{header_block, recycle};
pub use bytes::Bytes;
pub use call::{BodyRefused, Call, CallRequest, Outlet, OutletRequest, OutletStream, ResponseSink};
pub use client::{
    BodyWriter, Client, Handle, HandleBody, HandleResponse, ProviderInfo, Request, Response,
    ResponseError, ResponseHead,
};
pub use error::{CallError, Fault, StartError};
pub use flatend_codec::{HeaderBlock, HeaderTooLarge, Millis, NodeId};
pub use json::json_string;
pub use mesh::core as discovery;
pub use node::{
    Context, HandlerError, Node, NodeBuilder, NodeEvent, NodeLimits, NodeState, OfferError,
    OrStatus, PeerName, PeerState, ReadError, Reconnect, RequestBody, RequestReader, Responder,
    ResponseWriter, Watch, WatchError, WriteError,
};
pub use routing::ProviderName;
pub use shard::{ServiceSet, Shard, SubmitError};
