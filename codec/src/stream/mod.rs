//! Streams of the legacy dialect: their numbers, their states, the table that holds them. Refuses nothing by itself: it answers
//! questions, the link decides.

pub(crate) mod ids;
mod state;
mod table;

pub(crate) use state::{Held, Recv, Send, Stream};
pub(crate) use table::{KeyedHash, StreamTable};
