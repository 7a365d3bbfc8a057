//! Every bound of this crate, with its reason. Units come last in the names; relations are asserted at compile time.

/// Bytes of a session key, a public key, a BLAKE2b-256 digest.
pub const KEY_BYTES: usize = 32;
/// Bytes of the AES-256-GCM tag that ends each frame (protocol.md 1).
pub const TAG_BYTES: usize = 16;
/// Bytes of the length before each frame.
pub const LENGTH_BYTES: usize = 4;
/// Bytes of the RPC number that begins each plaintext (protocol.md 2).
pub const SEQ_BYTES: usize = 4;
/// Bytes of an Ed25519 signature.
pub const SIGNATURE_BYTES: usize = 64;

/// Largest `length` that we accept (ciphertext and tag). Node has no limit of its own, Go's is 4,096; ours has to hold the largest
/// Data (65,535 bytes) and a head of one 65,535-byte value with room to spare (rule B04).
pub const FRAME_BYTES_MAX: usize = 128 * 1024;
/// Smallest `length`: a tag and an RPC number. A plaintext under 4 bytes is a protocol error (protocol.md 2).
pub const FRAME_BYTES_MIN: usize = TAG_BYTES + SEQ_BYTES;
/// Largest `length` before the handshake is done: the largest handshake that can be written (255 names of 255 bytes) and the
/// downgrade trailer fit, and nobody can make us hold more before we know who it is.
pub const HANDSHAKE_FRAME_BYTES_MAX: usize = 66 * 1024;

/// Largest ciphertext with tag that a Go peer takes (rule G01).
pub const GO_FRAME_BYTES_MAX: usize = 4096;
/// Largest whole message, opcode included, to a Go peer or one not yet known (rule G01).
pub const GO_MESSAGE_BYTES_MAX: usize = GO_FRAME_BYTES_MAX - TAG_BYTES - SEQ_BYTES;
/// Largest Data payload to a Go peer or one not yet known (rule G02).
pub const GO_DATA_BYTES_MAX: usize = 2048;
/// Largest message to a Node peer: Node has no limit (rule N03), but our own legacy nodes look like Node and accept
/// [`FRAME_BYTES_MAX`].
pub const NODE_MESSAGE_BYTES_MAX: usize = FRAME_BYTES_MAX - TAG_BYTES - SEQ_BYTES;
/// Largest Data payload to a Node peer. 65,535 would be legal; this much keeps the plaintext of the frame within 64 KiB, so that
/// the receiver's usual read buffer holds it (rule N08).
pub const NODE_DATA_BYTES_MAX: usize = 65_520;
/// Bytes of a Data message around its payload: opcode, stream, length.
pub const DATA_OVERHEAD_BYTES: usize = 1 + 4 + 2;

/// Bytes before the body of each message of flatend/2: length, type, flags, stream (flatend2.md 3).
pub const MESSAGE_HEADER_BYTES: usize = 3 + 1 + 1 + 7;
/// Largest plaintext of a frame of flatend/2.
pub const PLAINTEXT_BYTES_MAX: usize = 64 * 1024;
/// Frames sealed with one key of flatend/2, as a power of two: a leaked key opens no more than 64 GiB, none of it older.
pub const FRAMES_A_KEY_LOG2: u32 = 20;
/// Largest first frame of a peer of flatend/2, whose HELLO is not verified yet: ciphertext and tag (flatend2.md 5).
pub const HELLO_FRAME_BYTES_MAX: usize = 16 * 1024;
/// What a stream of flatend/2 may send before its reader has taken anything (flatend2.md 4).
pub const STREAM_WINDOW_BYTES: u64 = 64 * 1024;
/// What the window of one stream is widened to at most: 10 Gbit/s over 13 ms.
pub const STREAM_WINDOW_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// What a window is widened to only because it gave credit twice in a millisecond: at 1 GB/s one credit in half a millisecond, as
/// measured; a wider one wins nothing more and leaves the caches.
pub const STREAM_WINDOW_HURRIED_BYTES_MAX: u64 = 1024 * 1024;
/// Largest body of a REQUEST, RESPONSE, TRAILERS or SERVICES: heads over 56 KiB are refused (flatend2.md 4).
pub const HEAD_BYTES_MAX: usize = 56 * 1024;
/// Longest reason of a RESET or GOODBYE that we send.
pub const REASON_BYTES_MAX: usize = 1_024;
/// Answers of the link itself that a peer of flatend/2 may leave unread: acknowledged PINGs, refused and cancelled requests, NODES.
/// All that an honest one can have asked for fits, and what one that does not read costs stays small.
pub const UNREAD_ANSWERS_BYTES_MAX: usize = 1024 * 1024;
/// Largest NODES, header and all: token, count, 16 records with their lengths.
pub const NODES_BYTES_MAX: usize =
    MESSAGE_HEADER_BYTES + 4 + 1 + NODES_MAX * (2 + RECORD_BYTES_MAX);
/// PING after so long without a byte (flatend2.md 4).
pub const PING_AFTER_MS: u64 = 15_000;
/// The same while requests of ours wait.
pub const PING_WAITING_MS: u64 = 5_000;
/// No byte for so long after a PING: the peer is dead.
pub const PING_TIMEOUT_MS: u64 = 5_000;
/// A link over which no message of a stream has gone for so long, or twice as long, is at rest: keys, tables and buffers that the
/// next frame can make anew are given up. That frame pays a µs for it, so even a link that is asked every few seconds may rest between.
pub const REST_AFTER_MS: u64 = 2_000;
/// What the windows of all streams of one link may be widened by, unless its caller says otherwise.
pub const EXTRA_WINDOW_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Addresses in one HELLO or signed record.
pub const ADDRESSES_MAX: usize = 16;
/// Largest signed record: 16 IPv6 addresses.
pub const RECORD_BYTES_MAX: usize =
    KEY_BYTES + 1 + ADDRESSES_MAX * (1 + 16 + 2) + 4 + 8 + 4 + SIGNATURE_BYTES;
/// Longest name of a software in HELLO.
pub const SOFTWARE_BYTES_MAX: usize = 255;

/// Longest service or header name: its length is one byte (rule B01).
pub const NAME_BYTES_MAX: usize = 255;
/// Longest header value: its length is two bytes (rule B01).
pub const VALUE_BYTES_MAX: usize = 65_535;
/// Most headers of one head: the count is two bytes.
pub const HEADERS_MAX: usize = 65_535;
/// Most service names of one packet: the count is one byte.
pub const SERVICES_MAX: usize = 255;
/// Most IDs that we put into one FindNodeResponse: a Kademlia bucket (protocol.md 5).
pub const NODES_MAX: usize = 16;

/// Keys agreed, identities shown and verified within this time, or the link is closed. Go gives the first 32 bytes 3 s.
pub const HANDSHAKE_TIMEOUT_MS: u64 = 5_000;
/// The first request to a peer that dialed us waits this long for its next packet (rule G08).
pub const FIRST_REQUEST_WAIT_MS: u64 = 200;
/// A response head that no Data follows for this long, the socket being read empty, has an empty body (rules G04, B02).
pub const SILENT_RESPONSE_MS: u64 = 1_000;
/// No byte in for this long while requests wait: a FindNode asks whether the peer still reads (rule G10).
pub const PROBE_AFTER_MS: u64 = 30_000;
/// No answer and no progress for this long after the probe: the link is dead (rule G10).
pub const PROBE_TIMEOUT_MS: u64 = 10_000;

/// So many abandoned streams retire a link (protocol.md 4).
pub const ABANDONED_RETIRE: u32 = 64;
/// A link with an abandoned stream retires this long after the first of them (protocol.md 4).
pub const ABANDONED_RETIRE_MS: u64 = 30_000;
/// So many abandoned streams end a link regardless (protocol.md 4).
pub const ABANDONED_DEAD: u32 = 1_024;

/// An answer that nobody wants and that goes on for this long counts (protocol.md 4). A download of the usual size is over by then.
pub const UNWANTED_AFTER_MS: u64 = 30_000;
/// So many such answers retire a link.
pub const UNWANTED_RETIRE: usize = 64;
/// So many end it regardless: half of the connections that an agent has for the server behind it, so that it never runs out of them.
pub const UNWANTED_DEAD: usize = 512;

/// Response bytes kept back for one Go caller whose request body has not ended (rule G11).
pub const HELD_STREAM_BYTES_MAX: usize = 256 * 1024;
/// The same over a link: sixteen such streams at their worst.
pub const HELD_LINK_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Sealed bytes that may wait for the socket before calls are answered with `Full`. The engine stops far below; this is the net.
pub const TRANSMIT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Streams in flight in each direction of one link: about 5 MiB of table at the worst.
pub const STREAMS_OPEN_MAX: usize = 65_536;
/// Requests of ours that were given up although the peer may still answer. Beyond it the oldest is forgotten.
pub const DISCARDED_MAX: usize = 4_096;
/// FindNode requests of ours without an answer yet.
pub const RPC_PENDING_MAX: usize = 64;
/// FindNode requests of the peer that our caller has not answered yet; legacy peers ask one at a time.
pub const LOOKUPS_PENDING_MAX: usize = 256;
/// Keys remembered as named on one link (rule N04): about 200 KiB. A link that has named so many within [`NAMED_MEMORY_MS`] names
/// no more until they are forgotten.
pub const NAMED_KEYS_MAX: usize = 4_096;
/// How long a key counts as named on a link (rule N04). Node's bootstrap takes seconds; whoever asks a minute later wants to know
/// who is there now.
pub const NAMED_MEMORY_MS: u64 = 60_000;
/// Keys named on one link, ever, to the target that it asked for first. Node asks everybody for its own key as often as an answer
/// brings somebody; with all of 500 nodes in each answer's reach that would be 250,000 questions, with 64 it is at most 32,000.
pub const FIRST_TARGET_NODES_MAX: usize = 64;

/// A connection that has sent less in all keeps no output buffer between two writes: its handshake, and a question or two.
pub const TALKS_FROM_BYTES: u64 = 2 * 1024;
/// Once drained, an output buffer above this size is given back down to [`TRANSMIT_KEEP_BYTES`].
pub const TRANSMIT_SHRINK_BYTES: usize = 256 * 1024;
/// What an idle connection keeps of its output buffer.
pub const TRANSMIT_KEEP_BYTES: usize = 16 * 1024;

const _: () = assert!(GO_MESSAGE_BYTES_MAX == 4_076);
const _: () = assert!(GO_DATA_BYTES_MAX + DATA_OVERHEAD_BYTES <= GO_MESSAGE_BYTES_MAX);
const _: () = assert!(NODE_DATA_BYTES_MAX + DATA_OVERHEAD_BYTES + SEQ_BYTES <= 64 * 1024);
const _: () = assert!(NODE_DATA_BYTES_MAX <= VALUE_BYTES_MAX);
const _: () = assert!(HANDSHAKE_FRAME_BYTES_MAX >= 16 + 4 + 1 + 1 + 51 + 1 + 255 * 256 + 64 + 99);
const _: () = assert!(HANDSHAKE_FRAME_BYTES_MAX <= FRAME_BYTES_MAX);
const _: () = assert!(FRAME_BYTES_MAX >= VALUE_BYTES_MAX + DATA_OVERHEAD_BYTES + FRAME_BYTES_MIN);
const _: () = assert!(NODES_MAX <= FIRST_TARGET_NODES_MAX && NODES_MAX <= NAMED_KEYS_MAX);
const _: () = assert!(NODES_BYTES_MAX <= HEAD_BYTES_MAX);
const _: () = assert!(RPC_PENDING_MAX * NODES_BYTES_MAX <= UNREAD_ANSWERS_BYTES_MAX / 2);
const _: () = assert!(2 * REST_AFTER_MS <= PING_WAITING_MS);
const _: () = assert!(ABANDONED_RETIRE < ABANDONED_DEAD);
const _: () = assert!(UNWANTED_RETIRE < UNWANTED_DEAD && UNWANTED_DEAD < DISCARDED_MAX);
const _: () = assert!(HELD_STREAM_BYTES_MAX <= HELD_LINK_BYTES_MAX);

/// What a caller may set lower (or, with care, higher) for one connection.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest `length` accepted from the peer, bytes of ciphertext and tag; never below Go's 4,096.
    pub frame_bytes_max: usize,
    /// Sealed bytes that may wait for the socket; above it calls answer `Full`.
    pub transmit_bytes_max: usize,
    /// Streams in flight, for each side that opens them.
    pub streams_open_max: usize,
    /// Response bytes kept back for one Go caller (rule G11).
    pub held_stream_bytes_max: usize,
    /// The same over the link.
    pub held_link_bytes_max: usize,
    /// What the windows of all streams of a link of flatend/2 may be widened by.
    pub extra_window_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes_max: FRAME_BYTES_MAX,
            transmit_bytes_max: TRANSMIT_BYTES_MAX,
            streams_open_max: STREAMS_OPEN_MAX,
            held_stream_bytes_max: HELD_STREAM_BYTES_MAX,
            held_link_bytes_max: HELD_LINK_BYTES_MAX,
            extra_window_bytes_max: EXTRA_WINDOW_BYTES_MAX,
        }
    }
}
