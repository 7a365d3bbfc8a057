//! One peer of the node under test: the codec over a non-blocking socket. It shakes hands, answers PING and questions, and says no
//! more.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use ed25519_dalek::SigningKey;
use flatend::Millis;
use flatend_codec::{
    Config, Connection, Event, Flatend2, Limits, NodeId, Opened, Record, Role, Token,
};

/// Who a peer is.
pub(crate) struct Identity {
    pub(crate) key: SigningKey,
    /// Where it listens, if it does.
    pub(crate) addr: Option<SocketAddr>,
    /// What it has signed about that.
    pub(crate) record: Option<Vec<u8>>,
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("randomness");
    bytes
}

impl Identity {
    pub(crate) fn new(addr: Option<SocketAddr>) -> Identity {
        let key = SigningKey::from_bytes(&random());
        let since_1970 = std::time::SystemTime::UNIX_EPOCH.elapsed();
        let record = addr.map(|addr| {
            let record = Record {
                public_key: [0; 32],
                addresses: vec![addr],
                capabilities: 0,
                made_s: since_1970.expect("a clock").as_secs(),
                lifetime_s: 3_600,
            };
            record.sign(&key)
        });
        Identity { key, addr, record }
    }
}

/// Its end of the link.
pub(crate) struct Peer {
    stream: TcpStream,
    conn: Connection,
    input: Vec<u8>,
}

impl Peer {
    pub(crate) fn new(stream: TcpStream, role: Role, who: &Identity, legacy: bool) -> Peer {
        stream.set_nodelay(true).expect("an option");
        stream.set_nonblocking(true).expect("an option");
        let addresses: Vec<SocketAddr> = who.addr.into_iter().collect();
        let flatend2 = Flatend2 {
            key: who.key.clone(),
            addresses: &addresses,
            instance: random(),
            shards: 1,
            lane: 0,
            requests_max: 1,
            software: "a peer at rest",
            record: who.record.clone(),
            network_key: None,
            expected_key: None,
            legacy: false,
        };
        let config = Config {
            role,
            ephemeral_secret: random(),
            identity: who.addr.map(|addr| (who.key.clone(), addr)),
            services: &[],
            limits: Limits::default(),
            flatend2: (!legacy).then_some(flatend2),
        };
        let conn = Connection::new(Millis(0), config).expect("a sound configuration");
        let input = Vec::new();
        let mut peer = Peer {
            stream,
            conn,
            input,
        };
        peer.flush();
        peer
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Whether hands are shaken.
    pub(crate) fn is_up(&self) -> bool {
        self.conn.peer().is_some()
    }

    /// Reads what is there and answers it; questions with `others`.
    pub(crate) fn turn<'a>(&mut self, others: impl Iterator<Item = &'a Identity> + Clone) {
        let mut piece = [0; 4096];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => panic!("the node has closed the link"),
                Ok(n) => self.input.extend_from_slice(&piece[..n]),
                Err(err) if err.kind() == ErrorKind::WouldBlock => break,
                Err(err) => panic!("the link is lost: {err}"),
            }
        }
        for token in self.questions() {
            let ids = others.clone().filter_map(|other| {
                let key = other.key.verifying_key().to_bytes();
                Some(NodeId::new(key, other.addr?))
            });
            let records = others.clone().filter_map(|other| other.record.as_ref());
            let now = Millis(0);
            match self.conn.hello() {
                Some(_) => self.conn.records(now, token, records),
                None => self.conn.nodes(now, token, ids),
            }
            .expect("an answer to a question");
        }
        self.flush();
        // At rest as the node is.
        self.input.shrink_to_fit();
    }

    fn questions(&mut self) -> Vec<Token> {
        let (now, mut asked) = (Millis(0), Vec::new());
        while let Opened::Frame {
            consumed,
            mut messages,
        } = self.conn.open(now, &mut self.input).expect("sound")
        {
            while let Some(event) = self.conn.next_event(now, &mut messages).expect("sound") {
                if let Event::FindNode { token, .. } = event {
                    asked.push(token);
                }
            }
            self.input.drain(..consumed);
        }
        asked
    }

    /// Little is said: the system has room for it.
    fn flush(&mut self) {
        self.conn.seal();
        let bytes = self.conn.transmit();
        self.stream.write_all(bytes).expect("the node reads");
        self.conn.transmitted(self.conn.transmit().len());
    }
}
