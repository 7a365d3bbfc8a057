//! A server that reads uploads whole, checks them and answers with their length: what stands behind nginx and HAProxy there.
//!
//! A thread a connection, for a handful of connections of our own. Refuses bodies without a length, because no subject sends such.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CipherSuite, ServerConfig, ServerConnection, StreamOwned};

use crate::limits::{CLIENT_BUFFER_BYTES, HEAD_BYTES_MAX};
use crate::pattern::Pattern;

/// Serves at `addr` until standard input ends, in TLS 1.3 with AES-256-GCM if there is a certificate with its key.
///
/// # Errors
/// The address is taken; the certificate or its key is none.
pub(crate) fn serve(addr: SocketAddr, tls: Option<&(PathBuf, PathBuf)>) -> Result<(), String> {
    let tls = tls
        .map(|(certificate, key)| server_config(certificate, key))
        .transpose()?;
    let listener =
        TcpListener::bind(addr).map_err(|error| format!("cannot listen at {addr}: {error}"))?;
    accept(listener, tls);
    // Who started us holds the other end; it is closed when that process ends, however it ends.
    io::copy(&mut io::stdin().lock(), &mut io::sink())
        .map(drop)
        .map_err(|error| format!("cannot wait for the end of standard input: {error}"))
}

/// Serves whoever connects, on threads that end with the process.
pub(crate) fn accept(listener: TcpListener, tls: Option<Arc<ServerConfig>>) {
    let pattern = Arc::new(Pattern::new());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (pattern, tls) = (pattern.clone(), tls.clone());
            thread::spawn(move || {
                // The client sees that its connection ended; the log says why.
                if let Err(error) = stream.and_then(|stream| served(stream, tls, &pattern)) {
                    eprintln!("sink: {error}");
                }
            });
        }
    });
}

/// What TLS takes, and nothing else, so that the rivals do the work of the gateway's link.
fn server_config(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, String> {
    let wrong = |file: &Path, error: &dyn std::fmt::Display| {
        format!("cannot take {} for TLS: {error}", file.display())
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| wrong(certificate, &error))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, &error))?;
    let mut provider = rustls::crypto::ring::default_provider();
    provider
        .cipher_suites
        .retain(|suite| suite.suite() == CipherSuite::TLS13_AES_256_GCM_SHA384);
    ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(chain, secret)
        })
        .map(Arc::new)
        .map_err(|error| wrong(certificate, &error))
}

fn served(stream: TcpStream, tls: Option<Arc<ServerConfig>>, pattern: &Pattern) -> io::Result<()> {
    stream.set_nodelay(true)?;
    match tls {
        None => connection(stream, pattern),
        Some(config) => {
            let session = ServerConnection::new(config).map_err(io::Error::other)?;
            connection(StreamOwned::new(session, stream), pattern)
        }
    }
}

fn connection(mut stream: impl Read + Write, pattern: &Pattern) -> io::Result<()> {
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
#[path = "sink_tests.rs"]
mod tests;
