//! What other projects try on their parsers, written anew with our verdicts: llhttp and the http_parser before it, hyper,
//! httparse, h1spec; and the published ways to smuggle a request. Each input is played whole, in single bytes and in every
//! cut; the tables are in `published/`.

mod published;
mod support;

use flatend_http::h1::Next;
use flatend_http::limits::Limits;
use support::for_each_split;
use support::server::Server;

/// One input: what it is, its bytes, what we make of them, and why.
pub(crate) struct Case {
    /// What the client sends.
    pub(crate) input: &'static [u8],
    /// What [`play`] tells.
    pub(crate) verdict: &'static str,
    /// One phrase.
    pub(crate) why: &'static str,
}

/// Plays a client to a server that answers every request, and tells what the server took: `path`, or `path=body`, for each
/// request, then `400` or another refusal, `end` if the connection was closed, or `waits` for more bytes.
fn play(pieces: &[&[u8]]) -> String {
    let mut server = Server::new(Limits::default());
    let mut told: Vec<String> = Vec::new();
    let mut body = Vec::new();
    for piece in pieces {
        server.buffer.extend_from_slice(piece);
        loop {
            match server.next() {
                Next::ReadHead if server.read_head(b"") => told.push(server.paths.concat()),
                Next::ReadHead if server.next() == Next::ReadHead => break,
                Next::ReadHead => {}
                Next::Exchange => {
                    server.paths.clear();
                    match server.read_body(b"") {
                        Ok(data) => body.extend(data),
                        Err(_) => continue,
                    }
                    if !server.connection.is_body_done() {
                        break;
                    }
                    if let Some(last) = told.last_mut().filter(|_| !body.is_empty()) {
                        last.push('=');
                        last.push_str(&String::from_utf8_lossy(&body));
                    }
                    body.clear();
                    server.respond(b"");
                }
                Next::Refuse(error) => {
                    told.push(error.status.to_string());
                    return told.join(" ");
                }
                Next::Close => {
                    told.push("end".to_owned());
                    return told.join(" ");
                }
                other => panic!("{other:?}"),
            }
        }
    }
    let between = server.next() == Next::ReadHead && server.buffer.is_empty();
    if !between {
        told.push("waits".to_owned());
    }
    told.join(" ")
}

fn check(cases: &[Case]) {
    let mut wrong = Vec::new();
    for case in cases {
        let text = String::from_utf8_lossy(case.input);
        assert!(!case.why.is_empty(), "{text:?} says no reason");
        let whole = play(&[case.input]);
        if whole != case.verdict {
            let (verdict, why) = (case.verdict, case.why);
            wrong.push(format!("{text:?}: {whole:?}, not {verdict:?} ({why})"));
        }
        for_each_split(case.input, |pieces| {
            let cuts: Vec<usize> = pieces.iter().map(|p| p.len()).collect();
            assert_eq!(play(pieces), whole, "{text:?} in {cuts:?}");
        });
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn requests_that_parsers_are_tried_with() {
    check(published::requests::CASES);
}

#[test]
fn bodies_that_parsers_are_tried_with() {
    check(published::bodies::CASES);
}

#[test]
fn ways_to_smuggle_a_request() {
    check(published::smuggling::CASES);
}

/// Fragments of a request wait, however they end; the next byte decides.
#[test]
fn fragments_wait() {
    let request = b"GET /hello HTTP/1.1\r\nHost: localhost\r\nX-Y: z\r\n\r\n";
    for end in 1..request.len() {
        assert_eq!(play(&[&request[..end]]), "waits", "{end} bytes");
    }
    assert_eq!(play(&[request]), "/hello");
}
