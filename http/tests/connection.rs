//! Conversations that go well: keep-alive, pipelining, draining, 100, HTTP/1.0.

mod support;

use flatend_http::h1::{Next, Wait};
use flatend_http::limits::{Limits, DRAIN_BODY_BYTES_DEFAULT};
use flatend_http::RequestError;
use support::for_each_split;
use support::server::{Server, EXPECTING, GET, GET_1_0, POST_5, POST_CHUNKED};

#[test]
fn keep_alive_goes_back_to_the_next_head() {
    let mut server = Server::with(GET);
    for _ in 0..3 {
        assert_eq!(server.next(), Next::Exchange);
        server.respond(b"hi");
        assert_eq!(server.next(), Next::ReadHead);
        assert!(server.read_head(GET));
    }
    assert!(!server.says_close());
}

#[test]
fn piped_requests_are_answered_in_order_in_every_cut() {
    let script = b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n\
        POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
        POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n\
        \r\nGET /4 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n\
        GET /never HTTP/1.1\r\nHost: a\r\n\r\n";
    for_each_split(script, |pieces| {
        let mut server = Server::new(Limits::default());
        let mut body = Vec::new();
        for piece in pieces {
            server.buffer.extend_from_slice(piece);
            loop {
                match server.next() {
                    Next::ReadHead => {
                        if !server.read_head(b"") {
                            break;
                        }
                    }
                    Next::Exchange => {
                        body.extend(server.read_body(b"").unwrap());
                        if !server.connection.is_body_done() {
                            break;
                        }
                        server.respond(b"ok");
                    }
                    Next::Close => break,
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!(server.paths, ["/1", "/2", "/3", "/4"]);
        assert_eq!(body, b"abcde");
        assert_eq!(server.next(), Next::Close);
        assert_eq!(
            server
                .out
                .windows(12)
                .filter(|w| w == b"HTTP/1.1 200")
                .count(),
            4
        );
    });
}

#[test]
fn a_piped_head_waits_for_the_response_before_it() {
    let mut server = Server::with(&GET.repeat(2));
    assert!(!server.read_head(b""));
    assert_eq!(server.buffer, GET);
    server.respond(b"");
    assert!(server.read_head(b""));
}

#[test]
fn a_response_may_end_before_the_request_body() {
    let mut server = Server::with(POST_5);
    server.respond(b"early");
    assert_eq!(
        (server.next(), server.connection.wait(0)),
        (Next::Drain, Wait::Body)
    );
    assert!(server.read_body(b"he").is_ok());
    assert_eq!(server.next(), Next::Drain);
    assert!(server.read_body(b"lloGET").is_ok());
    assert_eq!(server.next(), Next::ReadHead);
    assert_eq!(server.buffer, b"GET");
}

#[test]
fn drained_bytes_last_that_keep_and_first_that_close() {
    for (bytes, next) in [
        (DRAIN_BODY_BYTES_DEFAULT, Next::ReadHead),
        (DRAIN_BODY_BYTES_DEFAULT + 1, Next::Linger),
    ] {
        let head = format!("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: {bytes}\r\n\r\n");
        let mut server = Server::with(head.as_bytes());
        server.answer(404).unwrap();
        assert_eq!(server.says_close(), next == Next::Linger, "{bytes}");
        if next == Next::ReadHead {
            server.read_body(&vec![b'a'; bytes as usize]).unwrap();
        }
        assert_eq!(server.next(), next, "{bytes}");
    }
    // Nobody knows the length of chunks before they are there.
    let mut server = Server::with(POST_CHUNKED);
    server.answer(404).unwrap();
    assert!(!server.says_close());
    let chunk = [&b"8000\r\n"[..], &[b'a'; 0x8000], b"\r\n"].concat();
    server.read_body(&chunk).unwrap();
    assert_eq!(server.next(), Next::Drain);
    server.read_body(&chunk).unwrap();
    assert_eq!(server.next(), Next::Linger);
}

#[test]
fn a_streamed_response_to_a_long_body_does_not_announce_the_end() {
    let mut server =
        Server::with(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    server.head(None).unwrap();
    assert!(!server.says_close());
}

#[test]
fn faults_in_a_drained_body_end_the_connection_without_an_error() {
    let mut server = Server::with(POST_CHUNKED);
    server.respond(b"early");
    assert_eq!(server.read_body(b"x"), Ok(vec![]));
    assert_eq!(server.next(), Next::Linger);
}

#[test]
fn continue_is_owed_once_and_only_while_nothing_of_the_body_came() {
    let mut server = Server::with(EXPECTING);
    assert!(server.connection.take_continue());
    assert!(!server.connection.take_continue());
    server.read_body(b"hello").unwrap();
    server.respond(b"");
    assert!(!server.says_close());

    let mut server = Server::with(EXPECTING);
    server.read_body(b"he").unwrap();
    assert!(!server.connection.take_continue());

    assert!(!Server::with(POST_5).connection.take_continue());
}

#[test]
fn a_response_in_place_of_continue_closes() {
    let mut server = Server::with(EXPECTING);
    server.answer(401).unwrap();
    assert!(server.says_close());
    assert_eq!(server.next(), Next::Linger);
    assert!(!server.connection.take_continue());
}

#[test]
fn nothing_is_owed_where_no_body_follows() {
    for framing in ["", "Content-Length: 0\r\n"] {
        let head = format!("GET /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n{framing}\r\n");
        let mut server = Server::with(head.as_bytes());
        assert!(!server.connection.take_continue());
        server.respond(b"");
        assert!(!server.says_close());
        assert_eq!(server.next(), Next::ReadHead);
    }
}

#[test]
fn a_refusal_of_head_has_no_body() {
    for script in [
        &b"HEAD /a HTTP/1.1\r\n\r\n"[..],
        b"\r\nHEAD /a HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n",
        b"HEAD /a HTTP/3.0\r\n\r\n",
    ] {
        let mut server = Server::with(script);
        assert!(matches!(server.next(), Next::Refuse(_)));
        server.answer(400).unwrap();
        assert!(server.out.ends_with(b"\r\n\r\n"), "{script:?}");
        assert!(server.says_close());
    }
    // A timeout within the head, and the method of a request before it.
    let mut server = Server::with(b"HEAD /a HTTP/1.1\r\nHost");
    server
        .connection
        .refuse(RequestError::timeout("read_header", 1));
    server.answer(408).unwrap();
    assert!(server.out.ends_with(b"\r\n\r\n"));
    let mut server =
        Server::with(&[&b"HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n"[..], b"GET /"].concat());
    server.respond(b"");
    server.connection.recv_end(5).unwrap_err();
    server.answer(400).unwrap();
    assert!(server.out.ends_with(b"No.\n"));
}

#[test]
fn http_1_0_closes_unless_asked() {
    let mut server = Server::with(GET_1_0);
    server.head(None).unwrap();
    server.data(b"abc").unwrap();
    server.end().unwrap();
    assert!(server.says_close() && server.out.ends_with(b"\r\n\r\nabc"));
    assert_eq!(server.next(), Next::Close);

    let keep = b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    let mut server = Server::with(keep);
    server.respond(b"abc");
    assert!(String::from_utf8_lossy(&server.out).contains("\r\nconnection: keep-alive\r\n"));
    assert_eq!(server.next(), Next::ReadHead);
    // Without a length only the end of the connection can end the body.
    let mut server = Server::with(keep);
    server.head(None).unwrap();
    server.end().unwrap();
    assert_eq!(server.next(), Next::Close);
}

#[test]
fn trailers_stand_behind_chunks_alone_and_only_such_as_may() {
    let fields: [(&[u8], &[u8]); 5] = [
        (b"x-sum", b"1"),
        (b"content-length", b"9"),
        (b"set-cookie", b"a=b"),
        (b"a b", b"2"),
        (b"x-split", b"1\r\nb: 2"),
    ];
    let ended = |body_bytes| {
        let mut server = Server::with(GET);
        server.head(body_bytes).unwrap();
        server.data(b"hi").unwrap();
        let before = server.out.len();
        let sent = server.connection.send_trailers(&mut server.out, fields);
        (sent, server.out.split_off(before), server.next())
    };
    let chunked = b"0\r\nx-sum: 1\r\n\r\n".to_vec();
    assert_eq!(ended(None), (Ok(()), chunked, Next::ReadHead));
    assert_eq!(ended(Some(2)), (Ok(()), Vec::new(), Next::ReadHead));
    assert!(matches!(ended(Some(3)), (Err(_), out, _) if out.is_empty()));
}
