//! What the tests share: feeding bytes in every cut, and a client that plays a whole connection.
//! Each test binary uses a part of it.
#![allow(dead_code, unreachable_pub)]

pub mod routes;
pub mod server;

use flatend_http::h1::{BodyDecoder, BodyLength, Connection, FieldScratch, Parsed};
use flatend_http::limits::Limits;
use flatend_http::RequestError;

/// Calls `check` with `script` whole, byte by byte, and cut in two at every position.
pub fn for_each_split(script: &[u8], mut check: impl FnMut(&[&[u8]])) {
    check(&[script]);
    check(&script.chunks(1).collect::<Vec<_>>());
    for at in 1..script.len() {
        let (head, tail) = script.split_at(at);
        check(&[head, tail]);
    }
}

/// What a server made of the bytes of one head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Waits,
    Refused { status: u16, reason: String },
    Accepted(Summary),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    pub method: String,
    pub path: String,
    pub query: Option<String>,
    pub authority: Option<String>,
    pub fields: Vec<(String, String)>,
    pub body: BodyLength,
    pub keep_alive: bool,
    pub expect_continue: bool,
    pub upgrade: Option<String>,
    pub consumed: usize,
}

/// Feeds pieces to a new connection until it has a verdict or they end.
pub fn verdict_of(pieces: &[&[u8]], limits: Limits) -> Verdict {
    let mut connection = Connection::new(limits);
    let mut buffer = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        let mut scratch = FieldScratch::new();
        match connection.recv_head(&buffer, &mut scratch) {
            Ok(Parsed::Partial) => {}
            Err(RequestError { status, reason, .. }) => {
                return Verdict::Refused {
                    status,
                    reason: reason.to_owned(),
                };
            }
            Ok(Parsed::Head(head, consumed)) => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let fields = head
                    .fields
                    .iter()
                    .map(|f| (f.name.to_owned(), text(f.value)));
                return Verdict::Accepted(Summary {
                    method: head.method.as_str().to_owned(),
                    path: head.target.path.to_owned(),
                    query: head.target.query.map(str::to_owned),
                    authority: head.authority.map(str::to_owned),
                    fields: fields.collect(),
                    body: head.body,
                    keep_alive: head.keep_alive,
                    expect_continue: head.expect_continue,
                    upgrade: head.upgrade.map(text),
                    consumed,
                });
            }
        }
    }
    Verdict::Waits
}

/// The verdict on `script`, the same in every cut.
pub fn verdict(script: &[u8]) -> Verdict {
    let whole = verdict_of(&[script], Limits::default());
    for_each_split(script, |pieces| {
        let cuts: Vec<usize> = pieces.iter().map(|p| p.len()).collect();
        let text = String::from_utf8_lossy(script);
        assert_eq!(
            verdict_of(pieces, Limits::default()),
            whole,
            "{text:?} in {cuts:?}"
        );
    });
    whole
}

pub fn accepted(script: &[u8]) -> Summary {
    match verdict(script) {
        Verdict::Accepted(summary) => summary,
        other => panic!("{:?}: {other:?}", String::from_utf8_lossy(script)),
    }
}

/// Decodes a body from pieces: its data, and the bytes behind its end.
pub fn decode(
    decoder: &mut BodyDecoder,
    pieces: &[&[u8]],
) -> Result<(Vec<u8>, Vec<u8>), RequestError> {
    let (mut data, mut buffer) = (Vec::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        while !decoder.is_done() {
            let step = decoder.decode(&buffer)?;
            data.extend_from_slice(&buffer[step.data.clone()]);
            buffer.drain(..step.consumed);
            if step.consumed == 0 {
                break;
            }
        }
    }
    Ok((data, buffer))
}

/// splitmix64: a run is replayed by its seed.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}
