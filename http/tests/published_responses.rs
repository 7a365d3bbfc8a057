//! What other projects try on their parsers of responses, written anew with our verdicts, as `published_cases.rs` does for
//! requests. An upstream plays each input, whole and in every cut, and then ends the connection.

mod support;

use flatend_http::h1::{ClientConnection, ClientNext, FieldScratch, ParsedResponse};
use support::for_each_split;

/// Plays an upstream, and tells what was taken: `status`, `status=body`, with `close` behind it if the connection cannot be
/// used again; `refused` instead, or behind what was taken before the fault.
fn play(method: &str, pieces: &[&[u8]]) -> String {
    let mut connection = ClientConnection::new();
    let fields = [(&b":method"[..], method.as_bytes())];
    connection
        .send_request(&mut Vec::new(), fields.into_iter(), false, "up")
        .unwrap();
    let (mut told, mut buffer, mut body) = (String::new(), Vec::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        while told.is_empty() {
            let consumed = match connection.recv_head(&buffer, &mut FieldScratch::new()) {
                Err(_) => return "refused".to_owned(),
                Ok(ParsedResponse::Partial) => break,
                Ok(ParsedResponse::Interim(consumed)) => consumed,
                Ok(ParsedResponse::Head(head, consumed)) => {
                    told = head.status.to_string();
                    consumed
                }
            };
            buffer.drain(..consumed);
        }
        while !told.is_empty() {
            match connection.recv_body(&buffer) {
                Err(_) => return format!("{told} refused"),
                Ok(step) => {
                    body.extend_from_slice(&buffer[step.data.clone()]);
                    buffer.drain(..step.consumed);
                    if step.done || step.consumed == 0 {
                        break;
                    }
                }
            }
        }
    }
    let reusable = connection.is_answered() && connection.next(buffer.len()) == ClientNext::Idle;
    if connection.recv_end().is_err() || !connection.is_answered() {
        return format!("{told} refused").trim_start().to_owned();
    }
    if !body.is_empty() {
        told.push('=');
        told.push_str(&String::from_utf8_lossy(&body));
    }
    if !reusable {
        told.push_str(" close");
    }
    told
}

/// Method, input, what comes of it, why.
type Case = (&'static str, &'static [u8], &'static str, &'static str);

const CASES: &[Case] = &[
    // Status lines.
    ("GET", b"HTTP/1.1 200 OK\r\nHeader1: Value1\r\nHeader2:\t Value2\r\nContent-Length: 0\r\n\r\n", "200", "the plain case"),
    ("GET", b"HTTP/1.1 301\r\nContent-Length: 0\r\n\r\n", "301", "no phrase and no space before it, as many send"),
    ("GET", b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "200", "an empty phrase"),
    ("GET", b"HTTP/1.1 200  OK\r\nContent-Length: 0\r\n\r\n", "200", "a phrase that begins with a space"),
    ("GET", b"HTTP/1.1 301 MovedPermanently\r\nContent-Length: 0\r\n\r\n", "301", "any phrase"),
    ("GET", b"RTSP/1.1 200 OK\r\n\r\n", "refused", "another protocol"),
    ("GET", b"ICE/1.1 200 OK\r\n\r\n", "refused", "another protocol"),
    ("GET", b"HTTPER/1.1 200 OK\r\n\r\n", "refused", "letters behind the protocol's name"),
    ("GET", b"HTP/1.1 200 OK\r\n\r\n", "refused", "a letter is missing"),
    ("GET", b"HTTP/01.1 200 OK\r\n\r\n", "refused", "two digits"),
    ("GET", b"HTTP/11.1 200 OK\r\n\r\n", "refused", "two digits"),
    ("GET", b"HTTP/1.01 200 OK\r\n\r\n", "refused", "two digits"),
    ("GET", b"HTTP/5.6 200 OK\r\n\r\n", "refused", "a version that nobody speaks"),
    ("GET", b"HTTP/1.1\t200 OK\r\n\r\n", "refused", "a tab for the space"),
    ("GET", b"HTTP/1.1  200 OK\r\n\r\n", "refused", "two spaces before the status"),
    ("GET", b"HTTP/1.1 2 OK\r\n\r\n", "refused", "one digit"),
    ("GET", b"HTTP/1.1 20 OK\r\n\r\n", "refused", "two digits"),
    ("GET", b"HTTP/1.1 2000 OK\r\n\r\n", "refused", "four digits"),
    ("GET", b"HTTP/1.1 2xx OK\r\n\r\n", "refused", "letters"),
    ("GET", b"HTTP/1.1 +20 OK\r\n\r\n", "refused", "a sign"),
    ("GET", b"HTTP/1.1 600 Strange\r\nContent-Length: 0\r\n\r\n", "refused", "no status is above 599"),
    ("GET", b"200 OK\r\n\r\n", "refused", "no version"),
    ("GET", b"<html>\r\n\r\n", "refused", "a body without a head, as HTTP/0.9 has it"),
    ("GET", b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", "refused", "a request where a response belongs"),
    // Lines and fields.
    ("GET", b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", "refused", "LF alone"),
    ("GET", b"HTTP/1.1 200 OK\r\nFoo: 1\rBar: 2\r\nContent-Length: 0\r\n\r\n", "refused", "CR alone"),
    ("GET", b"HTTP/1.1 200 OK\r\nFoo: 1\nBar: 2\r\nContent-Length: 0\r\n\r\n", "refused", "LF alone between fields"),
    ("GET", b"HTTP/1.1 200 OK\r\n Host: foo\r\n\r\n", "refused", "white space before the first field"),
    ("GET", b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n", "refused", "a folded value"),
    ("GET", b"HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 0\r\n\r\n", "refused", "white space before the colon"),
    ("GET", b"HTTP/1.1 200 OK\r\nX: a\x00\r\nContent-Length: 0\r\n\r\n", "refused", "NUL"),
    ("GET", b"HTTP/1.1 200 OK\r\nDCLK_imp: v7;x;0\r\nX-$Version: 1\r\nContent-Length: 0\r\n\r\n", "200", "strange names that are tokens"),
    ("GET", b"HTTP/1.1 200 OK\r\nPragma: \r\nLocation: http://h/\r\nContent-Length: 0\r\n\r\n", "200", "an empty value"),
    ("GET", b"HTTP/1.1 200 OK\r\nX: \xe9\r\nContent-Length: 0\r\n\r\n", "200", "a byte above 0x7f"),
    // Bodies.
    ("GET", b"HTTP/1.1 200 OK\r\nContent-Length:  2  \r\n\r\nhi", "200=hi", "spaces around a length"),
    ("GET", b"HTTP/1.1 200 OK\r\n\r\nhi", "200=hi close", "the end of the connection ends the body"),
    ("GET", b"HTTP/1.1 404 Not Found\r\n\r\n", "404 close", "and an empty one"),
    ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", "200 refused", "a byte is missing"),
    ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!", "refused", "two lengths"),
    ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "refused", "a length and chunks"),
    ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n\n\r\n0\r\n\r\n", "200=\n", "a chunk of one line end"),
    ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n", "200 close", "chunks, then the end"),
    ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", "200 refused", "no last chunk"),
    ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2 \r\nhi\r\n0\r\n\r\n", "200 refused", "a space behind a size"),
    ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhi", "refused", "a coding that is not known"),
    ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "refused", "a coding that is not known"),
    ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", "204", "no body"),
    ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", "304", "a length of another response"),
    ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", "200", "a length of another response"),
    // Connections.
    ("GET", b"HTTP/1.0 301 Moved\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", "301", "HTTP/1.0 that stays"),
    ("GET", b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "200 close", "HTTP/1.0 that does not"),
    ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", "200 close", "a second response to one request"),
    ("GET", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "200", "an interim response is passed over"),
    ("GET", b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", "refused", "a switch that nobody asked for"),
];

#[test]
fn responses_that_parsers_are_tried_with() {
    let mut wrong = Vec::new();
    for (method, input, verdict, why) in CASES {
        let text = String::from_utf8_lossy(input);
        let whole = play(method, &[input]);
        if whole != *verdict {
            wrong.push(format!("{text:?}: {whole:?}, not {verdict:?} ({why})"));
        }
        for_each_split(input, |pieces| {
            let cuts: Vec<usize> = pieces.iter().map(|p| p.len()).collect();
            assert_eq!(play(method, pieces), whole, "{text:?} in {cuts:?}");
        });
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
