//! The client's shell against upstreams on real sockets, each named by how it misbehaves.
#![allow(unreachable_pub, reason = "modules of a test program")]

mod connections;
mod fake;
mod health;
mod streams;
