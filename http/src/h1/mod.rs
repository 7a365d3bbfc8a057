//! HTTP/1.1 (RFC 9112) as pure cores.
//!
//! Owns: request heads (`head`, `request`, with `target`, `host` and `framing`), request bodies (`body`, `extension`,
//! `trailers`), responses (`response`, `status`, `out_body`, `answer`), the order of events on one connection (`connection`),
//! and the same seen from the side that asks (`client`).
//! Refuses: sockets, clocks, tasks. Invariant: a byte is either consumed by exactly one of the
//! parsers or still in the caller's buffer; nothing here keeps request bytes of its own, except a
//! bounded trailer section.

mod answer;
mod body;
mod client;
mod connection;
mod extension;
mod framing;
mod head;
mod host;
mod out_body;
mod request;
mod response;
mod status;
mod target;
mod trailers;

pub use answer::{encode_answer, Answer};
pub use body::{BodyDecoder, BodyStep};
pub use client::{
    parse_response, wants_chunks, ClientConnection, ClientNext, ParsedResponse, RequestRefused,
    ResponseLength, UpstreamHead,
};
pub use connection::{Connection, Next, Wait};
pub use framing::BodyLength;
pub use head::{Field, FieldScratch, Fields, Method, RequestFacts, RequestHead, Version};
pub use host::is_valid_authority;
pub use out_body::{OutBody, Piece};
pub use request::{parse_head, Parsed};
pub use response::{encode_interim, encode_response, encode_upgrade, ResponseHead, CONTINUE};
pub use status::reason_phrase;
pub use target::{Target, TargetForm};
pub use trailers::Trailers;
