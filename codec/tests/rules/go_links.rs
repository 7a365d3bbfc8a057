//! Rules about the Go module: handshakes, identities, names.

use crate::support::happened::Happened;
use crate::support::raw::{
    data, find_node, handshake, message, reply, request, response, Meeting, UPPER,
};
use crate::support::{anonymous, identified, OUR_KEY};
use ed25519_dalek::SigningKey;
use flatend_codec::{
    Announced, ApiMisuse, Connection, HeaderBlock, Millis, OpenError, PeerKind, Retirement, Role,
    SendError, StreamId,
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
        [find_node(UPPER + 1, [0; 32])],
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

fn announce(meeting: &mut Meeting, services: &[&str]) -> Result<Announced, SendError> {
    let key = SigningKey::from_bytes(&OUR_KEY);
    let services: Vec<String> = services.iter().map(|&name| name.to_owned()).collect();
    meeting.conn.announce(meeting.now, Some(&key), &services)
}

/// The names in a Handshake of ours that begins after `before` bytes.
fn names_in(plaintext: &[u8], before: usize) -> Vec<String> {
    let mut rest = &plaintext[before + 1 + 39..];
    let mut names = Vec::new();
    for _ in 0..rest[0] {
        let length = usize::from(rest[1]);
        names.push(String::from_utf8(rest[2..2 + length].to_vec()).unwrap());
        rest = &rest[1 + length..];
    }
    names
}

#[test]
fn g07_a_new_list_is_announced_by_a_second_handshake_to_go_and_to_ours() {
    let mut ours = Meeting::accepted(&["s"]);
    ours.send(&find_node(UPPER + 1, [1; 32])).unwrap();
    assert_eq!(ours.conn.peer_kind(), PeerKind::Native);
    for mut meeting in [Meeting::go_dialed_us(&["s"]), ours] {
        meeting.news();
        assert_eq!(announce(&mut meeting, &["a", "new"]), Ok(Announced::Sent));
        let sent = meeting.sent();
        assert_eq!((sent.len(), &sent[0][..5]), (1, &[0x80, 0, 0, 0, 0][..]));
        assert_eq!(names_in(&sent[0], 5), ["a", "new"]);
        // The reply shows the peer's list; it replaces what was known.
        meeting
            .send(&reply(UPPER, &handshake(&["theirs"])))
            .unwrap();
        assert_eq!(meeting.news(), [Happened::Handshake { again: true }]);
        assert_eq!(meeting.conn.peer().unwrap().services, ["theirs"]);
        let kind = meeting.conn.peer_kind();
        // And who shakes hands again is answered with the new list, and stays what it is.
        let seq = if kind == PeerKind::Go { 5 } else { UPPER + 3 };
        let again = message(seq, 0, &handshake(&["theirs"]));
        meeting.send(&again).unwrap();
        assert_eq!(names_in(&meeting.sent()[0], 4), ["a", "new"]);
        assert_eq!(meeting.conn.peer_kind(), kind);
    }
}

#[test]
fn g07_a_list_that_changes_before_the_peer_is_known_waits_and_npm_needs_a_new_link() {
    let mut unknown = Meeting::accepted(&["s"]);
    assert_eq!(announce(&mut unknown, &["a"]), Ok(Announced::Later));
    assert!(unknown.sent().is_empty());
    let mut dialed = Meeting::dialed(&["s"]);
    assert_eq!(announce(&mut dialed, &["a"]), Ok(Announced::Later));
    dialed.send(&find_node(UPPER, [1; 32])).unwrap();
    assert_eq!(announce(&mut dialed, &["a"]), Ok(Announced::Sent));
    let mut node = Meeting::node_dialed_us(&["s"]);
    assert_eq!(announce(&mut node, &["a"]), Ok(Announced::NeedsNewLink));
    assert!(node.sent().is_empty(), "npm dies of a second Handshake");
    // It retires: it gets no new requests where another leads, and takes them itself until it ends.
    node.conn.retire();
    assert_eq!(node.conn.retirement(), Retirement::Retiring);
    assert!(node.conn.is_ready());
    // Before the peer has shaken hands the reply will show the new list.
    let mut early = Meeting::keyed(identified(Role::Acceptor, 3, &["old".to_owned()]));
    assert_eq!(announce(&mut early, &["new"]), Ok(Announced::Sent));
    early.send(&message(1, 0, &handshake(&["s"]))).unwrap();
    assert_eq!(names_in(&early.sent()[0], 4), ["new"]);
}

#[test]
fn g07_a_list_that_cannot_be_announced_leaves_the_old_one() {
    let mut meeting = Meeting::go_dialed_us(&["s"]);
    let long = "n".repeat(256);
    let refused = announce(&mut meeting, &[&long]);
    assert_eq!(
        refused,
        Err(SendError::ApiMisuse(ApiMisuse::ServiceName { bytes: 256 }))
    );
    let names: Vec<String> = vec!["s".to_owned()];
    let refused = meeting.conn.announce(meeting.now, None, &names);
    assert_eq!(
        refused,
        Err(SendError::ApiMisuse(ApiMisuse::ServicesWithoutIdentity))
    );
    meeting.send(&message(5, 0, &handshake(&["s"]))).unwrap();
    assert_eq!(names_in(&meeting.sent()[0], 4), ["ours"]);
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
