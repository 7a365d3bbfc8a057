//! What peers can make this process hold, measured on the process itself. One test at a time.

#[path = "../support/mod.rs"]
mod support;

mod handshakes;
mod process;
mod unread;
