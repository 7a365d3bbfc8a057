//! The flatend wire protocol as a pure core: bytes in, bytes out. No socket, clock, thread, random number or logger is in here; they
//! come in as values, so every conversation can be played again to the byte.
//!
//! # How to drive me
//!
//! A [`Connection`] is one side of one TCP link. In each turn of its loop the caller
//!
//! 1. reads the socket into a buffer of its own, and calls [`read_empty`](Connection::read_empty) if the read came up short;
//! 2. calls [`open`](Connection::open) with everything unread, takes each event of the frame with
//!    [`next_event`](Connection::next_event), drops the `consumed` bytes, and repeats until [`Opened::Incomplete`];
//! 3. calls [`handle_timeout`](Connection::handle_timeout) if [`next_deadline`](Connection::next_deadline) has passed: last, so that
//!    nobody is judged silent whose bytes are here already;
//! 4. takes what no frame carried from [`poll_event`](Connection::poll_event);
//! 5. writes [`transmit`](Connection::transmit) to the socket and says how much it took
//!    ([`transmitted`](Connection::transmitted)).
//!
//! Between these it asks ([`open_stream`](Connection::open_stream)), answers ([`respond`](Connection::respond),
//! [`refuse`](Connection::refuse)) and moves bodies ([`send_data`](Connection::send_data), [`send_end`](Connection::send_end),
//! [`reset`](Connection::reset)). Who cannot take more from the peer stops reading and says so
//! ([`set_reading`](Connection::set_reading)); who sends minds [`queued_bytes`](Connection::queued_bytes). An error of type
//! [`ProtocolError`] ends the link: FIN, read and discard, close.
//!
//! Frames are opened where they lie, and [`Event::Data`] is a slice of the caller's own buffer; messages are encoded into one output
//! buffer and sealed where they lie. A request allocates nothing once tables and buffers have grown.
//!
//! ```
//! use ed25519_dalek::SigningKey;
//! use flatend_codec::{Config, Connection, Event, HeaderBlock, Limits, Millis, Opened, Role};
//!
//! /// Steps 2 and 5 between two connections in one process; gives lines about what happened at `to`.
//! fn carry(from: &mut Connection, to: &mut Connection, unread: &mut Vec<u8>) -> Vec<String> {
//!     unread.extend_from_slice(from.transmit());
//!     from.transmitted(from.queued_bytes());
//!     let (now, mut lines) = (Millis(0), Vec::new());
//!     while let Opened::Frame { consumed, mut messages } = to.open(now, unread).expect("an honest peer") {
//!         while let Some(event) = to.next_event(now, &mut messages).expect("an honest peer") {
//!             let line = match event {
//!                 Event::Request { services, .. } => {
//!                     format!("asked for {}", String::from_utf8_lossy(services.iter().next().unwrap_or_default()))
//!                 }
//!                 Event::Data { bytes, .. } => format!("data {}", String::from_utf8_lossy(bytes)),
//!                 Event::End { .. } => "end".to_owned(),
//!                 _ => continue,
//!             };
//!             lines.push(line);
//!         }
//!         unread.drain(..consumed);
//!     }
//!     to.read_empty(now);
//!     lines
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let services = ["greet".to_owned()];
//! let config = |role, secret, port: u16, services| Config {
//!     role,
//!     ephemeral_secret: [secret; 32], // random in earnest
//!     identity: Some((SigningKey::from_bytes(&[secret; 32]), ([127, 0, 0, 1], port).into())),
//!     services,
//!     limits: Limits::default(),
//!     flatend2: None,
//! };
//! let now = Millis(0);
//! let mut client = Connection::new(now, config(Role::Dialer, 1, 9001, &[]))?;
//! let mut server = Connection::new(now, config(Role::Acceptor, 2, 9000, &services))?;
//! let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
//!
//! // Keys, handshakes, a first lookup.
//! while client.queued_bytes() + server.queued_bytes() > 0 {
//!     carry(&mut client, &mut server, &mut to_server);
//!     carry(&mut server, &mut client, &mut to_client);
//! }
//! assert_eq!(client.peer().map(|peer| &peer.services[..]), Some(&services[..]));
//!
//! let none = HeaderBlock::new();
//! let stream = client.open_stream(now, ["greet"], &none, &none, false)?;
//! client.send_data(now, stream, b"world")?;
//! client.send_end(now, stream)?;
//! assert_eq!(carry(&mut client, &mut server, &mut to_server), ["asked for greet", "data world", "end"]);
//!
//! server.respond(now, stream, &none, false)?;
//! server.send_data(now, stream, b"hello, world")?;
//! server.send_end(now, stream)?;
//! assert_eq!(carry(&mut server, &mut client, &mut to_client), ["data hello, world", "end"]);
//! assert_eq!(client.open_streams() + server.open_streams(), 0);
//! # Ok(())
//! # }
//! ```
//!
//! # What peers are like
//!
//! Two implementations are out there that cannot be changed; what each of them does that one has to live with stands in
//! [`dialect::RULES`], with an id, and for each id there is a test. [`Connection::dialect`] says what the peer at hand can take, so
//! that nobody above has to know who it is. The contract is that of flatend/2 (credit, reset with a code, trailers, goodbye); the
//! legacy dialect is the one that cannot do some of it, and answers how.
#![forbid(unsafe_code)]

mod connection;
pub mod dialect;
mod error;
mod event;
mod flatend2;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod header;
mod legacy;
pub mod limits;
mod named;
mod names;
mod node_id;
mod packet;
mod rest;
mod session;
mod stream;
mod time;
mod wire;

pub use connection::{
    Announced, Ask, Config, Connection, Flatend2, Messages, Opened, Peer, Retirement, Role,
    WindowRoom,
};
pub use dialect::{Dialect, PeerKind, RELAY_SERVICE};
pub use error::{ApiMisuse, HeaderTooLarge, IdentityFault, OpenError, ProtocolError, SendError};
pub use event::{Event, GoodbyeCode, ResetCode, Token};
pub use flatend2::{Hello, Record, RecordsRef};
pub use header::{HeaderBlock, HeadersRef};
pub use limits::Limits;
pub use names::{IdsRef, NamesRef};
pub use node_id::NodeId;
pub use time::Millis;

/// Number of a stream on one link. 64 bits, so that flatend/2's 56 fit; legacy uses 32.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct StreamId(pub u64);
