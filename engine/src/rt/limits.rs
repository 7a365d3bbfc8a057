//! Limits of the runtime, each with its reason.

/// Ready descriptors taken from one `epoll_wait`. More wait for the next turn; 256 keeps the array in the L1 cache.
pub(crate) const READY_EVENTS_MAX: usize = 256;

/// Width of a slot of the timer wheel. Timers are deadlines of I/O, not of music: 4 ms is fine enough for a route's timeout
/// of 20 ms, and only slots that hold a timer wake the shard.
pub(crate) const TIMER_TICK_MS: u64 = 4;

/// Slots of the timer wheel: one revolution is 8 s; a longer deadline goes round again.
pub(crate) const TIMER_SLOTS: usize = 2048;

/// Memory that glommio registers a ring. Its default of 10 MiB is more than the usual memlock limit of 8 MiB.
pub(crate) const RING_MEMORY_BYTES: usize = 512 * 1024;

/// Depth of glommio's rings; sockets never go through them, file reads do.
pub(crate) const RING_DEPTH: usize = 64;

/// Memlock that one shard needs in the worst case: rings and registered buffers (kernels before 5.12 count them).
pub(crate) const MEMLOCK_BYTES_MIN: u64 = 1024 * 1024;

/// How long a start waits for locked memory: the kernel gives back that of a process that has just ended a little later, and
/// a gateway is restarted at once.
pub(crate) const RINGS_RELEASE_MS: u64 = 2_000;

/// Between two tries meanwhile.
pub(crate) const RINGS_LOOK_MS: u64 = 50;

/// Messages that wait for one shard. Past it the sender keeps its own in order and tries again at its next turn; what
/// may wait there is bounded by the credit of the calls.
pub(crate) const MAILBOX_MESSAGES_MAX: usize = 16 * 1024;

/// Wakes of other threads that are on their way to a shard's tasks; each task counts once. Further ones arrive late.
pub(crate) const HEARD_WAKES_MAX: usize = 4 * 1024;

/// Messages that a shard takes from its mailbox in one turn before its sockets get their share.
pub(crate) const MAILBOX_TURN_MAX: usize = 4 * 1024;

const _: () = assert!(
    TIMER_SLOTS % 64 == 0,
    "the bitmap of the wheel has whole words"
);
const _: () = assert!(MAILBOX_TURN_MAX <= MAILBOX_MESSAGES_MAX);

/// Operations on files that one shard has with the kernel at once; more wait in line. As many as a disk's queue has use for,
/// and with [`FILE_READ_BYTES_MAX`] the bound of the memory that reads hold.
pub(crate) const FILE_OPS_MAX: usize = 64;

/// Largest read of a file. Small enough that 64 of them are 16 MiB, large enough that a disk streams.
pub(crate) const FILE_READ_BYTES_MAX: usize = 256 * 1024;

/// Before entries that the kernel had no memory for are handed in again.
pub(crate) const RING_SUBMIT_AGAIN_MS: u64 = 10;

/// How long a shard that ends waits for an operation on a file to end.
pub(crate) const RING_SETTLE_MS: u64 = 500;

/// Entries of a directory that are read for one listing.
pub(crate) const LISTED_MAX: usize = 1_000;

/// Listings of directories that one shard has under way: each is a thread.
pub(crate) const LISTINGS_MAX: usize = 4;

/// How long accepting rests after an error that will not go away at once.
pub(crate) const ACCEPT_REST_MS: u64 = 100;

/// One line in the log in this time, while accepting fails.
pub(crate) const ACCEPT_TELL_EVERY_MS: u64 = 10_000;

/// Connections that the kernel holds for us until we accept them; it cuts this to `net.core.somaxconn`.
pub(crate) const BACKLOG: i32 = 4096;

/// How often an open is tried again when a rename elsewhere raced with it (`EAGAIN`, see openat2(2)).
pub(crate) const OPEN_TRIES_MAX: u32 = 8;

/// Entries of timers kept for the next timer.
pub(crate) const IDLE_TIMERS_MAX: usize = 16 * 1024;

/// Slices that one `sendmsg` gathers.
pub(crate) const GATHER_MAX: usize = 64;
