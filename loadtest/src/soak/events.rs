//! Event streams that stay open for a while, beside the load: one thread, one `poll`.
//!
//! Each is an answer without an end, of which every byte is checked. After its time its client goes away and comes again. Counts how
//! streams ended; an end by the service that looks like one is none of the gateway's mistakes.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use serde::Serialize;

use crate::client::{count_reason, Content, Expect, Reader};
use crate::limits::{EVENT_SILENCE_MS, EVENT_TICK_MS, RECONNECT_PAUSE_MS};
use crate::services::EVENT;

/// What the streams found.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Found {
    pub(super) opened: u64,
    pub(super) bytes: u64,
    /// Clients that left after their time.
    pub(super) left: u64,
    /// Ended whole by the service.
    pub(super) ended: u64,
    /// Why others ended, and how often.
    pub(super) failures: Vec<(String, u64)>,
}

impl Found {
    fn fail(&mut self, sentence: &str) {
        count_reason(&mut self.failures, sentence, 1);
    }
}

/// So many streams of `path`, each of which lasts so long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Streams {
    pub(super) addr: SocketAddr,
    pub(super) path: &'static str,
    pub(super) count: u32,
    pub(super) lasts: Duration,
}

struct Open {
    socket: TcpStream,
    reader: Reader,
    leaves: Instant,
    heard: Instant,
}

/// How a stream goes on.
enum Then {
    Stays,
    Left,
    Ended,
    Failed(String),
}

impl Streams {
    /// Keeps them open until `stop` is set.
    pub(super) fn start(self, stop: Arc<AtomicBool>) -> JoinHandle<Found> {
        thread::spawn(move || self.run(&stop))
    }

    fn run(self, stop: &AtomicBool) -> Found {
        let expect = Expect {
            status: 200,
            length: None,
            content: Some(Content::Repeats(EVENT.as_bytes().into())),
            head_only: false,
        };
        let mut found = Found::default();
        let mut streams: Vec<Option<Open>> = (0..self.count).map(|_| None).collect();
        let mut opens_from = Instant::now();
        let mut buffer = vec![0; 16 * 1024];
        while !stop.load(Ordering::Relaxed) {
            for (number, stream) in (0u32..).zip(&mut streams) {
                if stream.is_some() || Instant::now() < opens_from {
                    continue;
                }
                match self.open(number, found.opened) {
                    Ok(open) => {
                        found.opened += 1;
                        *stream = Some(open);
                    }
                    Err(sentence) => {
                        found.fail(&sentence);
                        opens_from = Instant::now() + Duration::from_millis(RECONNECT_PAUSE_MS);
                    }
                }
            }
            wait(&streams);
            for stream in &mut streams {
                let Some(open) = stream else { continue };
                match open.look(&mut buffer, &expect, &mut found.bytes) {
                    Then::Stays => continue,
                    Then::Left => found.left += 1,
                    Then::Ended => found.ended += 1,
                    Then::Failed(sentence) => {
                        found.fail(&sentence);
                        opens_from = Instant::now() + Duration::from_millis(RECONNECT_PAUSE_MS);
                    }
                }
                *stream = None;
            }
        }
        found
    }

    fn open(self, number: u32, opened: u64) -> Result<Open, String> {
        let cannot =
            |error: std::io::Error| format!("an event stream cannot be opened: {}", error.kind());
        let mut socket = TcpStream::connect(self.addr).map_err(cannot)?;
        let head = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n\r\n",
            self.path, self.addr
        );
        socket.write_all(head.as_bytes()).map_err(cannot)?;
        socket.set_nonblocking(true).map_err(cannot)?;
        let now = Instant::now();
        // The first ones leave one after the other, and so do all after them.
        let share = match opened < u64::from(self.count) {
            true => f64::from(number + 1) / f64::from(self.count),
            false => 1.0,
        };
        Ok(Open {
            socket,
            reader: Reader::new(),
            leaves: now + self.lasts.mul_f64(share),
            heard: now,
        })
    }
}

/// Waits until something came, a moment at most.
fn wait(streams: &[Option<Open>]) {
    let mut set: Vec<PollFd<'_>> = streams
        .iter()
        .flatten()
        .map(|open| PollFd::new(&open.socket, PollFlags::IN))
        .collect();
    let tick = Timespec {
        tv_sec: 0,
        tv_nsec: (EVENT_TICK_MS * 1_000_000) as _,
    };
    // An error is that of a signal: the next round looks again.
    poll(&mut set, Some(&tick)).ok();
}

impl Open {
    fn look(&mut self, buffer: &mut [u8], expect: &Expect, bytes: &mut u64) -> Then {
        loop {
            let count = match self.socket.read(buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Then::Failed(format!("an event stream broke: {}", error.kind()))
                }
            };
            if count == 0 {
                return match self.reader.end(expect) {
                    Ok(true) => Then::Ended,
                    Ok(false) => Then::Failed("an event stream ended before its head".to_owned()),
                    Err(_) => Then::Failed("an event stream was cut".to_owned()),
                };
            }
            self.heard = Instant::now();
            match self
                .reader
                .feed(buffer.get(..count).unwrap_or_default(), expect)
            {
                Err(sentence) => return Then::Failed(format!("an event stream: {sentence}")),
                Ok(fed) => {
                    *bytes += fed.body_bytes as u64;
                    if fed.done {
                        return match self.reader.take_wrong() {
                            None => Then::Ended,
                            Some(sentence) => Then::Failed(format!("an event stream: {sentence}")),
                        };
                    }
                }
            }
        }
        let now = Instant::now();
        if now >= self.leaves {
            return Then::Left;
        }
        match now.duration_since(self.heard) > Duration::from_millis(EVENT_SILENCE_MS) {
            true => Then::Failed(format!(
                "an event stream was silent for {EVENT_SILENCE_MS} ms"
            )),
            false => Then::Stays,
        }
    }
}
