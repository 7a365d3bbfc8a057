//! A peer that is not ours: it knows keys and frames, and writes whatever a test gives it. Its own reading of protocol.md, made from
//! the primitives and not from the crate.

use super::happened::{drain, Happened};
use super::{identified, THEIR_KEY};
use blake2::digest::consts::U32;
use blake2::{Blake2b, Digest};
use ed25519_dalek::{Signer, SigningKey};
use flatend_codec::limits::REST_AFTER_MS;
use flatend_codec::{Config, Connection, Millis, ProtocolError, Role, StreamId};
use ring::aead::{Aad, LessSafeKey, Nonce, UnboundKey, AES_256_GCM};
use x25519_dalek::{x25519, X25519_BASEPOINT_BYTES};

/// The raw peer's half of a session.
pub struct RawPeer {
    secret: [u8; 32],
    key: Option<LessSafeKey>,
    sealed: u64,
    opened: u64,
}

pub fn nonce(counter: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&counter.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

impl RawPeer {
    pub fn new() -> Self {
        Self {
            secret: [0x77; 32],
            key: None,
            sealed: 0,
            opened: 0,
        }
    }

    pub fn public(&self) -> [u8; 32] {
        x25519(self.secret, X25519_BASEPOINT_BYTES)
    }

    pub fn agree(&mut self, peer: &[u8]) {
        let shared = x25519(self.secret, peer.try_into().unwrap());
        let key: [u8; 32] = Blake2b::<U32>::digest(shared).into();
        self.key = Some(LessSafeKey::new(
            UnboundKey::new(&AES_256_GCM, &key).unwrap(),
        ));
    }

    /// A frame of this plaintext, RPC number included.
    pub fn seal(&mut self, plaintext: &[u8]) -> Vec<u8> {
        let mut sealed = plaintext.to_vec();
        let key = self.key.as_ref().unwrap();
        key.seal_in_place_append_tag(nonce(self.sealed), Aad::empty(), &mut sealed)
            .unwrap();
        self.sealed += 1;
        let mut frame = u32::try_from(sealed.len()).unwrap().to_be_bytes().to_vec();
        frame.extend_from_slice(&sealed);
        frame
    }

    /// The plaintexts of these frames.
    pub fn open_all(&mut self, mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut plaintexts = Vec::new();
        while !bytes.is_empty() {
            let length = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
            let mut sealed = bytes[4..4 + length].to_vec();
            let plain = self
                .key
                .as_ref()
                .unwrap()
                .open_in_place(nonce(self.opened), Aad::empty(), &mut sealed)
                .unwrap();
            self.opened += 1;
            plaintexts.push(plain.to_vec());
            bytes = &bytes[4 + length..];
        }
        plaintexts
    }
}

// ---- what a peer may write

fn name(out: &mut Vec<u8>, name: &[u8]) {
    // Modulo 256, as both legacy encoders have it.
    out.push(name.len() as u8);
    out.extend_from_slice(name);
}

fn header_block(out: &mut Vec<u8>, headers: &[(&str, &str)]) {
    out.extend_from_slice(&(headers.len() as u16).to_be_bytes());
    for (header, value) in headers {
        name(out, header.as_bytes());
        out.extend_from_slice(&(value.len() as u16).to_be_bytes());
        out.extend_from_slice(value.as_bytes());
    }
}

/// `id` as wire bytes, signed by [`THEIR_KEY`].
pub fn handshake_with_id(id: &[u8], services: &[&str]) -> Vec<u8> {
    let mut body = vec![1];
    body.extend_from_slice(id);
    body.push(services.len() as u8);
    let mut signed = id.to_vec();
    for service in services {
        name(&mut body, service.as_bytes());
        signed.extend_from_slice(service.as_bytes());
    }
    body.extend_from_slice(&SigningKey::from_bytes(&THEIR_KEY).sign(&signed).to_bytes());
    body
}

pub fn their_public_key() -> [u8; 32] {
    SigningKey::from_bytes(&THEIR_KEY)
        .verifying_key()
        .to_bytes()
}

/// The handshake body of an identified peer at 127.0.0.1:8000.
pub fn handshake(services: &[&str]) -> Vec<u8> {
    let mut id = their_public_key().to_vec();
    id.extend_from_slice(&[0, 127, 0, 0, 1, 0x1f, 0x40]);
    handshake_with_id(&id, services)
}

pub fn anonymous_handshake(services: &[&str]) -> Vec<u8> {
    let mut body = vec![0, services.len() as u8];
    services
        .iter()
        .for_each(|service| name(&mut body, service.as_bytes()));
    body
}

/// RPC number, opcode, body.
pub fn message(seq: u32, opcode: u8, body: &[u8]) -> Vec<u8> {
    let mut out = seq.to_be_bytes().to_vec();
    out.push(opcode);
    out.extend_from_slice(body);
    out
}

pub fn reply(seq: u32, body: &[u8]) -> Vec<u8> {
    let mut out = seq.to_be_bytes().to_vec();
    out.extend_from_slice(body);
    out
}

pub fn request(stream: u32, services: &[&str], headers: &[(&str, &str)]) -> Vec<u8> {
    let mut body = stream.to_be_bytes().to_vec();
    body.push(services.len() as u8);
    services
        .iter()
        .for_each(|service| name(&mut body, service.as_bytes()));
    header_block(&mut body, headers);
    message(0, 1, &body)
}

pub fn response(stream: u32, handled: bool, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut body = stream.to_be_bytes().to_vec();
    body.push(u8::from(handled));
    header_block(&mut body, headers);
    message(0, 2, &body)
}

pub fn data(stream: u32, bytes: &[u8]) -> Vec<u8> {
    let mut body = stream.to_be_bytes().to_vec();
    body.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
    body.extend_from_slice(bytes);
    message(0, 3, &body)
}

/// Where the numbers of our own questions begin, a dialer's Handshake left out.
pub const UPPER: u32 = 1 << 31;

pub fn find_node(seq: u32, target: [u8; 32]) -> Vec<u8> {
    message(seq, 4, &target)
}

pub fn wire(stream: StreamId) -> u32 {
    u32::try_from(stream.0).unwrap()
}

// ---- one connection of ours against it

pub struct Meeting {
    pub now: Millis,
    pub conn: Connection,
    pub peer: RawPeer,
    pub happened: Vec<Happened>,
    input: Vec<u8>,
}

impl Meeting {
    /// Keys are agreed, hands are not shaken.
    pub fn keyed(config: Config<'_>) -> Self {
        let now = Millis(5_000);
        let mut conn = Connection::new(now, config).unwrap();
        let mut peer = RawPeer::new();
        let mut input = peer.public().to_vec();
        let mut happened = Vec::new();
        let mut sent = conn.transmit().to_vec();
        conn.transmitted(sent.len());
        drain(&mut conn, now, &mut input, &mut happened).unwrap();
        if sent.is_empty() {
            sent = conn.transmit().to_vec();
            conn.transmitted(sent.len());
        }
        assert_eq!(sent.len(), 32, "the key goes alone");
        peer.agree(&sent);
        Self {
            now,
            conn,
            peer,
            happened,
            input,
        }
    }

    /// A link that we dialed. The peer answers our handshake offering these names; our lookup is left unanswered.
    pub fn dialed(offers: &[&str]) -> Self {
        let mut meeting = Self::keyed(identified(Role::Dialer, 3, &[]));
        assert_eq!(meeting.sent().len(), 1, "one Handshake a connection");
        meeting.send(&reply(1, &handshake(offers))).unwrap();
        assert_eq!(meeting.news(), [Happened::Handshake { again: false }]);
        meeting.sent();
        meeting
    }

    /// A Go peer has dialed us and shaken hands twice.
    pub fn go_dialed_us(offers: &[&str]) -> Self {
        let mut meeting = Self::accepted(offers);
        meeting.send(&message(3, 0, &handshake(offers))).unwrap();
        meeting.news();
        meeting.sent();
        meeting
    }

    /// A Node peer has dialed us, shaken hands and looked itself up.
    pub fn node_dialed_us(offers: &[&str]) -> Self {
        let mut meeting = Self::accepted(offers);
        meeting.send(&find_node(3, their_public_key())).unwrap();
        meeting.news();
        meeting
    }

    /// A peer has dialed us and shaken hands once: nobody knows yet what it is.
    pub fn accepted(offers: &[&str]) -> Self {
        let services = ["ours".to_owned()];
        let mut meeting = Self::keyed(identified(Role::Acceptor, 3, &services));
        meeting.send(&message(1, 0, &handshake(offers))).unwrap();
        assert_eq!(meeting.news(), [Happened::Handshake { again: false }]);
        meeting.sent();
        meeting
    }

    /// The peer writes a plaintext; the socket is empty afterwards.
    pub fn send(&mut self, plaintext: &[u8]) -> Result<(), ProtocolError> {
        let result = self.send_more_to_come(plaintext);
        self.conn.read_empty(self.now);
        result
    }

    /// The peer writes a plaintext, and the socket holds more.
    pub fn send_more_to_come(&mut self, plaintext: &[u8]) -> Result<(), ProtocolError> {
        let frame = self.peer.seal(plaintext);
        self.feed(&frame)
    }

    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        self.input.extend_from_slice(bytes);
        drain(
            &mut self.conn,
            self.now,
            &mut self.input,
            &mut self.happened,
        )
    }

    /// The plaintexts that we sent since the last call.
    pub fn sent(&mut self) -> Vec<Vec<u8>> {
        let bytes = self.conn.transmit().to_vec();
        self.conn.transmitted(bytes.len());
        self.peer.open_all(&bytes)
    }

    pub fn news(&mut self) -> Vec<Happened> {
        std::mem::take(&mut self.happened)
    }

    /// Time passes until the link is at rest: nothing else happens, and nothing is due then.
    pub fn comes_to_rest(&mut self) {
        self.news();
        self.sent();
        self.pass(2 * REST_AFTER_MS).unwrap();
        assert!(self.news().is_empty() && self.sent().is_empty());
        assert!(self.conn.is_at_rest());
        assert_eq!(self.conn.next_deadline(), None);
    }

    /// Time passes; what becomes due on the way is done when it is due.
    pub fn pass(&mut self, ms: u64) -> Result<(), ProtocolError> {
        let until = self.now.after(ms);
        let mut turns = 0;
        while let Some(due) = self.conn.next_deadline().filter(|due| *due <= until) {
            turns += 1;
            assert!(turns < 10_000, "a deadline that was handled is still due");
            self.now = self.now.max(due);
            self.conn.handle_timeout(self.now)?;
            while let Some(event) = self.conn.poll_event() {
                self.happened.push(Happened::from_event(&event));
            }
        }
        self.now = until;
        Ok(())
    }
}
