//! flatend/2: one piece of a body a frame by its size, many requests in one frame, and what windows cost a body: held at 64 KiB, and
//! widened for a reader that keeps up.

use std::time::Duration;

use flatend_codec::limits::{EXTRA_WINDOW_BYTES_MAX, STREAM_WINDOW_BYTES};
use flatend_codec::{Connection, Event, HeaderBlock, StreamId};

use crate::floor::{Floor, Work};
use crate::link::{open_all, Pair, NOW, SERVICE};
use crate::{in_batches, timed, Case};

const NONE: HeaderBlock = HeaderBlock::new();
/// Before each body (flatend2.md, Frames).
const MESSAGE_BYTES: usize = 12;
/// A line of text, a page, a usual read, the largest DATA of a frame.
const PAYLOAD_BYTES: [usize; 4] = [64, 1_024, 16_384, 65_524];
/// Requests of one turn of a busy link.
const REQUESTS: [usize; 3] = [1, 8, 64];
/// A request without headers: deadline, one name, no headers.
const REQUEST_BYTES: usize = MESSAGE_BYTES + 4 + 1 + 1 + SERVICE.len() + 2;
/// The body of the window's cases.
const BODY_BYTES: usize = 4 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Send,
    Open,
}

impl Side {
    const BOTH: [(Side, Work); 2] = [(Side::Send, Work::Seal), (Side::Open, Work::Open)];

    fn name(self) -> &'static str {
        match self {
            Side::Send => "send",
            Side::Open => "open",
        }
    }

    fn of(self, sending: Duration, opening: Duration) -> Duration {
        match self {
            Side::Send => sending,
            Side::Open => opening,
        }
    }
}

/// All of them, beside their floors.
pub fn cases() -> Vec<Box<dyn Case>> {
    let mut cases: Vec<Box<dyn Case>> = Vec::new();
    for bytes in PAYLOAD_BYTES {
        for (side, work) in Side::BOTH {
            let what = format!("flatend2 {} {bytes} B", side.name());
            cases.push(Box::new(Pieces::new(&what, side, bytes)));
            for work in [work, Work::Copy] {
                cases.push(Box::new(Floor::new(&what, work, &[MESSAGE_BYTES + bytes])));
            }
        }
    }
    for count in REQUESTS {
        for (side, work) in Side::BOTH {
            let what = format!("flatend2 {} {count} requests in a frame", side.name());
            cases.push(Box::new(Requests::new(&what, side, count)));
            cases.push(Box::new(Floor::new(&what, work, &[count * REQUEST_BYTES])));
        }
    }
    for (how, extra) in [("of 64 KiB", 0), ("that widens", EXTRA_WINDOW_BYTES_MAX)] {
        let body = Body::new(how, extra);
        let what = body.what();
        let frames = [STREAM_WINDOW_BYTES as usize; BODY_BYTES / STREAM_WINDOW_BYTES as usize];
        cases.push(Box::new(body));
        for work in [Work::Seal, Work::Open] {
            cases.push(Box::new(Floor::new(&what, work, &frames)));
        }
    }
    cases
}

/// A stream whose response head has gone to the dialer.
fn answered(pair: &mut Pair) -> StreamId {
    let asked = pair.dialer.open_stream(NOW, [SERVICE], &NONE, &NONE, true);
    let stream = asked.expect("hands are shaken");
    let (acceptor, request) = pair.at_acceptor();
    open_all(acceptor, request, |_| {});
    let begun = pair.acceptor.respond(NOW, stream, &NONE, false);
    begun.expect("the request has come");
    let (dialer, response) = pair.at_dialer();
    open_all(dialer, response, |_| {});
    stream
}

/// The reader took `bytes`, and the sender hears of it.
fn credit(pair: &mut Pair, stream: StreamId, bytes: usize) {
    pair.dialer.credit(NOW, stream, bytes);
    let (acceptor, windows) = pair.at_acceptor();
    open_all(acceptor, windows, |_| {});
}

struct Pieces {
    name: String,
    side: Side,
    pair: Pair,
    stream: StreamId,
    payload: Vec<u8>,
}

impl Pieces {
    fn new(what: &str, side: Side, bytes: usize) -> Pieces {
        let mut pair = Pair::flatend2(EXTRA_WINDOW_BYTES_MAX);
        let stream = answered(&mut pair);
        Pieces {
            name: format!("{what}/codec"),
            side,
            pair,
            stream,
            payload: vec![0x5a; bytes],
        }
    }

    fn batch(&mut self, size: u64) -> Duration {
        let (acceptor, stream, payload) = (&mut self.pair.acceptor, self.stream, &self.payload);
        let (sending, ()) = timed(|| {
            for _ in 0..size {
                let sent = acceptor.send_data(NOW, stream, payload);
                sent.expect("the window holds it");
                acceptor.seal();
            }
        });
        let (dialer, frames) = self.pair.at_dialer();
        let payload = &self.payload;
        let mut whole = 0;
        let (opening, ()) = timed(|| {
            open_all(dialer, frames, |event| {
                if let Event::Data { bytes, .. } = event {
                    let right = bytes.len() == payload.len() && bytes.last() == payload.last();
                    whole += u64::from(right);
                }
            });
        });
        assert_eq!(whole, size);
        credit(
            &mut self.pair,
            self.stream,
            size as usize * self.payload.len(),
        );
        self.side.of(sending, opening)
    }
}

impl Case for Pieces {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn bytes(&self) -> u64 {
        self.payload.len() as u64
    }

    fn time(&mut self, iterations: u64) -> Duration {
        // Within a window of which a half may be used and not credited yet.
        let most = (STREAM_WINDOW_BYTES as usize / 2 / self.payload.len()).max(1) as u64;
        in_batches(iterations, most, |size| self.batch(size))
    }
}

struct Requests {
    name: String,
    side: Side,
    pair: Pair,
    count: usize,
}

impl Requests {
    fn new(what: &str, side: Side, count: usize) -> Requests {
        Requests {
            name: format!("{what}/codec"),
            side,
            pair: Pair::flatend2(0),
            count,
        }
    }

    fn one(&mut self) -> Duration {
        let (dialer, count) = (&mut self.pair.dialer, self.count);
        let (sending, ()) = timed(|| {
            for _ in 0..count {
                let asked = dialer.open_stream(NOW, [SERVICE], &NONE, &NONE, true);
                asked.expect("it is granted");
            }
            dialer.seal();
        });
        let mut asked = Vec::with_capacity(count);
        let (acceptor, frame) = self.pair.at_acceptor();
        let (opening, ()) = timed(|| {
            open_all(acceptor, frame, |event| {
                if let Event::Request { stream, .. } = event {
                    asked.push(*stream);
                }
            });
        });
        assert_eq!(asked.len(), count);
        for stream in asked {
            let answered = self.pair.acceptor.respond(NOW, stream, &NONE, true);
            answered.expect("it was asked");
        }
        let (dialer, answers) = self.pair.at_dialer();
        open_all(dialer, answers, |_| {});
        assert_eq!(self.pair.dialer.open_streams(), 0);
        self.side.of(sending, opening)
    }
}

impl Case for Requests {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn time(&mut self, iterations: u64) -> Duration {
        (0..iterations).map(|_| self.one()).sum()
    }
}

/// A body of 4 MiB, sent as the window allows, read and credited at once; each look at the other side is a round trip.
struct Body {
    how: &'static str,
    extra: u64,
    rounds: usize,
    payload: Vec<u8>,
}

impl Body {
    fn new(how: &'static str, extra: u64) -> Body {
        let mut body = Body {
            how,
            extra,
            rounds: 0,
            payload: vec![0x5a; BODY_BYTES],
        };
        body.rounds = body.one().1;
        body
    }

    fn what(&self) -> String {
        format!(
            "flatend2 4 MiB, a window {}, {} round trips",
            self.how, self.rounds
        )
    }

    fn one(&self) -> (Duration, usize) {
        let mut pair = Pair::flatend2(self.extra);
        let stream = answered(&mut pair);
        let (mut sent, mut rounds, mut total) = (0, 0, Duration::ZERO);
        while sent < BODY_BYTES {
            let room = pair.acceptor.send_capacity(stream).min(BODY_BYTES - sent);
            let piece = &self.payload[sent..sent + room];
            let send = |acceptor: &mut Connection| {
                let result = acceptor.send_data(NOW, stream, piece);
                result.expect("the window holds it");
                acceptor.seal();
            };
            let (sending, ()) = timed(|| send(&mut pair.acceptor));
            let (dialer, frames) = pair.at_dialer();
            let (opening, ()) = timed(|| open_all(dialer, frames, |_| {}));
            let (crediting, ()) = timed(|| credit(&mut pair, stream, room));
            total += sending + opening + crediting;
            sent += room;
            rounds += 1;
        }
        (total, rounds)
    }
}

impl Case for Body {
    fn name(&self) -> String {
        format!("{}/codec", self.what())
    }

    fn bytes(&self) -> u64 {
        BODY_BYTES as u64
    }

    fn time(&mut self, iterations: u64) -> Duration {
        (0..iterations).map(|_| self.one().0).sum()
    }
}
