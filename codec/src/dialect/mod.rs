//! What a peer can take. The engine never asks which dialect is spoken; where a dialect cannot do something, this says so. The rows
//! of protocol.md section 6 behind each answer stand in [`RULES`].

mod rules;

pub use rules::{Rule, Where, Who, RULES};

use crate::limits::{
    GO_DATA_BYTES_MAX, GO_MESSAGE_BYTES_MAX, HEAD_BYTES_MAX, MESSAGE_HEADER_BYTES,
    NODE_DATA_BYTES_MAX, NODE_MESSAGE_BYTES_MAX, PLAINTEXT_BYTES_MAX,
};

/// The name by which a node of this project says that it answers for others too: it may be asked for any name (protocol.md,
/// Relays).
pub const RELAY_SERVICE: &str = "flatend.relay";

/// What is known of the peer's implementation.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub enum PeerKind {
    /// Not known (yet): to be treated as Go. Links that we dialed on legacy stay so until a node of this project asks.
    #[default]
    Unknown,
    /// The Go module.
    Go,
    /// The npm package, or a legacy node of this project, which takes at least as much.
    Node,
    /// A node of this project: on a legacy link known by a request of it whose number is from the upper half (protocol.md 4).
    Native,
    /// A node that speaks flatend/2.
    Flatend2,
}

/// What a peer can take, and what has to be done for it.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Dialect {
    /// For logs.
    pub name: &'static str,
    /// Largest whole message, opcode included (rules G01, B04).
    pub message_bytes_max: usize,
    /// Largest Data payload (rules G02, N08).
    pub data_bytes_max: usize,
    /// Can it parse an IPv6 ID (rule N09)?
    pub takes_ipv6_ids: bool,
    /// Does a request from an anonymous caller kill it (rule G05)?
    pub requires_identity: bool,
    /// Does it have to be asked for announced names only (rule G10)?
    pub announced_names_only: bool,
    /// Is its handler gone when a response has ended early, so that the request is to be ended at once (protocol.md 4)?
    pub early_response_ends_request: bool,
    /// Does it, as a caller, read no response before its body has ended (rule G11)?
    pub holds_response: bool,
    /// May we shake hands with it again on a live link (rules G07, N01)?
    pub takes_second_handshake: bool,
    /// Does a reset TCP connection kill it, so that links end by FIN, read and discard (rule N05)?
    pub end_by_fin: bool,
    /// Does it write small frames under Nagle's algorithm, so that `TCP_QUICKACK` pays (rule N02)?
    pub quick_ack: bool,
    /// Can a single stream be cut without the link (protocol.md 4)?
    pub can_reset: bool,
    /// Are there trailers?
    pub has_trailers: bool,
    /// Is there a goodbye?
    pub has_goodbye: bool,
    /// Is there flow control per stream (rule B05)?
    pub has_credit: bool,
    /// Does it answer pings of its own dialect (rule B06)?
    pub has_ping: bool,
}

const LEGACY: Dialect = Dialect {
    name: "legacy",
    message_bytes_max: GO_MESSAGE_BYTES_MAX,
    data_bytes_max: GO_DATA_BYTES_MAX,
    takes_ipv6_ids: false,
    requires_identity: true,
    announced_names_only: true,
    early_response_ends_request: true,
    holds_response: true,
    takes_second_handshake: false,
    end_by_fin: true,
    quick_ack: true,
    can_reset: false,
    has_trailers: false,
    has_goodbye: false,
    has_credit: false,
    has_ping: false,
};

impl Dialect {
    /// A legacy peer that is not known: the strictest of both.
    pub const UNKNOWN: Self = Self {
        name: "legacy, unknown",
        ..LEGACY
    };
    /// A Go peer.
    pub const GO: Self = Self {
        name: "legacy, Go",
        takes_ipv6_ids: true,
        takes_second_handshake: true,
        quick_ack: false,
        ..LEGACY
    };
    /// A Node peer.
    pub const NODE: Self = Self {
        name: "legacy, Node",
        message_bytes_max: NODE_MESSAGE_BYTES_MAX,
        data_bytes_max: NODE_DATA_BYTES_MAX,
        requires_identity: false,
        announced_names_only: false,
        early_response_ends_request: false,
        holds_response: false,
        ..LEGACY
    };

    /// A node of this project on a legacy link.
    pub const NATIVE: Self = Self {
        name: "legacy, native",
        takes_ipv6_ids: true,
        takes_second_handshake: true,
        quick_ack: false,
        ..Self::NODE
    };

    /// A peer on flatend/2.
    pub const FLATEND2: Self = Self {
        name: "flatend/2",
        message_bytes_max: HEAD_BYTES_MAX,
        data_bytes_max: PLAINTEXT_BYTES_MAX - MESSAGE_HEADER_BYTES,
        takes_ipv6_ids: true,
        requires_identity: false,
        announced_names_only: false,
        early_response_ends_request: false,
        holds_response: false,
        takes_second_handshake: true,
        end_by_fin: true,
        quick_ack: false,
        can_reset: true,
        has_trailers: true,
        has_goodbye: true,
        has_credit: true,
        has_ping: true,
    };

    pub(crate) const fn of(kind: PeerKind) -> &'static Self {
        match kind {
            PeerKind::Unknown => &Self::UNKNOWN,
            PeerKind::Go => &Self::GO,
            PeerKind::Node => &Self::NODE,
            PeerKind::Native => &Self::NATIVE,
            PeerKind::Flatend2 => &Self::FLATEND2,
        }
    }
}

const _: () = assert!(Dialect::UNKNOWN.message_bytes_max <= Dialect::GO.message_bytes_max);
const _: () = assert!(Dialect::UNKNOWN.data_bytes_max <= Dialect::GO.data_bytes_max);
const _: () = assert!(Dialect::UNKNOWN.data_bytes_max <= Dialect::NODE.data_bytes_max);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_an_id_of_its_kind_and_no_id_is_given_twice() {
        let mut ids: Vec<_> = RULES.iter().map(|rule| rule.id).collect();
        for rule in RULES {
            let letter = match rule.who {
                Who::Go => "G",
                Who::Node => "N",
                Who::Both => "B",
            };
            assert!(rule.id.starts_with(letter), "{}", rule.id);
        }
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), RULES.len());
        assert_eq!(RULES.len(), 27, "protocol.md section 6 has 27 rows");
    }
}
