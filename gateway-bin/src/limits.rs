//! Every limit of the gateway's configuration, command line, key files and log, with its reason.
//!
//! Units stand last in the name. A limit that a user can meet is named in the message that refuses.

use std::time::Duration;

/// Largest configuration file. A thousand routes take about 100 KiB; more than this is not a configuration.
pub const CONFIG_FILE_BYTES_MAX: usize = 4 << 20;

/// Bytes of a request body read on after an early answer, so that the client gets to see the answer: a client that sends a
/// whole file before it reads loses it to a reset otherwise. More than this and the connection closes after a linger.
pub const DRAIN_BODY_BYTES_MAX: u64 = 64 << 20;

/// Largest list of invited keys: some 50,000 of them. More come of a script that invites without end.
pub const INVITED_FILE_BYTES_MAX: usize = 4 << 20;

/// Most diagnostics printed of one file: a file of another kind would give one a line.
pub const DIAGNOSTICS_MAX: usize = 100;

/// Longest name of a service or parameter header: its length travels in one byte (protocol.md section 3).
pub const NAME_BYTES_MAX: usize = 255;

/// Most service names a route: their number travels in one byte (protocol.md section 3, ServiceRequest).
pub const ROUTE_SERVICES_MAX: usize = 255;

/// Longest path pattern of a route; a request target that long is refused before it is routed.
pub const ROUTE_PATH_BYTES_MAX: usize = 4096;

/// Longest parameter name: it travels as `params.NAME`, which must fit `NAME_BYTES_MAX`.
pub const PARAM_NAME_BYTES_MAX: usize = NAME_BYTES_MAX - "params.".len();

/// Most parameters a route: the router keeps their places in an array of this size.
pub const ROUTE_PARAMS_MAX: usize = flatend_http::limits::ROUTE_PARAMETERS_MAX;

/// Most routes a section: the router is rebuilt whole at each reload, and more points to a generated mistake.
pub const ROUTES_MAX: usize = 10_000;

/// Most addresses a section: each is one listener a shard.
pub const LISTEN_ADDRS_MAX: usize = 64;

/// Most bootstrap nodes: all are dialed at start.
pub const BOOTSTRAP_MAX: usize = 256;

/// Most `--node` of an agent: all are dialed at start.
pub const AGENT_NODES_MAX: usize = BOOTSTRAP_MAX;

/// Most services of one node: their number travels in one byte (protocol.md, Handshake).
pub const AGENT_SERVICES_MAX: usize = 255;

/// Least and most `receive_budget`, bytes a shard: sixteen streams, and more memory than any machine gives a shard.
pub const RECEIVE_BUDGET: (u64, u64) = (flatend::limits::RECEIVE_BYTES_MIN as u64, 1 << 40);

/// Default of every `[http.timeout]` key, as the seed documents it.
pub const TIMEOUT_DEFAULT_MS: u64 = 10_000;

/// Shortest duration of any key but zero: timers count milliseconds, and less would be zero, which means something else.
pub const DURATION_MIN: Duration = Duration::from_millis(1);

/// Longest timeout of any key: one day. Longer waits are the absence of a limit, written by leaving the key out
/// where that is possible.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Longest `hold`: a request held longer than that is a queue in disguise.
pub const HOLD_MAX: Duration = Duration::from_secs(300);

/// Default of `health_interval`.
pub const HEALTH_INTERVAL_DEFAULT: Duration = Duration::from_secs(5);

/// Shortest `health_interval`: more than ten checks a second are a load of their own.
pub const HEALTH_INTERVAL_MIN: Duration = Duration::from_millis(100);

/// Longest `health_interval`: a check that is rarer says nothing of now.
pub const HEALTH_INTERVAL_MAX: Duration = Duration::from_secs(60 * 60);

/// Default of `max.header_size`, bytes.
pub const HEADER_BYTES_DEFAULT: usize = 64 << 10;

/// Smallest `max.header_size`, bytes: below this ordinary browsers are refused.
pub const HEADER_BYTES_MIN: usize = 1 << 10;

/// Largest `max.header_size`, bytes: the seed's sample sets exactly this.
pub const HEADER_BYTES_MAX: usize = 1 << 20;

/// Most requests of one provider that `max_in_flight` may name: a link's stream ids are the bound beyond it.
pub const IN_FLIGHT_MAX: u32 = 1_000_000;

/// Most shards: each has a pinned thread, an epoll descriptor and a ring.
pub const SHARDS_MAX: usize = 1024;

/// Log lines of one kind that are written within a second; the rest is counted and told in one line.
pub const LOG_LINES_A_SECOND_MAX: u32 = 20;

const _: () =
    assert!(HEADER_BYTES_MIN <= HEADER_BYTES_DEFAULT && HEADER_BYTES_DEFAULT <= HEADER_BYTES_MAX);
/// Lines that may wait for a slow terminal: about 200 KiB. More are counted and lost; a shard never waits.
pub const LOG_QUEUE_LINES_MAX: usize = 2048;

/// Longest wait for a slow terminal at the end of the process.
pub const LOG_FLUSH_MS_MAX: u64 = 1_000;

/// Bytes of access log that a shard gathers for one write: some two hundred lines.
pub const ACCESS_BLOCK_BYTES: usize = 64 << 10;

/// Longest line of an access log: a target and eight other texts at their record's bounds, each byte as six (`\u00ff`).
pub const ACCESS_LINE_BYTES_MAX: usize = 6
    * (flatend_http::limits::RECORD_TARGET_BYTES_MAX
        + 8 * flatend_http::limits::RECORD_FIELD_BYTES_MAX
        + ROUTE_PATH_BYTES_MAX);

/// How long a line waits for others at most, so that `tail -f` shows what happens.
pub const ACCESS_FLUSH_MS: u64 = 500;

/// Blocks that may wait for one access log's thread: 16 MiB, a second of a fast disk. More are counted and lost; a shard never
/// waits.
pub const ACCESS_QUEUE_BLOCKS_MAX: usize = 256;

/// How often the thread looks whether its file was renamed or removed.
pub const ACCESS_RENEW_MS: u64 = 1_000;

/// Rights of a new access log: addresses and targets are nobody else's business.
pub const ACCESS_FILE_MODE: u32 = 0o640;

/// Nodes that one call dials at most.
pub const CALL_NODES_MAX: usize = 16;

/// How long a call waits for a link: a connect has 5 s, the handshake a little more.
pub const CALL_CONNECT_MS: u64 = 8_000;

/// What a call reads of its body at a time.
pub const CALL_READ_BYTES: usize = 64 * 1024;

const _: () = assert!(TIMEOUT_DEFAULT_MS < TIMEOUT_MAX.as_secs() * 1000);
const _: () = assert!(HOLD_MAX.as_secs() <= TIMEOUT_MAX.as_secs());
const _: () = assert!(HEALTH_INTERVAL_MIN.as_millis() < HEALTH_INTERVAL_DEFAULT.as_millis());
