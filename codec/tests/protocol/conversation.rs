//! Two connections of ours.

use crate::support::happened::{joined, Happened};
use crate::support::pair::Pair;
use crate::support::raw::{data, request, response, Meeting};
use crate::support::{anonymous, headers, identified};
use flatend_codec::{
    ApiMisuse, GoodbyeCode, HeaderBlock, NodeId, OpenError, PeerKind, ResetCode, Retirement, Role,
    SendError, StreamId,
};

const NONE: HeaderBlock = HeaderBlock::new();

#[test]
fn hands_are_shaken_and_each_knows_the_other() {
    let (there, here) = (["a".to_owned()], ["b".to_owned(), "c".to_owned()]);
    let mut pair = Pair::of(
        identified(Role::Dialer, 1, &there),
        identified(Role::Acceptor, 2, &here),
    );
    assert_eq!(pair.dialer.conn.queued_bytes(), 32);
    assert_eq!(pair.acceptor.conn.queued_bytes(), 0);
    pair.settle();
    assert_eq!(pair.dialer.news(), [Happened::Handshake { again: false }]);
    let seen = pair.acceptor.news();
    assert_eq!(seen[0], Happened::Handshake { again: false });
    assert!(
        matches!(seen[1], Happened::FindNode(..)),
        "the dialer looks itself up"
    );
    let (dialer, acceptor) = (
        pair.dialer.conn.peer().unwrap(),
        pair.acceptor.conn.peer().unwrap(),
    );
    assert_eq!(dialer.services, here);
    assert_eq!(acceptor.services, there);
    assert_eq!(
        dialer.id.as_ref().unwrap().address,
        ([127, 0, 0, 1], 9000).into()
    );
    // The acceptor has seen a lookup with a number of ours and sends large Data; who dialed learns by a question or a request.
    assert_eq!(
        (dialer.kind, acceptor.kind),
        (PeerKind::Unknown, PeerKind::Native)
    );
    assert!(pair.acceptor.conn.data_bytes_max() > pair.dialer.conn.data_bytes_max());
    pair.acceptor.conn.find_node(pair.now, [7; 32]).unwrap();
    pair.settle();
    assert_eq!(pair.dialer.conn.peer_kind(), PeerKind::Native);
}

#[test]
fn a_request_and_its_answer_with_bodies_both_ways() {
    let mut pair = Pair::up(&[], &["echo"]);
    let now = pair.now;
    let head = headers(&[("params.id", "7"), ("empty", "")]);
    let stream = pair
        .dialer
        .conn
        .open_stream(
            now,
            ["other", "echo"],
            &head,
            &headers(&[("x", "y")]),
            false,
        )
        .unwrap();
    assert_eq!(stream, StreamId((1 << 31) + 1));
    let body: Vec<u8> = (0..10_000u32).map(|at| (at / 7) as u8).collect();
    pair.dialer.conn.send_data(now, stream, &body).unwrap();
    pair.dialer.conn.send_end(now, stream).unwrap();
    pair.settle();
    let pairs = |list: &[(&str, &str)]| {
        list.iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        joined(&pair.acceptor.news()),
        [
            Happened::Request {
                stream,
                services: vec!["echo".to_owned()],
                headers: pairs(&[("params.id", "7"), ("empty", ""), ("x", "y")]),
            },
            Happened::Data(stream, body.clone()),
            Happened::End(stream),
        ]
    );
    pair.acceptor
        .conn
        .respond(now, stream, &headers(&[(":status", "201")]), false)
        .unwrap();
    pair.acceptor.conn.send_data(now, stream, &body).unwrap();
    pair.settle();
    assert_eq!(
        (
            pair.dialer.conn.open_streams(),
            pair.acceptor.conn.open_streams()
        ),
        (1, 1)
    );
    pair.acceptor.conn.send_end(now, stream).unwrap();
    pair.settle();
    assert_eq!(
        joined(&pair.dialer.news()),
        [
            Happened::Response {
                stream,
                headers: pairs(&[(":status", "201")])
            },
            Happened::Data(stream, body),
            Happened::End(stream),
        ]
    );
    assert_eq!(
        (
            pair.dialer.conn.open_streams(),
            pair.acceptor.conn.open_streams()
        ),
        (0, 0)
    );
}

#[test]
fn both_sides_ask_at_once_and_their_numbers_do_not_meet() {
    let mut pair = Pair::up(&["left"], &["right"]);
    let now = pair.now;
    for _ in 0..50 {
        let right = pair
            .dialer
            .conn
            .open_stream(now, ["right"], &NONE, &NONE, true)
            .unwrap();
        let left = pair
            .acceptor
            .conn
            .open_stream(now, ["left"], &NONE, &NONE, true)
            .unwrap();
        assert_ne!(right.0 % 2, left.0 % 2);
        assert!(right.0 >= 1 << 31 && left.0 >= 1 << 31);
        pair.settle();
        pair.acceptor.conn.respond(now, right, &NONE, true).unwrap();
        pair.dialer.conn.respond(now, left, &NONE, true).unwrap();
        pair.settle();
        assert_eq!(pair.dialer.news().len(), 4);
        assert_eq!(pair.acceptor.news().len(), 4);
    }
    assert_eq!(
        (
            pair.dialer.conn.open_streams(),
            pair.acceptor.conn.open_streams()
        ),
        (0, 0)
    );
}

#[test]
fn an_early_answer_leaves_late_data_that_is_dropped() {
    let mut pair = Pair::up(&[], &["s"]);
    let now = pair.now;
    let stream = pair
        .dialer
        .conn
        .open_stream(now, ["s"], &NONE, &NONE, false)
        .unwrap();
    pair.settle();
    pair.acceptor.conn.refuse(now, stream);
    pair.dialer
        .conn
        .send_data(now, stream, b"in flight")
        .unwrap();
    pair.settle();
    assert_eq!(pair.dialer.news(), [Happened::Refused(stream)]);
    assert_eq!(
        pair.acceptor.conn.dropped_packets(),
        2,
        "the piece and the empty Data"
    );
    assert_eq!(
        pair.dialer.conn.send_end(now, stream),
        Err(SendError::StreamGone)
    );
}

#[test]
fn lookups_go_both_ways() {
    let mut pair = Pair::up(&[], &[]);
    let now = pair.now;
    let id = NodeId::new([9; 32], ([10, 0, 0, 9], 1).into());
    for from_dialer in [true, false] {
        let (asker, answerer) = if from_dialer {
            (&mut pair.dialer, &mut pair.acceptor)
        } else {
            (&mut pair.acceptor, &mut pair.dialer)
        };
        let token = asker.conn.find_node(now, [3; 32]).unwrap();
        answerer.feed(now, &asker.take()).unwrap();
        let asked = answerer.news();
        let [Happened::FindNode(answer_to, target)] = &asked[..] else {
            panic!("{asked:?}")
        };
        assert_eq!(*target, [3; 32]);
        answerer
            .conn
            .nodes(now, *answer_to, [&id].into_iter())
            .unwrap();
        asker.feed(now, &answerer.take()).unwrap();
        assert_eq!(asker.news(), [Happened::Nodes(token, vec![id.clone()])]);
    }
}

#[test]
fn an_anonymous_dialer_may_offer_services_and_answer_an_identified_acceptor() {
    let there = ["pipe".to_owned()];
    let mut pair = Pair::of(
        anonymous(Role::Dialer, 1, &there),
        identified(Role::Acceptor, 2, &[]),
    );
    pair.settle();
    pair.acceptor.news();
    assert_eq!(pair.acceptor.conn.peer().unwrap().id, None);
    let stream = pair
        .acceptor
        .conn
        .open_stream(pair.now, ["pipe"], &NONE, &NONE, true)
        .unwrap();
    pair.settle();
    pair.dialer
        .conn
        .respond(pair.now, stream, &NONE, true)
        .unwrap();
    pair.settle();
    assert_eq!(pair.acceptor.news().last(), Some(&Happened::End(stream)));
}

#[test]
fn bytes_queued_tell_whether_a_request_has_left() {
    let mut pair = Pair::up(&[], &["s"]);
    let before = pair.dialer.conn.bytes_queued();
    assert_eq!(before, pair.dialer.conn.bytes_transmitted());
    pair.dialer
        .conn
        .open_stream(pair.now, ["s"], &NONE, &NONE, true)
        .unwrap();
    assert!(pair.dialer.conn.bytes_transmitted() <= before);
    pair.dialer.conn.transmitted(1);
    assert!(pair.dialer.conn.bytes_transmitted() > before);
}

#[test]
fn after_goodbye_nothing_new_is_asked_and_what_is_in_flight_finishes() {
    let mut pair = Pair::up(&["left"], &["s"]);
    let now = pair.now;
    let stream = pair
        .dialer
        .conn
        .open_stream(now, ["s"], &NONE, &NONE, false)
        .unwrap();
    pair.settle();
    pair.dialer.conn.goodbye(now, GoodbyeCode::Drain, "restart");
    assert!(pair.dialer.conn.queued_bytes() == 0, "legacy cannot say it");
    assert_eq!(pair.dialer.conn.retirement(), Retirement::Retiring);
    assert_eq!(
        pair.dialer.conn.open_stream(now, ["s"], &NONE, &NONE, true),
        Err(OpenError::Retiring)
    );
    let theirs = pair
        .acceptor
        .conn
        .open_stream(now, ["left"], &NONE, &NONE, true)
        .unwrap();
    pair.settle();
    pair.dialer.conn.refuse(now, theirs);
    pair.dialer.conn.send_end(now, stream).unwrap();
    pair.settle();
    pair.acceptor
        .conn
        .respond(now, stream, &NONE, true)
        .unwrap();
    pair.settle();
    assert_eq!(pair.acceptor.news().last(), Some(&Happened::End(stream)));
    assert_eq!(pair.dialer.news().last(), Some(&Happened::End(stream)));
    assert_eq!(pair.dialer.conn.open_streams(), 0);
}

#[test]
fn a_dialer_may_be_called_before_its_handshake_is_answered() {
    // Go offers a new link to its callers before it answers.
    let services = ["ours".to_owned()];
    let mut meeting = Meeting::keyed(identified(Role::Dialer, 3, &services));
    meeting.sent();
    meeting.send(&request(0, &["ours"], &[])).unwrap();
    meeting.send(&data(0, b"")).unwrap();
    assert!(meeting.conn.peer().is_none());
    assert!(matches!(
        &meeting.news()[..],
        [Happened::Request { .. }, Happened::End(_)]
    ));
    meeting
        .conn
        .respond(meeting.now, StreamId(0), &NONE, true)
        .unwrap();
    assert_eq!(meeting.sent(), [response(0, true, &[]), data(0, b"")]);
}

#[test]
fn calls_out_of_order_are_the_callers_fault_and_send_nothing() {
    let mut meeting = Meeting::node_dialed_us(&["s"]);
    meeting.send(&request(0, &["ours"], &[])).unwrap();
    meeting.sent();
    let (now, theirs) = (meeting.now, StreamId(0));
    let order = Err(SendError::ApiMisuse(ApiMisuse::ResponseOrder));
    assert_eq!(meeting.conn.send_data(now, theirs, b"x"), order);
    assert_eq!(meeting.conn.send_end(now, theirs), order);
    let ours = meeting
        .conn
        .open_stream(now, ["s"], &NONE, &NONE, false)
        .unwrap();
    meeting.sent();
    assert_eq!(meeting.conn.respond(now, ours, &NONE, true), order);
    meeting.conn.respond(now, theirs, &NONE, false).unwrap();
    meeting.sent();
    assert_eq!(meeting.conn.respond(now, theirs, &NONE, false), order);
    meeting.conn.refuse(now, theirs);
    meeting.conn.refuse(now, ours);
    assert_eq!(
        meeting.conn.trailers(now, theirs, &NONE),
        Err(SendError::Unsupported)
    );
    meeting.conn.credit(now, theirs, 1_000);
    let none: [&str; 0] = [];
    let misuse = OpenError::ApiMisuse(ApiMisuse::ServiceCount { count: 0 });
    assert!(!misuse.try_elsewhere());
    assert_eq!(
        meeting.conn.open_stream(now, none, &NONE, &NONE, true),
        Err(misuse)
    );
    assert!(meeting.sent().is_empty());
}

#[test]
fn a_reset_of_their_request_without_a_response_is_a_refusal() {
    let mut pair = Pair::up(&[], &["s"]);
    let now = pair.now;
    let stream = pair
        .dialer
        .conn
        .open_stream(now, ["s"], &NONE, &NONE, true)
        .unwrap();
    pair.settle();
    pair.acceptor
        .conn
        .reset(now, stream, ResetCode::Unavailable, "busy");
    pair.settle();
    assert_eq!(pair.dialer.news(), [Happened::Refused(stream)]);
    assert_eq!(pair.acceptor.conn.abandoned_streams(), 0);
}

#[test]
fn before_the_handshake_nothing_can_be_asked() {
    let mut pair = Pair::of(
        identified(Role::Dialer, 1, &[]),
        identified(Role::Acceptor, 2, &[]),
    );
    for side in [&mut pair.dialer, &mut pair.acceptor] {
        assert_eq!(
            side.conn.open_stream(pair.now, ["s"], &NONE, &NONE, true),
            Err(OpenError::NotReady)
        );
        assert_eq!(
            side.conn.find_node(pair.now, [0; 32]),
            Err(SendError::NotReady)
        );
        assert_eq!(side.conn.open_streams(), 0);
        assert!(side.conn.peer().is_none() && !side.conn.is_ready());
    }
}

#[test]
fn a_dialer_knows_an_acceptor_of_ours_by_its_first_request() {
    let mut pair = Pair::up(&["echo"], &[]);
    let now = pair.now;
    assert_eq!(pair.dialer.conn.peer_kind(), PeerKind::Unknown);
    let stream = pair
        .acceptor
        .conn
        .open_stream(now, ["echo"], &NONE, &NONE, false)
        .unwrap();
    pair.settle();
    assert_eq!(pair.dialer.conn.peer_kind(), PeerKind::Native);
    assert_eq!(pair.dialer.conn.peer().unwrap().kind, PeerKind::Native);
    // The body has not ended, and still the answer goes out, in large pieces: no Go caller waits there (rule G11).
    let body = vec![7; 300_000];
    pair.dialer.conn.respond(now, stream, &NONE, false).unwrap();
    pair.dialer.conn.send_data(now, stream, &body).unwrap();
    pair.settle();
    let news = pair.acceptor.news();
    let pieces = news
        .iter()
        .filter(|happened| matches!(happened, Happened::Data(..)))
        .count();
    assert!((1..20).contains(&pieces), "{pieces} pieces");
    assert!(joined(&news).contains(&Happened::Data(stream, body)));
}
