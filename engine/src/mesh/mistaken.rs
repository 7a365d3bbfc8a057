//! Who speaks HTTP to a mesh port: told so in HTTP, and the log hears of it now and then. The invariant that a change is likeliest to
//! break: no dialer's key is taken for HTTP.

use std::rc::Rc;
use std::sync::atomic::Ordering;

use super::link::Link;
use crate::limits::HTTP_HINT_MS;
use crate::node::NodeEvent;
use crate::rt;
use crate::shard::Shard;

/// What requests begin with. A dialer begins with a random key of 32 bytes, and one in 2³⁹ of those begins like this.
const BEGINNINGS: [&[u8]; 10] = [
    b"GET /",
    b"HEAD /",
    b"POST /",
    b"PUT /",
    b"PATCH /",
    b"DELETE /",
    b"OPTIONS /",
    b"OPTIONS *",
    b"CONNECT ",
    b"PRI * HTTP/2.0",
];

const BODY: &str =
    "This is a mesh port of flatend, where its nodes meet. HTTP has another address.\n";

/// Whether the first bytes of a connection are those of a request.
pub(super) fn is_http(first: &[u8]) -> bool {
    BEGINNINGS
        .iter()
        .any(|beginning| first.starts_with(beginning))
}

/// What is answered.
pub(super) fn answer() -> Vec<u8> {
    let len = BODY.len();
    format!("HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {len}\r\nconnection: close\r\n\r\n{BODY}").into_bytes()
}

/// Tells the log, once a minute.
pub(super) fn tell(shard: &Rc<Shard>, link: &Link) {
    let now = rt::now().0;
    let last = &shard.shared.http_hint_at;
    // Two shards at once: one of them tells.
    let told = last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |at| {
        (at == 0 || now >= at + HTTP_HINT_MS).then_some(now.max(1))
    });
    if told.is_ok() {
        let from = link.socket.peer_addr();
        let from = from.map_or_else(|_| "somebody".to_owned(), |addr| addr.to_string());
        shard.emit(NodeEvent::Trouble(format!(
            "{from} speaks HTTP to the address of the mesh, where nodes meet: HTTP has another address"
        )));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_from_keys() {
        for request in [
            "GET / HTTP/1.1\r\n",
            "HEAD /x HTTP/1.0\r\n",
            "OPTIONS * HTTP/1.1\r\n",
            "CONNECT a.example:443 HTTP/1.1\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ] {
            assert!(is_http(request.as_bytes()), "{request}");
        }
        for other in [
            "",
            "G",
            "GET",
            "GET ",
            "get / HTTP/1.1",
            "GETS /",
            "\u{16}\u{3}\u{1}",
        ] {
            assert!(!is_http(other.as_bytes()), "{other}");
        }
        for first in 0..=255 {
            assert!(!is_http(&[first; 32]));
        }
    }

    #[test]
    fn the_answer_has_the_length_that_it_says() {
        let answer = String::from_utf8(answer()).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains(&format!("content-length: {}", body.len())));
    }
}
