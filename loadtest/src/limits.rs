//! Bounds of the load test, each with its reason. Units come last in the names.

/// A started process answers within this time, or the run ends: nginx takes 10 ms, a node 100 ms.
pub(crate) const READY_TIMEOUT_MS: u64 = 10_000;
/// Pause between two looks at something that we wait for.
pub(crate) const POLL_MS: u64 = 10;
/// How long a process may take to end after SIGTERM before it gets SIGKILL; a drain of the gateway takes up to 3 s.
pub(crate) const END_GRACE_MS: u64 = 5_000;
/// wrk may take this much longer than the time that it was given.
pub(crate) const CLIENT_GRACE_MS: u64 = 20_000;
/// Length of a warm-up of each subject before the first round.
pub(crate) const WARM_UP_S: u64 = 1;
/// Time over which the load of others is measured before a run.
pub(crate) const QUIET_WINDOW_MS: u64 = 1_000;
/// Share of all cores that others may use in a quiet machine.
pub(crate) const QUIET_SHARE_MAX: f64 = 0.05;
/// Time between two readings of a process's memory.
pub(crate) const MEMORY_SAMPLE_MS: u64 = 50;
/// Readings of memory that a report shows of one transfer.
pub(crate) const MEMORY_POINTS_SHOWN: usize = 10;
/// Lines of a process's log that an error shows.
pub(crate) const LOG_LINES_SHOWN: usize = 5;
/// No progress of a bulk transfer for this long ends it.
pub(crate) const TRANSFER_STALL_MS: u64 = 10_000;
/// Largest response head that the bulk client takes.
pub(crate) const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Bytes a read and a write of the bulk client.
pub(crate) const CLIENT_BUFFER_BYTES: usize = 256 * 1024;
/// Bytes that the bulk provider hands on at once.
pub(crate) const PROVIDER_PIECE_BYTES: usize = 64 * 1024;
/// Rounds thrown away because others disturbed them, for each one that is wanted; after that they are kept and reported as they are.
pub(crate) const DISCARDS_A_ROUND_MAX: u32 = 10;
