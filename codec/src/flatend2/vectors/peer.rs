//! A connection of ours, and a peer that has the keys and writes what it is told.

use super::super::hello::Hello;
use super::super::message::{kind, Message};
use super::super::seal::{Opener, Sealer};
use super::{identity, marked, opening, secrets, ACCEPTOR_SECRET, DIALER_SECRET};
use crate::connection::{Connection, Opened, Role};
use crate::error::ProtocolError;
use crate::session::{public_key, Seal};
use crate::{Config, Flatend2, Limits, Millis};

pub(super) const NOW: Millis = Millis(0);

/// A message as it stands in a frame.
pub(super) fn message(kind: u8, flags: u8, stream: u64, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let stream = stream.to_be_bytes();
    [&length[1..], &[kind, flags], &stream[1..], body].concat()
}

/// `conn` is ours and has `role`; its peer offers `echo` and takes 1,000 requests, ours takes 2.
pub(super) struct Peer {
    pub(super) conn: Connection,
    sealer: Sealer,
    opener: Opener,
}

impl Peer {
    pub(super) fn up(role: Role) -> Self {
        let mut peer = Self::keyed(role);
        let theirs = match role {
            Role::Dialer => Role::Acceptor,
            Role::Acceptor => Role::Dialer,
        };
        let hello = Hello {
            capabilities: 0,
            plaintext_log2: 0,
            public_key: identity(theirs).verifying_key().to_bytes(),
            addresses: vec![],
            instance: [7; 16],
            shards: 1,
            lane: 0,
            first_grant: 1_000,
            software: String::new(),
            record: None,
        };
        let body = hello.encode(theirs, &secrets(None).binding, &identity(theirs));
        peer.send(&message(kind::HELLO, 0, 0, &body)).unwrap();
        let services = [&1u64.to_be_bytes()[..], b"\x04echo\0\0\x01\0"].concat();
        peer.send(&message(kind::SERVICES, 0, 0, &services))
            .unwrap();
        peer.sent();
        assert!(peer.conn.is_ready());
        peer
    }

    pub(super) fn keyed(role: Role) -> Self {
        let key = identity(role);
        let services = ["echo".to_owned()];
        let config = Config {
            role,
            ephemeral_secret: match role {
                Role::Dialer => DIALER_SECRET,
                Role::Acceptor => ACCEPTOR_SECRET,
            },
            identity: Some((key.clone(), ([127, 0, 0, 1], 9_000).into())),
            services: &services,
            limits: Limits::default(),
            flatend2: Some(Flatend2 {
                key,
                addresses: &[],
                instance: [9; 16],
                shards: 1,
                lane: 0,
                requests_max: 2,
                software: "",
                record: None,
                network_key: None,
                expected_key: None,
                legacy: false,
            }),
        };
        let mut conn = Connection::new(NOW, config).unwrap();
        let opening = opening();
        let (mut theirs, other) = match role {
            Role::Dialer => (opening.acceptor, Role::Acceptor),
            Role::Acceptor => (opening.dialer, Role::Dialer),
        };
        assert_eq!(opening.dialer, marked(public_key(&DIALER_SECRET)));
        conn.open(NOW, &mut theirs).unwrap();
        conn.transmitted(32);
        let (seal, open) = secrets(None).directions(other);
        Self {
            conn,
            sealer: Sealer::new(seal),
            opener: Opener::new(open),
        }
    }

    /// The peer writes a frame of this plaintext; gives what our side is told, as debug text.
    pub(super) fn send(&mut self, plaintext: &[u8]) -> Result<Vec<String>, ProtocolError> {
        let length = u32::try_from(plaintext.len() + 16).unwrap().to_be_bytes();
        let mut sealed = plaintext.to_vec();
        let tag = self.sealer.seal(length, &mut sealed).unwrap();
        let mut frame = [&length[..], &sealed, &tag].concat();
        let mut told = Vec::new();
        let Opened::Frame { mut messages, .. } = self.conn.open(NOW, &mut frame)? else {
            panic!("a whole frame");
        };
        while let Some(event) = self.conn.next_event(NOW, &mut messages)? {
            told.push(format!("{event:?}"));
        }
        Ok(told)
    }

    /// The messages that our side has sent since the last call, each whole.
    pub(super) fn sent(&mut self) -> Vec<Vec<u8>> {
        self.conn.seal();
        let mut bytes = self.conn.transmit().to_vec();
        self.conn.transmitted(bytes.len());
        let (mut rest, mut messages) = (&mut bytes[..], Vec::new());
        while !rest.is_empty() {
            let length_bytes = *rest.first_chunk().unwrap();
            let length = usize::try_from(u32::from_be_bytes(length_bytes)).unwrap();
            let (frame, behind) = rest[4..].split_at_mut(length);
            let mut plain = self.opener.open(length_bytes, frame).unwrap();
            while let Some(taken) = Message::take(&mut plain).unwrap() {
                let head = taken.head;
                messages.push(message(head.kind, head.flags, head.stream, taken.body));
            }
            rest = behind;
        }
        messages
    }
}
