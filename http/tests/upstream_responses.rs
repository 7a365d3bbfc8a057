//! What upstreams answer, and what of it is believed: whole, byte by byte and in every cut.

mod support;

use flatend::HeaderBlock;
use flatend_http::h1::{ClientConnection, ClientNext, FieldScratch, ParsedResponse};
use flatend_http::limits::{FIELDS_MAX, INTERIM_RESPONSES_MAX, UPSTREAM_HEAD_BYTES_MAX};
use support::for_each_split;

/// What came of one response.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    status: u16,
    body: Vec<u8>,
    end: End,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    /// Whole, and the connection may be used again.
    Reusable,
    /// Whole, and the connection closes.
    Whole,
    /// Bytes are missing.
    Waits,
    Refused(String),
}

/// Asks `method` of an upstream that sends `pieces`, and then FIN if `fin`.
fn ask(method: &str, pieces: &[&[u8]], fin: bool) -> Outcome {
    let mut connection = ClientConnection::new();
    let fields = [(&b":method"[..], method.as_bytes())];
    connection
        .send_request(&mut Vec::new(), fields.into_iter(), false, "up")
        .unwrap();
    let mut outcome = Outcome {
        status: 0,
        body: Vec::new(),
        end: End::Waits,
    };
    let mut buffer = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        if let Err(error) = take(&mut connection, &mut buffer, &mut outcome) {
            outcome.end = End::Refused(error);
            return outcome;
        }
    }
    if fin {
        if let Err(error) = connection.recv_end() {
            outcome.end = End::Refused(error.to_string());
            return outcome;
        }
    }
    if connection.is_answered() {
        outcome.end = match connection.next(buffer.len()) {
            ClientNext::Idle => End::Reusable,
            ClientNext::Close => End::Whole,
            ClientNext::Exchange => panic!("the response is whole"),
        };
    }
    outcome
}

fn take(
    connection: &mut ClientConnection,
    buffer: &mut Vec<u8>,
    outcome: &mut Outcome,
) -> Result<(), String> {
    while outcome.status == 0 {
        let mut scratch = FieldScratch::new();
        let consumed = match connection.recv_head(buffer, &mut scratch) {
            Err(error) => return Err(error.to_string()),
            Ok(ParsedResponse::Partial) => return Ok(()),
            Ok(ParsedResponse::Interim(consumed)) => consumed,
            Ok(ParsedResponse::Head(head, consumed)) => {
                outcome.status = head.status;
                consumed
            }
        };
        buffer.drain(..consumed);
    }
    loop {
        let step = connection.recv_body(buffer).map_err(|e| e.to_string())?;
        outcome.body.extend_from_slice(&buffer[step.data.clone()]);
        buffer.drain(..step.consumed);
        if step.consumed == 0 || step.done {
            return Ok(());
        }
    }
}

/// The outcome of `script`, the same in every cut. A response that is refused may have given a part of its body before.
fn outcome(method: &str, script: &[u8], fin: bool) -> Outcome {
    let whole = ask(method, &[script], fin);
    for_each_split(script, |pieces| {
        let cut = ask(method, pieces, fin);
        let text = String::from_utf8_lossy(script);
        assert_eq!(
            (cut.status, &cut.end),
            (whole.status, &whole.end),
            "{text:?}"
        );
        if !matches!(whole.end, End::Refused(_)) {
            assert_eq!(cut.body, whole.body, "{text:?}");
        }
    });
    whole
}

fn whole(method: &str, script: &str, fin: bool) -> (u16, String, End) {
    let outcome = outcome(method, script.as_bytes(), fin);
    let body = String::from_utf8(outcome.body).unwrap();
    (outcome.status, body, outcome.end)
}

#[test]
fn lengths_chunks_and_the_end_of_the_connection() {
    use End::{Reusable, Waits, Whole};
    for (method, script, fin, status, body, end) in [
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, 200, "hello", Reusable),
        ("GET", "HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n", false, 200, "", Reusable),
        ("GET", "HTTP/1.1 404 \r\nContent-Length:3\r\n\r\nabc", false, 404, "abc", Reusable),
        (
            "GET",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: 1\r\n\r\n",
            false, 200, "abc0123456789", Reusable,
        ),
        ("GET", "HTTP/1.1 200 OK\r\n\r\nuntil the end", false, 200, "until the end", Waits),
        ("GET", "HTTP/1.1 200 OK\r\n\r\nuntil the end", true, 200, "until the end", Whole),
        ("GET", "HTTP/1.1 200 OK\r\n\r\n", true, 200, "", Whole),
        ("GET", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", false, 200, "hi", Whole),
        (
            "GET",
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi",
            false, 200, "hi", Reusable,
        ),
        (
            "GET",
            "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nhi",
            false, 200, "hi", Whole,
        ),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", true, 200, "hi", Whole),
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", false, 200, "", Reusable),
        ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false, 200, "", Reusable),
        ("HEAD", "HTTP/1.1 200 OK\r\n\r\n", false, 200, "", Reusable),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", false, 204, "", Reusable),
        ("GET", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", false, 204, "", Reusable),
        ("GET", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", false, 204, "", Whole),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", false, 304, "", Reusable),
        ("GET", "HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n", false, 205, "", Reusable),
        (
            "GET",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
            false, 200, "a", Reusable,
        ),
    ] {
        assert_eq!(whole(method, script, fin), (status, body.to_owned(), end), "{script:?}");
    }
}

#[test]
fn bytes_left_over_close_the_connection() {
    for script in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi!",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\nx",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 1\r\n\r\nx",
    ] {
        assert_eq!(whole("GET", script, false).2, End::Whole, "{script:?}");
    }
    let to_head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(whole("HEAD", to_head, false).2, End::Whole);
}

#[test]
fn what_two_parsers_could_read_differently_is_refused() {
    for (head, names) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
            "more than one Content-Length",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            "more than one Content-Length",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
            "not one decimal number",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n",
            "not one decimal number",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\n",
            "not one decimal number",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
            "not one decimal number",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n",
            "not one decimal number",
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length:\t5\r\n\r\n", "a tab"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "both Content-Length",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
            "both Content-Length",
        ),
        (
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.0",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "other than chunked",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            "other than chunked",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "other than chunked",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n",
            "white space in its name",
        ),
        ("HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", "folded"),
        ("HTTP/1.1 200 OK\r\n X: a\r\n\r\n", "folded"),
        ("HTTP/1.1 200 OK\r\nX: a\nY: b\r\n\r\n", "LF without CR"),
        ("HTTP/1.1 200 OK\n\n", "LF without CR"),
        ("HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n", "control character"),
        ("HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n", "control character"),
        ("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "no token"),
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
            "switched protocols",
        ),
        (
            "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n",
            "interim response",
        ),
        (
            "HTTP/1.1 103 Hints\r\nTransfer-Encoding: chunked\r\n\r\n",
            "interim response",
        ),
        ("HTTP/1.0 100 Continue\r\n\r\n", "interim response"),
        ("HTTP/1.1 600 What\r\n\r\n", "200 to 599"),
        ("HTTP/1.1 099 What\r\n\r\n", "200 to 599"),
        ("HTTP/1.1 20 OK\r\n\r\n", "three digits"),
        ("HTTP/1.1 2000 OK\r\n\r\n", "three digits"),
        ("HTTP/1.1  200 OK\r\n\r\n", "three digits"),
        ("HTTP/2.0 200 OK\r\n\r\n", "does not begin"),
        ("HTTP/1.2 200 OK\r\n\r\n", "does not begin"),
        ("\r\nHTTP/1.1 200 OK\r\n\r\n", "does not begin"),
        ("SSH-2.0-x\r\n", "does not begin"),
        ("garbage", "does not begin"),
    ] {
        for method in ["GET", "HEAD"] {
            match whole(method, head, false).2 {
                End::Refused(why) => assert!(why.contains(names), "{head:?}: {why}"),
                other => panic!("{head:?}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_cut_is_never_an_end() {
    for script in [
        "",
        "H",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        let end = whole("GET", script, true).2;
        assert!(
            matches!(&end, End::Refused(why) if why.contains("closed the connection")),
            "{script:?}: {end:?}"
        );
        assert_eq!(whole("GET", script, false).2, End::Waits, "{script:?}");
    }
}

#[test]
fn bad_chunks_are_refused() {
    for body in [
        "x\r\n",
        "5 \r\nhello\r\n",
        "5\nhello",
        "5\r\nhello0\r\n\r\n",
        "-1\r\n",
        "11111111111111111\r\n",
        "0\r\nbad trailer\r\n\r\n",
    ] {
        let script = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        let end = whole("GET", &script, false).2;
        assert!(matches!(end, End::Refused(_)), "{body:?}: {end:?}");
    }
}

#[test]
fn heads_last_that_pass_and_first_that_do_not() {
    let of = |bytes: usize| {
        let frame = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: \r\n\r\n";
        frame.replace("X: ", &format!("X: {}", "a".repeat(bytes - frame.len())))
    };
    let end = |script: &str| ask("GET", &[script.as_bytes()], false).end;
    assert_eq!(end(&of(UPSTREAM_HEAD_BYTES_MAX)), End::Reusable);
    let large = of(UPSTREAM_HEAD_BYTES_MAX + 1);
    assert!(matches!(end(&large), End::Refused(why) if why.contains("upstream_head_bytes_max")));
    // The same when it never ends, and in pieces.
    let endless = "HTTP/1.1 200 OK\r\n".to_owned() + &"X: y\r\n".repeat(UPSTREAM_HEAD_BYTES_MAX);
    assert!(matches!(end(&endless), End::Refused(_)));
    let pieces: Vec<&[u8]> = large.as_bytes().chunks(1000).collect();
    assert!(
        matches!(ask("GET", &pieces, false).end, End::Refused(why) if why.contains("upstream_head_bytes_max"))
    );

    for (fields, passes) in [(FIELDS_MAX, true), (FIELDS_MAX + 1, false)] {
        let more = "X: y\r\n".repeat(fields - 1);
        let script = format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{more}\r\n");
        assert_eq!(end(&script) == End::Reusable, passes, "{fields} fields");
    }
    for (interims, passes) in [
        (INTERIM_RESPONSES_MAX, true),
        (INTERIM_RESPONSES_MAX + 1, false),
    ] {
        let script = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(interims as usize)
            + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(
            end(&script) == End::Reusable,
            passes,
            "{interims} interim responses"
        );
    }
}

#[test]
fn bytes_before_any_request_end_the_connection() {
    let mut connection = ClientConnection::new();
    assert_eq!(connection.next(1), ClientNext::Close);
    assert!(connection
        .recv_head(b"HTTP/1.1 200 OK\r\n\r\n", &mut FieldScratch::new())
        .is_err());
    assert_eq!(connection.next(0), ClientNext::Close);
}

#[test]
fn an_early_answer_ends_the_connection() {
    let mut connection = ClientConnection::new();
    let fields = [(&b"content-length"[..], &b"5"[..])];
    connection
        .send_request(&mut Vec::new(), fields.into_iter(), true, "up")
        .unwrap();
    connection.send_data(2).unwrap();
    let answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n";
    connection
        .recv_head(answer, &mut FieldScratch::new())
        .unwrap();
    assert!(connection.is_answered() && !connection.is_sent());
    assert_eq!(connection.next(0), ClientNext::Close);
}

#[test]
fn the_block_has_the_status_and_every_end_to_end_field() {
    let mut connection = ClientConnection::new();
    connection
        .send_request(&mut Vec::new(), std::iter::empty(), false, "up")
        .unwrap();
    let script = b"HTTP/1.1 207 Multi\r\nSet-Cookie: a=1\r\nX-One: gone\r\nContent-Length: 0\r\nset-cookie: b=2; Path=/\r\n\
        Connection: x-one, keep-alive\r\nKeep-Alive: max=5, timeout=7\r\nX-Raw: \xff\r\nTrailer: t\r\n\r\n";
    let mut scratch = FieldScratch::new();
    let Ok(ParsedResponse::Head(head, _)) = connection.recv_head(script, &mut scratch) else {
        panic!("the head is whole")
    };
    let mut block = HeaderBlock::new();
    head.to_block(&mut block).unwrap();
    let pairs: Vec<(&[u8], &[u8])> = block.iter().collect();
    assert_eq!(
        pairs,
        [
            (&b":status"[..], &b"207"[..]),
            (b"set-cookie", b"a=1"),
            (b"content-length", b"0"),
            (b"set-cookie", b"b=2; Path=/"),
            (b"x-raw", b"\xff"),
        ]
    );
    assert_eq!(connection.keep_alive_s(), Some(7));
}
