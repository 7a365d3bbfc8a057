//! The client of `bulk`: blocking, one request a connection.
//!
//! Refuses an answer without `content-length`, one that ends early, and any status but 200: a transfer that was not whole has no
//! figures.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::limits::{CLIENT_BUFFER_BYTES, HEAD_BYTES_MAX, TRANSFER_STALL_MS};
use crate::pattern::Pattern;

/// Gets `path` and checks that `bytes` of the pattern come.
///
/// # Errors
/// A sentence: what came instead.
pub(crate) fn download(
    addr: SocketAddr,
    path: &str,
    bytes: u64,
    pattern: &Pattern,
) -> Result<(), String> {
    let mut stream = connect(addr)?;
    let head = format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).map_err(io_sentence)?;
    let mut answer = Answer::read(&mut stream)?;
    answer.expect_length(bytes)?;
    let mut got = 0;
    answer.body(&mut stream, |piece| {
        if !pattern.matches(got, piece) {
            return Err(format!("the body is altered from byte {got} on"));
        }
        got += piece.len() as u64;
        Ok(())
    })
}

/// Posts `bytes` of the pattern to `path` and checks that as many are reported.
///
/// # Errors
/// A sentence: what came instead.
pub(crate) fn upload(
    addr: SocketAddr,
    path: &str,
    bytes: u64,
    pattern: &Pattern,
) -> Result<(), String> {
    let mut stream = connect(addr)?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {addr}\r\nContent-Length: {bytes}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).map_err(io_sentence)?;
    let mut sent = 0;
    while sent < bytes {
        let piece = pattern.piece(sent, bytes - sent);
        if let Err(error) = stream.write_all(piece) {
            // An early answer says more than the pipe that broke.
            Answer::read(&mut stream)?;
            return Err(io_sentence(error));
        }
        sent += piece.len() as u64;
    }
    let mut text = Vec::new();
    let mut answer = Answer::read(&mut stream)?;
    answer.body(&mut stream, |piece| {
        text.extend_from_slice(piece);
        Ok(())
    })?;
    let text = String::from_utf8_lossy(&text);
    if text == bytes.to_string() {
        Ok(())
    } else {
        Err(format!("{bytes} bytes were sent, '{text}' were counted"))
    }
}

fn connect(addr: SocketAddr) -> Result<TcpStream, String> {
    let stall = Duration::from_millis(TRANSFER_STALL_MS);
    let stream = TcpStream::connect_timeout(&addr, stall)
        .map_err(|error| format!("cannot connect to {addr}: {error}"))?;
    stream
        .set_read_timeout(Some(stall))
        .and_then(|()| stream.set_write_timeout(Some(stall)))
        .map_err(io_sentence)?;
    Ok(stream)
}

fn io_sentence(error: std::io::Error) -> String {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            format!("no progress for {TRANSFER_STALL_MS} ms")
        }
        _ => format!("the connection failed: {error}"),
    }
}

/// The head of an answer, and what came with it of the body.
#[derive(Debug)]
struct Answer {
    length: u64,
    buffer: Vec<u8>,
    /// The part of `buffer` that is body.
    body_from: usize,
    filled: usize,
}

impl Answer {
    fn read(stream: &mut impl Read) -> Result<Answer, String> {
        let mut buffer = vec![0; CLIENT_BUFFER_BYTES];
        let mut filled = 0;
        let body_from = loop {
            let room = buffer.get_mut(filled..).unwrap_or_default();
            match stream.read(room).map_err(io_sentence)? {
                0 => return Err("the connection ended before an answer".to_owned()),
                count => filled += count,
            }
            let got = buffer.get(..filled).unwrap_or_default();
            if let Some(at) = got.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if filled > HEAD_BYTES_MAX {
                return Err(format!("an answer's head of over {HEAD_BYTES_MAX} bytes"));
            }
        };
        let head = String::from_utf8_lossy(buffer.get(..body_from).unwrap_or_default());
        let status = head.lines().next().unwrap_or_default();
        if !status.starts_with("HTTP/1.1 200 ") {
            let body = buffer.get(body_from..filled).unwrap_or_default();
            let body = String::from_utf8_lossy(body);
            return Err(format!("answered with '{status}': {}", body.trim()));
        }
        let length = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, value)| value.trim().parse().ok())
            .ok_or_else(|| "an answer without content-length".to_owned())?;
        Ok(Answer {
            length,
            buffer,
            body_from,
            filled,
        })
    }

    fn expect_length(&self, bytes: u64) -> Result<(), String> {
        if self.length == bytes {
            return Ok(());
        }
        Err(format!(
            "{bytes} bytes were asked for, {} are announced",
            self.length
        ))
    }

    /// Hands the body on piece by piece until it is whole.
    fn body(
        &mut self,
        stream: &mut impl Read,
        mut sink: impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), String> {
        let first = self.buffer.get(self.body_from..self.filled);
        let first = first.unwrap_or_default();
        let mut got = first.len() as u64;
        sink(first)?;
        while got < self.length {
            let count = stream.read(&mut self.buffer).map_err(io_sentence)?;
            if count == 0 {
                return Err(format!("cut after {got} of {} bytes", self.length));
            }
            got += count as u64;
            sink(self.buffer.get(..count).unwrap_or_default())?;
        }
        if got > self.length {
            return Err(format!("{} bytes too many", got - self.length));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its script in pieces of `step` bytes.
    struct Script<'s> {
        bytes: &'s [u8],
        step: usize,
    }

    impl Read for Script<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let count = self.step.min(out.len()).min(self.bytes.len());
            let (now, rest) = self.bytes.split_at(count);
            out[..count].copy_from_slice(now);
            self.bytes = rest;
            Ok(count)
        }
    }

    fn answer(bytes: &[u8], step: usize) -> Result<Vec<u8>, String> {
        let mut script = Script { bytes, step };
        let mut body = Vec::new();
        Answer::read(&mut script)?.body(&mut script, |piece| {
            body.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(body)
    }

    #[test]
    fn a_whole_answer_is_taken_however_it_comes() {
        let script = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        for step in 1..=script.len() {
            assert_eq!(answer(script, step), Ok(b"hello".to_vec()), "step {step}");
        }
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        for (script, words) in [
            ("", "before an answer"),
            ("HTTP/1.1 200 OK\r\n\r\nx", "without content-length"),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nx",
                "cut after 1 of 2",
            ),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxyz",
                "2 bytes too many",
            ),
            (
                "HTTP/1.1 503 No\r\n\r\nNobody offers it.\n",
                "503 No': Nobody offers it.",
            ),
        ] {
            let error = answer(script.as_bytes(), 1_000).unwrap_err();
            assert!(error.contains(words), "{script:?}: {error}");
        }
        let long = [b'a'; HEAD_BYTES_MAX + 1];
        assert!(answer(&long, 1_000).unwrap_err().contains("head of over"));
    }
}
