//! Limits of the engine, each with its reason. Units stand last in the names.

use std::time::Duration;

use flatend_codec::limits::{LENGTH_BYTES, MESSAGE_HEADER_BYTES, PLAINTEXT_BYTES_MAX, TAG_BYTES};

/// Bytes that wait in one link's output before its writers wait: a few round trips of a fast link, little memory.
pub const LINK_QUEUE_BYTES_MAX: usize = 256 * 1024;

/// Keys remembered as seen on flatend/2: 10,000 nodes that are made anew ten times.
pub const KNOWN_KEYS_MAX: usize = 100_000;

/// How long the signed record of a node is good: links live for weeks, and pass on what they were made with.
pub const RECORD_LIFETIME_S: u32 = 30 * 24 * 3600;

/// How old a record may be that a new link shows.
pub const RECORD_RENEW_S: u64 = 24 * 3600;

/// Lists of addresses whose records are kept: a node shows another one on each of its networks.
pub const RECORDS_KEPT_MAX: usize = 16;

/// Requests of one peer on flatend/2 that may be in flight on one link, unless `handler_streams` is lower: their bodies begin with
/// 64 KiB each.
pub const GRANTED_REQUESTS_MAX: usize = 16_384;

/// Links to one process at most, and one for each pair of shards before (flatend2.md 6): a peer that claims thousands of shards gets
/// no more.
pub const LANES_MAX: u16 = 16;

/// Further links to one process that are dialed at once.
pub const LANE_DIALS_MAX: usize = 4;

/// Links of one lane that a peer may have dialed: the second may take the place of one that it has lost and we have not. A third
/// ends the oldest.
pub const LANE_LINKS_MAX: usize = 2;

/// Requests of a link after which its process gets further ones: a node that others only know of, or ask once, keeps one.
pub const LANE_WORK_REQUESTS: u32 = 16;

/// What peers on flatend/2 may send all shards of a node before anybody reads it, over all links, as a part of the memory that the process
/// may use, unless the node says otherwise: on a machine of 64 GiB 65,536 requests in flight, and 15 of 16 parts are for all else.
pub const RECEIVE_MEMORY_SHARE: u64 = 16;

/// A shard's part of it is not below this unless the node says so: 1,024 streams with their first window (flatend2.md 4).
pub const RECEIVE_BYTES_DEFAULT_MIN: usize = 64 * 1024 * 1024;

/// The smallest receive budget: sixteen streams, beside a window that widens.
pub const RECEIVE_BYTES_MIN: usize = 1024 * 1024;

/// How long a request waits for the receive budget of its shard, unless it says how long it may be held.
pub const RECEIVE_WAIT_MS: u64 = 1_500;

/// Streams of a link with somebody waiting, from which on those that nobody waits for any more are swept out: see `StreamWaits`.
pub const STREAM_WAITS_SWEEP_MIN: usize = 64;

/// A link's output is sent at once when it has gathered this much, instead of at the end of the turn.
pub const LINK_CORK_BYTES_MAX: usize = 64 * 1024;

/// Bytes received for one stream that its reader has not taken. Past it the link stops reading (legacy has no per-stream
/// flow control), so it is generous: at most this much times the streams of a link is held.
pub const STREAM_UNREAD_BYTES_MAX: usize = 512 * 1024;

/// Unread bytes of all streams of one link, complete bodies included. Past it the link stops reading although no single stream
/// is full. A few hundred small responses for slow clients fit.
pub const LINK_UNREAD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long one reader that takes nothing may hold up the other streams of its link; then its stream alone is given up.
pub const READER_STALL_MS: u64 = 10_000;

/// How long one reader that takes nothing may hold up the other streams of its link while the link has room: then its stream may
/// use that room. A handler that never reads, or whose caller has left, so costs the others a second and not ten.
pub const READER_LEND_MS: u64 = 1_000;

/// Bytes of one request body on their way between two shards and not yet taken by the link.
pub const RELAY_WINDOW_BYTES: usize = 256 * 1024;

/// Bytes of a response that an outlet puts in before it waits for their reader, with [`QUEUED_PIECE_BYTES`] a piece: as much as a
/// client's queue takes.
pub const OUTLET_UNREAD_BYTES_MAX: usize = 256 * 1024;

/// What a piece of a body costs in a queue beside its bytes. Counted with them, or pieces of one byte would fill fifty times the
/// memory that the queue's limit says.
pub const QUEUED_PIECE_BYTES: usize = 64;

/// How often a held request looks whether an outlet that was unwell is well again: no snapshot tells of it.
pub const OUTLET_LOOK_MS: u64 = 100;

/// Request body kept for a second try, with [`QUEUED_PIECE_BYTES`] a piece, and one piece more: all that a provider on flatend/2 can be
/// sent before it takes the request, a first window in pieces of 1 KiB or more and the piece that waits for another. So a request that
/// crosses a goodbye goes elsewhere, however long its body is.
pub const REPLAY_BYTES_MAX: usize = 64 * 1024 + 64 * QUEUED_PIECE_BYTES;
const _: () = assert!(
    REPLAY_BYTES_MAX as u64
        >= flatend_codec::limits::STREAM_WINDOW_BYTES + 64 * QUEUED_PIECE_BYTES as u64
);

/// How long a response that has begun may wait for its end, once its request has left whole or while it could still be
/// repeated: a provider that is killed within a small answer has then answered nobody. Answers that arrive whole, as nearly all do, never wait.
pub const WHOLE_RESPONSE_WAIT_MS: u64 = 25;

/// A response of which this much has arrived is passed on without waiting for its end.
pub const WHOLE_RESPONSE_BYTES_MAX: usize = 16 * 1024;

/// Providers of which a shard remembers what it knows although no set of services names them; beyond it they are forgotten.
pub const IDLE_PROVIDERS_MAX: usize = 1_024;

/// Time constant of a provider's average latency: long enough to smooth bursts, short enough that a slow minute is forgotten
/// within the next.
pub const LATENCY_DECAY_MS: u64 = 10_000;

/// Responses before a provider's latency counts; the least of them begins the average.
pub const WARM_UP_HEADS: u32 = 3;

/// Latencies below it are not told apart: they are measured by the turn's clock, and a busy turn takes about that long.
pub const LATENCY_MIN_US: f64 = 50.0;

/// Latencies whose ratio is at most this count as equal.
pub const LATENCY_LIKE_RATIO: f64 = 1.25;

/// Failures in a row that set a provider aside.
pub const FAILURES_IN_A_ROW_MAX: u32 = 5;

/// Results of a provider that are remembered; fewer say nothing about its share of failures.
pub const RESULTS_KEPT: u32 = 20;

/// Failures among [`RESULTS_KEPT`] results that set a provider aside: half.
pub const FAILED_RESULTS_MAX: u32 = RESULTS_KEPT / 2;

/// First pause of a provider that is set aside; each further one is twice as long.
pub const ASIDE_FIRST_MS: u64 = 1_000;

/// Longest pause of a provider that is set aside: as long as between dials of an address that stays away.
pub const ASIDE_MAX_MS: u64 = 30_000;

/// A provider that was not set aside for this long begins with [`ASIDE_FIRST_MS`] again: twice the longest pause.
pub const HEALTHY_STRETCH_MS: u64 = 2 * ASIDE_MAX_MS;

/// How long a trial is left to requests that could go elsewhere when it fails; then any request may be one, for there are
/// services that are never sent anything else.
pub const TRIAL_ANY_AFTER_MS: u64 = 1_000;

/// Tries of one request, the first included.
pub const TRIES_MAX: u32 = 3;

/// Retries are at most one in this many requests (20 %), beside the reserve.
pub const RETRY_SHARE: u32 = 5;

/// Retries that a shard may make before the share counts: a killed provider loses all of its requests at once.
pub const RETRY_RESERVE: u32 = 1_000;

/// How long a request waits for a provider that was there a moment ago: npm peers dial again after 500 ms.
pub const HOLD_DEFAULT_MS: u64 = 1_500;

/// A service without providers is remembered this long, so that requests are held for its return.
pub const SERVICE_MEMORY_MS: u64 = 60_000;

/// Names of vanished services remembered at most; the oldest go first.
pub const SERVICE_MEMORY_MAX: usize = 4_096;

/// A process younger than this holds requests for services that it has not seen yet.
pub const YOUNG_PROCESS_MS: u64 = 5_000;

/// Time for a TCP connect of a bootstrap dial.
pub const DIAL_TIMEOUT_MS: u64 = 5_000;

/// First pause before a lost bootstrap address is dialed again; npm peers use the same.
pub const REDIAL_FIRST_MS: u64 = 500;

/// Largest pause while the loss is fresh.
pub const REDIAL_FRESH_MAX_MS: u64 = 1_000;

/// Tries of a request whose link ended because its peer broke the protocol: what brought one provider there may bring the
/// next, and each costs all requests of its link.
pub const BROKEN_LINK_TRIES_MAX: u32 = 2;

/// A link of a bootstrap address that ends sooner is no success: the pauses grow as if the dial had failed.
pub const BRIEF_LINK_MS: u64 = 10_000;

/// Attempts that count as fresh; afterwards the pause grows on to [`REDIAL_MAX_MS`].
pub const REDIAL_FRESH_ATTEMPTS: u32 = 8;

/// Largest pause between dials of an address that stays away.
pub const REDIAL_MAX_MS: u64 = 30_000;

/// How long a closing link waits for the peer's FIN: a Node peer dies of a reset, so we let it close first.
pub const FIN_WAIT_MS: u64 = 3_000;

/// Bytes read and thrown away while waiting for a FIN.
pub const FIN_DISCARD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How often the log hears of somebody who speaks HTTP to the mesh: health checks come every few seconds.
pub const HTTP_HINT_MS: u64 = 60_000;

/// Receive buffer of a link before its handshake; a frame that is larger gets what it needs.
pub const UNVERIFIED_BUFFER_BYTES: usize = 1_024;

/// First receive buffer of a link; most links see small frames only.
pub const LINK_BUFFER_BYTES: usize = 16 * 1024;

/// Receive buffer of a link on which bulk data travels: four of the largest frames of flatend/2, so that where they follow each other
/// none of it is left over, and what slices keep alive is what they are.
pub const LINK_BUFFER_BULK_BYTES: usize = 4 * (LENGTH_BYTES + PLAINTEXT_BYTES_MAX + TAG_BYTES);

/// An old peer's link on which nothing is asked is read less often once it has given this many reads of few bytes a millisecond …
pub(crate) const COALESCE_READS_A_MS: u64 = 8;

/// … for this long, so that a body of less than that pays nothing and a longer one a tenth at most,
pub(crate) const COALESCE_AFTER_MS: u64 = 60;

/// a few bytes being fewer than these. A read after a pause that brings fewer ends it.
pub(crate) const COALESCE_BYTES_MIN: usize = 16 * 1024;

/// For how long it has to give them again then.
pub(crate) const COALESCE_AGAIN_MS: u64 = 4;

/// The pause between two reads; the wheel adds 4 ms at most. What a quick peer sends meanwhile fits the socket.
pub(crate) const COALESCE_MS: u64 = 1;

/// Receive buffers that a shard keeps for links that have something to read: as many as read at once in a turn, more or less.
pub(crate) const SPARE_BUFFERS_MAX: usize = 16;

/// The same while they are large: a MiB.
pub(crate) const SPARE_BULK_BUFFERS_MAX: usize = 4;

/// Bulk bytes of a link between two times that its window is narrowed: two system calls each, and the system widens the window once
/// a round trip at most.
pub const LINK_WINDOW_LOOK_BYTES: usize = 1024 * 1024;

/// How long a frame may take from its first byte to its last, while we read: 128 KiB at 4.4 KB/s.
pub const FRAME_WAIT_MS: u64 = 30_000;

/// Links that a shard accepts; more are closed at once, for HTTP needs descriptors too.
pub const LINKS_MAX: usize = 8_192;

/// Bytes of the heads of requests whose handlers run, a link. Past it requests are refused: another provider may take them.
pub const HANDLER_HEAD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes that one link processes before the shard's other tasks run.
pub const LINK_TURN_BYTES_MAX: usize = 256 * 1024;

/// Queues of requests that are over, kept by a shard for the next ones: about 50 KiB.
pub const INBOUNDS_KEPT_MAX: usize = 256;

/// Pieces for which a queue that is kept has room at most.
pub const INBOUND_PIECES_KEPT_MAX: usize = 16;

/// A payload below this size is copied into memory that others share, see [`SMALL_PIECES_BYTES`]; a larger one gets its own.
pub const SMALL_PIECE_BYTES: usize = 512;

/// Memory that small payloads share. It lives as long as one of them is unread, so it is no more than a stream costs anyhow.
pub const SMALL_PIECES_BYTES: usize = 4 * 1024;

/// Pieces below [`SMALL_PIECE_BYTES`] that wait behind others for one reader are joined until there is this much of them: one of a
/// byte is 13 bytes on the wire, and would be 32 in a queue beside the memory that it keeps.
pub const JOINED_PIECES_BYTES_MAX: usize = 4 * 1024;

/// A payload of at least this size is handed on as a slice of the receive buffer, a smaller one is copied: a slice keeps
/// the whole buffer alive, and copying 2 KiB costs about as much as counting references.
pub const SLICE_BYTES_MIN: usize = 4 * 1024;

/// A slice holds at least one in this many bytes of the memory that it keeps alive, or it is copied: what is unread counts with its
/// bytes, and a peer must not make each of them stand for more. Of the largest buffer it is the payload of a frame that is full, or
/// nearly; copying less than that costs a few µs.
pub const SLICE_SHARE: usize = 5;

/// A receive buffer of which what is left over needs no more than one part in this many is exchanged for a small one when the socket
/// is empty: the rest of the frame may take its time.
pub(crate) const REST_SHARE: usize = 4;

/// Links that are accepted and have not finished their handshake, a shard (flatend2.md 5). Beyond it the oldest goes, and who comes
/// waits in the system's backlog meanwhile.
pub const UNVERIFIED_LINKS_MAX: usize = 128;

/// Of these, those from one address (IPv6: one /64), once half of all are taken. Below that a crowd harms nobody: all services of a
/// machine that starts come from 127.0.0.1.
pub const UNVERIFIED_OF_ADDRESS_MAX: usize = 8;

/// How long a link without a handshake stays whoever comes after it: a round trip around the world. With
/// [`UNVERIFIED_LINKS_MAX`] it is the pace at which a flood of them is gone through: 512 a second.
pub const UNVERIFIED_GRACE_MS: u64 = 250;

/// TCP keepalive of links: first probe after this silence.
pub const KEEPALIVE_IDLE_S: u64 = 30;

/// TCP keepalive of links: between probes.
pub const KEEPALIVE_INTERVAL_S: u64 = 10;

/// IDs in one bucket of the table, and spare ones beside them (protocol.md 5).
pub const BUCKET_IDS: usize = 16;

/// Peers that a lookup asks at once (protocol.md 5).
pub const LOOKUP_PARALLEL: usize = 3;

/// A FindNode that is not answered within this time is a ping that failed.
pub const QUESTION_TIMEOUT_MS: u64 = 10_000;

/// IDs known by hearsay and not connected, each about 200 bytes. Beyond it what peers name is not remembered.
pub const KNOWN_IDS_MAX: usize = 2_048;

/// How long an ID is no news after a dial of it failed, and an address is not dialed for other IDs that are hearsay.
pub const HEARSAY_REST_MS: u64 = 30_000;

/// IDs that a peer has named and that led nowhere, beyond those that led to a peer, after which its news are not pursued:
/// a peer that makes IDs up would be asked on and on.
pub const LIES_MAX: u32 = 16;

/// Dials under way at once: a new node joins a mesh of a thousand within a second, and no peer can make us fill our
/// descriptors with connections that nobody answers.
pub const MESH_DIALS_MAX: usize = 64;

/// Dials of named IDs that may fail in a burst: what peers name may be made up, and aimed at somebody else.
pub const FAILED_DIALS_BURST: u64 = 256;

/// Dials of named IDs that may fail on and on.
pub const FAILED_DIALS_PER_S: u64 = 8;

/// How long a peer has, after this node's services have changed, to show what it is: then its link is made again, for npm dies
/// of being told and looks like Go on a link that we dialed.
pub const ANNOUNCE_WAIT_MS: u64 = 5_000;

/// Own addresses remembered that were found by dialing ourselves.
pub const OWN_ADDRS_MAX: usize = 64;

/// First pause before a peer is asked what is new; each further one is twice as long, until something is.
pub const REFRESH_FIRST_MS: u64 = 500;

/// Longest pause between refreshes.
pub const REFRESH_MAX_MS: u64 = 600_000;

/// Refreshes after a pause of at least this much are sweeps: nodes of this project name an ID again after a minute.
pub const SWEEP_FROM_MS: u64 = 60_000;

/// Questions of one sweep: eight thousand nodes.
pub const SWEEP_QUESTIONS_MAX: u32 = 512;

/// Answers in a row without anything that a sweep has not brought, after which it ends.
pub const SWEEP_BARREN_MAX: u32 = 3;

/// How long a node waits at shutdown for the requests in flight on its links.
pub const DRAIN_MS: u64 = 10_000;

/// Streams that peers may have open towards our handlers, a link. Past it a request is refused (another provider may
/// take it).
pub const HANDLER_STREAMS_MAX: usize = 65_536;

/// Bytes of a body that a client hands on in one piece, so that the link's output grows by little more than its limit.
pub const UPLOAD_PIECE_BYTES: usize = 64 * 1024;

/// Combinations of names whose providers a shard keeps resolved for its clients; beyond it all are resolved anew.
pub const NAMED_SETS_MAX: usize = 1_024;

/// Providers that one broadcast asks at the same time: each may leave half a MiB unread.
pub const BROADCAST_AT_ONCE_MAX: usize = 64;

/// Bytes of a response's body that are encoded between two looks at the link's room, and the buffer of a copy.
pub const PIPE_PIECE_BYTES: usize = 64 * 1024;

/// Longest key file that is read. 128 digits and a newline are 129 bytes; the rest is room for white space.
pub const KEY_FILE_BYTES_MAX: u64 = 1024;

/// The largest head of a request, so that a limit on heads does not refuse it always.
pub const HANDLER_HEAD_BYTES_MIN: usize = 128 * 1024;

/// The largest piece of a body: less unread would stop a link for each.
pub const STREAM_UNREAD_BYTES_MIN: usize = 64 * 1024;

/// More shards than any machine that we know has processors.
pub const SHARDS_MAX: usize = 1024;

const _: () = assert!(RECEIVE_BYTES_MIN <= RECEIVE_BYTES_DEFAULT_MIN);
const _: () = assert!(RECORD_RENEW_S * 2 <= RECORD_LIFETIME_S as u64);
const _: () = assert!(HANDLER_HEAD_BYTES_MIN <= HANDLER_HEAD_BYTES_MAX);
const _: () = assert!(STREAM_UNREAD_BYTES_MIN <= STREAM_UNREAD_BYTES_MAX);
const _: () = assert!(PIPE_PIECE_BYTES <= LINK_QUEUE_BYTES_MAX);
/// Bytes of a join token's text: more than the largest that can be made, so that what is read is bounded before it is decoded.
pub const JOIN_BYTES_MAX: usize = 8 * 1024;

/// Addresses in a join token: the first of them finds the rest of the mesh.
pub const JOIN_ADDRS_MAX: usize = 16;

/// Bytes of a join token's label.
pub const JOIN_NAME_BYTES_MAX: usize = 64;

/// Nodes that may relay one request, one after the other: more than any mesh of sense needs.
pub const RELAY_HOPS_MAX: u32 = 8;

/// Closures that one shard has submitted to others and that have not ended; further ones wait.
pub const SUBMITS_MAX: usize = 4_096;

/// Requests and closures of threads that are no shard, under way on one shard; further ones wait in line.
pub const HANDLE_CALLS_MAX: usize = 4_096;

/// Messages that wait for a shard from threads that are none: each request that is under way has two at most, its start and a
/// poke, so that they always fit.
pub(crate) const HANDLE_MESSAGES_MAX: usize = 2 * HANDLE_CALLS_MAX;

/// Bytes of one body between such a thread and its shard, each way, with [`QUEUED_PIECE_BYTES`] a piece.
pub const HANDLE_WINDOW_BYTES: usize = 256 * 1024;

/// The longest pause of `Reconnect` that makes sense: who waits longer does not mean to come back.
pub(crate) const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The shortest first pause of `Reconnect`: below it an address that refuses is dialed as fast as the machine can.
pub(crate) const RECONNECT_PAUSE_MIN: Duration = Duration::from_millis(10);

/// Bytes that one thread reads for `Context::pipe_blocking`: starting it costs little beside them.
pub(crate) const BLOCKING_PIECE_BYTES: u64 = 256 * 1024;

/// Bytes of the headers behind a body, names and values with their lengths: what one message of flatend/2 takes.
pub const TRAILERS_BYTES_MAX: usize = flatend_codec::limits::HEAD_BYTES_MAX - 2;

/// Characters of a peer's reason for its goodbye that are kept for the log.
pub(crate) const GOODBYE_REASON_CHARS_MAX: usize = 256;

/// Bytes of names of services in one line of the log.
pub(crate) const EVENT_NAMES_BYTES_MAX: usize = 1_024;

/// Room of a fresh block of headers: the head of a browser's request with what a gateway adds.
pub(crate) const HEADER_BLOCK_BYTES: usize = 1_024;

/// Blocks of headers that are kept; a shard with more requests in flight allocates the rest.
pub(crate) const HEADER_BLOCKS_KEPT_MAX: usize = 256;

/// A block of headers that grew beyond this is not kept: one huge head must not pin memory for ever.
pub(crate) const HEADER_BLOCK_KEPT_BYTES_MAX: usize = 8 * 1024;

/// How often a paused link looks for readers that hold it up.
pub(crate) const STALL_CHECK_MS: u64 = 1_000;

/// Requests of other threads that are open on a shard; of fewer those that have ended are not worth a look.
pub(crate) const HANDLE_SWEEP_MIN: usize = 64;

const _: () = assert!(LINK_CORK_BYTES_MAX <= LINK_QUEUE_BYTES_MAX);
const _: () = assert!(STREAM_UNREAD_BYTES_MAX <= LINK_UNREAD_BYTES_MAX);
const _: () = assert!(UNVERIFIED_OF_ADDRESS_MAX <= UNVERIFIED_LINKS_MAX / 2);
const _: () = assert!(UNVERIFIED_GRACE_MS <= FIN_WAIT_MS);
const _: () = assert!(READER_LEND_MS < READER_STALL_MS);
const _: () = assert!(RESULTS_KEPT < u32::BITS && FAILURES_IN_A_ROW_MAX < RESULTS_KEPT);
const _: () = assert!(ASIDE_FIRST_MS <= ASIDE_MAX_MS);
const _: () = assert!(BUCKET_IDS == flatend_codec::limits::NODES_MAX);
const _: () = assert!(SWEEP_FROM_MS >= flatend_codec::limits::NAMED_MEMORY_MS);
const _: () = assert!(REFRESH_FIRST_MS < SWEEP_FROM_MS && SWEEP_FROM_MS < REFRESH_MAX_MS);
const _: () = assert!(SLICE_BYTES_MIN <= LINK_BUFFER_BYTES);
const _: () = assert!(SMALL_PIECE_BYTES <= JOINED_PIECES_BYTES_MAX);
/// The payload of a full frame is never copied.
const _: () = assert!(
    SLICE_SHARE * (PLAINTEXT_BYTES_MAX - 2 * MESSAGE_HEADER_BYTES) >= LINK_BUFFER_BULK_BYTES + 1024
);
