//! Bounds and sizes of the benchmark, each with its reason. Units come last in the names.

/// A body larger than any that is asked for is refused by the service, as a service of one's own would do it.
pub(crate) const BODY_BYTES_MAX: usize = 1024 * 1024;
/// A system is reached within this time, or the run ends.
pub(crate) const CONNECT_TIMEOUT_MS: u64 = 10_000;
/// Pause between two tries to reach it.
pub(crate) const CONNECT_PAUSE_MS: u64 = 20;
/// How long a client process may take beyond its warm-up and window: connecting, the last answers, its report.
pub(crate) const CLIENT_GRACE_MS: u64 = 20_000;
/// Calls in flight of one client.
pub(crate) const IN_FLIGHT_MAX: u32 = 1_024;
/// Seconds of a window.
pub(crate) const SECONDS_MAX: u64 = 600;
/// Rounds of a comparison.
pub(crate) const ROUNDS_MAX: u32 = 100;
/// Rounds repeated because others disturbed them, for each that is wanted; after that they are kept as they are.
pub(crate) const DISCARDS_A_ROUND_MAX: u32 = 3;
