//! Calls as programs make them, through the client of a shard and from other threads: whole and streamed bodies, waits, one provider and all of them.

#[path = "../nodes/services.rs"]
mod services;
#[path = "../support/mod.rs"]
mod support;

mod budget;
mod handle;
mod providers;
mod relays;
mod streams;
mod submit;
mod tokio;
mod waits;
mod whole;
