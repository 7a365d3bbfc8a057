//! The HTTP/1.1 server on a shard: accepts, drives [`h1::Connection`](crate::h1::Connection) with a socket, and asks a
//! [`Handler`] for the answers. Owns sockets and timeouts; every rule of HTTP lives in the pure cores.

mod accept;
mod connection;
mod exchange;
mod io;
mod linger;
mod pace;
mod record;
mod send_file;
mod timeouts;

use std::future::Future;
use std::net::SocketAddr;

pub use accept::{serve, Server};
pub use exchange::{BodyError, Exchange, SendError};
pub use record::{End, Notes, Record, Text};
pub use send_file::FileError;
pub use timeouts::Timeouts;

use crate::h1::RequestHead;

/// Where a request came from.
#[derive(Clone, Debug)]
pub struct Client {
    /// The peer's address, IPv4-mapped addresses as IPv4.
    pub addr: SocketAddr,
    /// Its IP as text: every request of the connection tells it.
    pub ip: String,
}

impl Client {
    fn new(addr: SocketAddr) -> Client {
        Client {
            addr,
            ip: addr.ip().to_string(),
        }
    }
}

/// What a handler makes of a request's head, before the head's bytes are given up.
pub enum Plan<P> {
    /// Run the exchange with this.
    Run {
        /// Whatever the handler needs of the head.
        plan: P,
        /// What the server needs to refuse the body by itself; `None` for a request that has none.
        body: Option<BodyRules>,
    },
    /// Answer at once.
    Answer(OwnAnswer),
}

/// The id of a request. The gateway's own fit in place, so that a request allocates nothing for it.
pub type RequestId = compact_str::CompactString;

/// Bounds of a request's body, and how to answer a body that breaks them.
#[derive(Clone, Debug)]
pub struct BodyRules {
    /// At least so many bytes, else 400.
    pub bytes_min: u64,
    /// At most so many, else 413.
    pub bytes_max: u64,
    /// The request's id.
    pub request_id: RequestId,
    /// The client asked for JSON.
    pub json: bool,
}

/// An answer of the server's own: an error, a redirect.
#[derive(Clone, Debug)]
pub struct OwnAnswer {
    /// The status.
    pub status: u16,
    /// One short plain sentence; empty for none.
    pub sentence: String,
    /// Further fields.
    pub fields: Vec<(&'static str, String)>,
    /// The request's id.
    pub request_id: RequestId,
    /// The client asked for JSON.
    pub json: bool,
}

/// Answers requests. One a listener and shard.
pub trait Handler: 'static {
    /// What [`Handler::accept`] keeps of a head.
    type Plan;

    /// Looks at a head, synchronously, and takes what it needs. `notes` are there if the handler wants records.
    fn accept(
        &self,
        head: &RequestHead<'_>,
        client: &Client,
        notes: Option<&mut Notes>,
    ) -> Plan<Self::Plan>;

    /// An id for a request whose head was refused before anybody could give it one.
    fn new_request_id(&self) -> RequestId;

    /// Whether [`Handler::ended`] wants to be told; asked once. Without it nothing is noted of any request.
    fn wants_records(&self) -> bool {
        false
    }

    /// A request has ended: once for each, in the order of their ends, whatever became of it.
    fn ended(&self, record: &Record<'_>) {
        let _ = record;
    }

    /// Reads the body and sends the response; both may go on at once. When it returns without having answered, the
    /// connection is aborted.
    fn run<'a>(
        &'a self,
        plan: Self::Plan,
        exchange: &'a Exchange<'a>,
    ) -> impl Future<Output = ()> + 'a;
}
