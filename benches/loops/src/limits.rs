//! Bounds and sizes of the benchmark, each with its reason. Units come last in the names.

/// A head that is longer is refused: the load's has 46 bytes.
pub(crate) const HEAD_BYTES_MAX: usize = 8 * 1024;
/// One frame on the link to the upstream.
pub(crate) const FRAME_BYTES: usize = 64;
/// Answers that stand behind each other in memory, so that many leave in one write.
pub(crate) const ANSWERS_A_WRITE_MAX: usize = 64;
/// What waits for the link; more means that the upstream has stopped, and the run with it.
pub(crate) const LINK_OUT_BYTES_MAX: usize = 1024 * 1024;
/// Connections of clients; direct descriptors are as many, and one for the link.
pub(crate) const CLIENTS_MAX: u32 = 1024;
/// Accept queue.
pub(crate) const BACKLOG: i32 = 1024;

/// Bytes of one `recv` of the epoll loop.
pub(crate) const READ_BYTES: usize = 64 * 1024;
/// Events of one wait, as in the engine.
pub(crate) const EVENTS_MAX: usize = 256;
/// Events that make a turn a busy one, as in the engine: it looks for more before it flushes the link.
pub(crate) const BUSY_EVENTS_MIN: usize = 3;
/// How often a busy turn looks, as in the engine.
pub(crate) const LOOKS_MAX: u32 = 1;

/// Entries that are handed to the kernel at once: an answer for each client, and more.
pub(crate) const RING_ENTRIES: u32 = 1024;
/// Completions that find room: several of each client.
pub(crate) const COMPLETIONS_MAX: u32 = 8 * 1024;
/// Buffers for what clients send; the kernel takes one a receive and it comes back in the same turn. A power of two.
pub(crate) const CLIENT_BUFFERS: u16 = 1024;
/// Size of each: many heads.
pub(crate) const CLIENT_BUFFER_BYTES: usize = 2 * 1024;
/// Buffers for what comes on the link. A power of two.
pub(crate) const LINK_BUFFERS: u16 = 32;
/// Size of each: what one turn of 256 connections brings, twice.
pub(crate) const LINK_BUFFER_BYTES: usize = 32 * 1024;
/// Completions that a wait in batches may want: those of 64 connections.
pub(crate) const BATCH_EVENTS_MAX: usize = 64;
/// How long it may wait: more would be seen in everybody's latency.
pub(crate) const BATCH_US_MAX: u32 = 1_000;
/// Timers of a server are this exact: else the system adds up to 50 µs.
pub(crate) const TIMER_SLACK_NS: u64 = 1;

/// Bytes of a piece of the bulk relay.
pub(crate) const PIECE_KIB_MAX: usize = 1024;
/// Pieces of the ring's bulk relay: one that is received, one that is sent, and those that zero-copy sends still hold.
pub(crate) const PIECES: usize = 8;
/// Bytes through a bulk relay in one run.
pub(crate) const BULK_BYTES: u64 = 1_000_000_000;
/// What the ends of a bulk relay write and read at once.
pub(crate) const BULK_END_BYTES: usize = 256 * 1024;
/// An end of a bulk relay that sees no progress for this long gives up.
pub(crate) const BULK_STALL_MS: u64 = 10_000;

/// How long a client process may take beyond its warm-up and window.
pub(crate) const CLIENT_GRACE_MS: u64 = 20_000;
/// Seconds of a window.
pub(crate) const SECONDS_MAX: u64 = 600;
/// Rounds of a comparison.
pub(crate) const ROUNDS_MAX: u32 = 100;
/// Rounds repeated because others disturbed them, for each that is wanted; after that they are kept as they are.
pub(crate) const DISCARDS_A_ROUND_MAX: u32 = 3;

const _: () = assert!(CLIENT_BUFFERS.is_power_of_two() && LINK_BUFFERS.is_power_of_two());
const _: () = assert!(CLIENTS_MAX <= RING_ENTRIES && BATCH_EVENTS_MAX < COMPLETIONS_MAX as usize);
const _: () = assert!(CLIENT_BUFFERS as usize * CLIENT_BUFFER_BYTES <= 8 * 1024 * 1024);
