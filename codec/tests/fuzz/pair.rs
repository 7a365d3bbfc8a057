//! Two connections of ours, a network with faults, and a model of what each body is: bytes arrive whole and in order, or not at all
//! and with an error. The script says who speaks what, what both callers do, and what the network does.

use crate::network::{Wire, FAULTS};
use crate::shadow::{At, Shadow};
use crate::support::headers;
use crate::support::script::Script;
use ed25519_dalek::SigningKey;
use flatend_codec::limits::{STREAM_WINDOW_BYTES, TRANSMIT_BYTES_MAX};
use flatend_codec::{
    Config, Connection, Event, Flatend2, GoodbyeCode, HeaderBlock, Limits, Millis, Opened,
    PeerKind, ProtocolError, ResetCode, Role, StreamId, Token,
};

const NONE: HeaderBlock = HeaderBlock::new();
/// What windows may be widened by on a link of these tests: reached within a script.
const EXTRA_WINDOW_BYTES: u64 = 256 * 1024;
const REQUESTS_MAX: u32 = 6;

struct Side {
    at: At,
    conn: Connection,
    input: Vec<u8>,
    failed: Option<ProtocolError>,
    streams: Vec<StreamId>,
    tokens: Vec<Token>,
}

/// What the first byte of a script decides.
struct Setting(u8);

impl Setting {
    fn speaks_flatend2(&self, at: At) -> bool {
        self.0 & (1 << at as u8) == 0
    }

    fn same_network(&self) -> bool {
        self.0 & 0xf0 != 0xf0
    }

    /// Both can and want to.
    fn should_meet(&self) -> bool {
        self.same_network()
            || !(self.speaks_flatend2(At::Dialer) && self.speaks_flatend2(At::Acceptor))
    }

    fn connection(&self, now: Millis, at: At) -> Connection {
        let services = ["echo".to_owned()];
        let key = [0x30 + at as u8; 32];
        let flatend2 = self.speaks_flatend2(at).then(|| Flatend2 {
            key: SigningKey::from_bytes(&key),
            addresses: &[],
            instance: key[..16].try_into().unwrap(),
            shards: 1,
            lane: 0,
            requests_max: REQUESTS_MAX,
            software: "fuzz",
            record: None,
            network_key: (at == At::Dialer && !self.same_network()).then_some([5; 32]),
            expected_key: None,
            legacy: true,
        });
        let limits = Limits {
            extra_window_bytes_max: EXTRA_WINDOW_BYTES,
            ..Limits::default()
        };
        let config = Config {
            role: match at {
                At::Dialer => Role::Dialer,
                At::Acceptor => Role::Acceptor,
            },
            ephemeral_secret: key,
            identity: Some((SigningKey::from_bytes(&key), ([127, 0, 0, 1], 9000).into())),
            services: &services,
            limits,
            flatend2,
        };
        Connection::new(now, config).expect("a sound configuration")
    }
}

struct World {
    now: Millis,
    sides: [Side; 2],
    /// From the dialer, from the acceptor.
    wires: [Wire; 2],
    shadow: Shadow,
}

/// Plays a script.
pub fn pair(input: &[u8]) {
    let mut script = Script::new(input);
    let setting = Setting(script.byte());
    let now = Millis(1_000);
    let side = |at| Side {
        at,
        conn: setting.connection(now, at),
        input: Vec::new(),
        failed: None,
        streams: Vec::new(),
        tokens: Vec::new(),
    };
    let mut world = World {
        now,
        sides: [side(At::Dialer), side(At::Acceptor)],
        wires: [Wire::default(), Wire::default()],
        shadow: Shadow::default(),
    };
    if script.byte() % 4 != 0 {
        world.settle();
    }
    while !script.is_over() {
        world.step(&mut script);
        world.check(&setting);
    }
    world.settle();
    world.check(&setting);
    if world.is_sound() && setting.should_meet() {
        let [dialer, _] = &world.sides;
        let flatend2 = dialer.conn.peer_kind() == PeerKind::Flatend2;
        world.shadow.check_all_arrived(flatend2);
    }
}

impl World {
    /// Nobody failed, and the network did no harm.
    fn is_sound(&self) -> bool {
        self.sides.iter().all(|side| side.failed.is_none())
            && self.wires.iter().all(|wire| !wire.is_faulty)
    }

    fn step(&mut self, script: &mut Script<'_>) {
        let at = At::of(script.byte());
        match script.below(24) {
            0..=14 => self.call(at, script),
            15..=17 => self.carry(at, script.length() * 16),
            18 | 19 => self.settle(),
            20 => self.pass(u64::from(script.byte()) * 100),
            21 | 22 => self.read_all(at),
            _ => {
                self.flush(at);
                let fault = FAULTS[script.below(FAULTS.len())];
                let other = self.wires[1 - at as usize].waiting().to_vec();
                let legacy = self.sides[at as usize].conn.peer_kind() != PeerKind::Flatend2;
                self.wires[at as usize].harm(fault, &other, legacy, script);
            }
        }
    }

    /// One call of a side's own caller.
    fn call(&mut self, at: At, script: &mut Script<'_>) {
        let (now, side) = (self.now, &mut self.sides[at as usize]);
        if side.failed.is_some() {
            return;
        }
        let chosen = script.below(side.streams.len().max(1));
        let stream = side.streams.get(chosen).copied().unwrap_or(StreamId(1));
        let legacy = side.conn.peer_kind() != PeerKind::Flatend2;
        match script.below(12) {
            0 | 1 => {
                let end = script.byte() % 2 == 0;
                let head = headers(&[("a", "1")]);
                if let Ok(stream) = side.conn.open_stream(now, ["echo"], &head, &NONE, end) {
                    side.streams.push(stream);
                    self.shadow.opened(stream, at, end);
                }
            }
            2 => {
                let end = script.byte() % 2 == 0;
                if side.conn.respond(now, stream, &NONE, end).is_ok() {
                    self.shadow.responded(stream, at, end);
                }
            }
            3..=5 => {
                let bytes = self.shadow.next_bytes(stream, at, script.length());
                if side.conn.send_data(now, stream, &bytes).is_ok() {
                    self.shadow.sent(stream, at, bytes.len());
                }
            }
            6 => {
                if side.conn.send_end(now, stream).is_ok() {
                    self.shadow.ended(stream, at);
                }
            }
            7 => {
                let trailers = headers(&[("sum", "1")]);
                if side.conn.trailers(now, stream, &trailers).is_ok() {
                    self.shadow.ended(stream, at);
                }
            }
            8 => {
                let code =
                    [ResetCode::Refused, ResetCode::Cancel, ResetCode::Done][script.below(3)];
                side.conn.reset(now, stream, code, "why");
                self.shadow
                    .cut(stream, at, code == ResetCode::Refused || legacy);
            }
            9 => {
                side.conn.refuse(now, stream);
                self.shadow.refused(stream, at);
            }
            10 => {
                if let Some(token) = side.tokens.pop() {
                    let id = flatend_codec::NodeId::new([7; 32], ([127, 0, 0, 1], 9).into());
                    drop(side.conn.nodes(now, token, [id].iter()));
                    drop(side.conn.records(now, token, [&[1; 150][..]]));
                } else {
                    drop(side.conn.find_node(now, [script.byte(); 32]));
                }
            }
            _ if script.byte() % 8 == 0 => side.conn.goodbye(now, GoodbyeCode::Drain, "over"),
            _ => {
                let key = [0x30 + at as u8; 32];
                let names = [format!("echo{}", script.below(3)), "echo".to_owned()];
                drop(
                    side.conn
                        .announce(now, Some(&SigningKey::from_bytes(&key)), &names),
                );
            }
        }
    }

    /// The reader of all of a side's streams takes what is there.
    fn read_all(&mut self, at: At) {
        let (now, side) = (self.now, &mut self.sides[at as usize]);
        if side.failed.is_none() {
            for (stream, bytes) in self.shadow.take_unread(at) {
                side.conn.credit(now, stream, bytes);
            }
        }
    }

    /// What a side wants to say goes onto its wire.
    fn flush(&mut self, at: At) {
        let side = &mut self.sides[at as usize];
        if side.failed.is_none() {
            side.conn.seal();
            let bytes = side.conn.transmit().to_vec();
            side.conn.transmitted(bytes.len());
            self.wires[at as usize].put(&bytes);
        }
    }

    /// Up to `count` bytes of what `from` said arrive.
    fn carry(&mut self, from: At, count: usize) {
        self.flush(from);
        let bytes = self.wires[from as usize].take(count);
        let to = &mut self.sides[1 - from as usize];
        to.input.extend_from_slice(&bytes);
        if to.failed.is_none() {
            to.failed = to.open_all(self.now, &mut self.shadow).err();
        }
    }

    /// All that is said arrives and is read, until nobody has anything to say.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            for at in [At::Dialer, At::Acceptor] {
                self.carry(at, usize::MAX);
                self.read_all(at);
                self.flush(at);
            }
            let quiet = |wire: &Wire| wire.waiting().is_empty();
            if self.wires.iter().all(quiet) {
                return;
            }
        }
        panic!("two nodes talk for ever");
    }

    /// Time passes; what becomes due is done when it is due, and bytes stand still.
    fn pass(&mut self, ms: u64) {
        let until = self.now.after(ms);
        for turn in 0.. {
            assert!(turn < 1_000, "a deadline that was handled is still due");
            let due = |side: &Side| side.conn.next_deadline().filter(|_| side.failed.is_none());
            let Some(due) = self.sides.iter().filter_map(due).min() else {
                break;
            };
            if due > until {
                break;
            }
            self.now = self.now.max(due);
            for side in &mut self.sides {
                if side.failed.is_none() {
                    side.failed = side.conn.handle_timeout(self.now).err();
                    side.poll(&mut self.shadow);
                }
            }
        }
        self.now = until;
    }

    fn check(&self, setting: &Setting) {
        for side in &self.sides {
            side.conn.check_invariants();
            assert!(side.conn.queued_bytes() <= 2 * TRANSMIT_BYTES_MAX + 256 * 1024);
            if side.conn.peer_kind() == PeerKind::Flatend2 {
                let streams = side.conn.open_streams() as u64;
                let unread = self.shadow.unread(side.at);
                // What was reset is unread too, and costs a window at most.
                let gone = self.shadow.streams() as u64 - streams.min(self.shadow.streams() as u64);
                let max = (streams + gone) * STREAM_WINDOW_BYTES + EXTRA_WINDOW_BYTES * (1 + gone);
                assert!(unread <= max, "{unread} bytes unread, {max} granted");
            }
            // Where the network does no harm, honest nodes find no fault with each other; only silence.
            if self.wires.iter().all(|wire| !wire.is_faulty) && setting.should_meet() {
                assert!(
                    matches!(
                        side.failed,
                        None | Some(
                            ProtocolError::PeerSilent { .. }
                                | ProtocolError::HandshakeTimeout { .. }
                        )
                    ),
                    "{:?} {:?}",
                    side.at,
                    side.failed
                );
            }
        }
    }
}

impl Side {
    fn open_all(&mut self, now: Millis, shadow: &mut Shadow) -> Result<(), ProtocolError> {
        loop {
            let consumed = match self.conn.open(now, &mut self.input)? {
                Opened::Incomplete { at_least } => {
                    assert!(at_least > self.input.len());
                    break;
                }
                Opened::Frame {
                    consumed,
                    mut messages,
                } => {
                    while let Some(event) = self.conn.next_event(now, &mut messages)? {
                        let flatend2 = self.conn.peer_kind() == PeerKind::Flatend2;
                        shadow.happened(self.at, &event, flatend2);
                        match event {
                            Event::Request { stream, .. } => self.streams.push(stream),
                            Event::FindNode { token, .. } => self.tokens.push(token),
                            _ => {}
                        }
                    }
                    consumed
                }
            };
            self.input.drain(..consumed);
        }
        self.poll(shadow);
        self.conn.read_empty(now);
        Ok(())
    }

    fn poll(&mut self, shadow: &mut Shadow) {
        let flatend2 = self.conn.peer_kind() == PeerKind::Flatend2;
        while let Some(event) = self.conn.poll_event() {
            shadow.happened(self.at, &event, flatend2);
        }
    }
}
