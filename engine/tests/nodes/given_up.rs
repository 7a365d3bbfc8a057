//! Streams that one side gives up: whoever still works on the other side hears of it, whatever code was sent.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use flatend::{HeaderBlock, Node};
use flatend_codec::ResetCode;

use crate::support::node::TestNode;
use crate::support::peer::{Claim, Peer, Seen};
use crate::support::wait_until;

const CODES: [ResetCode; 5] = [
    ResetCode::Cancel,
    ResetCode::Deadline,
    ResetCode::Limit,
    ResetCode::Internal,
    ResetCode::Protocol,
];

fn peer_of(node: &TestNode) -> Peer {
    let claim = Claim {
        instance: [7; 16],
        shards: 1,
        lane: 0,
    };
    let mut peer = Peer::dial_as(node.addr(), 7, &[], claim);
    peer.wait(|seen| matches!(seen, Seen::Handshake(_)));
    peer
}

fn ask(peer: &mut Peer, service: &str, end: bool) -> flatend_codec::StreamId {
    let (now, none) = (peer.now(), HeaderBlock::new());
    let asked = peer.conn.open_stream(now, [service], &none, &none, end);
    let stream = asked.expect("there is credit");
    peer.flush();
    stream
}

#[test]
fn a_handler_that_waits_for_its_window_ends_with_every_code() {
    let ended = Arc::new(AtomicUsize::new(0));
    let count = ended.clone();
    let node = TestNode::start(Node::builder().bind("127.0.0.1:0").service(
        "endless",
        move |mut context| {
            let count = count.clone();
            async move {
                while context.write(&[7; 16 * 1024]).await.is_ok() {}
                count.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
        },
    ));
    let mut peer = peer_of(&node);
    for (n, code) in (1..).zip(CODES) {
        let stream = ask(&mut peer, "endless", true);
        // Its first window is used up, and nothing is credited.
        let mut bytes = 0;
        while bytes < 64 * 1024 {
            if let Seen::Data(_, len) = peer.next() {
                bytes += len;
            }
        }
        assert_eq!(ended.load(Ordering::SeqCst), n - 1, "it waits");
        let now = peer.now();
        peer.conn.reset(now, stream, code, "enough");
        peer.flush();
        wait_until("the handler has ended", || {
            ended.load(Ordering::SeqCst) == n
        });
    }
    node.shutdown();
}

#[test]
fn who_refuses_reads_no_more() {
    let ended = Arc::new(AtomicUsize::new(0));
    let count = ended.clone();
    let node = TestNode::start(Node::builder().bind("127.0.0.1:0").service(
        "refuses",
        move |context| {
            let count = count.clone();
            async move {
                let (_, mut body, responder) = context.split();
                responder.refuse();
                while let Ok(Some(_)) = body.read().await {}
                count.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
        },
    ));
    let mut peer = peer_of(&node);
    ask(&mut peer, "refuses", false);
    peer.wait(|seen| matches!(seen, Seen::Refused(_)));
    wait_until("the handler has ended", || {
        ended.load(Ordering::SeqCst) == 1
    });
    node.shutdown();
}
