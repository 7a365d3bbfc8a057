//! Providers that answer wrongly: the call that met them fails, the node does not.

use flatend::{CallError, CallRequest, Fault, HeaderBlock, Node};

use crate::support::calls::{exchange, request, rest, Failure, Reply};
use crate::support::node::{Running, TestNode};
use crate::support::raw::{self, Raw};
use crate::support::wait_until;

fn caller() -> TestNode {
    TestNode::start(Node::builder().bind("127.0.0.1:0"))
}

/// A provider by hand, a call to it, and the number of its stream.
fn called(node: &TestNode) -> (Raw, u32, Running<Result<Reply, Failure>>) {
    let mut raw = Raw::joined(node.addr(), &["evil"]);
    // It asks for nodes, so that it counts as a Node peer and its first request need not wait.
    raw.send(3, &[&[4][..], &[0; 32]].concat());
    node.wait_providers("evil", 1);
    let call = node.begin(0, |shard| async move {
        let request = CallRequest {
            timeout_ms: Some(5_000),
            ..request(&shard, "evil")
        };
        exchange(&shard, request, &[]).await
    });
    loop {
        let packet = raw.receive().expect("the request");
        if packet[..4] == [0; 4] && packet[4] == 1 {
            let stream = packet[5..9].try_into().expect("four bytes");
            return (raw, u32::from_be_bytes(stream), call);
        }
    }
}

fn response(stream: u32, handled: u8, headers: &[u8]) -> Vec<u8> {
    let mut message = vec![2];
    message.extend(stream.to_be_bytes());
    message.push(handled);
    message.extend(headers);
    message
}

/// The link was ended by the node, with a FIN.
fn thrown_out(node: &TestNode, mut raw: Raw) {
    let from = raw.stream.local_addr().expect("an address");
    raw::until_fin(&mut raw.stream);
    wait_until("the fault is in the log", || {
        node.faults_of(from).len() == 1
    });
}

#[test]
fn data_before_the_head_ends_the_link_and_the_call() {
    let node = caller();
    let (mut raw, stream, call) = called(&node);
    raw.send(0, &raw::data(stream, b"too early"));
    thrown_out(&node, raw);
    let reply = call.wait();
    let Err(Failure::Call(CallError::Broken(Fault::LinkBroken(how)))) = &reply else {
        panic!("{reply:?}");
    };
    assert!(how.contains("data before the response"), "{how}");
}

#[test]
fn two_heads_end_the_link_and_there_is_no_response() {
    let node = caller();
    let (mut raw, stream, call) = called(&node);
    raw.send(0, &response(stream, 1, &[0, 0]));
    raw.send(0, &raw::data(stream, b"a piece"));
    raw.send(0, &response(stream, 1, &[0, 0]));
    thrown_out(&node, raw);
    let reply = call.wait();
    assert!(
        matches!(&reply, Err(Failure::Call(CallError::Broken(Fault::LinkBroken(how)))) if how.contains("second response")),
        "{reply:?}"
    );
}

#[test]
fn headers_that_do_not_decode_cost_their_stream_alone() {
    let node = caller();
    let (mut raw, stream, call) = called(&node);
    // One header, whose name is longer than the packet.
    raw.send(0, &response(stream, 1, &[0, 1, 200, b'x']));
    let reply = call.wait();
    assert!(
        matches!(reply, Err(Failure::Call(CallError::BadResponse(_)))),
        "{reply:?}"
    );
    // The link goes on.
    let call = node.begin(0, |shard| async move {
        exchange(&shard, request(&shard, "evil"), &[]).await
    });
    let next = loop {
        let packet = raw.receive().expect("the next request");
        if packet[4] == 1 {
            break u32::from_be_bytes(packet[5..9].try_into().expect("four bytes"));
        }
    };
    raw.send(0, &response(next, 1, &[0, 0]));
    raw.send(0, &raw::data(next, b"fine"));
    raw.send(0, &raw::data(next, b""));
    assert_eq!(call.wait().expect("a response").text(), "fine");
}

#[test]
fn what_comes_late_for_a_stream_that_was_given_up_is_dropped() {
    let node = caller();
    let mut raw = Raw::joined(node.addr(), &["evil"]);
    raw.send(3, &[&[4][..], &[0; 32]].concat());
    node.wait_providers("evil", 1);
    let stream = {
        let call = node.begin(0, |shard| async move {
            let request = CallRequest {
                timeout_ms: Some(200),
                ..request(&shard, "evil")
            };
            exchange(&shard, request, &[]).await
        });
        let stream = loop {
            let packet = raw.receive().expect("the request");
            if packet[..4] == [0; 4] && packet[4] == 1 {
                break u32::from_be_bytes(packet[5..9].try_into().expect("four bytes"));
            }
        };
        assert_eq!(call.wait(), Err(Failure::Call(CallError::TimedOut)));
        stream
    };
    raw.send(0, &response(stream, 1, &[0, 0]));
    for _ in 0..1_000 {
        raw.send(0, &raw::data(stream, &[7; 2_000]));
    }
    raw.send(0, &raw::data(stream, b""));
    // The link is as good as before.
    raw.send(5, &[&[4][..], &[1; 32]].concat());
    loop {
        let packet = raw.receive().expect("the link lives");
        if packet[..4] == 5u32.to_be_bytes() {
            break;
        }
    }
    let from = raw.stream.local_addr().expect("an address");
    assert_eq!(node.faults_of(from), Vec::<String>::new());
}

#[test]
fn a_response_without_a_reader_is_bounded() {
    let node = caller();
    let mut raw = Raw::joined(node.addr(), &["evil"]);
    raw.send(3, &[&[4][..], &[0; 32]].concat());
    node.wait_providers("evil", 1);
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let reader = node.begin(0, move |shard| async move {
        let call = shard.call(CallRequest {
            headers: HeaderBlock::new(),
            ..request(&shard, "evil")
        });
        call.response().await.expect("a head");
        flatend::rt::run_blocking(move || gone.recv().ok())
            .await
            .expect("a thread");
        rest(&call).await.map(|body| body.len())
    });
    let stream = loop {
        let packet = raw.receive().expect("the request");
        if packet[..4] == [0; 4] && packet[4] == 1 {
            break u32::from_be_bytes(packet[5..9].try_into().expect("four bytes"));
        }
    };
    raw.send(0, &response(stream, 1, &[0, 0]));
    raw.stream
        .set_write_timeout(Some(std::time::Duration::from_millis(500)))
        .expect("an option");
    let (mut sent, mut stopped) = (0usize, None);
    while stopped.is_none() && sent < 100_000_000 {
        let frame = raw.frame(0, &raw::data(stream, &[7; 60_000]));
        let mut left = &frame[..];
        while !left.is_empty() {
            match std::io::Write::write(&mut raw.stream, left) {
                Ok(n) => left = &left[n..],
                Err(err) if err.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => {
                    stopped = Some(left.to_vec());
                    break;
                }
            }
        }
        sent += 60_000;
    }
    let left = stopped.expect("a link whose reader sleeps stops taking");
    assert!(sent < 50_000_000, "{sent} bytes were taken");
    // The reader wakes up, and gets every byte.
    go.send(()).expect("the reader waits");
    raw.stream.set_write_timeout(None).expect("an option");
    std::io::Write::write_all(&mut raw.stream, &left).expect("it is taken again");
    raw.send(0, &raw::data(stream, b""));
    assert_eq!(reader.wait(), Ok(sent));
}

#[test]
fn a_request_that_makes_providers_break_the_protocol_costs_two_links_at_most() {
    let node = caller();
    let mut providers: Vec<Raw> = (0..4)
        .map(|_| {
            let mut raw = Raw::joined(node.addr(), &["evil"]);
            raw.send(3, &[&[4][..], &[0; 32]].concat());
            raw
        })
        .collect();
    node.wait_providers("evil", providers.len());
    let call = node.begin(0, |shard| async move {
        let request = CallRequest {
            repeatable: true,
            ..request(&shard, "evil")
        };
        exchange(&shard, request, &[]).await
    });
    // Whoever is asked answers with data before the head.
    let answer = |mut raw: Raw| {
        std::thread::spawn(move || {
            while let Some(packet) = raw.receive() {
                if packet[..4] == [0; 4] && packet[4] == 1 {
                    let stream = packet[5..9].try_into().expect("four bytes");
                    raw.send(0, &raw::data(u32::from_be_bytes(stream), b"x"));
                }
            }
        })
    };
    let threads: Vec<_> = providers.drain(..).map(answer).collect();
    let reply = call.wait();
    assert!(
        matches!(
            reply,
            Err(Failure::Call(CallError::Broken(Fault::LinkBroken(_))))
        ),
        "{reply:?}"
    );
    node.wait_providers("evil", 2);
    drop(node);
    for thread in threads {
        thread.join().expect("it ends with its link");
    }
}
