//! What a task of the client does once: a call, or a stream one way or both.
//!
//! Owns what counts as done: an answer of status 200 that is whole and, byte for byte, what it must be. Everything else is an error
//! with its sentence.

use std::rc::Rc;
use std::time::Duration;

use clap::ValueEnum;
use flatend::{rt, Bytes, Client, Request, Response};
use serde::{Deserialize, Serialize};

use crate::limits::{CALL_TIMEOUT_MS, PATTERN_PIECE_BYTES};
use crate::pattern::Pattern;

/// What the client asks of the services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Work {
    /// A call whose answer is the body that was sent.
    Call,
    /// A body that is streamed to the service, which counts and checks it.
    Up,
    /// A response that is streamed from the service.
    Down,
    /// A body that comes back while it is sent.
    Both,
}

impl Work {
    /// Its name, as on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Work::Call => "call",
            Work::Up => "up",
            Work::Down => "down",
            Work::Both => "both",
        }
    }

    /// The service that does it.
    pub(crate) fn service(self) -> &'static str {
        match self {
            Work::Call => "echo",
            Work::Up => "count",
            Work::Down => "bytes",
            Work::Both => "mirror",
        }
    }

    /// Whether bodies are too large to be kept whole.
    pub(crate) fn is_stream(self) -> bool {
        self != Work::Call
    }
}

/// Bytes of a body that went or came.
#[derive(Clone, Copy, Debug)]
pub(super) enum Moved {
    Sent(usize),
    Received(usize),
}

/// Work of so many bytes, ready to be done again and again on one shard.
pub(super) struct Doing {
    work: Work,
    bytes: u64,
    pattern: Rc<Pattern>,
    /// The pattern, long enough for a body, or a piece of one, from any place of it on.
    block: Bytes,
}

impl Doing {
    pub(super) fn new(work: Work, bytes: u64) -> Doing {
        let pattern = Pattern::new();
        let piece = match work.is_stream() {
            false => usize::try_from(bytes).unwrap_or(usize::MAX),
            true => PATTERN_PIECE_BYTES,
        };
        Doing {
            work,
            bytes,
            block: pattern.block(piece).into(),
            pattern: Rc::new(pattern),
        }
    }

    /// Does it once. `turn` chooses the body of a call, so that an answer to another call is found out.
    ///
    /// # Errors
    /// A sentence: it failed, or the answer was another one.
    pub(super) async fn once(
        &self,
        client: &Client,
        turn: u64,
        moved: &impl Fn(Moved),
    ) -> Result<(), String> {
        match self.work {
            Work::Call => self.call(client, turn, moved).await,
            Work::Up => self.up(client, moved).await,
            Work::Down => self.down(client, moved).await,
            Work::Both => self.both(client, moved).await,
        }
    }

    fn request(&self) -> Request {
        Request::to(self.work.service())
    }

    async fn call(&self, client: &Client, turn: u64, moved: &impl Fn(Moved)) -> Result<(), String> {
        let from = Pattern::place(turn);
        let body = self.block.slice(from..from + self.bytes as usize);
        let timeout = Duration::from_millis(CALL_TIMEOUT_MS);
        let request = self.request().body(body.clone()).deadline(timeout);
        let mut response = expect_ok(client.call(request).await)?;
        moved(Moved::Sent(body.len()));
        let answer = response.read_all(body.len()).await.map_err(text)?;
        moved(Moved::Received(answer.len()));
        if answer != body {
            return Err(format!(
                "an answer of {} bytes is not the body of {} bytes that was sent",
                answer.len(),
                body.len()
            ));
        }
        Ok(())
    }

    async fn up(&self, client: &Client, moved: &impl Fn(Moved)) -> Result<(), String> {
        let (mut writer, head) = client.stream(self.request());
        let mut sent = 0;
        while sent < self.bytes {
            let piece = self.piece(sent);
            let len = piece.len();
            // The response says why no more is taken.
            if writer.write(piece).await.is_err() {
                break;
            }
            sent += len as u64;
            moved(Moved::Sent(len));
        }
        if sent == self.bytes {
            writer.finish();
        }
        let mut response = expect_ok(head.await)?;
        let counted = response.read_all(20).await.map_err(text)?;
        match std::str::from_utf8(&counted) {
            Ok(counted) if counted == self.bytes.to_string() => Ok(()),
            _ => Err(format!(
                "the service counted '{}' of {} bytes",
                String::from_utf8_lossy(&counted),
                self.bytes
            )),
        }
    }

    async fn down(&self, client: &Client, moved: &impl Fn(Moved)) -> Result<(), String> {
        let request = self.request().param("count", self.bytes.to_string());
        let response = expect_ok(client.call(request).await)?;
        self.read(response, moved).await
    }

    async fn both(&self, client: &Client, moved: &impl Fn(Moved)) -> Result<(), String> {
        let (mut writer, head) = client.stream(self.request());
        let (bytes, block) = (self.bytes, self.block.clone());
        // Ends with the body, or when the response is dropped.
        rt::spawn(async move {
            let mut sent = 0;
            while sent < bytes {
                let piece = piece_of(&block, sent, bytes);
                sent += piece.len() as u64;
                if writer.write(piece).await.is_err() {
                    return;
                }
            }
            writer.finish();
        });
        let response = expect_ok(head.await)?;
        // What comes back was sent.
        let twice = |way| match way {
            Moved::Received(len) => {
                moved(Moved::Sent(len));
                moved(Moved::Received(len));
            }
            sent @ Moved::Sent(_) => moved(sent),
        };
        self.read(response, &twice).await
    }

    async fn read(&self, mut response: Response, moved: &impl Fn(Moved)) -> Result<(), String> {
        let mut got = 0;
        while let Some(piece) = response.read().await.map_err(text)? {
            if !self.pattern.matches(got, &piece) {
                return Err("the body is another one than was sent".to_owned());
            }
            got += piece.len() as u64;
            moved(Moved::Received(piece.len()));
        }
        match got == self.bytes {
            true => Ok(()),
            false => Err(format!("a body of {got} bytes instead of {}", self.bytes)),
        }
    }

    fn piece(&self, sent: u64) -> Bytes {
        piece_of(&self.block, sent, self.bytes)
    }
}

fn piece_of(block: &Bytes, sent: u64, bytes: u64) -> Bytes {
    let left = usize::try_from(bytes - sent).unwrap_or(usize::MAX);
    let from = Pattern::place(sent);
    block.slice(from..from + left.min(PATTERN_PIECE_BYTES))
}

fn expect_ok(answer: Result<Response, flatend::CallError>) -> Result<Response, String> {
    match answer {
        Ok(response) if response.status() == 200 => Ok(response),
        Ok(response) => Err(format!("status {} instead of 200", response.status())),
        Err(error) => Err(error.to_string()),
    }
}

fn text(error: impl ToString) -> String {
    error.to_string()
}
