//! The runtime by itself: timers, tasks, mailboxes, sockets, threads, and the traps of design.md that it must not fall into.

#[path = "../support/mod.rs"]
mod support;

mod files;
mod mailbox;
mod names;
mod shard;
mod sockets;
mod tasks;
mod timers;
