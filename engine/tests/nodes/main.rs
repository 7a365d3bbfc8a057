//! Two and more nodes over TCP: calls, bodies, shards, what breaks and how it is mended, lanes, discovery, outlets, providers that fail, the end.

#[path = "../support/mod.rs"]
mod support;

mod aside;
mod bodies;
mod calls;
mod credit;
mod discovery;
mod drain;
mod failover;
mod given_up;
mod goodbye;
mod lanes;
mod links;
mod mesh;
mod mesh_services;
mod outlets;
mod services;
mod shards;
mod slow;
mod trust;
