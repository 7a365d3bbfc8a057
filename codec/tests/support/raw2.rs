//! A peer that speaks flatend/2 and is not ours: it knows keys, frames and HELLO, and writes whatever a test gives it. Its own
//! reading of docs/flatend2.md, made from the primitives and not from the crate.

use super::happened::{drain, Happened};
use super::raw::nonce;
use super::{speaking_both, THEIR_KEY};
use blake2::digest::{KeyInit, Mac};
use blake2::{Blake2b512, Blake2bMac512, Digest};
use ed25519_dalek::{Signer, SigningKey};
use flatend_codec::{Config, Connection, Millis, ProtocolError, Role};
use ring::aead::{Aad, LessSafeKey, UnboundKey, AES_256_GCM};
use x25519_dalek::{x25519, X25519_BASEPOINT_BYTES};

/// `out(k, l) = BLAKE2b-512(key = k, l)`
pub fn out(key: &[u8], label: &[u8]) -> [u8; 64] {
    let mut mac = Blake2bMac512::new_from_slice(key).unwrap();
    mac.update(label);
    mac.finalize().into_bytes().into()
}

/// One direction: all of its frames that a test can reach have the first key.
struct Direction {
    key: LessSafeKey,
    counter: u64,
}

impl Direction {
    fn new(secret: &[u8; 64], label: &[u8]) -> Self {
        let chain = out(secret, label);
        let key = UnboundKey::new(&AES_256_GCM, &out(&chain, b"key")[..32]).unwrap();
        Self {
            key: LessSafeKey::new(key),
            counter: 0,
        }
    }
}

/// The raw peer's half of a session.
pub struct RawPeer2 {
    role: Role,
    secret: [u8; 32],
    pub binding: [u8; 32],
    keys: Option<(Direction, Direction)>,
}

impl RawPeer2 {
    pub fn new(role: Role) -> Self {
        Self {
            role,
            secret: [0x66; 32],
            binding: [0; 32],
            keys: None,
        }
    }

    /// Its 32 bytes, bit 255 set.
    pub fn public(&self) -> [u8; 32] {
        let mut key = x25519(self.secret, X25519_BASEPOINT_BYTES);
        key[31] |= 0x80;
        key
    }

    pub fn agree(&mut self, theirs: [u8; 32]) {
        let (dialer, acceptor) = match self.role {
            Role::Dialer => (self.public(), theirs),
            Role::Acceptor => (theirs, self.public()),
        };
        let shared = x25519(self.secret, theirs);
        let label = [&b"flatend/2 extract"[..], &shared, &dialer, &acceptor].concat();
        let secret = out(&[0; 32], &label);
        self.binding
            .copy_from_slice(&out(&secret, b"flatend/2 binding")[..32]);
        let (from_dialer, from_acceptor) = (
            Direction::new(&secret, b"flatend/2 dialer"),
            Direction::new(&secret, b"flatend/2 acceptor"),
        );
        self.keys = Some(match self.role {
            Role::Dialer => (from_dialer, from_acceptor),
            Role::Acceptor => (from_acceptor, from_dialer),
        });
    }

    /// A frame of this plaintext.
    pub fn seal(&mut self, plaintext: &[u8]) -> Vec<u8> {
        let (seal, _) = self.keys.as_mut().unwrap();
        let length = u32::try_from(plaintext.len() + 16).unwrap().to_be_bytes();
        let mut sealed = plaintext.to_vec();
        seal.key
            .seal_in_place_append_tag(nonce(seal.counter), Aad::from(length), &mut sealed)
            .unwrap();
        seal.counter += 1;
        [&length[..], &sealed].concat()
    }

    /// The messages of these frames: type, flags, stream, body.
    pub fn open_all(&mut self, mut bytes: &[u8]) -> Vec<(u8, u8, u64, Vec<u8>)> {
        let (_, open) = self.keys.as_mut().unwrap();
        let mut messages = Vec::new();
        while !bytes.is_empty() {
            let length_bytes: [u8; 4] = bytes[..4].try_into().unwrap();
            let length = u32::from_be_bytes(length_bytes) as usize;
            let mut sealed = bytes[4..4 + length].to_vec();
            let mut plain: &[u8] = open
                .key
                .open_in_place(nonce(open.counter), Aad::from(length_bytes), &mut sealed)
                .unwrap();
            open.counter += 1;
            while !plain.is_empty() {
                let length = u32::from_be_bytes([0, plain[0], plain[1], plain[2]]) as usize;
                let mut stream = [0; 8];
                stream[1..].copy_from_slice(&plain[5..12]);
                let body = plain[12..12 + length].to_vec();
                messages.push((plain[3], plain[4], u64::from_be_bytes(stream), body));
                plain = &plain[12 + length..];
            }
            bytes = &bytes[4 + length..];
        }
        messages
    }

    /// The body of a HELLO with these fields, signed by [`THEIR_KEY`].
    pub fn hello(&self, fields: &[u8]) -> Vec<u8> {
        let mut signed = b"flatend/2 identity".to_vec();
        signed.push(u8::from(self.role == Role::Acceptor));
        signed.extend_from_slice(&self.binding);
        signed.extend_from_slice(&Blake2b512::digest(fields));
        let signature = SigningKey::from_bytes(&THEIR_KEY).sign(&signed).to_bytes();
        [fields, &field(255, &signature)].concat()
    }
}

/// `u8 tag, u16 length, bytes`
pub fn field(tag: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
    [&[tag], &length[..], bytes].concat()
}

/// The fields that a HELLO must have; 100 requests are granted.
pub fn hello_fields() -> Vec<u8> {
    let key = SigningKey::from_bytes(&THEIR_KEY).verifying_key();
    [
        field(1, &[0, 2]),
        field(4, key.as_bytes()),
        field(6, &[7; 16]),
        field(7, &[0, 1, 0, 0]),
        field(8, &[0, 0, 0, 100]),
    ]
    .concat()
}

/// `u24 length, u8 type, u8 flags, u56 stream`, body
pub fn message(kind: u8, flags: u8, stream: u64, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let stream = stream.to_be_bytes();
    [&length[1..], &[kind, flags], &stream[1..], body].concat()
}

/// One connection of ours against it.
pub struct Meeting2 {
    pub now: Millis,
    pub conn: Connection,
    pub peer: RawPeer2,
    pub happened: Vec<Happened>,
    input: Vec<u8>,
}

impl Meeting2 {
    /// Keys are agreed; if we accepted, our HELLO is on its way. `role` is ours.
    pub fn keyed(role: Role) -> Self {
        let services = ["echo".to_owned()];
        Self::of(speaking_both(role, 3, &services))
    }

    pub fn of(config: Config<'_>) -> Self {
        let now = Millis(5_000);
        let role = config.role;
        let mut peer = RawPeer2::new(match role {
            Role::Dialer => Role::Acceptor,
            Role::Acceptor => Role::Dialer,
        });
        let mut conn = Connection::new(now, config).unwrap();
        let (mut input, mut happened) = (peer.public().to_vec(), Vec::new());
        if role == Role::Acceptor {
            drain(&mut conn, now, &mut input, &mut happened).unwrap();
        }
        let ours = conn.transmit()[..32].try_into().unwrap();
        conn.transmitted(32);
        peer.agree(ours);
        drain(&mut conn, now, &mut input, &mut happened).unwrap();
        Self {
            now,
            conn,
            peer,
            happened,
            input,
        }
    }

    /// Both have said HELLO and what they offer: the peer `theirs`.
    pub fn up(role: Role) -> Self {
        Self::keyed(role).shake_hands()
    }

    fn shake_hands(self) -> Self {
        let mut meeting = self;
        let hello = meeting.peer.hello(&hello_fields());
        meeting.send(&message(0, 0, 0, &hello)).unwrap();
        let services = [&[0; 7][..], &[1, 6], b"theirs", &[0, 0, 1, 0]].concat();
        meeting.send(&message(9, 0, 0, &services)).unwrap();
        assert_eq!(meeting.news(), [Happened::Handshake { again: false }]);
        meeting.sent();
        meeting
    }

    /// The peer seals and writes these messages; the socket is empty afterwards.
    pub fn send(&mut self, plaintext: &[u8]) -> Result<(), ProtocolError> {
        let frame = self.peer.seal(plaintext);
        self.feed(&frame)
    }

    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        self.input.extend_from_slice(bytes);
        let result = drain(
            &mut self.conn,
            self.now,
            &mut self.input,
            &mut self.happened,
        );
        self.conn.read_empty(self.now);
        result
    }

    /// The messages that we sent since the last call.
    pub fn sent(&mut self) -> Vec<(u8, u8, u64, Vec<u8>)> {
        self.conn.seal();
        let bytes = self.conn.transmit().to_vec();
        self.conn.transmitted(bytes.len());
        self.peer.open_all(&bytes)
    }

    pub fn news(&mut self) -> Vec<Happened> {
        std::mem::take(&mut self.happened)
    }
}
