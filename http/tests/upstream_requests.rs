//! Headers of the mesh as HTTP requests.

use flatend_http::h1::{ClientConnection, RequestRefused};
use flatend_http::limits::GATEWAYS_PASSED_MAX;

type Fields<'a> = &'a [(&'a str, &'a str)];

fn write(fields: Fields<'_>, has_body: bool) -> Result<String, RequestRefused> {
    let mut out = b"before".to_vec();
    let bytes = fields
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let result = ClientConnection::new().send_request(&mut out, bytes, has_body, "10.0.0.2:8080");
    let text = String::from_utf8(out).unwrap();
    let Some(head) = text.strip_prefix("before") else {
        panic!("what was there is gone: {text}");
    };
    if result.is_err() {
        assert_eq!(head, "", "a part of a head is left");
    }
    result.map(|()| head.to_owned())
}

#[test]
fn a_request_of_the_gateway() {
    let fields: Fields<'_> = &[
        ("host", "a.example"),
        ("accept", "*/*"),
        ("cookie", "a=1; b=2"),
        ("query.q", "1"),
        ("params.id", "7"),
        ("te", "trailers"),
        ("expect", "100-continue"),
        (":method", "GET"),
        (":path", "/x/7?q=1"),
        (":authority", "a.example"),
        (":scheme", "http"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-request-id", "r-1"),
    ];
    assert_eq!(
        write(fields, false).unwrap(),
        "GET /x/7?q=1 HTTP/1.1\r\nhost: a.example\r\naccept: */*\r\ncookie: a=1; b=2\r\n\
         x-forwarded-for: 192.0.2.1\r\nx-request-id: r-1\r\nvia: 1.1 flatend\r\n\r\n"
    );
}

#[test]
fn a_caller_who_knows_nothing_of_http() {
    let fields: Fields<'_> = &[("query.a b", "1&2"), ("query.c", "é"), ("x-a", "1")];
    assert_eq!(
        write(fields, false).unwrap(),
        "GET /?a%20b=1%262&c=%C3%A9 HTTP/1.1\r\nhost: 10.0.0.2:8080\r\nx-a: 1\r\nvia: 1.1 flatend\r\n\r\n"
    );
    assert!(write(&[], true).unwrap().starts_with("POST / HTTP/1.1\r\n"));
    assert!(write(&[], false).unwrap().starts_with("GET / HTTP/1.1\r\n"));
}

#[test]
fn the_host_is_the_authority_then_host_then_the_upstreams() {
    let host = |fields| {
        let head = write(fields, false).unwrap();
        let line = head.lines().nth(1).unwrap().to_owned();
        assert_eq!(head.matches("host: ").count(), 1);
        line
    };
    assert_eq!(host(&[("host", "b"), (":authority", "a")]), "host: a");
    assert_eq!(host(&[("Host", "b"), (":authority", "")]), "host: b");
    assert_eq!(host(&[]), "host: 10.0.0.2:8080");
}

#[test]
fn every_request_has_one_length() {
    let framing = |fields: Fields<'_>, has_body| {
        let head = write(fields, has_body).unwrap();
        head.lines()
            .filter(|line| line.starts_with("content-length") || line.starts_with("transfer"))
            .collect::<Vec<_>>()
            .join("|")
    };
    let method = |method| (":method", method);
    for name in ["POST", "PUT", "PATCH"] {
        assert_eq!(
            framing(&[method(name)], false),
            "content-length: 0",
            "{name}"
        );
    }
    for name in ["GET", "HEAD", "DELETE", "OPTIONS"] {
        assert_eq!(framing(&[method(name)], false), "", "{name}");
    }
    assert_eq!(
        framing(&[("content-length", "0")], false),
        "content-length: 0"
    );
    assert_eq!(
        framing(&[("Content-Length", " 5 ")], true),
        "content-length: 5"
    );
    let chunked = "transfer-encoding: chunked";
    assert_eq!(framing(&[], true), chunked);
    assert_eq!(framing(&[("transfer-encoding", "chunked")], true), chunked);
    for bad in ["5,5", "+5", "x", ""] {
        assert_eq!(
            framing(&[("content-length", bad)], true),
            chunked,
            "{bad:?}"
        );
    }
    let twice: Fields<'_> = &[("content-length", "5"), ("content-length", "5")];
    assert_eq!(framing(twice, true), chunked);
    assert_eq!(
        write(&[("content-length", "5")], false),
        Err(RequestRefused::NoBody)
    );
}

#[test]
fn nothing_can_end_a_line_or_split_a_request() {
    use RequestRefused::{Authority, FieldName, FieldValue, Method, NotImplemented, Target};
    for (name, value, refused) in [
        (":method", "GET /x HTTP/1.1\r\nX: ", Method),
        (":method", "", Method),
        (":method", "G T", Method),
        (":method", "CONNECT", NotImplemented),
        (":method", "TRACE", NotImplemented),
        (":path", "/a b", Target),
        (":path", "/a\r\nX: y", Target),
        (":path", "a", Target),
        (":path", "", Target),
        (":path", "/#a", Target),
        (":path", "*", Target),
        (":path", "http://b/", Target),
        (":path", "/\u{7f}", Target),
        (":authority", "a\r\nX: y", Authority),
        (":authority", "u@a", Authority),
        ("host", "a b", Authority),
        ("x y", "1", FieldName),
        ("x:", "1", FieldName),
        ("é", "1", FieldName),
        ("x", "a\r\nY: b", FieldValue),
        ("x", "a\nb", FieldValue),
        ("x", "a\0b", FieldValue),
    ] {
        assert_eq!(
            write(&[(name, value)], false),
            Err(refused),
            "{name:?}: {value:?}"
        );
    }
    assert!(write(&[(":method", "OPTIONS"), (":path", "*")], false).is_ok());
    assert!(write(&[(":path", "/é%20?a=b;c")], false).is_ok());
}

#[test]
fn hop_by_hop_fields_and_what_connection_names_stay_here() {
    let fields: Fields<'_> = &[
        ("connection", "keep-alive, X-Mine, host"),
        ("x-mine", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-authorization", "secret"),
        ("upgrade", "websocket"),
        ("x-yours", "2"),
    ];
    assert_eq!(
        write(fields, false).unwrap(),
        "GET / HTTP/1.1\r\nhost: 10.0.0.2:8080\r\nx-yours: 2\r\nvia: 1.1 flatend\r\n\r\n"
    );
}

#[test]
fn a_body_keeps_its_promise_or_is_never_ended() {
    let mut connection = ClientConnection::new();
    let fields = [(&b"content-length"[..], &b"3"[..])];
    connection
        .send_request(&mut Vec::new(), fields.into_iter(), true, "a")
        .unwrap();
    assert!(connection.send_data(2).is_ok());
    assert!(connection.send_data(2).is_err());
    assert!(connection.send_end().is_err());
    assert!(!connection.is_sent());
}

#[test]
fn a_request_that_goes_round_is_refused() {
    let passed = |times: usize| {
        let via = vec!["1.1 flatend"; times].join(", ");
        write(&[("via", &via)], false)
    };
    assert!(passed(GATEWAYS_PASSED_MAX).is_ok());
    assert_eq!(passed(GATEWAYS_PASSED_MAX + 1), Err(RequestRefused::Loop));
    // However the hops are spread over fields; those of others do not count.
    let each = [("Via", "1.1\tflatend (x)"); GATEWAYS_PASSED_MAX + 1];
    assert_eq!(write(&each, false), Err(RequestRefused::Loop));
    let others = ["1.1 nginx"; 100].join(",");
    assert!(write(&[("via", &others)], false).is_ok());
    let why = RequestRefused::Loop.to_string();
    assert!(
        why.contains(&format!("more than {GATEWAYS_PASSED_MAX}")),
        "{why}"
    );
}
