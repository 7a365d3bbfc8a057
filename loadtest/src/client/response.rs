//! Reads responses out of the bytes of a connection and checks them.
//!
//! Pure. Refuses what it does not understand and what was not expected, with a sentence. It knows as much of HTTP/1.1 as a load test
//! meets: lengths, chunks, bodies that end with the connection (RFC 9112 section 6.3). Invariant: `feed` never takes a byte of the next
//! response.

use memchr::memmem;

use super::head::Head;
use super::request::{Content, Expect};
use crate::limits::HEAD_BYTES_MAX;

/// What one call of [`Reader::feed`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fed {
    /// Bytes taken of the input.
    pub(crate) used: usize,
    /// Bytes of body among them.
    pub(crate) body_bytes: usize,
    /// The response is whole.
    pub(crate) done: bool,
}

/// Where in a response we are.
///
/// ```text
/// Head ──▶ Length ──▶ whole        Head ──▶ ChunkSize ─▶ ChunkData ─▶ ChunkEnd ─▶ ChunkSize … Trailer ──▶ whole
///   └────▶ UntilClose ──(end)──▶ whole
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Length { left: u64 },
    ChunkSize,
    ChunkData { left: u64 },
    ChunkEnd,
    Trailer,
    UntilClose,
}

/// The reader of one connection.
#[derive(Debug)]
pub(crate) struct Reader {
    state: State,
    /// A head, or a line between chunks, whose end has not come yet.
    partial: Vec<u8>,
    /// Bytes of the body so far.
    body_bytes: u64,
    close: bool,
    /// A status that was not expected. The response is read to its end all the same, so that the connection can go on.
    wrong: Option<String>,
}

impl Reader {
    /// Before the first response.
    pub(crate) fn new() -> Reader {
        Reader {
            state: State::Head,
            partial: Vec::new(),
            body_bytes: 0,
            close: false,
            wrong: None,
        }
    }

    /// What was wrong with the response that has just become whole, if the connection can go on.
    pub(crate) fn take_wrong(&mut self) -> Option<String> {
        self.wrong.take()
    }

    /// Whether the last whole response says that no other follows.
    pub(crate) fn closes(&self) -> bool {
        self.close
    }

    /// Takes bytes of the response that `expect` is about, at most to its end.
    ///
    /// # Errors
    /// A sentence: what is wrong with the response. The connection is of no use then.
    pub(crate) fn feed(&mut self, input: &[u8], expect: &Expect) -> Result<Fed, String> {
        let mut fed = Fed {
            used: 0,
            body_bytes: 0,
            done: false,
        };
        while !fed.done {
            let rest = input.get(fed.used..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            match self.state {
                State::Head => {
                    let (used, done) = self.head(rest, expect)?;
                    fed.used += used;
                    fed.done = done;
                }
                State::Length { left } => {
                    let count = self.body(rest, left, expect)?;
                    fed.used += count;
                    fed.body_bytes += count;
                    let left = left - count as u64;
                    self.state = State::Length { left };
                    fed.done = left == 0;
                }
                State::UntilClose => {
                    let count = self.body(rest, u64::MAX, expect)?;
                    fed.used += count;
                    fed.body_bytes += count;
                }
                State::ChunkData { left } => {
                    let count = self.body(rest, left, expect)?;
                    fed.used += count;
                    fed.body_bytes += count;
                    let left = left - count as u64;
                    self.state = if left == 0 {
                        State::ChunkEnd
                    } else {
                        State::ChunkData { left }
                    };
                }
                State::ChunkSize | State::ChunkEnd | State::Trailer => {
                    let (used, done) = self.line(rest)?;
                    fed.used += used;
                    fed.done = done;
                }
            }
        }
        if fed.done {
            self.finish(expect)?;
        }
        Ok(fed)
    }

    /// The connection has ended. True if that ends a response well.
    ///
    /// # Errors
    /// A sentence: the response is cut, or not the expected one.
    pub(crate) fn end(&mut self, expect: &Expect) -> Result<bool, String> {
        match self.state {
            State::Head if self.partial.is_empty() => Ok(false),
            State::UntilClose => self.finish(expect).map(|()| true),
            State::Head => Err("the response was cut within its head".to_owned()),
            _ => Err(format!(
                "the response was cut after {} bytes of its body",
                self.body_bytes
            )),
        }
    }

    fn head(&mut self, rest: &[u8], expect: &Expect) -> Result<(usize, bool), String> {
        if self.partial.is_empty() {
            if let Some(at) = memmem::find(rest, b"\r\n\r\n") {
                let head = rest.get(..at + 2).unwrap_or_default();
                return Ok((at + 4, self.begin(head, expect)?));
            }
        }
        // The end may stand across the border of two reads.
        let before = self.partial.len();
        self.partial.extend_from_slice(rest);
        let from = before.saturating_sub(3);
        if let Some(at) = memmem::find(self.partial.get(from..).unwrap_or_default(), b"\r\n\r\n") {
            let end = from + at + 4;
            let whole = std::mem::take(&mut self.partial);
            let done = self.begin(whole.get(..end - 2).unwrap_or_default(), expect)?;
            return Ok((end - before, done));
        }
        if self.partial.len() > HEAD_BYTES_MAX {
            return Err(format!(
                "the response's head is over {HEAD_BYTES_MAX} bytes"
            ));
        }
        Ok((rest.len(), false))
    }

    /// `head` ends with the line end of its last field. True if no body follows.
    fn begin(&mut self, head: &[u8], expect: &Expect) -> Result<bool, String> {
        let head = Head::parse(head)?;
        if (100..200).contains(&head.status) && head.status != 101 {
            return Ok(false);
        }
        if head.status != expect.status {
            self.wrong = Some(format!(
                "status {} instead of {}",
                head.status, expect.status
            ));
        }
        self.close = head.close;
        if expect.head_only || matches!(head.status, 101 | 204 | 304) {
            self.state = State::Length { left: 0 };
            return Ok(true);
        }
        self.state = match (head.chunked, head.length) {
            (true, _) => State::ChunkSize,
            (false, Some(left)) => State::Length { left },
            (false, None) => State::UntilClose,
        };
        if let (Some(announced), Some(wanted)) = (head.length, expect.length()) {
            if announced != wanted && self.wrong.is_none() {
                return Err(format!(
                    "a body of {announced} bytes is announced instead of {wanted}"
                ));
            }
        }
        Ok(self.state == State::Length { left: 0 })
    }

    /// Takes up to `left` bytes of body.
    fn body(&mut self, rest: &[u8], left: u64, expect: &Expect) -> Result<usize, String> {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
        let piece = rest.get(..count).unwrap_or_default();
        let fits = |content: &Content| content.matches(self.body_bytes, piece);
        if self.wrong.is_none() && !expect.content.as_ref().is_none_or(fits) {
            return Err(format!(
                "the body is another one within {count} bytes from byte {} on",
                self.body_bytes
            ));
        }
        self.body_bytes += count as u64;
        Ok(count)
    }

    /// A line of the chunked framing (RFC 9112 section 7.1). True at the end of the trailer.
    fn line(&mut self, rest: &[u8]) -> Result<(usize, bool), String> {
        let Some(at) = memchr::memchr(b'\n', rest) else {
            self.partial.extend_from_slice(rest);
            return match self.partial.len() {
                0..=HEAD_BYTES_MAX => Ok((rest.len(), false)),
                _ => Err(format!("a chunk's line is over {HEAD_BYTES_MAX} bytes")),
            };
        };
        self.partial
            .extend_from_slice(rest.get(..at).unwrap_or_default());
        let line = std::mem::take(&mut self.partial);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        let mut done = false;
        self.state = match self.state {
            State::ChunkSize => match chunk_size(line)? {
                0 => State::Trailer,
                left => State::ChunkData { left },
            },
            State::ChunkEnd if line.is_empty() => State::ChunkSize,
            State::ChunkEnd => return Err("a chunk is longer than it says".to_owned()),
            other => {
                done = line.is_empty();
                other
            }
        };
        Ok((at + 1, done))
    }

    fn finish(&mut self, expect: &Expect) -> Result<(), String> {
        let got = std::mem::take(&mut self.body_bytes);
        self.state = State::Head;
        match expect.length() {
            Some(wanted) if wanted != got && !expect.head_only && self.wrong.is_none() => {
                Err(format!("a body of {got} bytes instead of {wanted}"))
            }
            _ => Ok(()),
        }
    }
}

fn chunk_size(line: &[u8]) -> Result<u64, String> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok())
        .ok_or_else(|| format!("'{}' is no chunk size", String::from_utf8_lossy(line)))
}

impl Content {
    /// Whether `piece` is what belongs at `offset` of the body.
    fn matches(&self, offset: u64, piece: &[u8]) -> bool {
        match self {
            Content::Text(text) => usize::try_from(offset)
                .ok()
                .and_then(|from| text.get(from..from.checked_add(piece.len())?))
                .is_some_and(|expected| expected == piece),
            Content::Repeats(text) => {
                // Never empty: the plan refuses that.
                let from = (offset % text.len().max(1) as u64) as usize;
                let (first, rest) = piece.split_at(piece.len().min(text.len() - from));
                text.get(from..from + first.len()) == Some(first)
                    && rest
                        .chunks(text.len().max(1))
                        .all(|piece| text.starts_with(piece))
            }
            Content::Pattern(pattern) => pattern.matches(offset, piece),
        }
    }
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
