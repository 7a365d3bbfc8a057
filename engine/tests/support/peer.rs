//! A peer made of the codec and a blocking socket: it keeps the protocol as long as the test wants it to, and does the rest that
//! no node of ours would do (stop reading, vanish in the middle of a response, ask for nodes a thousand times).

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use ed25519_dalek::SigningKey;
use flatend::{HeaderBlock, Millis, NodeId};
use flatend_codec::{Config, Connection, Event, Flatend2, Limits, Opened, Role, StreamId, Token};

use super::DEADLINE;

/// What a peer has seen, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Handshake(Vec<String>),
    Request {
        stream: StreamId,
        service: String,
        end: bool,
    },
    Response {
        stream: StreamId,
        headers: Vec<(String, String)>,
        end: bool,
    },
    Refused(StreamId),
    Data(StreamId, usize),
    End(StreamId),
    Reset(StreamId),
    FindNode(Token, [u8; 32]),
    Nodes(Vec<NodeId>),
    Fin,
    ConnectionReset,
}

/// What a peer says of its process and of a link on flatend/2.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    pub(crate) instance: [u8; 16],
    pub(crate) shards: u16,
    pub(crate) lane: u16,
}

/// One side of a link.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    pub(crate) conn: Connection,
    unread: Vec<u8>,
    seen: VecDeque<Seen>,
    begun: Instant,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Peer {
    fn new(
        stream: TcpStream,
        role: Role,
        seed: Option<u8>,
        services: &[&str],
        claim: Option<Claim>,
    ) -> Peer {
        stream
            .set_read_timeout(Some(Duration::from_millis(20)))
            .expect("a timeout");
        stream.set_nodelay(true).expect("an option");
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).expect("randomness");
        let services: Vec<String> = services.iter().map(|&name| name.to_owned()).collect();
        let shown = match role {
            Role::Acceptor => stream.local_addr().expect("an address"),
            // Nobody listens there: a node that dials what it hears of gets nowhere.
            Role::Dialer => SocketAddr::from(([127, 0, 0, 1], 1)),
        };
        let config = Config {
            role,
            ephemeral_secret: secret,
            identity: seed.map(|seed| (SigningKey::from_bytes(&[seed; 32]), shown)),
            services: &services,
            limits: Limits::default(),
            flatend2: claim.map(|claim| Flatend2 {
                key: SigningKey::from_bytes(&[seed.unwrap_or(1); 32]),
                addresses: &[],
                instance: claim.instance,
                shards: claim.shards,
                lane: claim.lane,
                requests_max: 100,
                software: "a test",
                record: None,
                network_key: None,
                expected_key: None,
                legacy: true,
            }),
        };
        let conn = Connection::new(Millis(0), config).expect("a configuration that makes sense");
        Peer {
            stream,
            conn,
            unread: Vec::new(),
            seen: VecDeque::new(),
            begun: Instant::now(),
        }
    }

    /// Dials and shakes hands.
    pub(crate) fn dial(addr: SocketAddr, seed: Option<u8>, services: &[&str]) -> Peer {
        let stream = TcpStream::connect(addr).expect("the node listens");
        let mut peer = Peer::new(stream, Role::Dialer, seed, services, None);
        peer.wait(|seen| matches!(seen, Seen::Handshake(_)));
        peer
    }

    /// Waits for a node's dial and shakes hands.
    pub(crate) fn accept(listener: &TcpListener, seed: u8, services: &[&str]) -> Peer {
        let (stream, _) = listener.accept().expect("a dial");
        let mut peer = Peer::new(stream, Role::Acceptor, Some(seed), services, None);
        peer.wait(|seen| matches!(seen, Seen::Handshake(_)));
        peer
    }

    /// Dials on flatend/2; the handshake is left to the test.
    pub(crate) fn dial_as(addr: SocketAddr, seed: u8, services: &[&str], claim: Claim) -> Peer {
        let stream = TcpStream::connect(addr).expect("the node listens");
        Peer::new(stream, Role::Dialer, Some(seed), services, Some(claim))
    }

    /// Takes a dial that has come, on flatend/2; the handshake is left to the test.
    pub(crate) fn accepted(stream: TcpStream, seed: u8, services: &[&str], claim: Claim) -> Peer {
        stream.set_nonblocking(false).expect("an option");
        Peer::new(stream, Role::Acceptor, Some(seed), services, Some(claim))
    }

    /// Where it dials from.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.stream.local_addr().expect("an address")
    }

    pub(crate) fn now(&self) -> Millis {
        Millis(self.begun.elapsed().as_millis() as u64)
    }

    /// Sends what is encoded. Who is not read by the other side waits here.
    pub(crate) fn flush(&mut self) {
        self.conn.seal();
        while !self.conn.transmit().is_empty() {
            let written = self.stream.write(self.conn.transmit());
            match written {
                Ok(n) => self.conn.transmitted(n),
                Err(err) if err.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    /// Sends as much as the socket takes now; true if everything left.
    pub(crate) fn try_flush(&mut self) -> bool {
        self.stream.set_nonblocking(true).expect("an option");
        self.flush();
        self.stream.set_nonblocking(false).expect("an option");
        self.conn.transmit().is_empty()
    }

    /// The next thing that happens.
    ///
    /// # Panics
    /// When nothing does, or the node breaks the protocol.
    pub(crate) fn next(&mut self) -> Seen {
        let begun = Instant::now();
        loop {
            if let Some(seen) = self.seen.pop_front() {
                return seen;
            }
            assert!(begun.elapsed() < DEADLINE, "nothing happens on a link");
            self.turn();
        }
    }

    /// What has happened already.
    pub(crate) fn try_next(&mut self) -> Option<Seen> {
        self.seen.pop_front()
    }

    /// The next thing that happens of the kind that `wanted` knows; the rest is passed over.
    pub(crate) fn wait(&mut self, wanted: impl Fn(&Seen) -> bool) -> Seen {
        loop {
            let seen = self.next();
            if wanted(&seen) {
                return seen;
            }
            assert!(
                !matches!(seen, Seen::Fin | Seen::ConnectionReset),
                "the link has ended: {seen:?}"
            );
        }
    }

    /// One turn: writes, reads once, opens what is whole.
    pub(crate) fn turn(&mut self) {
        self.flush();
        let mut piece = vec![0; 256 * 1024];
        match self.stream.read(&mut piece) {
            Ok(0) => self.seen.push_back(Seen::Fin),
            Ok(n) => self.unread.extend_from_slice(&piece[..n]),
            Err(err) if matches!(err.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                let now = self.now();
                self.conn.read_empty(now);
            }
            Err(err) if err.kind() == ErrorKind::Interrupted => {}
            Err(_) => self.seen.push_back(Seen::ConnectionReset),
        }
        let now = self.now();
        loop {
            let opened = self.conn.open(now, &mut self.unread);
            let Opened::Frame {
                consumed,
                mut messages,
            } = opened.expect("the node keeps the protocol")
            else {
                break;
            };
            loop {
                let event = self.conn.next_event(now, &mut messages);
                let Some(event) = event.expect("the node keeps the protocol") else {
                    break;
                };
                if let Some(seen) = owned(&self.conn, event) {
                    self.seen.push_back(seen);
                }
            }
            self.unread.drain(..consumed);
        }
        if self.conn.next_deadline().is_some_and(|at| at <= now) {
            self.conn
                .handle_timeout(now)
                .expect("the node answers in time");
        }
        while let Some(event) = self.conn.poll_event() {
            if let Some(seen) = owned(&self.conn, event) {
                self.seen.push_back(seen);
            }
        }
        self.flush();
    }

    /// Waits for the node's FIN, which must come before any reset.
    pub(crate) fn expect_fin(&mut self) {
        self.wait(|seen| match seen {
            Seen::ConnectionReset => panic!("a reset instead of a FIN"),
            seen => *seen == Seen::Fin,
        });
    }

    /// Asks for a service, without headers, once the link may carry requests.
    pub(crate) fn ask(&mut self, service: &str, end: bool) -> StreamId {
        let begun = Instant::now();
        while !self.conn.is_ready() {
            assert!(begun.elapsed() < DEADLINE, "the link never becomes ready");
            self.turn();
        }
        let (now, none) = (self.now(), HeaderBlock::new());
        let stream = self.conn.open_stream(now, [service], &none, &none, end);
        let stream = stream.expect("a stream");
        self.flush();
        stream
    }

    /// The whole response of a stream; whatever else happens is passed over.
    pub(crate) fn response(&mut self, of: StreamId) -> usize {
        let mut bytes = 0;
        loop {
            match self.next() {
                Seen::Response {
                    stream, end: true, ..
                } if stream == of => return bytes,
                Seen::Data(stream, len) if stream == of => bytes += len,
                Seen::End(stream) if stream == of => return bytes,
                seen @ (Seen::Fin | Seen::ConnectionReset | Seen::Refused(_) | Seen::Reset(_)) => {
                    panic!("no response: {seen:?}")
                }
                _ => {}
            }
        }
    }
}

fn owned(conn: &Connection, event: Event<'_>) -> Option<Seen> {
    Some(match event {
        Event::Handshake { .. } => Seen::Handshake(
            conn.peer()
                .map(|peer| peer.services.clone())
                .unwrap_or_default(),
        ),
        Event::Request {
            stream,
            services,
            end,
            ..
        } => Seen::Request {
            stream,
            service: text(services.iter().next().unwrap_or_default()),
            end,
        },
        Event::Response {
            stream,
            headers,
            end,
            ..
        } => Seen::Response {
            stream,
            headers: headers
                .iter()
                .map(|(name, value)| (text(name), text(value)))
                .collect(),
            end,
        },
        Event::Refused { stream } => Seen::Refused(stream),
        Event::Data { stream, bytes } => Seen::Data(stream, bytes.len()),
        Event::End { stream } => Seen::End(stream),
        Event::Reset { stream, .. } => Seen::Reset(stream),
        Event::FindNode { token, target } => Seen::FindNode(token, target),
        Event::Nodes { ids, .. } => Seen::Nodes(ids.iter().collect()),
        _ => return None,
    })
}
