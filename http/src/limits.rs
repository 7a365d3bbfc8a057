//! Every bound of this crate, with its reason.
//!
//! Owns the constants and the per-listener [`Limits`]; refuses to know what happens when one is
//! reached (that is said where it is enforced). Invariant: units stand last in the name, and the
//! relations that other modules rely on are asserted here at compile time.

/// Largest request head, request line and blank line included. The default of
/// `http.max.header_size`; above it the answer is 431.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Most header fields a request may have; above it the answer is 431. Also the size of
/// [`FieldScratch`](crate::h1::FieldScratch), which lives on the caller's stack (4 KiB).
pub const FIELDS_MAX: usize = 128;

/// Longest request target; above it the answer is 414. Browsers stop near 8 KiB to 64 KiB; twice
/// the smaller one leaves room for the header fields in a default head.
pub const TARGET_BYTES_MAX: usize = 16 * 1024;

/// Empty lines (CRLF) tolerated before a request line. RFC 9112 2.2 asks for at least one, which
/// old clients send after a POST body; more than a few is noise.
pub const LEADING_EMPTY_LINES_MAX: usize = 4;

/// Hexadecimal digits of one chunk size: what fits a `u64`.
pub const CHUNK_SIZE_DIGITS_MAX: usize = 16;

/// Bytes of extensions on one chunk. They carry nothing for us, so only room for the few known
/// uses (signatures) is left.
pub const CHUNK_EXTENSION_BYTES_MAX: usize = 256;

/// Bytes of chunk extensions in one body. Without it a body of one-byte chunks could carry a
/// hundred times its size in bytes that count for no limit.
pub const CHUNK_EXTENSIONS_BYTES_MAX: usize = 16 * 1024;

/// Bytes of the trailer section of a chunked body, its blank line included; above it 431.
pub const TRAILER_BYTES_MAX: usize = 8 * 1024;

/// Fields of a trailer section; above it 431.
pub const TRAILERS_MAX: usize = 32;

/// Unread request body that is read and dropped after the response so that the connection can be
/// used again. Reading more costs more than a new connection would.
pub const DRAIN_BODY_BYTES_DEFAULT: u64 = 64 * 1024;

/// Bytes read and dropped after our side of the connection was shut down, so that the client sees
/// the answer and not a reset: many clients send a whole file before they look.
pub const LINGER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// How long a lingering connection waits for the client's next bytes or its end.
pub const LINGER_IDLE_MS: u64 = 2_000;

/// How long a connection lingers in all: a client that drips must not hold it for ever.
pub const LINGER_TIMEOUT_MS: u64 = 30_000;

/// How long a body is waited for before `http.min.rate` counts: a slow start is no attack.
pub const BODY_RATE_GRACE_MS: u64 = 10_000;

/// How long a service may send nothing to a client that has ended its own side. A FIN alone does not say whether the
/// client is gone or half-closed; a silent service must not hold a dead connection for ever.
pub const HALF_CLOSED_WAIT_MS: u64 = 30_000;

/// Bytes of a request target that a record of it keeps; the rest is cut off. Browsers' addresses are shorter.
pub const RECORD_TARGET_BYTES_MAX: usize = 2 * 1024;

/// Bytes of any other text of a request that a record keeps (method, Host, User-Agent, Referer, the provider's name).
pub const RECORD_FIELD_BYTES_MAX: usize = 512;

/// Query parameters that are looked at; above it 400. Repeated names are found by comparison, so
/// the bound keeps that work small.
pub const QUERY_PARAMETERS_MAX: usize = 128;

/// Parameters of one route pattern. A match holds them in an array of this size.
pub const ROUTE_PARAMETERS_MAX: usize = 16;

/// Longest `x-request-id` of a client that is kept.
pub const REQUEST_ID_BYTES_MAX: usize = 128;

/// Longest status line, Date and framing fields that the encoder itself adds to a response head;
/// what it reserves ahead of the caller's fields.
pub const RESPONSE_OWN_BYTES_MAX: usize = 192;

/// Largest response head of an upstream, status line and blank line included; above it 502. As large as a request's.
pub const UPSTREAM_HEAD_BYTES_MAX: usize = 64 * 1024;

/// Interim (1xx) responses of an upstream to one request that are skipped; above it 502. A server sends one or two.
pub const INTERIM_RESPONSES_MAX: u32 = 16;

/// Longest path of a file below its directory, before it is decoded. Linux takes 4,095 bytes, the directory's own among them.
pub const FILE_PATH_BYTES_MAX: usize = 4 * 1024;

/// Ranges that one request may ask for; with more the file is sent whole. Clients that resume ask for one, viewers of PDF files
/// for a dozen; hundreds are an attack on the server's patience (CVE-2011-3192).
pub const RANGES_MAX: usize = 32;

/// Longest value of Range that is read; a longer one is as if it were not there.
pub const RANGE_FIELD_BYTES_MAX: usize = 2 * 1024;

/// Ranges with no more than this between them are sent as one: a part's own head is longer.
pub const RANGE_GAP_BYTES: u64 = 80;

/// Largest form of a file that the cache keeps in memory: above it the send costs more than the reading.
pub const CACHED_FILE_BYTES_MAX: u64 = 64 * 1024;

/// Bytes of files that the cache of a shard keeps in memory.
pub const CACHED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Files and directories that the cache of a shard remembers.
pub const CACHED_FILES_MAX: usize = 2_048;

/// Descriptors of large files that the cache of a shard keeps open: a small part of what a process may have (1,024 is usual).
pub const CACHED_DESCRIPTORS_MAX: usize = 64;

/// How long a descriptor is kept without being asked for: this to twice this. The room of a deleted file is free only then.
pub const CACHED_DESCRIPTOR_IDLE_MS: u64 = 2_000;

/// How long the cache believes what it knows of a file. A change is seen at most this and one look later.
pub const CACHED_LOOK_MS: u64 = 1_000;

/// Bytes of a large file that one turn of a connection sends before the shard's other tasks run; also what is asked of the
/// page cache at once.
pub const FILE_WINDOW_BYTES: u64 = 512 * 1024;

/// How often a file that changes while it is read is read again before the answer is 503.
pub const FILE_READ_TRIES_MAX: u32 = 4;

/// Bytes of one request's body that wait for an upstream before the caller waits, with [`QUEUED_PIECE_BYTES`] a piece: as much as
/// a link of the mesh queues.
pub const REQUEST_QUEUE_BYTES_MAX: usize = 256 * 1024;

/// What a piece of a body costs in a queue beside its bytes. Counted with them, or pieces of one byte would fill fifty times the
/// memory that [`REQUEST_QUEUE_BYTES_MAX`] says.
pub const QUEUED_PIECE_BYTES: usize = 64;

/// Gateways of this kind that a request may have passed on its way to an upstream, by its Via. More than a chain of them has: the
/// request goes round, and each round would hold another connection (RFC 9110 7.6).
pub const GATEWAYS_PASSED_MAX: usize = 8;

/// How long a connection to an upstream may take, look-up of its name and all its addresses together.
pub const CONNECT_TIMEOUT_MS: u64 = 5_000;

/// Connections of one shard to one upstream, idle ones included; above it a request is refused (another upstream, else 503). The
/// ports of one address pair end at about 28,000, shared by all shards.
pub const UPSTREAM_CONNECTIONS_MAX: usize = 1_024;

/// With all of them in use, a request on which nothing has moved for this long may be ended for a new one, where callers cannot say
/// that they have gone (an agent's). Longer than the usual long poll and the usual pause of an event stream.
pub const OUSTED_SILENT_MS: u64 = 60_000;

/// Idle connections of one shard to one upstream. As many as a busy shard uses at once, so that it does not dial anew.
pub const IDLE_CONNECTIONS_MAX: usize = 256;

/// How long a connection to an upstream may be idle. Node.js and Apache close after 5 s: a request must not meet that.
pub const IDLE_CONNECTION_MS: u64 = 4_000;

/// How long a connection rests before its next request after a response that has no body by its kind alone (HEAD, 204, 304): a
/// server that sends a body all the same must be noticed before its bytes are taken for the next response.
pub const BODILESS_REST_MS: u64 = 20;

/// Pieces of a body below this size are copied out of the read buffer, so that they do not keep it alive.
pub(crate) const SLICE_BYTES_MIN: usize = 4 * 1024;

/// Bytes of one connection's bodies that pass before the shard's other tasks run.
pub(crate) const TURN_BYTES_MAX: usize = 256 * 1024;

/// How much sooner than the upstream says (`keep-alive: timeout=5`) an idle connection is closed.
pub const IDLE_MARGIN_MS: u64 = 1_000;

/// TCP keepalive towards upstreams, in seconds: first probe after so much silence, then so far apart. A machine that is gone is
/// noticed within a minute, however long its answer may take.
pub const UPSTREAM_KEEPALIVE_S: (u64, u64) = (30, 10);

/// Addresses of one name that are tried.
pub const ADDRESSES_MAX: usize = 8;

/// How long the addresses of a name are used before it is looked up again.
pub const ADDRESSES_KEEP_MS: u64 = 30_000;

/// How long a failed look-up stands: requests that come meanwhile must not start a thread each.
pub const NO_ADDRESS_KEEP_MS: u64 = 1_000;

/// How often it is told that an upstream still cannot be reached.
pub const CANNOT_CONNECT_TELL_MS: u64 = 10_000;

/// Failures in a row that make an upstream unwell: one may be an accident.
pub const HEALTH_FAILURES: u32 = 2;

/// How long a health check waits for its answer: its interval, but at most this.
pub const HEALTH_TIMEOUT_MS: u64 = 5_000;

/// And at least this.
pub const HEALTH_TIMEOUT_MS_MIN: u64 = 500;

const _: () = assert!(IDLE_CONNECTIONS_MAX <= UPSTREAM_CONNECTIONS_MAX);
const _: () = assert!(HEALTH_TIMEOUT_MS_MIN <= HEALTH_TIMEOUT_MS);
const _: () = assert!(TARGET_BYTES_MAX < HEAD_BYTES_MAX);
const _: () = assert!(CACHED_FILE_BYTES_MAX <= CACHED_BYTES_MAX as u64 / 16);
const _: () = assert!(CHUNK_EXTENSION_BYTES_MAX <= CHUNK_EXTENSIONS_BYTES_MAX);
const _: () = assert!(TRAILERS_MAX <= FIELDS_MAX);
const _: () = assert!(LINGER_IDLE_MS <= LINGER_TIMEOUT_MS);
const _: () = assert!(CHUNK_SIZE_DIGITS_MAX * 4 == u64::BITS as usize);

/// What a listener accepts of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request head (431 above), see [`HEAD_BYTES_MAX`].
    pub head_bytes_max: usize,
    /// Header fields (431 above); values above [`FIELDS_MAX`] count as [`FIELDS_MAX`].
    pub fields_max: usize,
    /// Bytes of the request target (414 above), see [`TARGET_BYTES_MAX`].
    pub target_bytes_max: usize,
    /// Smallest request body (400 below): `http.min.body_size`.
    pub body_bytes_min: u64,
    /// Largest request body (413 above): `http.max.body_size`; `u64::MAX` for none.
    pub body_bytes_max: u64,
    /// Bytes of an unread body that are drained to keep the connection.
    pub drain_body_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            head_bytes_max: HEAD_BYTES_MAX,
            fields_max: FIELDS_MAX,
            target_bytes_max: TARGET_BYTES_MAX,
            body_bytes_min: 0,
            body_bytes_max: u64::MAX,
            drain_body_bytes_max: DRAIN_BODY_BYTES_DEFAULT,
        }
    }
}

/// A connection that has waited this long for a request gives back the memory that serves requests, about 3 KiB, and makes it anew
/// when bytes come.
pub const REST_AFTER_MS: u64 = 1_000;
