//! Links: one TCP connection to a peer and its task. Owns the codec's connection, the streams on it and their delivery.

mod accept;
mod dial;
mod driver;
mod events;
mod link;
mod reader;
mod streams;

pub(crate) use accept::serve_listener;
pub(crate) use dial::keep_dialed;
pub(crate) use link::{CloseReason, Link};
pub(crate) use streams::Recipient;
