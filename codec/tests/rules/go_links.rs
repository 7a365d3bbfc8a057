//! Rules about the Go module: handshakes, identities, names.

use crate::support::anonymous;
use crate::support::happened::Happened;
use crate::support::raw::{data, find_node, handshake, message, reply, request, response, Meeting};
use flatend_codec::{
    ApiMisuse, Connection, HeaderBlock, Millis, OpenError, PeerKind, Role, StreamId,
};

const NONE: HeaderBlock = HeaderBlock::new();

fn open(meeting: &mut Meeting, end: bool) -> StreamId {
    meeting
        .conn
        .open_stream(meeting.now, ["s"], &NONE, &NONE, end)
        .unwrap()
}

#[test]
fn g05_an_anonymous_node_calls_no_go_peer_nor_an_unknown_one() {
    let mut meeting = Meeting::keyed(anonymous(Role::Dialer, 3, &[]));
    assert_eq!(meeting.sent(), [message(1, 0, &[0, 0])]);
    meeting.send(&reply(1, &handshake(&["s"]))).unwrap();
    assert_eq!(
        meeting.sent(),
        [find_node(3, [0; 32])],
        "an anonymous node looks for the zero key"
    );
    let refused = meeting
        .conn
        .open_stream(meeting.now, ["s"], &NONE, &NONE, true);
    assert_eq!(refused, Err(OpenError::Anonymous));
    assert!(meeting.sent().is_empty());
    // Go as well; Node lives with it.
    assert!(Meeting::go_dialed_us(&[]).conn.dialect().requires_identity);
    assert!(
        !Meeting::node_dialed_us(&[])
            .conn
            .dialect()
            .requires_identity
    );
}

#[test]
fn g05_an_anonymous_node_may_call_a_node_peer() {
    let mut meeting = Meeting::keyed(anonymous(Role::Acceptor, 3, &[]));
    meeting.send(&message(1, 0, &handshake(&["s"]))).unwrap();
    meeting.pass(200).unwrap();
    let refused = meeting
        .conn
        .open_stream(meeting.now, ["s"], &NONE, &NONE, true);
    assert_eq!(refused, Err(OpenError::Anonymous), "not known yet");
    meeting.send(&find_node(3, [1; 32])).unwrap();
    assert!(meeting
        .conn
        .open_stream(meeting.now, ["s"], &NONE, &NONE, true)
        .is_ok());
}

#[test]
fn g06_an_acceptor_that_offers_services_has_an_identity() {
    let services = ["s".to_owned()];
    let refused = Connection::new(Millis(0), anonymous(Role::Acceptor, 1, &services)).err();
    assert_eq!(refused, Some(ApiMisuse::ServicesWithoutIdentity));
    assert!(Connection::new(Millis(0), anonymous(Role::Acceptor, 1, &[])).is_ok());
    assert!(Connection::new(Millis(0), anonymous(Role::Dialer, 1, &services)).is_ok());
}

#[test]
fn g07_a_second_handshake_is_answered_and_its_list_replaces_the_first() {
    for mut meeting in [
        Meeting::accepted(&["old", "kept"]),
        Meeting::dialed(&["old", "kept"]),
    ] {
        let dialed = meeting.conn.own_lookup().is_some();
        let seq = if dialed { 2 } else { 3 };
        meeting
            .send(&message(seq, 0, &handshake(&["kept", "new"])))
            .unwrap();
        assert_eq!(meeting.news(), [Happened::Handshake { again: true }]);
        assert_eq!(meeting.conn.peer().unwrap().services, ["kept", "new"]);
        let sent = meeting.sent();
        assert_eq!(sent.len(), 1);
        assert_eq!(
            sent[0][..5],
            [0, 0, 0, seq as u8, 1],
            "a reply has no opcode: has_id follows"
        );
        let refused = meeting
            .conn
            .open_stream(meeting.now, ["old"], &NONE, &NONE, true);
        assert_eq!(refused, Err(OpenError::NotOffered));
        let expected = if dialed {
            PeerKind::Unknown
        } else {
            PeerKind::Go
        };
        assert_eq!(
            (meeting.conn.peer_kind(), meeting.conn.peer().unwrap().kind),
            (expected, expected)
        );
    }
}

#[test]
fn g08_the_first_request_to_a_peer_that_dialed_us_waits_for_its_next_packet() {
    for next in [
        message(3, 0, &handshake(&["s"])),
        find_node(3, [1; 32]),
        request(1, &["ours"], &[]),
    ] {
        let mut meeting = Meeting::accepted(&["s"]);
        assert!(!meeting.conn.is_ready());
        let early = meeting
            .conn
            .open_stream(meeting.now, ["s"], &NONE, &NONE, true);
        assert_eq!(early, Err(OpenError::NotReady));
        assert!(meeting.sent().is_empty());
        meeting.send(&next).unwrap();
        assert!(meeting.conn.is_ready());
        open(&mut meeting, true);
    }
}

#[test]
fn g08_or_for_200_ms_and_a_peer_that_we_dialed_does_not_wait() {
    let mut meeting = Meeting::accepted(&["s"]);
    meeting.pass(199).unwrap();
    assert!(!meeting.conn.is_ready());
    meeting.pass(1).unwrap();
    assert!(meeting.conn.is_ready());
    open(&mut meeting, true);
    assert!(Meeting::dialed(&["s"]).conn.is_ready());
}

#[test]
fn g09_a_name_that_we_withdrew_is_answered_not_handled() {
    // Which names have handlers is the engine's knowledge (engine: service dispatch); any name reaches it.
    let mut meeting = Meeting::go_dialed_us(&[]);
    meeting.send(&request(1, &["withdrawn"], &[])).unwrap();
    assert!(
        matches!(&meeting.news()[..], [Happened::Request { services, .. }] if services[..] == ["withdrawn"])
    );
    meeting.conn.refuse(meeting.now, StreamId(1));
    assert_eq!(
        meeting.sent(),
        [response(1, false, &[])],
        "no body, no empty Data"
    );
    meeting.send(&data(1, b"late")).unwrap();
    meeting.send(&data(1, b"")).unwrap();
    assert_eq!(meeting.conn.dropped_packets(), 2);
    assert!(meeting.news().is_empty());
}

#[test]
fn g12_the_key_is_answered_with_the_first_call_and_links_of_one_key_do_not_know_each_other() {
    // Meeting::keyed asserts that the 32 bytes are there as soon as the peer's were opened, alone in one write. That several links of
    // one key live side by side is shown by the engine (engine: peer table).
    let [first, second] = [(); 2].map(|()| Meeting::go_dialed_us(&["s"]));
    assert_eq!(first.conn.peer(), second.conn.peer());
}
