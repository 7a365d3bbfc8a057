//! The shard's runtime: the only place that knows glommio, epoll, io_uring and sockets.
//!
//! A shard is one pinned glommio executor. glommio runs the tasks; the shard waits by itself: every descriptor is
//! registered once, edge-triggered, in one epoll set, reads and writes are plain non-blocking calls tried first, and one
//! *pump* task blocks in `epoll_wait` when nothing is runnable (`reactor`). What a shard does in one go between two such
//! waits is a *turn*; the clock is read once a turn, and what was corked is flushed once, at its end.
//!
//! Whatever needs the shard (tasks, timers, sockets, files, the wall clock) panics on any other thread and says so; [`now`] is zero there.
//!
//! The invariant that a change is likeliest to break: every task of a shard goes through [`spawn`], which counts polls.
//! The pump sleeps when a round of the run queue polled nothing else; a task spawned behind its back would be slept upon.

mod blocking;
mod congestion;
mod executor;
mod file;
mod gate;
mod hear;
pub(crate) mod limits;
mod listener;
mod mailbox;
mod memory;
mod permits;
mod preflight;
mod reactor;
mod rest;
mod ring;
mod socket;
mod sync;
mod timer;
mod words;

pub use blocking::run_blocking;
pub use congestion::{Congestion, CongestionError};
pub(crate) use executor::count_panic;
pub use executor::{allowed_cpus, report_panic, spawn, start_shard, yield_now, ShardThread};
pub use file::{opens_beneath, File, FileKind, FileStat, FileTrouble, Listed, Listing, Residency};
pub use flatend_codec::Millis;
pub(crate) use gate::{Closed, Gate, Pass};
pub use hear::hear;
pub use listener::{Accepted, ListenOptions, Listener};
pub(crate) use mailbox::mailboxes_of;
pub use mailbox::{mailboxes, Address, Inbox, Outbox};
pub use memory::memory_bytes;
pub use permits::{Permit, Permits};
pub use preflight::{preflight, preflight_files, raise_file_limit, PreflightError};
pub use reactor::{
    at_turn_end, now, now_us, park, stats, unix_millis, unix_seconds, wake, Stats, TurnEnd,
};
pub(crate) use reactor::{is_installed, on_panic};
pub use rest::AcceptRest;
pub use socket::{aligned_buffer, make_room, ConnectError, Socket};
pub use sync::{join_all, Flag, Ticket, WaitQueue};
pub use timer::{sleep, timeout, TimedOut, Timer};
pub use words::io_words;
