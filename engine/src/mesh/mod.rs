//! Links: one TCP connection to a peer and its task. Owns the codec's connection, the streams on it and their delivery. Which
//! links there are to be is decided by [`core`], which knows no socket.

mod accept;
mod announce;
mod buffer;
mod coalesce;
pub mod core;
mod dial;
mod driver;
mod events;
mod goodbye;
mod handover;
mod held;
mod lanes;
mod link;
mod lookup;
mod mistaken;
mod output;
mod reader;
mod small;
mod steer;
mod streams;
mod unverified;
mod waits;
mod welcome;

pub(crate) use accept::serve_listener;
pub(crate) use announce::services_changed;
pub(crate) use dial::dial;
pub(crate) use handover::{take_in, Handover};
pub(crate) use link::{CloseReason, Link};
pub(crate) use lookup::ask;
pub(crate) use output::Head;
pub(crate) use steer::{Bootstrap, Dial, News, Steer};
pub(crate) use streams::Recipient;
pub(crate) use welcome::trust_changed;
