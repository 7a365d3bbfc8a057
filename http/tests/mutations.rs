//! Random damage: nothing panics, nothing is consumed twice, memory stays bounded, and the
//! verdict does not depend on how bytes were cut. Seeds are fixed; a failure names its seed.

mod support;

use flatend_http::h1::{BodyDecoder, BodyLength, Connection, FieldScratch, Next, Parsed};
use flatend_http::limits::{Limits, TRAILER_BYTES_MAX};
use flatend_http::percent;
use flatend_http::query;
use flatend_http::router::{Outcome, RouterBuilder};
use support::{decode, verdict_of, Rng, Verdict};

const HEADS: [&[u8]; 6] = [
    b"GET /a/b?c=d HTTP/1.1\r\nHost: a.example\r\nAccept: */*\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\nConnection: keep-alive\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
    b"GET http://[::1]:80/x HTTP/1.0\r\nConnection: keep-alive, upgrade\r\n\r\n",
    b"GET / HTTP/1.2\r\nHost: a\r\nX: y\r\n\r\n",
    b"\r\nOPTIONS * HTTP/1.1\r\nHost: a:1\r\nUpgrade: b\r\nCookie: c\r\nCookie: d\r\n\r\n",
];

const CHUNKED: &[u8] =
    b"5;a=b\r\nhello\r\nA\r\n0123456789\r\n0\r\nX-Sum: 1\r\nContent-Length: 5\r\n\r\nGET / HTTP/1.1";

/// Bytes that parsers care about.
const SPICE: &[u8] = b"\r\n\r\n \t:,;\0\x0b\x7f\x80\xff/?#%*@[]0159afAFxHTTP1.+-\"\\";

/// `script` with one to four bytes changed, inserted, removed, doubled or cut off.
fn damage(script: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = script.to_vec();
    for _ in 0..=rng.below(4) {
        let at = rng.below(bytes.len());
        let spice = SPICE[rng.below(SPICE.len())];
        match rng.below(6) {
            0 if !bytes.is_empty() => bytes[at] = spice,
            1 => bytes.insert(at, spice),
            2 if !bytes.is_empty() => drop(bytes.remove(at)),
            3 => {
                let end = at + rng.below(bytes.len() - at + 1);
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            4 if !bytes.is_empty() => bytes[at] = rng.next() as u8,
            _ => bytes.truncate(bytes.len() - rng.below(3).min(bytes.len())),
        }
    }
    bytes
}

fn cut(script: &[u8], rng: &mut Rng) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    let mut rest = script;
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at(1 + rng.below(rest.len().min(20)));
        pieces.push(piece.to_vec());
        rest = tail;
    }
    pieces
}

#[test]
fn damaged_heads_get_one_verdict_in_any_cut() {
    let (mut accepted, mut refused) = (0, 0);
    for seed in 0..20_000 {
        let mut rng = Rng(seed);
        let mut script = damage(HEADS[rng.below(HEADS.len())], &mut rng);
        // A fault in an unfinished line may be seen now or later; here every line ends.
        script.extend_from_slice(b"\r\n\r\n");
        let pieces = cut(&script, &mut rng);
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let whole = verdict_of(&[&script], Limits::default());
        assert_eq!(verdict_of(&pieces, Limits::default()), whole, "seed {seed}");
        match whole {
            Verdict::Accepted(head) => {
                accepted += 1;
                assert!(head.consumed <= script.len(), "seed {seed}");
                let head = &script[..head.consumed];
                let crlf = head.windows(2).filter(|pair| pair == b"\r\n").count();
                let lf = head.iter().filter(|&&byte| byte == b'\n').count();
                let cr = head.iter().filter(|&&byte| byte == b'\r').count();
                assert_eq!(
                    (crlf, crlf),
                    (lf, cr),
                    "seed {seed}: a bare CR or LF passed"
                );
                assert!(!head.contains(&0), "seed {seed}: NUL passed");
            }
            Verdict::Refused { .. } => refused += 1,
            Verdict::Waits => panic!("seed {seed} waits"),
        }
    }
    assert!(
        accepted > 1_000 && refused > 1_000,
        "{accepted} accepted, {refused} refused"
    );
}

#[test]
fn damaged_bodies_get_one_verdict_in_any_cut() {
    let mut outcomes = [0; 3];
    for seed in 0..20_000 {
        let mut rng = Rng(seed);
        let script = damage(CHUNKED, &mut rng);
        let run = |pieces: &[&[u8]]| {
            let mut decoder = BodyDecoder::new(BodyLength::Chunked, 0, 1000).unwrap();
            let result = decode(&mut decoder, pieces);
            (result, decoder.is_done(), decoder.trailers().to_vec())
        };
        let whole = run(&[&script]);
        let pieces = cut(&script, &mut rng);
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        assert_eq!(run(&pieces), whole, "seed {seed}");
        outcomes[match whole {
            (Err(_), ..) => 0,
            (Ok(_), false, _) => 1,
            (Ok((data, rest)), true, _) => {
                assert!(data.len() + rest.len() < script.len(), "seed {seed}");
                assert!(script.ends_with(&rest), "seed {seed}: the rest was touched");
                2
            }
        }] += 1;
    }
    assert!(outcomes.iter().all(|&count| count > 100), "{outcomes:?}");
}

#[test]
fn noise_never_panics_a_connection() {
    for seed in 0..5_000 {
        let mut rng = Rng(seed);
        let mut connection = Connection::new(Limits::default());
        let mut buffer: Vec<u8> = Vec::new();
        for _ in 0..rng.below(40) {
            let piece = match rng.below(4) {
                0 => damage(HEADS[rng.below(HEADS.len())], &mut rng),
                1 => HEADS[rng.below(HEADS.len())].to_vec(),
                2 => damage(CHUNKED, &mut rng),
                _ => (0..rng.below(30))
                    .map(|_| SPICE[rng.below(SPICE.len())])
                    .collect(),
            };
            buffer.extend_from_slice(&piece);
            turn(&mut connection, &mut buffer, &mut rng);
        }
        let _ = connection.recv_end(buffer.len());
        turn(&mut connection, &mut buffer, &mut rng);
    }
}

/// What a shell does with a connection, with a handler that does anything, allowed or not.
fn turn(connection: &mut Connection, buffer: &mut Vec<u8>, rng: &mut Rng) {
    use flatend_http::date::DateCache;
    use flatend_http::h1::{Answer, ResponseHead};
    let dates = DateCache::new(0);
    for _ in 0..20 {
        let before = buffer.len();
        match connection.next() {
            Next::ReadHead => {
                let mut scratch = FieldScratch::new();
                let consumed = match connection.recv_head(buffer, &mut scratch) {
                    Ok(Parsed::Head(_, consumed)) => consumed,
                    _ => 0,
                };
                buffer.drain(..consumed);
            }
            Next::Exchange | Next::Drain => {
                if let Ok(step) = connection.recv_body(buffer) {
                    assert!(step.data.end <= step.consumed && step.consumed <= buffer.len());
                    buffer.drain(..step.consumed);
                }
            }
            Next::Linger | Next::Close | Next::Reset | Next::Upgraded => return,
            Next::Refuse(_) => {}
        }
        assert!(buffer.len() <= before);
        let mut out = Vec::new();
        let head = ResponseHead {
            status: 200,
            body_bytes: None,
            date: dates.text(),
            request_id: None,
        };
        let no_fields: [(&[u8], &[u8]); 0] = [];
        let _ = match rng.below(8) {
            0 => connection.send_head(&mut out, &head, no_fields),
            1 => connection.send_data(rng.below(100)).map(|_| ()),
            2 => connection.send_end().map(|_| ()),
            3 => {
                let answer = Answer {
                    status: 400,
                    sentence: "No.",
                    json: false,
                    request_id: None,
                    date: dates.text(),
                    fields: &[],
                };
                connection.send_answer(&mut out, &answer)
            }
            4 => connection.send_upgrade(&mut out, b"x", no_fields),
            5 => connection
                .limit_body(rng.next() % 9, rng.next() % 99)
                .map_or(Ok(()), |()| Ok(())),
            6 => {
                connection.take_continue();
                Ok(())
            }
            _ => Ok(()),
        };
    }
}

#[test]
fn a_body_without_end_holds_no_more_than_its_trailer_limit() {
    let mut rng = Rng(7);
    let mut decoder = BodyDecoder::new(BodyLength::Chunked, 0, u64::MAX).unwrap();
    decoder.decode(b"0\r\n").unwrap();
    let mut taken = 0;
    loop {
        let line = format!("x: {}\r\n", rng.next());
        match decoder.decode(line.as_bytes()) {
            Ok(step) => taken += step.consumed,
            Err(error) => {
                assert_eq!(error.status, 431);
                break;
            }
        }
        assert!(taken <= TRAILER_BYTES_MAX);
    }
}

#[test]
fn noise_never_panics_router_query_or_decoder() {
    let mut builder = RouterBuilder::new();
    let patterns = [
        "GET /a/:b",
        "POST /A/*c",
        "GET /a/b/:c/*d",
        "ANY /x:y/z",
        "GET /é%41".trim(),
    ];
    for pattern in &patterns[..4] {
        builder.add(None, pattern, ()).unwrap();
    }
    assert!(builder.add(None, patterns[4], ()).is_err());
    let router = builder.build().unwrap();
    let alphabet: Vec<char> = "aAbBxXyz//..\\%25é&=+?".chars().collect();
    let mut found = 0;
    for seed in 0..20_000 {
        let mut rng = Rng(seed);
        let tail = (0..rng.below(12)).map(|_| alphabet[rng.below(alphabet.len())]);
        let path: String = std::iter::once('/').chain(tail).collect();
        for method in ["GET", "POST", "PUT"] {
            match router.lookup(method, Some("a"), &path, Some(&path)) {
                Outcome::Found(route) => {
                    found += 1;
                    assert!(
                        route.params.raw().all(|(_, value)| !value.is_empty()),
                        "{path}"
                    );
                }
                Outcome::Redirect { location, .. } => {
                    assert!(
                        !location.starts_with("//") && !location.starts_with("/\\"),
                        "{path}"
                    );
                }
                Outcome::MethodNotAllowed { .. } | Outcome::NotFound => {}
            }
        }
        let _ = query::first_of_each(&path);
        let _ = percent::decode(&path);
    }
    assert!(found > 100, "{found}");
}
