//! Response heads: framing, the fields that are kept, and what is refused.

use flatend_http::date::DateCache;
use flatend_http::h1::{
    encode_answer, encode_interim, encode_response, encode_upgrade, Answer, BodyLength, OutBody,
    RequestFacts, ResponseHead, Version,
};
use flatend_http::ResponseError;

const GET: RequestFacts = RequestFacts {
    is_head: false,
    wants_body: false,
    version: Version::Http11,
    body: BodyLength::None,
    keep_alive: true,
    expect_continue: false,
};
const HEAD: RequestFacts = RequestFacts {
    is_head: true,
    ..GET
};
const GET_1_0: RequestFacts = RequestFacts {
    version: Version::Http10,
    keep_alive: false,
    ..GET
};
const DATE: &str = "date: Thu, 01 Jan 1970 00:00:00 GMT\r\n";

type Fields<'a> = &'a [(&'a str, &'a str)];

fn bytes<'a>(fields: Fields<'a>) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone {
    fields
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
}

fn encode(
    facts: &RequestFacts,
    status: u16,
    body_bytes: Option<u64>,
    fields: Fields<'_>,
) -> Result<(String, OutBody, bool), ResponseError> {
    let dates = DateCache::new(0);
    let head = ResponseHead {
        status,
        body_bytes,
        date: dates.text(),
        request_id: None,
    };
    let mut out = b"before".to_vec();
    let result = encode_response(&mut out, facts, false, &head, bytes(fields));
    if result.is_err() {
        assert_eq!(out, b"before", "an error leaves the output as it was");
    }
    let (body, keep_alive) = result?;
    Ok((
        String::from_utf8(out.split_off(6)).unwrap(),
        body,
        keep_alive,
    ))
}

/// The lines of a head between the status line and the end, without our Date.
fn lines(facts: &RequestFacts, status: u16, body_bytes: Option<u64>, fields: Fields<'_>) -> String {
    let (text, ..) = encode(facts, status, body_bytes, fields).unwrap();
    let (_, rest) = text.split_once("\r\n").unwrap();
    let rest = rest.strip_suffix("\r\n").unwrap();
    assert!(rest.contains(DATE), "{rest}");
    rest.replace(DATE, "").replace("\r\n", "|")
}

#[test]
fn a_whole_head() {
    let (text, _, keep_alive) = encode(
        &GET,
        200,
        Some(5),
        &[("Content-Type", "text/plain"), ("x", "é")],
    )
    .unwrap();
    let expected = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nx: é\r\n{DATE}content-length: 5\r\n\r\n"
    );
    assert_eq!(text, expected);
    assert!(keep_alive);
    let (text, ..) = encode(&GET, 299, Some(0), &[]).unwrap();
    assert!(text.starts_with("HTTP/1.1 299 Success\r\n"));
}

#[test]
fn framing() {
    for (name, facts, status, known, declared, expected) in [
        ("known", GET, 200, Some(5), None, "content-length: 5|"),
        (
            "known goes first",
            GET,
            200,
            Some(5),
            Some("6"),
            "content-length: 5|",
        ),
        ("declared", GET, 200, None, Some("6"), "content-length: 6|"),
        (
            "declared with spaces",
            GET,
            200,
            None,
            Some(" 6 "),
            "content-length: 6|",
        ),
        (
            "nothing",
            GET,
            200,
            None,
            None,
            "transfer-encoding: chunked|",
        ),
        (
            "bad number",
            GET,
            200,
            None,
            Some("+6"),
            "transfer-encoding: chunked|",
        ),
        (
            "list",
            GET,
            200,
            None,
            Some("6, 6"),
            "transfer-encoding: chunked|",
        ),
        (
            "empty",
            GET,
            200,
            None,
            Some(""),
            "transfer-encoding: chunked|",
        ),
        ("1.0", GET_1_0, 200, None, None, "connection: close|"),
        (
            "1.0 known",
            GET_1_0,
            200,
            Some(5),
            None,
            "content-length: 5|connection: close|",
        ),
        ("HEAD", HEAD, 200, None, None, ""),
        (
            "HEAD declared",
            HEAD,
            200,
            None,
            Some("6"),
            "content-length: 6|",
        ),
        ("204", GET, 204, Some(0), Some("0"), ""),
        ("204 streamed", GET, 204, None, None, ""),
        ("205", GET, 205, Some(7), None, "content-length: 0|"),
        ("304", GET, 304, None, None, ""),
        ("304 known", GET, 304, Some(0), None, ""),
        ("304 with a stray body", GET, 304, Some(9), None, ""),
        (
            "304 declared",
            GET,
            304,
            None,
            Some("6"),
            "content-length: 6|",
        ),
        ("404", GET, 404, Some(0), None, "content-length: 0|"),
    ] {
        let fields: Vec<_> = declared
            .iter()
            .map(|value| ("Content-Length", *value))
            .collect();
        assert_eq!(lines(&facts, status, known, &fields), expected, "{name}");
    }
    let twice: Fields = &[("content-length", "6"), ("Content-Length", "6")];
    assert_eq!(lines(&GET, 200, None, twice), "transfer-encoding: chunked|");
}

#[test]
fn a_response_without_a_body_swallows_what_the_service_sends() {
    for (facts, status) in [(HEAD, 200), (GET, 204), (GET, 205), (GET, 304)] {
        let (_, mut body, keep_alive) = encode(&facts, status, None, &[]).unwrap();
        let piece = body.frame(1000).unwrap();
        assert_eq!((piece.prefix(), piece.suffix()), (&b""[..], &b""[..]));
        assert!(!piece.carries_data());
        assert_eq!(body.finish(), Ok(&b""[..]));
        assert!(keep_alive, "{status}");
    }
}

#[test]
fn hop_by_hop_fields_do_not_pass() {
    let fields: Fields = &[
        ("Connection", "keep-alive, X-Secret, content-length, Date"),
        ("keep-alive", "timeout=5"),
        ("TRANSFER-ENCODING", "gzip"),
        ("te", "x"),
        ("upgrade", "h2c"),
        ("trailer", "x"),
        ("proxy-connection", "x"),
        ("proxy-authenticate", "x"),
        ("x-secret", "1"),
        ("x-open", "2"),
        ("Content-Length", "3"),
    ];
    assert_eq!(
        lines(&GET, 200, None, fields),
        "x-open: 2|content-length: 3|"
    );
}

#[test]
fn what_connection_names_does_not_pass_wherever_it_stands() {
    let fields: Fields<'_> = &[
        ("x-mine", "1"),
        ("not a name", "2"),
        ("x-yours", "3"),
        ("date", "Fri, 02 Jan 1970 00:00:00 GMT"),
        ("content-length", "4"),
        ("Connection", "X-Mine, not a name"),
    ];
    let (text, ..) = encode(&GET, 200, None, fields).unwrap();
    let expected = "HTTP/1.1 200 OK\r\nx-yours: 3\r\ndate: Fri, 02 Jan 1970 00:00:00 GMT\r\n\
                    content-length: 4\r\n\r\n";
    assert_eq!(text, expected);
    // Without its last word there is a name that is none.
    let mut fields = fields.to_vec();
    fields[5].1 = "X-Mine";
    let refused = encode(&GET, 200, None, &fields).err();
    assert_eq!(refused, Some(ResponseError::FieldName));
    // A Date that it names is not the response's.
    let fields: Fields<'_> = &[("date", "x"), ("connection", "date, close, host, DATE")];
    let (text, ..) = encode(&GET, 200, Some(0), fields).unwrap();
    assert!(
        text.matches("date: ").count() == 1 && !text.contains("date: x"),
        "{text}"
    );
}

#[test]
fn an_own_date_and_request_id() {
    let (text, ..) = encode(&GET, 200, Some(0), &[("Date", "then")]).unwrap();
    assert!(text.contains("Date: then\r\n") && !text.contains(DATE));
    let twice: Fields<'_> = &[("Date", "then"), ("date", "now"), ("x", "y")];
    let (text, ..) = encode(&GET, 200, Some(0), twice).unwrap();
    assert!(text.contains("Date: then\r\n") && !text.contains("now"));
    assert!(text.contains("x: y\r\n"));
    let dates = DateCache::new(0);
    let head = ResponseHead {
        status: 200,
        body_bytes: None,
        date: dates.text(),
        request_id: Some("r"),
    };
    let mut out = Vec::new();
    encode_response(
        &mut out,
        &GET,
        true,
        &head,
        bytes(&[("X-Request-Id", "forged")]),
    )
    .unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(
        text.contains("x-request-id: r\r\n") && !text.contains("forged"),
        "{text}"
    );
    assert!(text.contains("connection: close\r\n"), "asked for: {text}");
}

#[test]
fn what_would_end_a_line_is_refused() {
    for name in [
        "", "a b", "a:", "a\r\nb", "a\nb", "a\0", "é", "(a)", ":status", "a\t", " a",
    ] {
        let got = encode(&GET, 200, None, &[("x", "y"), (name, "z")]).map(|_| ());
        assert_eq!(got, Err(ResponseError::FieldName), "{name:?}");
    }
    for value in [
        "a\r\nb: c",
        "a\rb",
        "a\nb",
        "a\0b",
        "\x7f",
        "\x0b",
        "\x1b[0m",
        "\r\n\r\n",
    ] {
        let got = encode(&GET, 200, None, &[("x", value)]).map(|_| ());
        assert_eq!(got, Err(ResponseError::FieldValue), "{value:?}");
    }
    for value in ["", "a\tb", " a ", "\u{80}"] {
        assert!(
            encode(&GET, 200, None, &[("x", value)]).is_ok(),
            "{value:?}"
        );
    }
}

#[test]
fn statuses_last_that_pass_and_first_that_fail() {
    for status in [200, 599] {
        assert!(encode(&GET, status, None, &[]).is_ok());
    }
    for status in [0, 1, 100, 101, 199, 600, 999, 65535] {
        let got = encode(&GET, status, None, &[]).map(|_| ());
        assert_eq!(got, Err(ResponseError::Status(status)));
    }
}

#[test]
fn interim_responses() {
    let mut out = Vec::new();
    encode_interim(
        &mut out,
        103,
        bytes(&[("link", "</a>"), ("content-length", "5")]),
    )
    .unwrap();
    assert_eq!(out, b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
    for status in [100, 101, 200] {
        let got = encode_interim(&mut Vec::new(), status, bytes(&[]));
        assert_eq!(got, Err(ResponseError::Status(status)));
    }
    let mut out = b"before".to_vec();
    assert!(encode_interim(&mut out, 103, bytes(&[("a", "b"), ("c", "\n")])).is_err());
    assert!(encode_upgrade(&mut out, b"x\r\ny: z", bytes(&[("a", "b")])).is_err());
    assert_eq!(out, b"before");
}

fn answer(facts: &RequestFacts, json: bool, sentence: &str) -> String {
    let dates = DateCache::new(0);
    let answer = Answer {
        status: 405,
        sentence,
        json,
        request_id: Some("r-1"),
        date: dates.text(),
        fields: &[("allow", "GET, OPTIONS")],
    };
    let mut out = Vec::new();
    assert_eq!(
        encode_answer(&mut out, facts, false, &answer),
        Ok(facts.keep_alive)
    );
    String::from_utf8(out).unwrap()
}

#[test]
fn own_answers() {
    let text = answer(&GET, false, "No \"route\".");
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "No \"route\". (request r-1)\n");
    for line in [
        "HTTP/1.1 405 Method Not Allowed",
        "content-type: text/plain; charset=utf-8",
        "allow: GET, OPTIONS",
        "x-request-id: r-1",
        &format!("content-length: {}", body.len()),
    ] {
        assert!(
            head.split("\r\n").any(|other| other == line),
            "{line} in {head}"
        );
    }

    let text = answer(&GET, true, "No \"route\".");
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: application/problem+json\r\n"));
    assert_eq!(
        body,
        "{\"type\":\"about:blank\",\"title\":\"Method Not Allowed\",\"status\":405,\
         \"detail\":\"No \\\"route\\\".\",\"request_id\":\"r-1\"}\n"
    );

    let text = answer(&HEAD, false, "No.");
    assert!(
        text.ends_with("\r\n\r\n") && text.contains("content-length: 18\r\n"),
        "{text}"
    );
}
