//! One request and its response, the way a gateway and a provider exchange a hello: four steps, each measured alone while the other
//! three run uncounted.

use std::time::Duration;

use flatend_codec::{Connection, Event, HeaderBlock, StreamId};

use crate::floor::{Floor, Work};
use crate::link::{open_all, Pair, NOW, SERVICE};
use crate::{in_batches, timed, Case};

/// Requests in flight at once: those that one turn of a loaded gateway gathers.
const BATCH: u64 = 32;

/// Bytes of the length before each frame, and of the tag that ends it.
const LENGTH_BYTES: usize = 4;
const TAG_BYTES: usize = 16;

const BODY: &[u8] = b"Hello world!\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    EncodeRequest,
    DecodeRequest,
    EncodeResponse,
    DecodeResponse,
}

const STEPS: [Step; 4] = [
    Step::EncodeRequest,
    Step::DecodeRequest,
    Step::EncodeResponse,
    Step::DecodeResponse,
];

impl Step {
    fn name(self) -> &'static str {
        match self {
            Step::EncodeRequest => "request encode",
            Step::DecodeRequest => "request decode",
            Step::EncodeResponse => "response encode",
            Step::DecodeResponse => "response decode",
        }
    }

    fn floor(self) -> Work {
        match self {
            Step::EncodeRequest | Step::EncodeResponse => Work::Seal,
            Step::DecodeRequest | Step::DecodeResponse => Work::Open,
        }
    }
}

struct Exchange {
    step: Step,
    pair: Pair,
    request: HeaderBlock,
    response: HeaderBlock,
    streams: Vec<StreamId>,
    /// Plaintext lengths of the frames of the last batch, request and response.
    frames: [Vec<usize>; 2],
}

/// The four steps beside their floors.
pub fn cases() -> Vec<Box<dyn Case>> {
    let mut cases: Vec<Box<dyn Case>> = Vec::new();
    for step in STEPS {
        let mut exchange = Exchange::new(step);
        exchange.batch(1);
        let [request, response] = exchange.frames.clone();
        let lengths = match step {
            Step::EncodeRequest | Step::DecodeRequest => request,
            Step::EncodeResponse | Step::DecodeResponse => response,
        };
        cases.push(Box::new(exchange));
        for work in [step.floor(), Work::Copy] {
            cases.push(Box::new(Floor::new(step.name(), work, &lengths)));
        }
    }
    cases
}

impl Exchange {
    fn new(step: Step) -> Exchange {
        Exchange {
            step,
            pair: Pair::new(),
            // What a gateway sends for a small GET, and what a hello answers.
            request: block(&[
                ("host", "127.0.0.1:3000"),
                ("user-agent", "bench"),
                ("accept", "*/*"),
                (":method", "GET"),
                (":path", "/hello"),
                (":authority", "127.0.0.1:3000"),
                (":scheme", "http"),
                ("x-forwarded-for", "127.0.0.1"),
                ("x-forwarded-proto", "http"),
                ("x-forwarded-host", "127.0.0.1:3000"),
                ("x-request-id", "0123456789abcdef01234567"),
            ]),
            response: block(&[
                ("content-type", "text/plain; charset=utf-8"),
                ("content-length", "13"),
            ]),
            streams: Vec::new(),
            frames: [Vec::new(), Vec::new()],
        }
    }

    fn batch(&mut self, size: u64) -> Duration {
        let none = HeaderBlock::new();
        let mut times = [Duration::ZERO; 4];
        self.streams.clear();

        let (dialer, streams) = (&mut self.pair.dialer, &mut self.streams);
        let request = &self.request;
        times[0] = timed(|| {
            for _ in 0..size {
                let opened = dialer.open_stream(NOW, [SERVICE], request, &none, true);
                streams.push(opened.expect("hands are shaken"));
            }
        })
        .0;

        let (acceptor, bytes) = self.pair.at_acceptor();
        self.frames[0] = plaintext_lengths(bytes);
        let (time, found) = timed(|| seen(acceptor, bytes));
        times[1] = time;
        assert_eq!((found.heads, found.ends), (size, size));

        let (acceptor, response) = (&mut self.pair.acceptor, &self.response);
        let streams = &self.streams;
        times[2] = timed(|| {
            for stream in streams {
                acceptor
                    .respond(NOW, *stream, response, false)
                    .and_then(|()| acceptor.send_data(NOW, *stream, BODY))
                    .and_then(|()| acceptor.send_end(NOW, *stream))
                    .expect("the request has come");
            }
        })
        .0;

        let (dialer, bytes) = self.pair.at_dialer();
        self.frames[1] = plaintext_lengths(bytes);
        let (time, found) = timed(|| seen(dialer, bytes));
        times[3] = time;
        assert_eq!((found.heads, found.ends), (size, size));
        assert_eq!(found.data_bytes, size * BODY.len() as u64);
        assert_eq!(self.pair.dialer.open_streams(), 0);
        STEPS
            .iter()
            .zip(times)
            .find(|(step, _)| **step == self.step)
            .map_or(Duration::ZERO, |(_, time)| time)
    }
}

impl Case for Exchange {
    fn name(&self) -> String {
        format!("{}/codec", self.step.name())
    }

    fn time(&mut self, iterations: u64) -> Duration {
        in_batches(iterations, BATCH, |size| self.batch(size))
    }
}

fn block(pairs: &[(&str, &str)]) -> HeaderBlock {
    let mut block = HeaderBlock::new();
    for (name, value) in pairs {
        let pushed = block.push(name.as_bytes(), value.as_bytes());
        pushed.expect("short enough");
    }
    block
}

#[derive(Debug, Default)]
struct Seen {
    heads: u64,
    data_bytes: u64,
    ends: u64,
}

impl Seen {
    fn note(&mut self, event: &Event<'_>) {
        match event {
            Event::Request { end, headers, .. } | Event::Response { end, headers, .. } => {
                self.heads += 1;
                self.ends += u64::from(*end);
                // As a gateway or a handler walks them.
                headers.iter().for_each(|pair| {
                    std::hint::black_box(pair);
                });
            }
            Event::Data { bytes, .. } => self.data_bytes += bytes.len() as u64,
            Event::End { .. } => self.ends += 1,
            _ => {}
        }
    }
}

fn seen(to: &mut Connection, frames: &mut [u8]) -> Seen {
    let mut seen = Seen::default();
    open_all(to, frames, |event| seen.note(event));
    seen
}

/// The lengths of the plaintexts in a run of sealed frames.
fn plaintext_lengths(mut frames: &[u8]) -> Vec<usize> {
    let mut lengths = Vec::new();
    while let Some((length, rest)) = frames.split_first_chunk::<LENGTH_BYTES>() {
        let sealed = u32::from_be_bytes(*length) as usize;
        lengths.push(sealed - TAG_BYTES);
        frames = &rest[sealed..];
    }
    lengths
}
