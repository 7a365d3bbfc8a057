//! Rules about the npm package: links and discovery.

use crate::support::happened::Happened;
use crate::support::identified;
use crate::support::raw::{
    anonymous_handshake, data, find_node, handshake, message, reply, response, their_public_key,
    wire, Meeting, UPPER,
};
use flatend_codec::{limits, HeaderBlock, NodeId, ResetCode, Role, SendError, StreamId, Token};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

const NONE: HeaderBlock = HeaderBlock::new();

fn node_at(last: u8) -> NodeId {
    NodeId::new([last; 32], ([10, 0, 0, last], 9_000).into())
}

/// The keys in a FindNodeResponse, all IPv4.
fn named(plaintext: &[u8]) -> Vec<[u8; 32]> {
    let (count, ids) = (plaintext[4], &plaintext[5..]);
    assert_eq!(ids.len(), 39 * usize::from(count));
    ids.chunks(39)
        .map(|id| id[..32].try_into().unwrap())
        .collect()
}

#[test]
fn n01_one_handshake_a_connection_and_a_lookup_second() {
    // Never a second Handshake to Node, nor to who may be one: see the announcements in go_links.rs.
    let mut meeting = Meeting::keyed(identified(Role::Dialer, 3, &[]));
    let sent = meeting.sent();
    assert!(sent.len() == 1 && sent[0][..5] == [0, 0, 0, 1, 0]);
    meeting.send(&reply(1, &handshake(&[]))).unwrap();
    let sent = meeting.sent();
    assert!(sent.len() == 1 && sent[0][..5] == [0x80, 0, 0, 1, 4]);
    let token = Token(u64::from(UPPER) + 1);
    assert_eq!(meeting.conn.own_lookup(), Some(token));
    meeting.send(&reply(UPPER + 1, &[0])).unwrap();
    assert_eq!(meeting.news().last(), Some(&Happened::Nodes(token, vec![])));
    assert!(!meeting.conn.dialect().takes_second_handshake);
}

#[test]
fn n01_no_data_for_a_stream_that_does_not_live() {
    let mut meeting = Meeting::node_dialed_us(&["s"]);
    let stream = meeting
        .conn
        .open_stream(meeting.now, ["s"], &NONE, &NONE, true)
        .unwrap();
    let id = wire(stream);
    meeting.send(&response(id, true, &[])).unwrap();
    meeting.send(&data(id, b"")).unwrap();
    meeting.sent();
    assert_eq!(
        meeting.conn.send_data(meeting.now, stream, b"x"),
        Err(SendError::StreamGone)
    );
    assert_eq!(
        meeting.conn.send_data(meeting.now, StreamId(7), b"x"),
        Err(SendError::StreamGone)
    );
    assert_eq!(
        meeting
            .conn
            .send_data(meeting.now, StreamId(u64::MAX), b"x"),
        Err(SendError::StreamGone)
    );
    meeting
        .conn
        .reset(meeting.now, StreamId(7), ResetCode::Cancel, "");
    meeting.conn.refuse(meeting.now, StreamId(7));
    assert!(meeting.sent().is_empty());
}

#[test]
fn n02_quick_ack_is_asked_for_where_node_may_write() {
    // Setting it on the socket is the engine's part (engine: net, link options).
    assert!(
        Meeting::node_dialed_us(&[]).conn.dialect().quick_ack
            && Meeting::dialed(&[]).conn.dialect().quick_ack
    );
    assert!(!Meeting::go_dialed_us(&[]).conn.dialect().quick_ack);
}

#[test]
fn n03_node_gets_heads_beyond_gos_limit_but_within_ours() {
    let mut meeting = Meeting::node_dialed_us(&["s"]);
    let mut large = HeaderBlock::new();
    large.push(b"a", &vec![b'v'; 65_535]).unwrap();
    meeting
        .conn
        .open_stream(meeting.now, ["s"], &large, &NONE, true)
        .unwrap();
    let sent = meeting.sent();
    assert!(sent[0].len() > 65_535 && sent[0].len() + 16 <= limits::FRAME_BYTES_MAX);
    large.push(b"b", &vec![b'v'; 65_535]).unwrap();
    assert!(meeting
        .conn
        .open_stream(meeting.now, ["s"], &large, &NONE, true)
        .is_err());
}

#[test]
fn n04_each_key_is_named_once_a_link_and_the_peers_own_never() {
    // That Node.start returns with five nodes of ours around it is for the interop suite to show.
    let mut meeting = Meeting::node_dialed_us(&[]);
    let ids: Vec<NodeId> = (1..=20).map(node_at).collect();
    let own = NodeId::new(their_public_key(), ([127, 0, 0, 1], 8_000).into());
    let all = || std::iter::once(&own).chain(&ids);
    meeting.conn.nodes(meeting.now, Token(3), all()).unwrap();
    let first = meeting.sent();
    assert_eq!(first[0][..4], [0, 0, 0, 3]);
    assert_eq!(
        named(&first[0]),
        (1..=16).map(|last| [last; 32]).collect::<Vec<_>>(),
        "16 at most, closest first"
    );
    meeting.send(&find_node(5, [0; 32])).unwrap();
    meeting.conn.nodes(meeting.now, Token(5), all()).unwrap();
    assert_eq!(
        named(&meeting.sent()[0]),
        (17..=20).map(|last| [last; 32]).collect::<Vec<_>>()
    );
    meeting.send(&find_node(7, [0; 32])).unwrap();
    meeting.conn.nodes(meeting.now, Token(7), all()).unwrap();
    assert_eq!(meeting.sent(), [reply(7, &[0])], "no id is an answer too");
}

#[test]
fn n04_a_target_that_is_asked_for_again_and_again_is_told_64_keys_ever() {
    let mut meeting = Meeting::node_dialed_us(&[]);
    let ids: Vec<NodeId> = (1..=200).map(node_at).collect();
    let mut told = Vec::new();
    for seq in (3..).step_by(2).take(40) {
        if seq > 3 {
            meeting.send(&find_node(seq, their_public_key())).unwrap();
        }
        // However long it takes: Node asks for nothing else.
        meeting.now = meeting.now.after(limits::NAMED_MEMORY_MS / 8);
        let token = Token(u64::from(seq));
        meeting.conn.nodes(meeting.now, token, ids.iter()).unwrap();
        let names = named(&meeting.sent()[0]);
        assert_eq!(names.is_empty(), told.len() == 64);
        told.extend(names);
    }
    assert_eq!(told, (1..=64).map(|last| [last; 32]).collect::<Vec<_>>());
}

#[test]
fn n04_a_key_is_named_again_after_a_minute_to_who_asks_for_another_target() {
    let mut meeting = Meeting::node_dialed_us(&[]);
    let ids: Vec<NodeId> = (1..=20).map(node_at).collect();
    meeting
        .conn
        .nodes(meeting.now, Token(3), ids.iter())
        .unwrap();
    assert_eq!(named(&meeting.sent()[0]).len(), 16);
    for (seq, passed, expected) in [(5, 1, 4), (7, 1, 0), (9, limits::NAMED_MEMORY_MS, 16)] {
        meeting.now = meeting.now.after(passed);
        meeting.send(&find_node(seq, [9; 32])).unwrap();
        let token = Token(u64::from(seq));
        meeting.conn.nodes(meeting.now, token, ids.iter()).unwrap();
        assert_eq!(named(&meeting.sent()[0]).len(), expected, "question {seq}");
    }
}

#[test]
fn n04_an_answer_is_given_once_and_only_to_a_question() {
    let mut meeting = Meeting::node_dialed_us(&[]);
    let ids = [node_at(1)];
    assert!(meeting
        .conn
        .nodes(meeting.now, Token(5), ids.iter())
        .is_err());
    assert!(meeting
        .conn
        .nodes(meeting.now, Token(u64::MAX), ids.iter())
        .is_err());
    meeting
        .conn
        .nodes(meeting.now, Token(3), ids.iter())
        .unwrap();
    assert!(meeting
        .conn
        .nodes(meeting.now, Token(3), ids.iter())
        .is_err());
    assert_eq!(meeting.sent().len(), 1);
}

#[test]
fn n05_links_end_by_fin_and_nothing_is_sealed_after_an_error() {
    // FIN, reading and discarding are the engine's part (engine: link closing); the codec is silent from the error on.
    let mut meeting = Meeting::node_dialed_us(&["s"]);
    meeting.sent();
    meeting.send(&message(0, 9, &[])).unwrap_err();
    assert!(meeting
        .conn
        .open_stream(meeting.now, ["s"], &NONE, &NONE, true)
        .is_err());
    assert!(meeting.conn.find_node(meeting.now, [0; 32]).is_err());
    assert!(meeting.conn.transmit().is_empty() && meeting.conn.next_deadline().is_none());
    assert!(meeting.conn.dialect().end_by_fin && Meeting::dialed(&[]).conn.dialect().end_by_fin);
}

#[test]
fn n09_no_ipv6_id_is_named_to_node_or_an_unknown_peer() {
    let six = NodeId::new([6; 32], SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 9_000));
    let any = NodeId::new(
        [7; 32],
        SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 9_000),
    );
    let portless = NodeId::new([8; 32], ([10, 0, 0, 8], 0).into());
    let ids = [six, any, portless, node_at(9)];
    let mut node = Meeting::node_dialed_us(&[]);
    node.conn.nodes(node.now, Token(3), ids.iter()).unwrap();
    assert_eq!(named(&node.sent()[0]), [[9; 32]]);
    let mut unknown = Meeting::dialed(&[]);
    unknown.send(&find_node(2, [0; 32])).unwrap();
    unknown
        .conn
        .nodes(unknown.now, Token(2), ids.iter())
        .unwrap();
    assert_eq!(named(&unknown.sent()[0]), [[9; 32]]);
    let mut go = Meeting::go_dialed_us(&[]);
    go.send(&find_node(5, [0; 32])).unwrap();
    go.conn.nodes(go.now, Token(5), ids.iter()).unwrap();
    let sent = go.sent();
    assert_eq!(
        (sent[0][4], sent[0].len()),
        (2, 4 + 1 + 51 + 39),
        "Go takes IPv6"
    );
}

#[test]
fn n09_ipv4_is_shown_as_kind_0_even_if_given_as_mapped() {
    let mut config = identified(Role::Dialer, 3, &[]);
    let mapped: SocketAddr = "[::ffff:127.0.0.1]:9000".parse().unwrap();
    config.identity = config.identity.map(|(key, _)| (key, mapped));
    let mut meeting = Meeting::keyed(config);
    assert_eq!(
        meeting.sent()[0][6 + 32..6 + 39],
        [0, 127, 0, 0, 1, 0x23, 0x28]
    );
}

#[test]
fn n01_an_anonymous_node_that_offers_services_is_a_peer_without_an_id() {
    let mut meeting = Meeting::keyed(identified(Role::Acceptor, 3, &[]));
    meeting
        .send(&message(1, 0, &anonymous_handshake(&["a", "b"])))
        .unwrap();
    let peer = meeting.conn.peer().unwrap();
    assert_eq!(
        (peer.id.as_ref(), &peer.services[..]),
        (None, &["a".to_owned(), "b".to_owned()][..])
    );
}
