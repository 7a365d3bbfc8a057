//! Requests and responses, resets with a code, trailers, goodbye, grants, pings.

use crate::support::happened::{joined, Happened};
use crate::support::pair::Pair;
use crate::support::{headers, speaking_both};
use ed25519_dalek::SigningKey;
use flatend_codec::{
    limits, Event, GoodbyeCode, HeaderBlock, Millis, NodeId, OpenError, Opened, ProtocolError,
    Record, ResetCode, Retirement, Role, SendError, StreamId,
};

const NONE: HeaderBlock = HeaderBlock::new();

/// Two nodes that speak flatend/2, of which the acceptor offers `echo`; eight requests may be in flight each way.
pub(crate) fn up() -> Pair {
    let (none, echo) = (Vec::new(), ["echo".to_owned()]);
    let mut pair = Pair::of(
        speaking_both(Role::Dialer, 1, &none),
        speaking_both(Role::Acceptor, 2, &echo),
    );
    pair.settle();
    pair.dialer.news();
    pair.acceptor.news();
    pair
}

pub(crate) fn ask(pair: &mut Pair, end: bool) -> Result<StreamId, OpenError> {
    let now = pair.now;
    pair.dialer
        .conn
        .open_stream(now, ["echo"], &NONE, &NONE, end)
}

#[test]
fn a_request_and_its_answer_with_bodies_both_ways() {
    let mut pair = up();
    let now = pair.now;
    let head = headers(&[("params.id", "7"), ("twice", "a"), ("twice", "b")]);
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
    assert_eq!(stream, StreamId(1), "odd from the dialer");
    let body: Vec<u8> = (0..60_000u32).map(|at| (at / 7) as u8).collect();
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
                services: vec!["other".to_owned(), "echo".to_owned()],
                headers: pairs(&[
                    ("params.id", "7"),
                    ("twice", "a"),
                    ("twice", "b"),
                    ("x", "y")
                ]),
            },
            Happened::Data(stream, body.clone()),
            Happened::End(stream),
        ]
    );
    let answer = headers(&[("a", "1"), (":status", "201"), ("b", "2")]);
    pair.acceptor
        .conn
        .respond(now, stream, &answer, false)
        .unwrap();
    pair.acceptor.conn.send_data(now, stream, &body).unwrap();
    pair.settle();
    pair.acceptor.conn.send_end(now, stream).unwrap();
    pair.settle();
    assert_eq!(
        joined(&pair.dialer.news()),
        [
            Happened::Response {
                stream,
                headers: pairs(&[("a", "1"), ("b", "2")])
            },
            Happened::Data(stream, body),
            Happened::End(stream),
        ],
        "the status has a field of its own"
    );
    assert_eq!(
        pair.dialer.conn.open_streams() + pair.acceptor.conn.open_streams(),
        0
    );
}

#[test]
fn small_messages_of_one_turn_travel_in_one_frame() {
    let mut pair = up();
    for _ in 0..8 {
        ask(&mut pair, true).unwrap();
    }
    assert!(
        pair.dialer.conn.transmit().is_empty(),
        "nothing is sealed yet"
    );
    let bytes = pair.dialer.take();
    let length = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
    assert_eq!(bytes.len(), 4 + length, "one frame");
    pair.acceptor.feed(pair.now, &bytes).unwrap();
    let requests = pair.acceptor.news();
    assert_eq!(requests.len(), 16, "eight requests, each with its end");
}

#[test]
fn grants_bound_the_requests_in_flight_and_come_back_with_their_ends() {
    let mut pair = up();
    let now = pair.now;
    let streams: Vec<StreamId> = (0..8).map(|_| ask(&mut pair, true).unwrap()).collect();
    assert_eq!(ask(&mut pair, true), Err(OpenError::NotGranted));
    pair.settle();
    // Granted anew in parcels: some of them may still be to come.
    let mut open = streams;
    for _ in 0..100 {
        for stream in open.drain(..) {
            pair.acceptor
                .conn
                .respond(now, stream, &NONE, true)
                .unwrap();
        }
        pair.settle();
        while let Ok(stream) = ask(&mut pair, true) {
            open.push(stream);
        }
        pair.settle();
        assert!((4..=8).contains(&open.len()), "{} of 8", open.len());
    }
}

#[test]
fn a_reset_says_why_in_both_directions_and_late_data_is_dropped() {
    let mut pair = up();
    let now = pair.now;
    let stream = ask(&mut pair, false).unwrap();
    pair.settle();
    pair.acceptor.news();
    // The caller gives up while the answer is on its way.
    pair.acceptor
        .conn
        .respond(now, stream, &NONE, false)
        .unwrap();
    pair.acceptor.conn.send_data(now, stream, b"late").unwrap();
    pair.dialer
        .conn
        .reset(now, stream, ResetCode::Cancel, "gone");
    pair.settle();
    assert_eq!(pair.dialer.news(), [], "nobody listens any more");
    assert_eq!(pair.dialer.conn.dropped_packets(), 2);
    assert_eq!(
        pair.acceptor.news(),
        [Happened::Reset(stream, ResetCode::Cancel)]
    );
    assert_eq!(
        pair.acceptor.conn.send_data(now, stream, b"x"),
        Err(SendError::StreamGone)
    );
    // Refused before it began: another may be asked. Later it is an error with a code.
    let refused = ask(&mut pair, true).unwrap();
    pair.settle();
    pair.acceptor.conn.refuse(now, refused);
    let broken = ask(&mut pair, true).unwrap();
    pair.settle();
    pair.acceptor
        .conn
        .respond(now, broken, &NONE, false)
        .unwrap();
    pair.acceptor.conn.refuse(now, broken);
    pair.acceptor
        .conn
        .reset(now, broken, ResetCode::Internal, "it failed");
    pair.settle();
    assert_eq!(
        pair.dialer.news(),
        [
            Happened::Refused(refused),
            Happened::Response {
                stream: broken,
                headers: vec![]
            },
            Happened::Reset(broken, ResetCode::Internal)
        ]
    );
    assert_eq!(
        pair.acceptor.conn.open_streams() + pair.dialer.conn.open_streams(),
        0
    );
}

#[test]
fn trailers_end_a_body() {
    let mut pair = up();
    let now = pair.now;
    let stream = ask(&mut pair, true).unwrap();
    pair.settle();
    pair.acceptor
        .conn
        .respond(now, stream, &NONE, false)
        .unwrap();
    pair.acceptor.conn.send_data(now, stream, b"body").unwrap();
    let trailers = headers(&[("grpc-status", "0")]);
    pair.acceptor.conn.trailers(now, stream, &trailers).unwrap();
    pair.settle();
    let news = pair.dialer.news();
    assert!(
        matches!(&news[2], Happened::Other(what) if what.starts_with("Trailers")),
        "{news:?}"
    );
    assert_eq!(pair.dialer.conn.open_streams(), 0);
}

#[test]
fn after_goodbye_what_was_taken_is_finished_and_the_rest_goes_elsewhere() {
    let mut pair = up();
    let now = pair.now;
    let taken = ask(&mut pair, true).unwrap();
    pair.settle();
    pair.acceptor.news();
    // A request crosses the goodbye.
    let crossing = ask(&mut pair, true).unwrap();
    pair.acceptor
        .conn
        .goodbye(now, GoodbyeCode::Drain, "restarting");
    pair.settle();
    let news = pair.dialer.news();
    assert!(news.contains(&Happened::Refused(crossing)), "{news:?}");
    assert_eq!(pair.acceptor.news(), [], "it was not even told");
    assert_eq!(pair.dialer.conn.retirement(), Retirement::Retiring);
    assert_eq!(ask(&mut pair, true), Err(OpenError::Retiring));
    pair.acceptor.conn.respond(now, taken, &NONE, true).unwrap();
    pair.settle();
    assert!(pair.dialer.news().contains(&Happened::End(taken)));
    assert_eq!(pair.dialer.conn.open_streams(), 0);
}

#[test]
fn who_has_said_goodbye_may_ask_on() {
    let mut pair = up();
    let now = pair.now;
    let acceptor = &mut pair.acceptor.conn;
    acceptor.goodbye(now, GoodbyeCode::Drain, "restarting");
    let retirement = acceptor.retirement();
    assert!(acceptor.is_ready() && retirement == Retirement::Active);
    let asked = acceptor.open_stream(now, ["echo"], &NONE, &NONE, true);
    let asked = asked.expect("its own requests go on");
    pair.settle();
    pair.dialer.conn.respond(now, asked, &NONE, true).unwrap();
    pair.settle();
    assert!(pair.acceptor.news().contains(&Happened::End(asked)));
    // And so the one who heard it has not closed: whoever said it does.
    pair.dialer.conn.goodbye(now, GoodbyeCode::Drain, "as well");
    pair.settle();
    let asked = pair
        .acceptor
        .conn
        .open_stream(now, ["echo"], &NONE, &NONE, true);
    assert_eq!(asked, Err(OpenError::Retiring));
}

#[test]
fn a_quiet_link_is_asked_and_lives_and_a_dead_peer_is_found() {
    let mut pair = up();
    pair.pass(60_000).unwrap();
    assert!(pair.dialer.conn.is_ready() && pair.acceptor.conn.is_ready());
    // From now on the peer is gone: nothing comes back.
    ask(&mut pair, true).unwrap();
    pair.dialer.take();
    let mut now = pair.now;
    let error = loop {
        now = pair
            .dialer
            .conn
            .next_deadline()
            .unwrap()
            .max(Millis(now.0 + 1));
        if let Err(error) = pair.dialer.conn.handle_timeout(now) {
            break error;
        }
        pair.dialer.take();
    };
    assert!(matches!(error, ProtocolError::PeerSilent { .. }), "{error}");
    assert!(
        now.0 - pair.now.0 <= 10_001,
        "5 s until asked, 5 s for an answer"
    );
}

#[test]
fn lookups_are_answered_with_signed_records() {
    let mut pair = up();
    let now = pair.now;
    let record = Record {
        public_key: [0; 32],
        addresses: vec![([10, 0, 0, 1], 9000).into()],
        capabilities: 0,
        made_s: 1,
        lifetime_s: 60,
    };
    let signed = record.sign(&SigningKey::from_bytes(&[9; 32]));
    let asked = pair.dialer.conn.find_node(now, [7; 32]).unwrap();
    pair.settle();
    let news = pair.acceptor.news();
    let [Happened::FindNode(token, target)] = &news[..] else {
        panic!("{news:?}");
    };
    assert_eq!(*target, [7; 32]);
    let too_large = vec![0; limits::RECORD_BYTES_MAX + 1];
    let answer = [&signed[..], &too_large].into_iter();
    pair.acceptor.conn.records(now, *token, answer).unwrap();
    pair.acceptor.conn.seal();
    let mut bytes = pair.acceptor.take();
    let Ok(Opened::Frame { mut messages, .. }) = pair.dialer.conn.open(now, &mut bytes) else {
        panic!("a frame");
    };
    let event = pair.dialer.conn.next_event(now, &mut messages).unwrap();
    let Some(Event::Records { token, records }) = event else {
        panic!("{event:?}");
    };
    assert_eq!((token, records.len()), (asked, 1));
    let record = Record::verify(records.iter().next().unwrap()).unwrap();
    assert_eq!(record.addresses, [([10, 0, 0, 1], 9000).into()]);
    // Answered once: neither again, nor unasked.
    let none: [&[u8]; 0] = [];
    assert!(pair.acceptor.conn.records(now, token, none).is_err());
}

#[test]
fn peers_of_the_old_protocol_are_named_before_the_records_and_nobody_twice_a_minute() {
    let mut pair = up();
    let id = NodeId::new([3; 32], ([10, 0, 0, 3], 9000).into());
    let nowhere = NodeId::new([4; 32], ([0, 0, 0, 0], 9000).into());
    for (at_ms, named) in [
        (0, 1),
        (limits::NAMED_MEMORY_MS - 1, 0),
        (limits::NAMED_MEMORY_MS, 1),
    ] {
        let now = Millis(at_ms);
        pair.dialer.conn.find_node(now, [7; 32]).unwrap();
        pair.settle();
        let news = pair.acceptor.news();
        let Some(Happened::FindNode(token, _)) = news.last().cloned() else {
            panic!("{news:?}");
        };
        let acceptor = &mut pair.acceptor.conn;
        let ids = [nowhere.clone(), id.clone()].into_iter();
        acceptor.nodes(now, token, ids).unwrap();
        let none: [&[u8]; 0] = [];
        acceptor.records(now, token, none).unwrap();
        acceptor.seal();
        let mut bytes = pair.acceptor.take();
        let Ok(Opened::Frame { mut messages, .. }) = pair.dialer.conn.open(now, &mut bytes) else {
            panic!("a frame");
        };
        let mut seen = 0;
        loop {
            match pair.dialer.conn.next_event(now, &mut messages).unwrap() {
                Some(Event::Nodes { ids, .. }) => {
                    seen += ids.len();
                    assert!(ids.iter().all(|named| named == id));
                }
                Some(Event::Records { records, .. }) => assert!(records.is_empty()),
                Some(event) => panic!("{event:?}"),
                None => break,
            }
        }
        assert_eq!(seen, named, "at {at_ms} ms");
    }
}

#[test]
fn a_reset_takes_back_the_end_behind_a_piece_that_was_just_handed_out() {
    let mut pair = up();
    let now = pair.now;
    let stream = ask(&mut pair, false).unwrap();
    pair.dialer.conn.send_data(now, stream, b"last").unwrap();
    pair.dialer.conn.send_end(now, stream).unwrap();
    let mut bytes = pair.dialer.take();
    let acceptor = &mut pair.acceptor.conn;
    let Ok(Opened::Frame { mut messages, .. }) = acceptor.open(now, &mut bytes) else {
        panic!("a frame");
    };
    let request = acceptor.next_event(now, &mut messages).unwrap();
    assert!(matches!(request, Some(Event::Request { .. })));
    let piece = acceptor.next_event(now, &mut messages).unwrap();
    assert!(matches!(piece, Some(Event::Data { .. })));
    acceptor.reset(now, stream, ResetCode::Limit, "enough");
    let behind = acceptor.next_event(now, &mut messages).unwrap();
    assert!(behind.is_none(), "{behind:?}");
}

#[test]
fn a_reset_takes_back_what_waits_to_be_polled_too() {
    let mut pair = up();
    let now = pair.now;
    pair.acceptor
        .conn
        .goodbye(now, GoodbyeCode::Drain, "restarting");
    let crossing = [0, 1].map(|_| ask(&mut pair, true).unwrap());
    let mut goodbye = pair.acceptor.take();
    let dialer = &mut pair.dialer.conn;
    let Ok(Opened::Frame { mut messages, .. }) = dialer.open(now, &mut goodbye) else {
        panic!("a frame");
    };
    let event = dialer.next_event(now, &mut messages).unwrap();
    assert!(matches!(event, Some(Event::Goodbye { .. })));
    dialer.reset(now, crossing[0], ResetCode::Cancel, "");
    let refused = dialer.poll_event();
    assert!(
        matches!(refused, Some(Event::Refused { stream }) if stream == crossing[1]),
        "{refused:?}"
    );
    assert!(dialer.poll_event().is_none());
}

#[test]
fn lists_of_services_have_the_number_that_their_process_gives_them_and_rise() {
    let mut pair = up();
    let (now, key) = (pair.now, SigningKey::from_bytes(&[2; 32]));
    assert_eq!(pair.dialer.conn.services_epoch(), 1, "each link for itself");
    pair.acceptor.conn.set_services_epoch(7);
    let names = ["echo".to_owned(), "more".to_owned()];
    for (names, epoch) in [(&names[..], 7), (&names[..1], 8)] {
        pair.acceptor.conn.announce(now, Some(&key), names).unwrap();
        pair.settle();
        assert_eq!(pair.dialer.conn.services_epoch(), epoch);
        let peer = pair.dialer.conn.peer().unwrap();
        assert_eq!(peer.services, names);
    }
}
