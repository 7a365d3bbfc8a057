//! Conversations: what a connection wants after each thing that happens on it.

mod support;

use flatend_http::date::DateCache;
use flatend_http::h1::{Answer, Connection, FieldScratch, Next, Parsed, ResponseHead, Wait};
use flatend_http::limits::{Limits, DRAIN_BODY_BYTES_MAX};
use flatend_http::{RequestError, ResponseError};
use support::for_each_split;

/// A server whose handler answers by `serve`, driven as a shell would drive it.
struct Server {
    connection: Connection,
    buffer: Vec<u8>,
    out: Vec<u8>,
    dates: DateCache,
    /// Paths of the requests in the order in which they were parsed.
    paths: Vec<String>,
}

const NO_FIELDS: [(&[u8], &[u8]); 0] = [];

impl Server {
    fn new(limits: Limits) -> Self {
        Server {
            connection: Connection::new(limits),
            buffer: Vec::new(),
            out: Vec::new(),
            dates: DateCache::new(0),
            paths: Vec::new(),
        }
    }

    fn with(bytes: &[u8]) -> Self {
        let mut server = Server::new(Limits::default());
        server.read_head(bytes);
        server
    }

    fn next(&self) -> Next {
        self.connection.next()
    }

    /// Adds bytes and parses a head if one is wanted.
    fn read_head(&mut self, bytes: &[u8]) -> bool {
        self.buffer.extend_from_slice(bytes);
        let mut scratch = FieldScratch::new();
        let consumed = match self.connection.recv_head(&self.buffer, &mut scratch) {
            Ok(Parsed::Head(head, consumed)) => {
                self.paths.push(head.target.path.to_owned());
                consumed
            }
            _ => return false,
        };
        self.buffer.drain(..consumed);
        true
    }

    /// Adds bytes and decodes what there is of the body.
    fn read_body(&mut self, bytes: &[u8]) -> Result<Vec<u8>, RequestError> {
        self.buffer.extend_from_slice(bytes);
        let mut data = Vec::new();
        loop {
            let step = self.connection.recv_body(&self.buffer)?;
            data.extend_from_slice(&self.buffer[step.data.clone()]);
            self.buffer.drain(..step.consumed);
            if step.done || step.consumed == 0 {
                return Ok(data);
            }
        }
    }

    fn head(&mut self, body_bytes: Option<u64>) -> Result<(), ResponseError> {
        let date = self.dates.text();
        let head = ResponseHead {
            status: 200,
            body_bytes,
            date,
            request_id: None,
        };
        self.connection.send_head(&mut self.out, &head, NO_FIELDS)
    }

    fn data(&mut self, data: &[u8]) -> Result<(), ResponseError> {
        let piece = self.connection.send_data(data.len())?;
        self.out.extend_from_slice(piece.prefix());
        if piece.carries_data() {
            self.out.extend_from_slice(data);
        }
        self.out.extend_from_slice(piece.suffix());
        Ok(())
    }

    fn end(&mut self) -> Result<(), ResponseError> {
        self.out.extend_from_slice(self.connection.send_end()?);
        Ok(())
    }

    /// A whole response with `body`.
    fn respond(&mut self, body: &[u8]) {
        self.head(Some(body.len() as u64)).unwrap();
        self.data(body).unwrap();
        self.end().unwrap();
    }

    fn answer(&mut self, status: u16) -> Result<(), ResponseError> {
        let date = self.dates.text();
        let sentence = "No.";
        let answer = Answer {
            status,
            sentence,
            json: false,
            request_id: None,
            date,
            fields: &[],
        };
        self.connection.send_answer(&mut self.out, &answer)
    }

    fn says_close(&self) -> bool {
        String::from_utf8_lossy(&self.out).contains("\r\nconnection: close\r\n")
    }
}

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
const POST_5: &[u8] = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
const POST_CHUNKED: &[u8] = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
const GET_1_0: &[u8] = b"GET /a HTTP/1.0\r\n\r\n";
const EXPECTING: &[u8] =
    b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";

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
        (DRAIN_BODY_BYTES_MAX, Next::ReadHead),
        (DRAIN_BODY_BYTES_MAX + 1, Next::Linger),
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
