//! Two connections of ours, a network with faults, and a model of what each body is: bytes arrive whole and in order, or not at all
//! and with an error. The script says who speaks what, what both callers do, and what the network does.

use crate::caller::Caller;
use crate::network::{Wire, FAULTS};
use crate::shadow::{At, Shadow};
use crate::support::script::Script;
use ed25519_dalek::SigningKey;
use flatend_codec::limits::{STREAM_WINDOW_BYTES, TRANSMIT_BYTES_MAX};
use flatend_codec::{
    Config, Connection, Flatend2, Limits, Millis, Opened, PeerKind, ProtocolError, Role,
};

/// What windows may be widened by on a link of these tests: reached within a script.
const EXTRA_WINDOW_BYTES: u64 = 256 * 1024;
const REQUESTS_MAX: u32 = 6;

struct Side {
    caller: Caller,
    input: Vec<u8>,
    failed: Option<ProtocolError>,
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
        caller: Caller::new(at, setting.connection(now, at)),
        input: Vec::new(),
        failed: None,
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
        let flatend2 = dialer.caller.conn.peer_kind() == PeerKind::Flatend2;
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
            15..=17 => {
                let count = script.length() * 16;
                self.carry(at, count, Some(script));
            }
            18 | 19 => self.settle(),
            20 => self.pass(u64::from(script.byte()) * 100),
            21 | 22 => self.read_all(at),
            _ => {
                self.flush(at);
                let fault = FAULTS[script.below(FAULTS.len())];
                let other = self.wires[1 - at as usize].waiting().to_vec();
                let legacy = self.sides[at as usize].caller.conn.peer_kind() != PeerKind::Flatend2;
                self.wires[at as usize].harm(fault, &other, legacy, script);
            }
        }
    }

    /// One call of a side's own caller.
    fn call(&mut self, at: At, script: &mut Script<'_>) {
        let side = &mut self.sides[at as usize];
        if side.failed.is_none() {
            side.caller.call(self.now, &mut self.shadow, script);
        }
    }

    /// The reader of all of a side's streams takes what is there.
    fn read_all(&mut self, at: At) {
        let (now, side) = (self.now, &mut self.sides[at as usize]);
        if side.failed.is_none() {
            for (stream, bytes) in self.shadow.take_unread(at) {
                side.caller.conn.credit(now, stream, bytes);
            }
        }
    }

    /// What a side wants to say goes onto its wire.
    fn flush(&mut self, at: At) {
        let side = &mut self.sides[at as usize];
        if side.failed.is_none() {
            side.caller.conn.seal();
            let bytes = side.caller.conn.transmit().to_vec();
            side.caller.conn.transmitted(bytes.len());
            self.wires[at as usize].put(&bytes);
        }
    }

    /// Up to `count` bytes of what `from` said arrive.
    fn carry(&mut self, from: At, count: usize, script: Option<&mut Script<'_>>) {
        self.flush(from);
        let bytes = self.wires[from as usize].take(count);
        let to = &mut self.sides[1 - from as usize];
        to.input.extend_from_slice(&bytes);
        if to.failed.is_none() {
            to.failed = to.open_all(self.now, &mut self.shadow, script).err();
        }
    }

    /// All that is said arrives and is read, until nobody has anything to say.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            for at in [At::Dialer, At::Acceptor] {
                self.carry(at, usize::MAX, None);
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
            let due = |side: &Side| {
                side.caller
                    .conn
                    .next_deadline()
                    .filter(|_| side.failed.is_none())
            };
            let Some(due) = self.sides.iter().filter_map(due).min() else {
                break;
            };
            if due > until {
                break;
            }
            self.now = self.now.max(due);
            for side in &mut self.sides {
                if side.failed.is_none() {
                    side.failed = side.caller.conn.handle_timeout(self.now).err();
                    side.poll(&mut self.shadow);
                }
            }
        }
        self.now = until;
    }

    fn check(&self, setting: &Setting) {
        for side in &self.sides {
            side.caller.conn.check_invariants();
            assert!(side.caller.conn.queued_bytes() <= 2 * TRANSMIT_BYTES_MAX + 256 * 1024);
            if side.caller.conn.peer_kind() == PeerKind::Flatend2 {
                let streams = side.caller.conn.open_streams() as u64;
                let unread = self.shadow.unread(side.caller.at);
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
                    side.caller.at,
                    side.failed
                );
            }
        }
    }
}

impl Side {
    /// Opens what is whole. With a script its caller may act at any event.
    fn open_all(
        &mut self,
        now: Millis,
        shadow: &mut Shadow,
        mut script: Option<&mut Script<'_>>,
    ) -> Result<(), ProtocolError> {
        loop {
            let caller = &mut self.caller;
            let consumed = match caller.conn.open(now, &mut self.input)? {
                Opened::Incomplete { at_least } => {
                    assert!(at_least > self.input.len());
                    break;
                }
                Opened::Frame {
                    consumed,
                    mut messages,
                } => {
                    while let Some(event) = caller.conn.next_event(now, &mut messages)? {
                        caller.hear(&event, shadow);
                        if let Some(script) = &mut script {
                            if script.below(4) == 1 {
                                caller.call(now, shadow, script);
                            }
                        }
                    }
                    consumed
                }
            };
            self.input.drain(..consumed);
        }
        self.poll(shadow);
        self.caller.conn.read_empty(now);
        Ok(())
    }

    fn poll(&mut self, shadow: &mut Shadow) {
        while let Some(event) = self.caller.conn.poll_event() {
            self.caller.hear(&event, shadow);
        }
    }
}
