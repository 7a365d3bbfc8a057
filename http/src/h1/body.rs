//! Request bodies (RFC 9112 6 and 7).
//!
//! Owns the decoding of one body from the read buffer: none, by length, chunked. Refuses to copy
//! data: a step names a range of its input. Invariant: it never looks at a byte behind the end of
//! the body, so that a pipelined request stays whole; and once it refused, it refuses for ever.
//!
//! ```text
//!            ┌──────────────────────────────────────────────┐
//!            ▼                                              │
//! Size ──CR──▶ SizeLf ──LF, size > 0──▶ Data ──▶ DataCr ──▶ DataLf
//!  │ ;           ▲  └───LF, size 0────▶ Line ──CR──▶ LastLf ──LF──▶ Done
//!  └▶ Extension ─┘                       │  ▲
//!                                        └──┘ trailer fields
//! ```

use std::ops::Range;

use super::extension::Extension;
use super::framing::BodyLength;
use super::trailers::{TrailerSection, Trailers};
use crate::error::RequestError;
use crate::limits::{CHUNK_EXTENSIONS_BYTES_MAX, CHUNK_EXTENSION_BYTES_MAX, CHUNK_SIZE_DIGITS_MAX};

/// What one call of [`BodyDecoder::decode`] did with its input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodyStep {
    /// Bytes of the input that are done with; the caller drops them after it used `data`.
    pub consumed: usize,
    /// The part of the input that is body; empty if there was none yet.
    pub data: Range<usize>,
    /// The body has ended; what follows in the input is the next request.
    pub done: bool,
}

/// Decodes one request body.
#[derive(Debug)]
pub struct BodyDecoder {
    state: State,
    /// Body bytes so far; for a length, all of them.
    bytes: u64,
    bytes_min: u64,
    bytes_max: u64,
    extensions: usize,
    trailer_section: TrailerSection,
    trailers: Trailers,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Bytes left of a body with a length; more than 0.
    Length(u64),
    Size {
        value: u64,
        digits: usize,
    },
    Extension {
        value: u64,
        bytes: usize,
        at: Extension,
    },
    SizeLf {
        value: u64,
    },
    /// Bytes left of the chunk; more than 0.
    Data(u64),
    DataCr,
    DataLf,
    /// In the trailer section; `start` says that the next byte begins a line.
    Line {
        start: bool,
    },
    LastLf,
    Done,
    Refused(RequestError),
}

impl BodyDecoder {
    /// A decoder for a body that is framed by `length`. `bytes_min` is for the caller to set to
    /// 0 where a small body is fine; `bytes_max` may be `u64::MAX`.
    ///
    /// # Errors
    /// 413 or 400 if the length is known and out of these bounds.
    pub fn new(length: BodyLength, bytes_min: u64, bytes_max: u64) -> Result<Self, RequestError> {
        let (state, bytes) = match length {
            BodyLength::None | BodyLength::Length(0) => (State::Done, 0),
            BodyLength::Length(bytes) => (State::Length(bytes), bytes),
            BodyLength::Chunked => (
                State::Size {
                    value: 0,
                    digits: 0,
                },
                0,
            ),
        };
        if bytes > bytes_max {
            return Err(too_large(bytes_max));
        }
        if bytes < bytes_min && length != BodyLength::Chunked {
            return Err(too_small(bytes_min));
        }
        Ok(BodyDecoder {
            state,
            bytes,
            bytes_min,
            bytes_max,
            extensions: 0,
            trailer_section: TrailerSection::default(),
            trailers: Vec::new(),
        })
    }

    /// Whether the body has ended.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Body bytes that are still to come, if that is known: the rest of a length. 0 when done.
    pub fn bytes_left(&self) -> Option<u64> {
        match self.state {
            State::Length(left) => Some(left),
            State::Done => Some(0),
            _ => None,
        }
    }

    /// The trailer fields; empty before the end.
    pub fn trailers(&self) -> &[(String, Vec<u8>)] {
        &self.trailers
    }

    pub(super) fn into_trailers(self) -> Trailers {
        self.trailers
    }

    /// Decodes the beginning of `input`. To be called again with what it left and more; a step
    /// that consumed nothing and is not done waits for bytes.
    ///
    /// # Errors
    /// 400, 413 or 431; the same again on every later call.
    pub fn decode(&mut self, input: &[u8]) -> Result<BodyStep, RequestError> {
        match self.advance(input) {
            Ok(step) => Ok(step),
            Err(error) => {
                self.state = State::Refused(error);
                self.trailer_section = TrailerSection::default();
                Err(error)
            }
        }
    }

    fn advance(&mut self, input: &[u8]) -> Result<BodyStep, RequestError> {
        let mut step = BodyStep::default();
        while self.state != State::Done {
            let rest = input.get(step.consumed..).unwrap_or_default();
            let Some(&byte) = rest.first() else { break };
            let taken = match self.state {
                State::Length(left) | State::Data(left) => {
                    if !step.data.is_empty() {
                        break;
                    }
                    let bytes = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    step.data = step.consumed..step.consumed + bytes;
                    self.took_data(left - bytes as u64);
                    bytes
                }
                State::Line { start: false } => self.take_trailer(rest)?,
                State::Line { start: true } if byte != b'\r' => self.take_trailer(rest)?,
                _ => {
                    self.take_control(byte)?;
                    1
                }
            };
            step.consumed += taken;
        }
        if let State::Refused(error) = self.state {
            return Err(error);
        }
        step.done = self.state == State::Done;
        Ok(step)
    }

    fn took_data(&mut self, left: u64) {
        self.state = match self.state {
            State::Length(_) if left == 0 => State::Done,
            State::Length(_) => State::Length(left),
            _ if left == 0 => State::DataCr,
            _ => State::Data(left),
        };
    }

    /// One byte of what is not data.
    fn take_control(&mut self, byte: u8) -> Result<(), RequestError> {
        self.state = match (self.state, byte) {
            (State::Size { value, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                if digits == CHUNK_SIZE_DIGITS_MAX {
                    return Err(RequestError::bad("A chunk size does not fit 64 bits"));
                }
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                State::Size {
                    value: value << 4 | u64::from(digit),
                    digits: digits + 1,
                }
            }
            (State::Size { value, digits: 1.. }, b';') => State::Extension {
                value,
                bytes: 0,
                at: Extension::BeforeName,
            },
            (State::Size { value, digits: 1.. }, b'\r') => State::SizeLf { value },
            (State::Size { .. }, _) => {
                return Err(RequestError::bad(
                    "A chunk size is not hexadecimal digits and CRLF",
                ));
            }
            (State::Extension { value, at, .. }, b'\r') if at.may_end() => State::SizeLf { value },
            (State::Extension { value, bytes, at }, _) => {
                let Some(at) = at.next(byte) else {
                    return Err(RequestError::bad("A chunk extension is malformed"));
                };
                self.extensions += 1;
                if bytes == CHUNK_EXTENSION_BYTES_MAX {
                    return Err(extensions_too_large(CHUNK_EXTENSION_BYTES_MAX));
                }
                if self.extensions > CHUNK_EXTENSIONS_BYTES_MAX {
                    return Err(extensions_too_large(CHUNK_EXTENSIONS_BYTES_MAX));
                }
                State::Extension {
                    value,
                    bytes: bytes + 1,
                    at,
                }
            }
            (State::SizeLf { value: 0 }, b'\n') => State::Line { start: true },
            (State::SizeLf { value }, b'\n') => {
                self.bytes = self.bytes.saturating_add(value);
                if self.bytes > self.bytes_max {
                    return Err(too_large(self.bytes_max));
                }
                State::Data(value)
            }
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size {
                value: 0,
                digits: 0,
            },
            (State::Line { start: true }, b'\r') => State::LastLf,
            (State::LastLf, b'\n') => {
                self.finish()?;
                State::Done
            }
            (State::Refused(error), _) => return Err(error),
            (State::DataCr | State::DataLf, _) => {
                return Err(RequestError::bad("A chunk is not followed by CRLF"));
            }
            (State::SizeLf { .. } | State::LastLf, _) => {
                return Err(RequestError::bad(
                    "A line of the chunked body has a CR without LF",
                ));
            }
            (State::Length(_) | State::Data(_) | State::Line { .. } | State::Done, _) => self.state,
        };
        Ok(())
    }

    fn take_trailer(&mut self, rest: &[u8]) -> Result<usize, RequestError> {
        let (taken, start) = self.trailer_section.push(rest)?;
        self.state = State::Line { start };
        Ok(taken)
    }

    fn finish(&mut self) -> Result<(), RequestError> {
        if self.bytes < self.bytes_min {
            return Err(too_small(self.bytes_min));
        }
        self.trailers = std::mem::take(&mut self.trailer_section).finish()?;
        Ok(())
    }
}

fn too_large(bytes_max: u64) -> RequestError {
    RequestError::limit(
        413,
        "The request body has more bytes than the server takes",
        "http.max.body_size",
        bytes_max,
    )
}

fn too_small(bytes_min: u64) -> RequestError {
    RequestError::limit(
        400,
        "The request body has fewer bytes than the server asks for",
        "http.min.body_size",
        bytes_min,
    )
}

fn extensions_too_large(bytes_max: usize) -> RequestError {
    RequestError::limit(
        400,
        "The chunk extensions have more bytes than the server takes",
        "chunk_extension_bytes_max",
        bytes_max as u64,
    )
}
