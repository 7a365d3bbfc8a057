//! Header fields on their way to a service, and query parameters.

use flatend_http::h1::{parse_head, FieldScratch, Parsed};
use flatend_http::headers::{
    accepts_json, is_hop_by_hop, is_request_id, is_trailer, join, JoinScratch,
};
use flatend_http::limits::{Limits, QUERY_PARAMETERS_MAX};
use flatend_http::query;

fn joined(fields: &str) -> String {
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let mut scratch = FieldScratch::new();
    let parsed = parse_head(request.as_bytes(), &Limits::default(), &mut scratch);
    let Ok(Parsed::Head(head, _)) = parsed else {
        panic!("{parsed:?}")
    };
    let mut out = String::new();
    join(head.fields, &mut JoinScratch::default(), |name, value| {
        let text = String::from_utf8_lossy(value);
        out.push_str(&format!("{}={text}|", String::from_utf8_lossy(name)));
    });
    out.strip_prefix("host=a|")
        .expect("Host comes first")
        .to_owned()
}

#[test]
fn repeated_fields_are_joined_where_the_first_stood() {
    for (fields, expected) in [
        ("", ""),
        ("X-A: 1\r\nx-b: 2\r\n", "x-a=1|x-b=2|"),
        (
            "X-A: 1\r\nx-b: 2\r\nx-a: 3\r\nX-a:\r\n",
            "x-a=1, 3, |x-b=2|",
        ),
        ("Cookie: a=1\r\nCOOKIE: b=2\r\n", "cookie=a=1; b=2|"),
        // Names that could be taken for each other by a hash of length and ends.
        (
            "abc: 1\r\naxc: 2\r\nabc: 3\r\naxc: 4\r\n",
            "abc=1, 3|axc=2, 4|",
        ),
        ("abc: 1\r\naxc: 2\r\n", "abc=1|axc=2|"),
    ] {
        assert_eq!(joined(fields), expected, "{fields:?}");
    }
}

#[test]
fn fields_of_this_hop_are_left_out() {
    for (fields, expected) in [
        (
            "Connection: keep-alive\r\nKeep-Alive: 5\r\nX: y\r\n",
            "x=y|",
        ),
        ("Connection: X, close\r\nX: y\r\nZ: y\r\nx: q\r\n", "z=y|"),
        ("X: y\r\nConnection: a\r\nConnection: x\r\n", ""),
        (
            "Connection: host, content-length\r\nContent-Length: 0\r\n",
            "content-length=0|",
        ),
        (
            "TE: trailers\r\nTrailer: a\r\nUpgrade: b\r\nProxy-Authorization: c\r\n",
            "",
        ),
        (
            "Proxy-Connection: a\r\nProxy-Authenticate: b\r\nTe2: c\r\n",
            "te2=c|",
        ),
        ("Transfer-Encoding: chunked\r\n", ""),
    ] {
        assert_eq!(joined(fields), expected, "{fields:?}");
    }
    assert!(is_hop_by_hop(b"KEEP-alive") && !is_hop_by_hop(b"keep-alives"));
}

#[test]
fn trailers_that_may_pass() {
    for name in ["grpc-status", "x-sum", "etag", "digest", "ifx"] {
        assert!(is_trailer(name.as_bytes()), "{name}");
    }
    for name in [
        "Host",
        "TE",
        "content-length",
        "If-None-Match",
        "X-Forwarded-For",
        "cookie",
    ] {
        assert!(!is_trailer(name.as_bytes()), "{name}");
    }
}

#[test]
fn request_ids_last_that_pass_and_first_that_fail() {
    assert!(is_request_id(b"a") && is_request_id(&[b'a'; 128]) && is_request_id(b"A-0_.z"));
    assert!(!is_request_id(b"") && !is_request_id(&[b'a'; 129]));
    for id in ["a b", "a/b", "é", "a\n", "a\"", "a,b", "<a>"] {
        assert!(!is_request_id(id.as_bytes()), "{id:?}");
    }
}

#[test]
fn who_asks_for_json() {
    for accept in [
        "application/json",
        "text/html, application/problem+json;q=0.5",
        "APPLICATION/JSON; charset=utf-8",
        "application/json;q=0.001",
    ] {
        assert!(accepts_json(accept.as_bytes()), "{accept:?}");
    }
    for accept in [
        "",
        "*/*",
        "text/html",
        "application/json;q=0",
        "application/json; Q=0.00",
        "application/jsonp",
        "x-application/json",
    ] {
        assert!(!accepts_json(accept.as_bytes()), "{accept:?}");
    }
}

fn parameters(text: &str) -> String {
    let found = query::first_of_each(text).unwrap();
    let show = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    found
        .iter()
        .map(|(name, value)| format!("{}={}|", show(name), show(value)))
        .collect()
}

#[test]
fn query_parameters() {
    for (text, expected) in [
        ("", ""),
        ("&&", ""),
        ("a=b&c", "a=b|c=|"),
        ("a=1&b=2&a=3", "a=1|b=2|"),
        ("a=&a=1", "a=|"),
        ("=x", "=x|"),
        ("a=b=c", "a=b=c|"),
        ("a+b=c+d%2B", "a b=c d+|"),
        ("%61=1&a=2", "a=1|"),
        ("a%26b=%3D", "a&b==|"),
        ("a;b=c", "a;b=c|"),
        ("é=é", "é=é|"),
        ("a=http://x/?y", "a=http://x/?y|"),
    ] {
        assert_eq!(parameters(text), expected, "{text:?}");
    }
    for text in ["a=%", "a=%4", "%zz=1", "a=1&b=%g0", "a=1&a=%"] {
        let error = query::first_of_each(text).unwrap_err();
        assert_eq!(error.status, 400, "{text:?}");
        assert!(error.reason.contains("escape"), "{text:?}");
    }
}

#[test]
fn query_parameters_last_that_pass_and_first_that_fail() {
    let text = |count: usize| (0..count).map(|n| format!("p{n}=1&")).collect::<String>();
    let most = text(QUERY_PARAMETERS_MAX);
    assert_eq!(
        query::first_of_each(&most).map(|found| found.len()),
        Ok(QUERY_PARAMETERS_MAX)
    );
    let error = query::first_of_each(&text(QUERY_PARAMETERS_MAX + 1)).unwrap_err();
    assert_eq!(
        (error.status, error.limit.unwrap().name),
        (400, "query_parameters_max")
    );
}
