//! The protocol from the outside: conversations of two connections, scripts cut at every position, attackers, limits, random
//! mutations, memory, and the vectors of the published package.

#[path = "../support/mod.rs"]
mod support;

mod abandoned;
mod allocation;
mod attackers;
mod conversation;
mod impostors;
mod limits;
mod mutation;
mod rest;
mod splits;
mod unwanted;
mod vectors;
