//! Bounds of the load test, each with its reason. Units come last in the names.

/// A started process answers within this time, or the run ends: nginx takes 10 ms, a node 100 ms.
pub const READY_TIMEOUT_MS: u64 = 10_000;
/// Pause between two looks at something that we wait for.
pub const POLL_MS: u64 = 10;
/// How long a process may take to end after SIGTERM before it gets SIGKILL; a drain of the gateway takes up to 3 s.
pub const END_GRACE_MS: u64 = 5_000;
/// A check of a configuration ends within this time.
pub const CHECK_TIMEOUT_MS: u64 = 10_000;
/// Time over which the load of others is measured before a run.
pub const QUIET_WINDOW_MS: u64 = 1_000;
/// Share of all cores that others may use in a quiet machine.
pub const QUIET_SHARE_MAX: f64 = 0.05;
/// Time between two readings of a process's memory.
pub const MEMORY_SAMPLE_MS: u64 = 50;
/// Readings of memory that a report keeps of one run.
pub const MEMORY_POINTS: usize = 10;
/// Body bytes of a run from which costs a gigabyte are reported.
pub const BULK_BYTES_MIN: u64 = 100_000_000;
/// Lines of a process's log that an error shows.
pub const LOG_LINES_SHOWN: usize = 5;
/// Bytes that the test pattern gives at once.
pub const PATTERN_PIECE_BYTES: usize = 64 * 1024;
/// Rounds thrown away because others disturbed them, for each one that is wanted; after that they are kept and reported as they are.
pub const DISCARDS_A_ROUND_MAX: u32 = 10;

/// Largest head of a response that the client takes.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Bytes a read: what a large body needs to come in few calls, of one buffer for all connections.
pub const CLIENT_BUFFER_BYTES: usize = 256 * 1024;
/// A `recv` into memory that does not begin at a cache line costs several times as much.
pub const CLIENT_BUFFER_ALIGN_BYTES: usize = 64;
/// Pieces of an upload that one event sends before the other connections have their turn: 512 KiB.
pub const UPLOAD_PIECES_A_TURN_MAX: usize = 8;
/// Events that one wait takes.
pub const EVENTS_MAX: usize = 256;
/// Timers of the client's thread are this exact.
pub const TIMER_SLACK_NS: u64 = 1;
/// Shorter waits do not go by whole milliseconds.
pub const EXACT_WAIT_BELOW_NS: i64 = 10_000_000;
/// Time between two looks at signals and at requests without progress.
pub const TICK_MS: u64 = 100;
/// Connections that are being opened at once: below the accept queue of any server.
pub const CONNECTS_AT_ONCE_MAX: usize = 128;
/// Pause after a connection was refused.
pub const RECONNECT_PAUSE_MS: u64 = 100;
/// Reasons of failures that are told apart.
pub const FAILURES_SHOWN_MAX: usize = 16;

/// Runs of a plan, and rounds of a comparison.
pub const ROUNDS_MAX: u32 = 1_000;
/// What an answer's status can be expected to be: those of RFC 9110.
pub const STATUS_MIN: u16 = 100;
/// The other end of that range.
pub const STATUS_MAX: u16 = 599;
/// Connections of a plan: what 20,000 descriptors leave room for.
pub const CONNECTIONS_MAX: u64 = 19_000;
/// Requests that a connection has outstanding.
pub const PIPELINE_MAX: u32 = 1_024;
/// Requests a second of an open loop: more than one core can send.
pub const RATE_MAX: f64 = 1e6;
/// Any time of a plan; what is longer would overflow the clock long before anybody sees a figure.
pub const DURATION_MAX_MS: u64 = 24 * 60 * 60 * 1_000;
/// Bytes of one body that is made: 1 TiB, hours at any speed.
pub const BODY_BYTES_MAX: u64 = 1 << 40;
/// Different requests of a group.
pub const PATHS_MAX: usize = 10_000;
/// Bytes of all requests of a group.
pub const TEMPLATES_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of a plan file.
pub const PLAN_BYTES_MAX: u64 = 1024 * 1024;
/// Time for a server to settle after connections came, before its memory is read.
pub const IDLE_SETTLE_MS: u64 = 500;
/// Wait for the first answer on a connection that is to rest.
pub const IDLE_WAIT_MS: u64 = 10_000;

/// A call of the mesh load has its whole answer within this time.
pub const CALL_TIMEOUT_MS: u64 = 10_000;
/// Pause of a task after a call that failed.
pub const RETRY_PAUSE_MS: u64 = 100;
/// How long calls and streams of the mesh load are awaited after the end.
pub const MESH_GRACE_MS: u64 = 10_000;
/// Bytes of a call's body, which is kept whole at both ends.
pub const CALL_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Tasks of the mesh load: as many streams as a link takes.
pub const TASKS_MAX: u64 = 65_536;
/// Providers of the mesh load, each a process.
pub const PROVIDERS_MAX: u64 = 64;

/// Event streams of a soak; the client's thread looks at each of them at every turn.
pub const EVENT_STREAMS_MAX: u32 = 10_000;
/// Time between two events of a stream.
pub const EVENT_EVERY_MS: u64 = 1_000;
/// A stream in which nothing came for this long has failed.
pub const EVENT_SILENCE_MS: u64 = 5 * EVENT_EVERY_MS;
/// Longest time between two looks at event streams.
pub const EVENT_TICK_MS: u64 = 100;
/// A service that is told to go has gone within this time: its drain takes up to 13 s.
pub const SERVICE_END_MS: u64 = 20_000;
/// Services are restarted no more often: one begins within a tenth of this.
pub const RESTART_EVERY_MIN_MS: u64 = 1_000;
/// Readings of a soak; the last two thirds of them count.
pub const READINGS_MIN: u32 = 15;
/// Growth that counts as flat, as a share of the median.
pub const FLAT_GROWTH_MAX: f64 = 0.05;
/// The same at the least, of memory: what an allocator keeps here or there.
pub const FLAT_MEMORY_MIN_KIB: u64 = 2 * 1024;
/// The same at the least, of descriptors: a few connections that just came.
pub const FLAT_DESCRIPTORS_MIN: u64 = 4;
/// Readings that the report of a soak shows; the JSON has all.
pub const SOAK_POINTS_SHOWN: usize = 11;

const _: () = assert!(EVENT_SILENCE_MS > EVENT_EVERY_MS);
const _: () = assert!(PATTERN_PIECE_BYTES <= CLIENT_BUFFER_BYTES);
