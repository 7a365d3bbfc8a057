//! The rows of protocol.md section 6 in its order, each with an id. A test of the same name shows each of them
//! (`codec/tests/rules`), as far as a core without sockets can.

/// Whose behaviour a rule is about.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Who {
    /// The Go module.
    Go,
    /// The npm package.
    Node,
    /// Both.
    Both,
}

/// Who keeps a rule.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Where {
    /// This crate alone.
    Codec,
    /// This crate, with a part that only the engine (sockets, routing) can do.
    CodecAndEngine,
    /// The engine, asking [`Dialect`](super::Dialect).
    Engine,
    /// The gateway's HTTP side, with what this crate says.
    Gateway,
    /// Examples and the interop suite: nothing that a program could enforce.
    Interop,
}

/// One row.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// `G` (Go), `N` (Node) or `B` (both) and a number.
    pub id: &'static str,
    /// Who does it.
    pub who: Who,
    /// What the peer does.
    pub does: &'static str,
    /// What we do about it.
    pub so: &'static str,
    /// Who keeps the rule.
    pub kept_by: Where,
}

const fn rule(
    id: &'static str,
    who: Who,
    does: &'static str,
    so: &'static str,
    kept_by: Where,
) -> Rule {
    Rule {
        id,
        who,
        does,
        so,
        kept_by,
    }
}

/// All rows.
#[rustfmt::skip]
pub const RULES: &[Rule] = &[
    rule("G01", Who::Go,
        "closes on a frame of more than 4,096 bytes with its tag",
        "a message to Go or an unknown peer has at most 4,076 bytes; a head that does not fit is HeadTooLarge, extras are left out first; a handshake that does not fit is refused when the connection is made",
        Where::CodecAndEngine),
    rule("G02", Who::Go,
        "closes on Data over 2,048 bytes, for an unknown stream or after the end, and on unknown opcodes",
        "Data is split to the dialect's size; a stream that ended or was answered sends nothing more",
        Where::Codec),
    rule("G03", Who::Go,
        "closes when a handler returned without reading a body that still arrives",
        "the link is lost with all its streams: they fail over or get an error, the peer is redialed",
        Where::Engine),
    rule("G04", Who::Go,
        "sends a response head and no empty Data if its handler wrote nothing",
        "a response without Data for 1 s after its head is ended here",
        Where::Codec),
    rule("G05", Who::Go,
        "dies of a request from an anonymous peer",
        "open_stream answers Anonymous where we showed no identity",
        Where::CodecAndEngine),
    rule("G06", Who::Go,
        "ignores, as a dialer, the services of an acceptor without an ID",
        "an acceptor that offers services without an identity is not made",
        Where::Codec),
    rule("G07", Who::Go,
        "shakes hands again on a live link",
        "it is answered, and its list replaces the old one (Event::Handshake with again)",
        Where::CodecAndEngine),
    rule("N01", Who::Node,
        "ends its whole process on a second Handshake, on Data for an unknown stream, on anything that does not decode",
        "one Handshake a connection, Data only while the stream lives, nothing malformed",
        Where::Codec),
    rule("B01", Who::Both,
        "write lengths modulo 256 and 65,536",
        "longer names and values are never encoded (431); received ones that do not decode cost their stream alone",
        Where::CodecAndEngine),
    rule("G08", Who::Go,
        "dies of a request that reaches it before it has digested our handshake reply",
        "a peer that dialed us is not ready before its next packet or 200 ms",
        Where::Codec),
    rule("G09", Who::Go,
        "a second Handshake adds services at its side and removes none",
        "names that we withdrew may still be asked for: refuse() answers not handled",
        Where::CodecAndEngine),
    rule("N02", Who::Node,
        "never turns off Nagle's algorithm and writes a response as three small frames",
        "TCP_QUICKACK on links where Dialect::quick_ack says so, set again after each receive and send",
        Where::Engine),
    rule("N03", Who::Node,
        "limits neither frames nor pending body bytes",
        "our messages stay below our own limit; pressure is TCP's",
        Where::CodecAndEngine),
    rule("G10", Who::Go,
        "a request that it does not handle, with a body, stalls its link for ever; so does a handler that does not read",
        "only announced names are asked for; after a refusal only the empty Data; 30 s without a byte while requests wait asks with a FindNode, 10 s more close the link",
        Where::Codec),
    rule("G11", Who::Go,
        "reads, as a caller, no response before its whole body is sent",
        "the response is kept back until the body has ended: 256 KiB a stream, then that stream is answered not handled",
        Where::Codec),
    rule("G12", Who::Go,
        "waits 3 s for the 32 bytes, opens up to 4 connections to one address",
        "the key is answered at once; several links of one key are normal",
        Where::CodecAndEngine),
    rule("N04", Who::Node,
        "its bootstrap asks for ever if a FindNode answer repeats an ID",
        "each key is named once a minute and link, 64 in all to the target asked for first, the peer's own never",
        Where::Codec),
    rule("N05", Who::Node,
        "a reset connection ends its process; after a FIN it reconnects",
        "links end by FIN, read and discard (Dialect::end_by_fin); after an error nothing more is sealed",
        Where::Engine),
    rule("N06", Who::Node,
        "counts header lengths in UTF-16 units and sends UTF-8",
        "such a head costs its stream alone: Reset for a response, not handled for a request",
        Where::CodecAndEngine),
    rule("N07", Who::Node,
        "on Node 20 reading a body with await ends the writing side and the process",
        "examples and interop tests use ctx.on(\"data\")",
        Where::Interop),
    rule("N08", Who::Node,
        "takes Data up to 65,535 bytes",
        "once known to be Node it gets Data of 65,520 bytes",
        Where::Codec),
    rule("B02", Who::Both,
        "send the response head from the same call as the first Data",
        "1 s of reading time without Data, the socket read empty, is an empty body, unless content-length says more",
        Where::Codec),
    rule("B03", Who::Both,
        "a handler that dies in mid-body ends the link or sends an empty Data as if complete",
        "where content-length was given it is checked: HeadersRef::content_length",
        Where::Gateway),
    rule("N09", Who::Node,
        "parses IPv4 literals only",
        "no IPv6 ID is named to Node or an unknown peer; on an IPv4 link we show IPv4",
        Where::CodecAndEngine),
    rule("B04", Who::Both,
        "our limit for their frames is ours to set",
        "128 KiB a frame, names to 255 bytes, values to 65,535",
        Where::Codec),
    rule("B05", Who::Both,
        "no flow control per stream: one slow reader stalls the link",
        "bounded buffers here; set_reading(false) when a reader is slow",
        Where::CodecAndEngine),
    rule("B06", Who::Both,
        "no ping: a dead link shows only by TCP",
        "TCP keepalive and idle checks by the engine; while requests wait G10 asks",
        Where::Engine),
];
