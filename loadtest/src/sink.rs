//! A server that reads uploads whole, checks them and answers with their length: what stands behind nginx and HAProxy there.
//!
//! A thread a connection, for a handful of connections of our own. Refuses bodies without a length, because no subject sends such.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use crate::limits::{CLIENT_BUFFER_BYTES, HEAD_BYTES_MAX};
use crate::pattern::Pattern;

/// Serves at `addr` until standard input ends.
///
/// # Errors
/// The address is taken.
pub(crate) fn serve(addr: SocketAddr) -> Result<(), String> {
    let listener =
        TcpListener::bind(addr).map_err(|error| format!("cannot listen at {addr}: {error}"))?;
    accept(listener);
    // Who started us holds the other end; it is closed when that process ends, however it ends.
    io::copy(&mut io::stdin().lock(), &mut io::sink())
        .map(drop)
        .map_err(|error| format!("cannot wait for the end of standard input: {error}"))
}

/// Serves whoever connects, on threads that end with the process.
pub(crate) fn accept(listener: TcpListener) {
    let pattern = Arc::new(Pattern::new());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let pattern = pattern.clone();
            thread::spawn(move || {
                // The client sees that its connection ended; the log says why.
                if let Err(error) = stream.and_then(|stream| connection(stream, &pattern)) {
                    eprintln!("sink: {error}");
                }
            });
        }
    });
}

fn connection(mut stream: TcpStream, pattern: &Pattern) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; CLIENT_BUFFER_BYTES];
    let mut filled = 0;
    loop {
        // The head, and what came of the body with it.
        let body_from = loop {
            let got = buffer.get(..filled).unwrap_or_default();
            if let Some(at) = memchr::memmem::find(got, b"\r\n\r\n") {
                break at + 4;
            }
            if filled > HEAD_BYTES_MAX {
                return Err(io::Error::other("the head is too large"));
            }
            match stream.read(buffer.get_mut(filled..).unwrap_or_default())? {
                0 => return Ok(()),
                count => filled += count,
            }
        };
        let head = String::from_utf8_lossy(buffer.get(..body_from).unwrap_or_default());
        let (length, last) = length_and_end(&head)?;
        let mut got = 0u64;
        let mut whole = true;
        let mut piece = body_from..filled;
        loop {
            let bytes = buffer.get(piece.clone()).unwrap_or_default();
            whole &= pattern.matches(got, bytes);
            got += bytes.len() as u64;
            if got >= length {
                break;
            }
            let room = usize::try_from(length - got)
                .unwrap_or(usize::MAX)
                .min(buffer.len());
            match stream.read(buffer.get_mut(..room).unwrap_or_default())? {
                0 => {
                    return Err(io::Error::other(format!(
                        "the body was cut after {got} of {length} bytes"
                    )))
                }
                count => piece = 0..count,
            }
        }
        if got > length {
            return Err(io::Error::other("piped requests are not served"));
        }
        let (status, text) = if whole {
            ("200 OK", got.to_string())
        } else {
            ("422 Unprocessable Content", "altered".to_owned())
        };
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        )?;
        if last {
            return Ok(());
        }
        filled = 0;
    }
}

/// What the head says of the body's length, and whether the connection ends after the answer.
fn length_and_end(head: &str) -> io::Result<(u64, bool)> {
    let (mut length, mut last) = (0, false);
    for (name, value) in head.lines().filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(io::Error::other("bodies without a length are not served"));
        }
        if name.eq_ignore_ascii_case("content-length") {
            length = value
                .parse()
                .map_err(|_| io::Error::other(format!("'{value}' is no length")))?;
        }
        last |= name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close");
    }
    Ok((length, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(requests: &[u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(requests).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let (server, _) = listener.accept().unwrap();
        // An error ends the connection, which is what the client is to see.
        connection(server, &Pattern::new()).ok();
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn uploads_are_counted_and_checked() {
        let pattern = Pattern::new();
        let mut request = b"POST /count HTTP/1.1\r\ncontent-length: 1000\r\n\r\n".to_vec();
        request.extend_from_slice(pattern.piece(0, 1_000));
        let answer = ask(&request);
        assert!(
            answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("\r\n\r\n1000"),
            "{answer}"
        );
        *request.last_mut().unwrap() ^= 1;
        assert!(ask(&request).starts_with("HTTP/1.1 422 "));
        request.truncate(request.len() - 1);
        assert_eq!(ask(&request), "", "a cut one has no answer");
        assert!(ask(b"GET /hello HTTP/1.1\r\n\r\n").ends_with("\r\n\r\n0"));
        assert_eq!(
            ask(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            ""
        );
    }
}
