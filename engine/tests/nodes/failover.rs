//! What breaks on the way, and how a call survives it.

use std::net::TcpListener;

use flatend::{CallError, CallRequest, Fault, HeaderBlock, Node};
use flatend_codec::limits::STREAM_WINDOW_BYTES;

use crate::services::{pair, provider, Dialer};
use crate::support::calls::{exchange, get, request, rest, Failure};
use crate::support::node::TestNode;
use crate::support::peer::{Claim, Peer, Seen};

fn gateway() -> TestNode {
    TestNode::start(Node::builder().bind("127.0.0.1:0"))
}

/// Takes the node's first request for `service` and gives its number.
fn request_at(peer: &mut Peer) -> flatend_codec::StreamId {
    match peer.wait(|seen| matches!(seen, Seen::Request { .. })) {
        Seen::Request { stream, .. } => stream,
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn a_provider_that_dies_in_mid_response_is_a_fault_not_an_end() {
    let node = gateway();
    let mut peer = Peer::dial(node.addr(), Some(7), &["file"]);
    node.wait_providers("file", 1);
    let (headed, heads) = std::sync::mpsc::channel();
    let call = node.begin(0, move |shard| async move {
        let call = shard.call(request(&shard, "file"));
        call.response().await.expect("a head");
        headed.send(()).expect("it is awaited");
        rest(&call).await
    });
    let stream = request_at(&mut peer);
    let now = peer.now();
    peer.conn
        .respond(now, stream, &HeaderBlock::new(), false)
        .expect("a head");
    peer.conn
        // More than is awaited whole.
        .send_data(now, stream, &[b'x'; 17_000])
        .expect("a piece");
    peer.flush();
    // Who dies before the head was passed on has answered nobody.
    heads
        .recv_timeout(std::time::Duration::from_secs(10))
        .expect("a head in time");
    drop(peer);
    assert_eq!(call.wait(), Err(Fault::LinkLost { left: true }));
}

#[test]
fn a_request_that_was_lost_goes_to_the_second_provider_if_it_may() {
    for repeatable in [true, false] {
        let node = gateway();
        let mut dying = Peer::dial(node.addr(), Some(7), &["hello"]);
        node.wait_providers("hello", 1);
        let call = node.begin(0, move |shard| async move {
            let request = CallRequest {
                repeatable,
                has_body: true,
                ..request(&shard, "hello")
            };
            exchange(&shard, request, b"a body that is kept").await
        });
        request_at(&mut dying);
        // The second is there when the first one dies with the request in its hands.
        let second = TestNode::start(provider().bootstrap(node.addr().to_string()));
        node.wait_providers("hello", 2);
        drop(dying);
        match call.wait() {
            Ok(reply) => assert!(repeatable && reply.text() == "Hello world!"),
            Err(failure) => {
                let lost = CallError::Broken(Fault::LinkLost { left: true });
                assert!(!repeatable && failure == Failure::Call(lost), "{failure:?}");
            }
        }
        second.shutdown();
    }
}

#[test]
fn a_refused_request_goes_to_the_next_provider_with_its_body() {
    let node = gateway();
    let mut refusing = Peer::dial(node.addr(), Some(7), &["echo"]);
    node.wait_providers("echo", 1);
    let second = TestNode::start(provider().bootstrap(node.addr().to_string()));
    node.wait_providers("echo", 2);
    // Whichever is drawn first, every call ends at the one that answers. Not repeatable: a refusal is always safe.
    let calls = node.begin(0, |shard| async move {
        let mut tries = 0;
        for _ in 0..40 {
            let call = shard.call(CallRequest {
                has_body: true,
                ..request(&shard, "echo")
            });
            let send = async {
                call.send(vec![b'x'; 50_000].into()).await.expect("taken");
                call.finish();
            };
            let (_, head) = futures_lite::future::zip(send, call.response()).await;
            head.expect("a head");
            assert_eq!(rest(&call).await.expect("a body").len(), 50_000);
            tries += call.tries();
        }
        tries
    });
    let mut refused = 0;
    let tries = loop {
        if let Some(tries) = calls.try_wait() {
            break tries;
        }
        peer_turn(&mut refusing, &mut refused);
    };
    assert!(refused > 0, "the test proves nothing if nobody refused");
    assert_eq!(tries, 40 + refused);
    second.shutdown();
}

/// What crosses a goodbye is refused after the provider has read as much as it had allowed before.
#[test]
fn a_body_that_fills_the_first_window_goes_elsewhere_when_it_is_refused() {
    const BODY_BYTES: usize = 300_000;
    for piece_bytes in [4_096, 65_536, 131_072] {
        let node = gateway();
        let claim = Claim {
            instance: [9; 16],
            shards: 1,
            lane: 0,
        };
        let mut refusing = Peer::dial_as(node.addr(), 7, &["echo"], claim);
        refusing.wait(|seen| matches!(seen, Seen::Handshake(_)));
        node.wait_providers("echo", 1);
        let call = node.begin(0, move |shard| async move {
            let call = shard.call(CallRequest {
                has_body: true,
                ..request(&shard, "echo")
            });
            let send = async {
                for piece in vec![b'x'; BODY_BYTES].chunks(piece_bytes) {
                    // The response says why no more is taken.
                    if call.send(piece.to_vec().into()).await.is_err() {
                        return;
                    }
                }
                call.finish();
            };
            let (_, head) = futures_lite::future::zip(send, call.response()).await;
            head.map_err(Failure::Call)?;
            let body = rest(&call).await.map_err(Failure::Cut)?;
            Ok::<_, Failure>((body.len(), call.tries()))
        });
        let refused = request_at(&mut refusing);
        let mut window = STREAM_WINDOW_BYTES as usize;
        while window > 0 {
            if let Seen::Data(stream, len) = refusing.next() {
                assert_eq!(stream, refused);
                window -= len;
            }
        }
        let second = TestNode::start(provider().bootstrap(node.addr().to_string()));
        node.wait_providers("echo", 2);
        let now = refusing.now();
        refusing.conn.refuse(now, refused);
        refusing.flush();
        assert_eq!(call.wait(), Ok((BODY_BYTES, 2)), "pieces of {piece_bytes}");
        second.shutdown();
    }
}

fn peer_turn(peer: &mut Peer, refused: &mut u32) {
    peer.turn();
    while let Some(seen) = peer.try_next() {
        if let Seen::Request { stream, .. } = seen {
            let now = peer.now();
            peer.conn.refuse(now, stream);
            *refused += 1;
        }
    }
    peer.flush();
}

#[test]
fn when_all_refuse_the_call_says_so() {
    let node = gateway();
    let mut refusing = Peer::dial(node.addr(), Some(7), &["hello"]);
    node.wait_providers("hello", 1);
    let call = node.begin(0, |shard| async move {
        exchange(&shard, request(&shard, "hello"), &[]).await
    });
    let mut refused = 0;
    let reply = loop {
        if let Some(reply) = call.try_wait() {
            break reply;
        }
        peer_turn(&mut refusing, &mut refused);
    };
    assert_eq!(reply, Err(Failure::Call(CallError::Refused)));
    assert_eq!(refused, 1, "one provider is asked once");
}

#[test]
fn a_request_is_held_until_its_provider_is_back() {
    let (provider_node, caller) = pair(Dialer::Provider);
    let to = caller.addr().to_string();
    provider_node.shutdown();
    caller.wait_providers("hello", 0);
    let held = caller.begin(0, |shard| async move {
        let request = CallRequest {
            hold_ms: Some(15_000),
            ..request(&shard, "hello")
        };
        exchange(&shard, request, &[]).await
    });
    let again = TestNode::start(provider().bootstrap(to));
    assert_eq!(held.wait().expect("a response").text(), "Hello world!");
    again.shutdown();
}

#[test]
fn a_hold_ends_after_its_time() {
    let node = gateway();
    let took = node.run(0, |shard| async move {
        // The shard's own clock, which a hold is counted by: a turn on a busy machine may have begun a while ago.
        let begun = flatend::rt::now();
        let request = CallRequest {
            hold_ms: Some(100),
            ..request(&shard, "nobody")
        };
        let reply = exchange(&shard, request, &[]).await;
        assert_eq!(reply, Err(Failure::Call(CallError::NoProvider)));
        flatend::rt::now().0 - begun.0
    });
    assert!(took >= 99, "{took} ms");
}

#[test]
fn above_max_in_flight_a_call_is_saturated_and_below_it_goes() {
    let (_provider, caller) = pair(Dialer::Provider);
    caller.run(0, |shard| async move {
        let limited = |service| CallRequest {
            max_in_flight: Some(2),
            timeout_ms: Some(500),
            ..request(&shard, service)
        };
        let (first, second) = (shard.call(limited("silent")), shard.call(limited("silent")));
        let waiting = futures_lite::future::zip(first.response(), second.response());
        let third = async {
            flatend::rt::yield_now().await;
            exchange(&shard, limited("hello"), &[]).await
        };
        let (two, third) = futures_lite::future::zip(waiting, third).await;
        assert_eq!(two, (Err(CallError::TimedOut), Err(CallError::TimedOut)));
        assert_eq!(third, Err(Failure::Call(CallError::Saturated)));
        drop((first, second));
        let reply = exchange(&shard, limited("hello"), &[]).await;
        assert_eq!(reply.expect("there is room again").text(), "Hello world!");
    });
}

#[test]
fn a_service_that_is_silent_runs_into_the_timeout() {
    let (_provider, caller) = pair(Dialer::Provider);
    let reply = caller.run(0, |shard| async move {
        let request = CallRequest {
            timeout_ms: Some(80),
            ..request(&shard, "silent")
        };
        exchange(&shard, request, &[]).await
    });
    assert_eq!(reply, Err(Failure::Call(CallError::TimedOut)));
    assert_eq!(
        get(&caller, 0, "hello").expect("the link lives on").text(),
        "Hello world!"
    );
}

#[test]
fn a_lost_bootstrap_address_is_dialed_again() {
    // A listener of ours stands for the gateway: it takes the dial, goes away, and takes the next.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let to = listener.local_addr().expect("bound");
    let node = TestNode::start(provider().bootstrap(to.to_string()));
    for round in 0..3 {
        let mut peer = Peer::accept(&listener, 9, &[]);
        let asked = peer.ask("hello", true);
        assert_eq!(peer.response(asked), "Hello world!".len(), "round {round}");
    }
    node.shutdown();
}
