//! Clients of something else at the mesh's address.

use std::io::{Read, Write};

use flatend::NodeEvent;

use crate::support::{raw, wait_until};
use crate::victim::{victim, Honest};

/// All that comes until FIN.
fn answer_to(addr: std::net::SocketAddr, pieces: &[&[u8]]) -> String {
    let mut stream = raw::connect(addr);
    stream.set_nodelay(true).expect("an option");
    stream.set_read_timeout(None).expect("an option");
    for piece in pieces {
        stream.write_all(piece).expect("the node reads");
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text, and a FIN");
    answer
}

#[test]
fn http_is_answered_in_http_and_told_once_a_minute() {
    let node = victim();
    let mut honest = Honest::join(&node);
    let head = b"GET /hello HTTP/1.1\r\nHost: mesh.example\r\n\r\n";
    let long = format!("POST /{} HTTP/1.1\r\n\r\n", "x".repeat(8_000));
    for pieces in [
        &[&head[..]][..],
        &[&head[..3], &head[3..]],
        &[long.as_bytes()],
    ] {
        let answer = answer_to(node.addr(), pieces);
        assert!(
            answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
            "{answer}"
        );
        assert!(answer.contains("mesh port of flatend"), "{answer}");
    }
    honest.is_served();
    let told = || {
        let events = node.events();
        let about = |event: &&NodeEvent| matches!(event, NodeEvent::Trouble(what) if what.contains("speaks HTTP"));
        events.iter().filter(about).count()
    };
    wait_until("a line in the log", || told() == 1);
    // Whatever else they are, they are no faults of a peer: the log would fill with a health check's.
    let faults = node.events();
    assert!(!faults
        .iter()
        .any(|event| matches!(event, NodeEvent::PeerFault { .. })));
    node.shutdown();
}
