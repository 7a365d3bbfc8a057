//! Conversations that end: faults, broken promises, limits, timeouts, shut-down, upgrade.

mod support;

use flatend_http::h1::{Next, ResponseHead, Wait};
use flatend_http::limits::Limits;
use flatend_http::{RequestError, ResponseError};
use support::server::{Server, GET, NO_FIELDS, POST_5, POST_CHUNKED};

#[test]
fn the_end_of_the_client() {
    let end = |bytes: &[u8]| {
        let mut server = Server::with(bytes);
        let result = server.connection.recv_end(server.buffer.len());
        (server, result.map_err(|error| error.status))
    };
    let (server, result) = end(b"");
    assert_eq!((server.next(), result), (Next::Close, Ok(())));
    let (server, result) = end(b"GET / HT");
    assert!(matches!(server.next(), Next::Refuse(_)));
    assert_eq!(result, Err(400));
    let (server, result) = end(&[POST_5, b"hel"].concat());
    assert!(matches!(server.next(), Next::Refuse(_)));
    assert_eq!(result, Err(400));
    // Half-closed after a whole request: the answer still goes out.
    let (mut server, result) = end(GET);
    assert_eq!((server.next(), result), (Next::Exchange, Ok(())));
    server.respond(b"hi");
    assert!(server.says_close());
    assert_eq!(server.next(), Next::Close);
    // While draining there is nothing left to say.
    let mut server = Server::with(POST_5);
    server.respond(b"early");
    assert_eq!(server.connection.recv_end(0), Ok(()));
    assert_eq!(server.next(), Next::Close);
}

#[test]
fn waits() {
    let mut server = Server::new(Limits::default());
    assert_eq!(server.connection.wait(0), Wait::Idle);
    assert_eq!(server.connection.wait(1), Wait::Head);
    server.read_head(POST_5);
    assert_eq!(server.connection.wait(0), Wait::Body);
    server.read_body(b"hello").unwrap();
    assert_eq!(server.connection.wait(0), Wait::Nothing);
    server.respond(b"");
    assert_eq!(server.connection.wait(0), Wait::Idle);
    server
        .connection
        .refuse(RequestError::timeout("http.timeout.read_header", 10_000));
    let Next::Refuse(error) = server.next() else {
        panic!("{:?}", server.next())
    };
    assert_eq!(error.status, 408);
    assert!(
        error
            .to_string()
            .ends_with("(http.timeout.read_header = 10000)."),
        "{error}"
    );
}

#[test]
fn shutting_down() {
    let mut server = Server::new(Limits::default());
    server.connection.shut_down(0);
    assert_eq!(server.next(), Next::Close);
    // A request that has begun is answered.
    let mut server = Server::with(&GET[..9]);
    server.connection.shut_down(server.buffer.len());
    assert!(server.read_head(&GET[9..]));
    server.respond(b"");
    assert!(server.says_close());
    assert_eq!(server.next(), Next::Close);
}

#[test]
fn upgrades() {
    let script = b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    let mut server = Server::with(script);
    server
        .connection
        .send_upgrade(&mut server.out, b"x", NO_FIELDS)
        .unwrap();
    let expected = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
    assert_eq!(String::from_utf8_lossy(&server.out), expected);
    assert_eq!(server.next(), Next::Upgraded);
    let mut server = Server::with(POST_5);
    assert!(server
        .connection
        .send_upgrade(&mut server.out, b"x", NO_FIELDS)
        .is_err());
    assert_eq!((server.next(), server.out.len()), (Next::Exchange, 0));
}

#[test]
fn misuse_is_an_error() {
    let mut server = Server::new(Limits::default());
    assert!(matches!(server.head(None), Err(ResponseError::Misuse(_))));
    assert!(matches!(server.answer(404), Err(ResponseError::Misuse(_))));
    assert!(matches!(server.data(b"a"), Err(ResponseError::Misuse(_))));
    assert!(matches!(server.end(), Err(ResponseError::Misuse(_))));
    let mut server = Server::with(GET);
    server.head(None).unwrap();
    assert!(matches!(server.head(None), Err(ResponseError::Misuse(_))));
}

#[test]
fn promises_of_the_service_are_kept_or_the_connection_is_cut() {
    let mut server = Server::with(GET);
    server.head(Some(3)).unwrap();
    assert_eq!(server.data(b"abcd"), Err(ResponseError::BodyTooLong));
    let mut server = Server::with(GET);
    server.head(Some(3)).unwrap();
    server.data(b"ab").unwrap();
    assert_eq!(server.end(), Err(ResponseError::BodyTooShort));
    server.connection.abort();
    assert_eq!(server.next(), Next::Reset);
}

#[test]
fn an_invalid_head_changes_nothing_and_another_may_follow() {
    let mut server = Server::with(GET);
    let date = server.dates.text();
    let head = ResponseHead {
        status: 200,
        body_bytes: None,
        date,
        request_id: None,
    };
    let bad = [(&b"x"[..], &b"a\r\nb"[..])];
    let error = server.connection.send_head(&mut server.out, &head, bad);
    assert_eq!(error, Err(ResponseError::FieldValue));
    assert!(server.out.is_empty() && !server.connection.is_response_begun());
    server.answer(502).unwrap();
    assert_eq!(server.next(), Next::ReadHead);
}

#[test]
fn a_bad_head_is_answered_once_and_lingers() {
    let mut server = Server::with(b"GET / HTTP/1.1\r\n\r\n");
    let Next::Refuse(error) = server.next() else {
        panic!("{:?}", server.next())
    };
    assert_eq!(error.status, 400);
    assert!(!server.read_head(GET), "nothing is parsed behind a fault");
    server.answer(error.status).unwrap();
    assert!(server.out.starts_with(b"HTTP/1.1 400 Bad Request\r\n") && server.says_close());
    assert_eq!(
        (server.next(), server.connection.wait(9)),
        (Next::Linger, Wait::End)
    );
    assert!(server.answer(400).is_err());
    server.connection.recv_end(0).unwrap();
    assert_eq!(server.next(), Next::Close);
}

#[test]
fn a_bad_body_is_answered_or_the_response_is_cut() {
    let mut server = Server::with(POST_CHUNKED);
    let error = server.read_body(b"x").unwrap_err();
    assert_eq!(server.next(), Next::Refuse(error));
    assert_eq!(server.read_body(b""), Err(error));
    server.answer(400).unwrap();
    assert_eq!(server.next(), Next::Linger);

    let mut server = Server::with(POST_CHUNKED);
    server.head(None).unwrap();
    let error = server.read_body(b"x").unwrap_err();
    assert_eq!(server.next(), Next::Refuse(error));
    assert!(server.connection.is_response_begun());
    assert!(matches!(server.answer(400), Err(ResponseError::Misuse(_))));
    server.connection.abort();
    assert_eq!(server.next(), Next::Reset);
}

#[test]
fn limits_of_a_body() {
    let limits = Limits {
        body_bytes_max: 4,
        ..Limits::default()
    };
    // The listener's, at the first read.
    let mut server = Server::new(limits);
    server.read_head(POST_5);
    assert_eq!(server.next(), Next::Exchange);
    assert_eq!(server.read_body(b"").unwrap_err().status, 413);
    // The route's in their place.
    let mut server = Server::new(limits);
    server.read_head(POST_5);
    server.connection.limit_body(5, 5).unwrap();
    assert_eq!(server.read_body(b"hello").unwrap(), b"hello");

    let refusal = |head: &[u8], min| {
        let mut server = Server::with(head);
        let status = server
            .connection
            .limit_body(min, 9)
            .map_err(|error| error.status);
        assert_eq!(matches!(server.next(), Next::Refuse(_)), status.is_err());
        status
    };
    assert_eq!(refusal(POST_5, 6), Err(400));
    assert_eq!(refusal(POST_5, 5), Ok(()));
    // POST without a body is too small, GET without one is not.
    assert_eq!(refusal(b"POST /a HTTP/1.1\r\nHost: a\r\n\r\n", 1), Err(400));
    assert_eq!(
        refusal(
            b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
            1
        ),
        Err(400)
    );
    assert_eq!(refusal(GET, 1), Ok(()));
    assert_eq!(
        refusal(
            b"DELETE /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n",
            2
        ),
        Err(400)
    );
}
