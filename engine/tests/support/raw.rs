//! The wire by hand, from protocol.md 1 and 2, for what the codec would never send: wrong tags, lengths, numbers and packets.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use blake2::digest::consts::U32;
use blake2::{Blake2b, Digest};
use ring::aead::{Aad, LessSafeKey, Nonce, UnboundKey, AES_256_GCM};
use x25519_dalek::{x25519, X25519_BASEPOINT_BYTES};

use super::DEADLINE;

/// A dialer that has agreed on a key and sends whatever it is told.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    key: LessSafeKey,
    sent: u64,
    received: u64,
}

fn nonce(counter: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&counter.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

/// Connects and does nothing.
pub(crate) fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).expect("the node listens");
    stream
        .set_read_timeout(Some(Duration::from_millis(100)))
        .expect("an option");
    stream
}

/// Reads until the node's FIN; gives what came before it.
///
/// # Panics
/// When a reset comes instead, or nothing.
pub(crate) fn until_fin(stream: &mut TcpStream) -> usize {
    let (begun, mut total, mut piece) = (Instant::now(), 0, vec![0; 64 * 1024]);
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return total,
            Ok(n) => total += n,
            Err(err)
                if matches!(
                    err.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                ) => {}
            Err(err) => panic!("{err} instead of a FIN after {total} bytes"),
        }
        assert!(begun.elapsed() < DEADLINE, "no FIN after {total} bytes");
    }
}

impl Raw {
    /// Dials and agrees on a key.
    pub(crate) fn dial(addr: SocketAddr) -> Raw {
        let mut stream = TcpStream::connect(addr).expect("the node listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("an option");
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).expect("randomness");
        stream
            .write_all(&x25519(secret, X25519_BASEPOINT_BYTES))
            .expect("the node reads");
        let mut theirs = [0; 32];
        stream.read_exact(&mut theirs).expect("the node's key");
        let key: [u8; 32] = Blake2b::<U32>::digest(x25519(secret, theirs)).into();
        let key = UnboundKey::new(&AES_256_GCM, &key).expect("32 bytes");
        stream
            .set_read_timeout(Some(Duration::from_millis(100)))
            .expect("an option");
        Raw {
            stream,
            key: LessSafeKey::new(key),
            sent: 0,
            received: 0,
        }
    }

    /// Dials and shakes hands as an anonymous peer that offers `services`.
    pub(crate) fn joined(addr: SocketAddr, services: &[&str]) -> Raw {
        let mut raw = Raw::dial(addr);
        raw.send(1, &handshake(services));
        let reply = raw.receive().expect("the node's handshake");
        assert_eq!(
            reply[..4],
            1u32.to_be_bytes(),
            "the reply carries our number"
        );
        raw
    }

    /// The sealed frame of a plaintext.
    pub(crate) fn frame(&mut self, seq: u32, message: &[u8]) -> Vec<u8> {
        let mut sealed = [&seq.to_be_bytes(), message].concat();
        self.key
            .seal_in_place_append_tag(nonce(self.sent), Aad::empty(), &mut sealed)
            .expect("a short plaintext");
        self.sent += 1;
        [&(sealed.len() as u32).to_be_bytes()[..], &sealed].concat()
    }

    /// Sends a message; a node that has closed meanwhile is not an error yet.
    pub(crate) fn send(&mut self, seq: u32, message: &[u8]) {
        let frame = self.frame(seq, message);
        self.write(&frame);
    }

    /// Writes bytes as they are.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).ok();
    }

    /// The next plaintext; `None` at the FIN.
    pub(crate) fn receive(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; 4];
        if !self.read(&mut length) {
            return None;
        }
        let mut sealed = vec![0; u32::from_be_bytes(length) as usize];
        assert!(self.read(&mut sealed), "a frame was cut");
        let plain = self
            .key
            .open_in_place(nonce(self.received), Aad::empty(), &mut sealed)
            .expect("the node seals right");
        self.received += 1;
        Some(plain.to_vec())
    }

    fn read(&mut self, buf: &mut [u8]) -> bool {
        let (begun, mut filled) = (Instant::now(), 0);
        while filled < buf.len() {
            match self.stream.read(&mut buf[filled..]) {
                Ok(0) => return false,
                Ok(n) => filled += n,
                Err(err)
                    if matches!(
                        err.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) => {}
                Err(err) => panic!("{err}"),
            }
            assert!(begun.elapsed() < DEADLINE, "the node sends nothing");
        }
        true
    }
}

/// An anonymous Handshake.
pub(crate) fn handshake(services: &[&str]) -> Vec<u8> {
    let mut message = vec![0, 0, services.len() as u8];
    for name in services {
        message.push(name.len() as u8);
        message.extend_from_slice(name.as_bytes());
    }
    message
}

/// A ServiceRequest without headers.
pub(crate) fn service_request(stream: u32, service: &str) -> Vec<u8> {
    let mut message = vec![1];
    message.extend_from_slice(&stream.to_be_bytes());
    message.extend_from_slice(&[1, service.len() as u8]);
    message.extend_from_slice(service.as_bytes());
    message.extend_from_slice(&[0, 0]);
    message
}

/// A Data; an empty one ends the direction.
pub(crate) fn data(stream: u32, bytes: &[u8]) -> Vec<u8> {
    let mut message = vec![3];
    message.extend_from_slice(&stream.to_be_bytes());
    message.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
    message.extend_from_slice(bytes);
    message
}
