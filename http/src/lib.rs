//! HTTP/1.1 for flatend, as pure cores: bytes and values come in, verdicts and bytes go out.
//! No socket, clock, thread or random number is touched there; two shells drive the cores: [`server`] towards clients, [`client`]
//! towards upstreams.
//!
//! # How to drive me
//!
//! [`h1::Connection`] says by [`next`](h1::Connection::next) what a connection needs; after each
//! step it is asked again. The caller owns the read buffer and the output.
//!
//! 1. [`Next::ReadHead`](h1::Next::ReadHead): [`recv_head`](h1::Connection::recv_head) with all
//!    bytes that are buffered. The head borrows from the buffer: take from it what is needed
//!    (route, headers), then consume its bytes.
//! 2. [`Next::Exchange`](h1::Next::Exchange): in any interleaving,
//!    [`recv_body`](h1::Connection::recv_body) until a step is done, and
//!    [`send_head`](h1::Connection::send_head), [`send_data`](h1::Connection::send_data) for each
//!    piece, [`send_end`](h1::Connection::send_end); or one
//!    [`send_answer`](h1::Connection::send_answer).
//! 3. The others say how to go on to the next request or to the end.
//!
//! ```
//! use flatend_http::{date::DateCache, h1::*, limits::Limits, router::*};
//!
//! let mut routes = RouterBuilder::new();
//! routes.add(None, "GET /hello/:name", "greeter")?;
//! let router = routes.build().map_err(|mut errors| errors.remove(0))?;
//! let dates = DateCache::new(784_111_777);
//! let mut connection = Connection::new(Limits::default());
//! let mut buffer = b"GET /hello/w%C3%B6rld?x=1 HTTP/1.1\r\nHost: a.example\r\n\r\n".to_vec();
//! let mut out = Vec::new();
//!
//! assert_eq!(connection.next(), Next::ReadHead);
//! let mut scratch = FieldScratch::new();
//! let Parsed::Head(head, consumed) = connection.recv_head(&buffer, &mut scratch)? else {
//!     panic!("the head is whole");
//! };
//! let target = head.target;
//! let found = router.lookup(head.method.as_str(), head.authority, target.path, target.query);
//! let Outcome::Found(route) = found else { panic!("there is a route") };
//! let mut greeting = b"Hello, ".to_vec();
//! for parameter in route.params.decoded() {
//!     greeting.extend_from_slice(&parameter?.1);
//! }
//! buffer.drain(..consumed);
//!
//! let response = ResponseHead {
//!     status: 200,
//!     body_bytes: None, // streamed: its length is not known yet
//!     date: dates.text(),
//!     request_id: Some("r-1"),
//! };
//! connection.send_head(&mut out, &response, [(&b"content-type"[..], &b"text/plain"[..])])?;
//! let piece = connection.send_data(greeting.len())?;
//! out.extend_from_slice(piece.prefix());
//! if piece.carries_data() {
//!     out.extend_from_slice(&greeting);
//! }
//! out.extend_from_slice(piece.suffix());
//! out.extend_from_slice(connection.send_end()?);
//!
//! assert_eq!(
//!     String::from_utf8_lossy(&out),
//!     "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nx-request-id: r-1\r\n\
//!      date: Sun, 06 Nov 1994 08:49:37 GMT\r\ntransfer-encoding: chunked\r\n\r\n\
//!      d\r\nHello, wörld\r\n0\r\n\r\n"
//! );
//! assert_eq!(connection.next(), Next::ReadHead); // keep-alive
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Why so strict
//!
//! A gateway and the server behind it must agree on where a message ends. Wherever two parsers
//! are known to disagree (two lengths, a length and chunks, a bare LF, white space before a
//! colon, a folded line, two hosts), the request is refused with 400 even if RFC 9112 allows a
//! repair; see the modules of [`h1`] for each case. After a refusal the connection closes, since
//! nobody knows where the next request begins.

#![deny(unsafe_code)]

pub mod client;
pub mod date;
mod eights;
pub mod error;
pub mod files;
pub mod h1;
pub mod headers;
pub mod limits;
mod net;
pub mod percent;
pub mod query;
pub mod router;
pub mod server;

pub use error::{LimitHit, RequestError, ResponseError, UpstreamError};
