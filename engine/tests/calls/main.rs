//! Calls as programs make them, through the client of a shard: whole and streamed bodies, waits, one provider and all of them.

#[path = "../nodes/services.rs"]
mod services;
#[path = "../support/mod.rs"]
mod support;

mod providers;
mod streams;
mod waits;
mod whole;
