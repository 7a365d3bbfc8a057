//! A socket and its connection.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use ed25519_dalek::SigningKey;
use flatend_codec::{
    Config, Connection, Event, Flatend2, GoodbyeCode, Limits, Millis, Opened, ResetCode, Role,
    StreamId, Token,
};

use crate::serve::SERVICES;
use crate::{Options, Result, TIMEOUT};

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a link tells its owner, apart from its input.
pub(crate) enum Told {
    Up,
    Request(StreamId, Vec<String>, Vec<String>, Option<u32>),
    Response(StreamId, u16),
    Refused(StreamId),
    Data(StreamId, Vec<u8>),
    End(StreamId),
    Trailers(StreamId, Vec<String>),
    Reset(StreamId, ResetCode),
    FindNode(Token),
    Records(Vec<Vec<u8>>),
    Goodbye(GoodbyeCode, u64),
    Room,
}

/// A socket and its connection.
pub(crate) struct Link {
    pub(crate) conn: Connection,
    pub(crate) socket: TcpStream,
    input: Vec<u8>,
    began: Instant,
}

impl Link {
    pub(crate) fn new(socket: TcpStream, role: Role, options: &Options) -> Result<Self> {
        socket.set_nodelay(true)?;
        let (services, key) = (
            SERVICES.map(str::to_owned),
            SigningKey::from_bytes(&[9; 32]),
        );
        let flatend2 = (!options.legacy).then_some(Flatend2 {
            key: key.clone(),
            addresses: &[],
            instance: random()?,
            shards: 1,
            lane: 0,
            requests_max: 4,
            software: "flatend2_peer",
            record: None,
            network_key: options.network_key,
            expected_key: None,
            legacy: true,
        });
        let config = Config {
            role,
            ephemeral_secret: random()?,
            identity: Some((key, socket.local_addr()?)),
            services: &services,
            limits: Limits::default(),
            flatend2,
        };
        Ok(Self {
            conn: Connection::new(Millis(0), config)?,
            socket,
            input: Vec::new(),
            began: Instant::now(),
        })
    }

    pub(crate) fn now(&self) -> Millis {
        Millis(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn flush(&mut self) -> Result<()> {
        self.conn.seal();
        let bytes = self.conn.transmit();
        self.socket.write_all(bytes)?;
        let count = bytes.len();
        self.conn.transmitted(count);
        Ok(())
    }

    /// Sends what is to be said, waits for bytes or for what is due; `None` when the peer has ended the link.
    pub(crate) fn turn(&mut self) -> Result<Option<Vec<Told>>> {
        self.flush()?;
        let due = self
            .conn
            .next_deadline()
            .map_or(TIMEOUT.as_millis() as u64, |due| {
                due.0.saturating_sub(self.now().0)
            });
        let wait = Duration::from_millis(due.max(1)).min(TIMEOUT);
        self.socket.set_read_timeout(Some(wait))?;
        let mut buffer = [0; 64 * 1024];
        let count = match self.socket.read(&mut buffer) {
            Ok(0) => return Ok(None),
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => 0,
            Err(error) => return Err(error.into()),
        };
        self.input.extend_from_slice(&buffer[..count]);
        let mut told = Vec::new();
        self.open(&mut told)?;
        let now = self.now();
        self.conn.read_empty(now);
        if self.conn.next_deadline().is_some_and(|due| due <= now) {
            self.conn.handle_timeout(now)?;
        }
        while let Some(event) = self.conn.poll_event() {
            told.extend(kept(event));
        }
        self.flush()?;
        Ok(Some(told))
    }

    fn open(&mut self, told: &mut Vec<Told>) -> Result<()> {
        let now = self.now();
        loop {
            let consumed = match self.conn.open(now, &mut self.input)? {
                Opened::Incomplete { .. } => return Ok(()),
                Opened::Frame {
                    consumed,
                    mut messages,
                } => {
                    while let Some(event) = self.conn.next_event(now, &mut messages)? {
                        let end = match &event {
                            Event::Request { stream, end, .. }
                            | Event::Response { stream, end, .. } => end.then_some(*stream),
                            _ => None,
                        };
                        told.extend(kept(event));
                        told.extend(end.map(Told::End));
                    }
                    consumed
                }
            };
            self.input.drain(..consumed);
        }
    }

    /// FIN, and what the peer still says is read and thrown away.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.flush()?;
        self.socket.shutdown(std::net::Shutdown::Write)?;
        self.socket.set_read_timeout(Some(TIMEOUT))?;
        while self.socket.read(&mut [0; 4_096])? > 0 {}
        Ok(())
    }
}

fn kept(event: Event<'_>) -> Option<Told> {
    let pairs = |headers: flatend_codec::HeadersRef<'_>| {
        headers
            .iter()
            .map(|(name, value)| format!("{}={}", text(name), text(value)))
            .collect()
    };
    Some(match event {
        Event::Handshake { again: false } => Told::Up,
        Event::Request {
            stream,
            services,
            headers,
            deadline_ms,
            ..
        } => Told::Request(
            stream,
            services.iter().map(text).collect(),
            pairs(headers),
            deadline_ms,
        ),
        Event::Response { stream, status, .. } => Told::Response(stream, status.unwrap_or(200)),
        Event::Refused { stream } => Told::Refused(stream),
        Event::Data { stream, bytes } => Told::Data(stream, bytes.to_vec()),
        Event::End { stream } => Told::End(stream),
        Event::Trailers { stream, headers } => Told::Trailers(stream, pairs(headers)),
        Event::Reset { stream, code, .. } => Told::Reset(stream, code),
        Event::FindNode { token, .. } => Told::FindNode(token),
        Event::Records { records, .. } => {
            Told::Records(records.iter().map(<[u8]>::to_vec).collect())
        }
        Event::Goodbye {
            code,
            requests_taken,
            ..
        } => Told::Goodbye(code, requests_taken),
        Event::Credit { .. } => Told::Room,
        _ => return None,
    })
}
