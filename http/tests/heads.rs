//! Request heads: what is taken and what is refused, each whole, byte by byte and in every cut.

mod support;

use flatend_http::h1::BodyLength;
use support::{accepted, verdict, Verdict};

/// A head of HTTP/1.1 with a Host and `rest`, which brings its own line ends.
fn with(rest: &str) -> Vec<u8> {
    format!("POST /x HTTP/1.1\r\nHost: a\r\n{rest}\r\n").into_bytes()
}

/// Asserts status and a part of the reason for each script.
fn refuses(table: &[(&[u8], u16, &str)]) {
    for (script, status, part) in table {
        let text = String::from_utf8_lossy(script);
        match verdict(script) {
            Verdict::Refused {
                status: got,
                reason,
            } => {
                assert_eq!(got, *status, "{text:?}: {reason}");
                assert!(
                    reason.contains(part),
                    "{text:?}: {reason:?} does not say {part:?}"
                );
            }
            other => panic!("{text:?}: {other:?}"),
        }
    }
}

fn refuses_fields(table: &[(&str, u16, &str)]) {
    for (fields, status, part) in table {
        refuses(&[(&with(fields), *status, part)]);
    }
}

#[test]
fn a_small_get_is_taken_apart() {
    let script = b"GET /a/b?c=d&e HTTP/1.1\r\nHost: A.example:80\r\nX-Y:  z w \t\r\n\r\nrest";
    let head = accepted(script);
    assert_eq!((head.method.as_str(), head.path.as_str()), ("GET", "/a/b"));
    assert_eq!(head.query.as_deref(), Some("c=d&e"));
    assert_eq!(head.authority.as_deref(), Some("A.example:80"));
    assert_eq!(head.fields[1], ("X-Y".to_owned(), "z w".to_owned()));
    assert_eq!(head.body, BodyLength::None);
    assert!(head.keep_alive && !head.expect_continue && head.upgrade.is_none());
    assert_eq!(head.consumed, script.len() - "rest".len());
}

#[test]
fn targets_of_all_forms() {
    for (line, path, query, authority) in [
        ("GET / HTTP/1.1", "/", None, "a"),
        ("GET /? HTTP/1.1", "/", Some(""), "a"),
        ("GET /a?b?c HTTP/1.1", "/a", Some("b?c"), "a"),
        ("GET //a HTTP/1.1", "//a", None, "a"),
        ("GET /%zz HTTP/1.1", "/%zz", None, "a"),
        ("GET /é HTTP/1.1", "/é", None, "a"),
        ("GET http://b/c?d HTTP/1.1", "/c", Some("d"), "b"),
        ("GET HTTPS://b:8 HTTP/1.1", "/", None, "b:8"),
        ("GET http://b?d HTTP/1.1", "/", Some("d"), "b"),
        ("GET http://[::1]/ HTTP/1.1", "/", None, "[::1]"),
        ("OPTIONS * HTTP/1.1", "*", None, "a"),
        ("OPTIONS http://b HTTP/1.1", "*", None, "b"),
        ("OPTIONS http://b/ HTTP/1.1", "/", None, "b"),
        ("OPTIONS http://b?d HTTP/1.1", "/", Some("d"), "b"),
        ("OPTIONS /x HTTP/1.1", "/x", None, "a"),
        ("CONNECT b:443 HTTP/1.1", "", None, "b:443"),
        ("M-SEARCH /x HTTP/1.1", "/x", None, "a"),
        ("GET /x HTTP/1.2", "/x", None, "a"),
        ("GET /x HTTP/1.9", "/x", None, "a"),
    ] {
        let head = accepted(format!("{line}\r\nHost: a\r\n\r\n").as_bytes());
        assert_eq!(
            (head.path.as_str(), head.query.as_deref()),
            (path, query),
            "{line}"
        );
        assert_eq!(head.authority.as_deref(), Some(authority), "{line}");
    }
}

#[test]
fn request_lines_that_are_refused() {
    let host = "\r\nHost: a\r\n\r\n";
    for (line, status, part) in [
        ("GET /", 400, "request line"),
        ("GET", 400, "request line"),
        ("GET  / HTTP/1.1", 400, "request line"),
        ("GET /  HTTP/1.1", 400, "request line"),
        ("GET\t/ HTTP/1.1", 400, "request line"),
        (" GET / HTTP/1.1", 400, "request line"),
        ("GET / HTTP/1.1 ", 400, "CR"),
        ("GET / http/1.1", 400, "request line"),
        ("GET / HTTP/1", 400, "request line"),
        ("GET / HTTP/11", 400, "request line"),
        ("GET / HTTP/1.10", 400, "CR"),
        ("GET / HTTPS/1.1", 400, "request line"),
        ("GET / HTTP/2.0", 505, "HTTP/1.1"),
        ("GET / HTTP/0.9", 505, "HTTP/1.1"),
        ("PRI * HTTP/2.0", 505, "HTTP/1.1"),
        ("GET / a HTTP/1.1", 400, "request line"),
        ("G(T / HTTP/1.1", 400, "request line"),
        ("GET /\0 HTTP/1.1", 400, "request line"),
        ("GET /\x7f HTTP/1.1", 400, "request line"),
        ("GET /\x01 HTTP/1.1", 400, "request line"),
        ("GET /a\rb HTTP/1.1", 400, "request line"),
        ("GET /#a HTTP/1.1", 400, "fragment"),
        ("GET http://a/#a HTTP/1.1", 400, "fragment"),
        ("GET a HTTP/1.1", 400, "neither a path"),
        ("GET ?a HTTP/1.1", 400, "neither a path"),
        ("GET * HTTP/1.1", 400, "neither a path"),
        ("GET ftp://a/ HTTP/1.1", 400, "neither a path"),
        ("GET http:/a HTTP/1.1", 400, "neither a path"),
        ("GET http:// HTTP/1.1", 400, "authority"),
        ("GET http:///a HTTP/1.1", 400, "authority"),
        ("GET http://u@b/ HTTP/1.1", 400, "authority"),
        ("GET http://b:c/ HTTP/1.1", 400, "authority"),
        ("CONNECT / HTTP/1.1", 400, "CONNECT"),
        ("CONNECT a HTTP/1.1", 400, "CONNECT"),
        ("OPTIONS *x HTTP/1.1", 400, "neither a path"),
    ] {
        refuses(&[(format!("{line}{host}").as_bytes(), status, part)]);
    }
    refuses(&[
        (
            b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
            400,
            "request line",
        ),
        (
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n",
            400,
            "TLS",
        ),
    ]);
}

#[test]
fn line_ends() {
    refuses(&[
        (b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400, "LF without CR"),
        (b"GET / HTTP/1.1\r\nHost: a\n\r\n", 400, "LF without CR"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\n", 400, "LF without CR"),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400, "LF without CR"),
        (b"GET / HTTP/1.1\r\nX:\n\r\nHost: a\r\n\r\n", 400, "CR"),
        (
            b"GET / HTTP/1.1\r\nX: \t\nHost: a\r\n\r\n",
            400,
            "LF without CR",
        ),
        (
            b"GET / HTTP/1.1\r\nX: b \nHost: a\r\n\r\n",
            400,
            "LF without CR",
        ),
        (b"GET / HTTP/1.2\nHost: a\r\n\r\n", 400, "LF without CR"),
        (b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", 400, ""),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\n\rX\r\n",
            400,
            "CR without LF",
        ),
        (b"GET / HTTP/1.1\rHost: a\r\n\r\n", 400, ""),
        (b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "LF without CR"),
        (b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "CR without LF"),
        (
            b"\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            400,
            "LF without CR",
        ),
    ]);
}

#[test]
fn a_few_empty_lines_may_go_before_the_request_line() {
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = accepted(format!("{}{request}", "\r\n".repeat(4)).as_bytes());
    assert_eq!(head.consumed, 8 + request.len());
    refuses(&[(
        format!("{}{request}", "\r\n".repeat(5)).as_bytes(),
        400,
        "empty lines",
    )]);
    assert_eq!(verdict(b"\r\n\r\n"), Verdict::Waits);
    assert_eq!(verdict(b"\r"), Verdict::Waits);
}

#[test]
fn field_lines_that_are_refused() {
    refuses(&[
        (
            b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
            400,
            "before the first header field",
        ),
        (
            b"GET / HTTP/1.1\r\n\tHost: a\r\n\r\n",
            400,
            "before the first header field",
        ),
    ]);
    refuses_fields(&[
        ("X: a\r\n b\r\n", 400, "folded"),
        ("X: a\r\n\tb\r\n", 400, "folded"),
        ("X:\r\n b\r\n", 400, "folded"),
        ("X : a\r\n", 400, "before its colon"),
        ("X\t: a\r\n", 400, "before its colon"),
        ("X Y: a\r\n", 400, "white space in its name"),
        ("X\r\n", 400, "no colon"),
        ("X\n", 400, "no colon"),
        (": a\r\n", 400, "field name"),
        ("X(: a\r\n", 400, "field name"),
        ("X\0: a\r\n", 400, "field name"),
        ("Xé: a\r\n", 400, "field name"),
        ("X\x0b: a\r\n", 400, "field name"),
        ("\"X\": a\r\n", 400, "field name"),
        ("X: a\0b\r\n", 400, "control character"),
        ("X: a\rb\r\n", 400, "control character"),
        ("X: a\r\rb\r\n", 400, "control character"),
        ("X: \x0b\r\n", 400, "control character"),
        ("X: a\x7f\r\n", 400, "control character"),
        ("X: a\x1b[0m\r\n", 400, "control character"),
    ]);
}

#[test]
fn field_values_that_are_taken() {
    for (line, value) in [
        ("X:a", "a"),
        ("X: \t a\tb \t", "a\tb"),
        ("X:", ""),
        ("X: ", ""),
        ("X: é", "é"),
        ("X: a:b", "a:b"),
        ("x_1!#$%&'*+-.^`|~: a", "a"),
    ] {
        let head = accepted(&with(&format!("{line}\r\n")));
        assert_eq!(head.fields[1].1, value, "{line:?}");
    }
}

#[test]
fn hosts() {
    let get = |fields: &str| format!("GET / HTTP/1.1\r\n{fields}\r\n").into_bytes();
    for (fields, part) in [
        ("", "no Host"),
        ("X: Host: a\r\n", "no Host"),
        ("Host: a\r\nHost: a\r\n", "more than one Host"),
        ("Host: a\r\nhOST: b\r\n", "more than one Host"),
        ("Host:\r\n", "not a host"),
        ("Host: \r\n", "not a host"),
        ("Host: a:b\r\n", "not a host"),
        ("Host: a:\r\n", "not a host"),
        ("Host: a:99999\r\n", "not a host"),
        ("Host: a:1:2\r\n", "not a host"),
        ("Host: [::1\r\n", "not a host"),
        ("Host: ::1\r\n", "not a host"),
        ("Host: [::1]x\r\n", "not a host"),
        ("Host: a@b\r\n", "not a host"),
        ("Host: a b\r\n", "not a host"),
        ("Host: a, b\r\n", "not a host"),
        ("Host: a,b\r\n", "not a host"),
        ("Host: a/b\r\n", "not a host"),
        ("Host: http://a\r\n", "not a host"),
        ("Host: a?b\r\n", "not a host"),
        ("Host: a#b\r\n", "not a host"),
        ("Host: a\\b\r\n", "not a host"),
        ("Host: é\r\n", "not a host"),
    ] {
        refuses(&[(&get(fields), 400, part)]);
    }
    // RFC 9112 3.2: Host must be sent and valid even where the target's authority wins.
    refuses(&[
        (b"GET http://a/ HTTP/1.1\r\n\r\n", 400, "no Host"),
        (
            b"GET http://a/ HTTP/1.1\r\nHost: a@b\r\n\r\n",
            400,
            "not a host",
        ),
        (
            b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
            400,
            "more than one Host",
        ),
    ]);
    assert_eq!(accepted(b"GET / HTTP/1.0\r\n\r\n").authority, None);
    assert_eq!(
        accepted(&get("host:[::1]:80\r\n")).authority.as_deref(),
        Some("[::1]:80")
    );
}
