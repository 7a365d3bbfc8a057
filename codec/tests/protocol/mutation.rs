//! Random peers: well-formed packets, altered ones, our own calls and time, in any order. Nothing may panic, every invariant must hold,
//! and whatever is kept stays bounded. A seed replays a run: `MUTATION_SEED=n cargo test mutation`.

use crate::support::happened::Happened;
use crate::support::raw::{data, find_node, handshake, message, reply, request, response, Meeting};
use crate::support::xorshift::Xorshift;
use crate::support::{headers, identified};
use flatend_codec::{limits, HeaderBlock, NodeId, ResetCode, Role, StreamId, Token};

const NONE: HeaderBlock = HeaderBlock::new();
const RUNS: u64 = 400;
const STEPS: usize = 300;

/// Names the seed if the run panics.
struct NameSeed(u64);

impl Drop for NameSeed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("replay with MUTATION_SEED={}", self.0);
        }
    }
}

#[derive(Copy, Clone, PartialEq, Eq)]
enum Answer {
    Owed,
    Begun,
    Done,
}

struct Run {
    random: Xorshift,
    meeting: Meeting,
    /// Streams as an honest peer would see them: ours, with its answer's progress; its own, with its body open or not.
    ours: Vec<(u32, Answer)>,
    theirs: Vec<(u32, bool)>,
    tokens: Vec<Token>,
    next_theirs: u32,
    next_seq: u32,
    /// How often a packet is altered: one in this many.
    altered: usize,
    steps: u64,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut random = Xorshift::new(seed);
        let (meeting, next_seq) = match random.below(5) {
            0 => (Meeting::dialed(&["s", "t"]), 2),
            1 => (Meeting::go_dialed_us(&["s", "t"]), 5),
            2 => (Meeting::node_dialed_us(&["s", "t"]), 5),
            3 => (Meeting::accepted(&["s", "t"]), 3),
            _ => (Meeting::keyed(identified(Role::Acceptor, 3, &[])), 1),
        };
        let altered = [5, 100, usize::MAX][random.below(3)];
        Self {
            random,
            meeting,
            ours: vec![],
            theirs: vec![],
            tokens: vec![],
            next_theirs: 0,
            next_seq,
            altered,
            steps: 0,
        }
    }

    /// Any stream that was ever there, or one that was not.
    fn some_stream(&mut self) -> u32 {
        let random = &mut self.random;
        let ids: Vec<u32> = self
            .ours
            .iter()
            .map(|(id, _)| *id)
            .chain(self.theirs.iter().map(|(id, _)| *id))
            .collect();
        if ids.is_empty() || random.one_in(50) {
            return self.next_theirs;
        }
        // The newest ones are where the states are.
        ids[ids.len() - 1 - random.below(ids.len().min(6))]
    }

    /// What an honest peer might write.
    fn packet(&mut self) -> Vec<u8> {
        let body = {
            let len = [1, 100, 2_048, 5_000][self.random.below(4)];
            self.random.bytes(len)
        };
        let choice = self.random.below(12);
        if choice < 5 && !self.ours.is_empty() {
            let at = self.ours.len() - 1 - self.random.below(self.ours.len().min(6));
            let (id, answer) = &mut self.ours[at];
            match *answer {
                Answer::Owed => {
                    let handled = !self.random.one_in(5);
                    *answer = if handled { Answer::Begun } else { Answer::Done };
                    let length = [("x", "y"), ("content-length", "5")][self.random.below(2)];
                    return response(*id, handled, &[length]);
                }
                Answer::Begun if self.random.one_in(3) => {
                    *answer = Answer::Done;
                    return data(*id, b"");
                }
                Answer::Begun => return data(*id, &body),
                Answer::Done => {}
            }
        }
        if choice < 8 && !self.theirs.is_empty() {
            let at = self.theirs.len() - 1 - self.random.below(self.theirs.len().min(6));
            let (id, open) = &mut self.theirs[at];
            if *open {
                *open = !self.random.one_in(3);
                let piece = if *open { &body[..] } else { b"" };
                return data(*id, piece);
            }
        }
        match choice {
            9 => {
                self.next_seq += 2;
                find_node(self.next_seq, [7; 32])
            }
            10 => {
                self.next_seq += 2;
                message(self.next_seq, 0, &handshake(&["s", "t"]))
            }
            11 if self.random.one_in(20) => {
                reply(u32::try_from(self.random.below(12)).unwrap(), &[0])
            }
            _ => {
                let id = self.next_theirs;
                self.next_theirs += 2;
                self.theirs.push((id, true));
                request(id, &["ours", "other"], &[("a", "b")])
            }
        }
    }

    fn alter(&mut self, packet: &mut Vec<u8>) {
        for _ in 0..=self.random.below(3) {
            let at = self.random.below(packet.len());
            match self.random.below(5) {
                0 => packet.truncate(at),
                1 => packet.insert(at, self.random.next() as u8),
                2 => packet.extend(self.random.bytes(3)),
                _ if packet.is_empty() => {}
                3 => packet[at] = [0, 1, 0x7f, 0x80, 0xff][self.random.below(5)],
                _ => packet[at] ^= 1 << self.random.below(8),
            }
        }
    }

    /// False once the connection has failed.
    fn peer_writes(&mut self) -> bool {
        let mut packet = self.packet();
        if self.random.one_in(self.altered) {
            self.alter(&mut packet);
        }
        let result = if self.random.one_in(2) {
            self.meeting.send(&packet)
        } else {
            self.meeting.send_more_to_come(&packet)
        };
        for event in self.meeting.news() {
            match event {
                Happened::FindNode(token, _) => self.tokens.push(token),
                Happened::Data(_, bytes) => assert!(!bytes.is_empty()),
                _ => {}
            }
        }
        result.is_ok()
    }

    fn we_call(&mut self) {
        let now = self.meeting.now;
        let stream = StreamId(u64::from(self.some_stream()));
        let conn = &mut self.meeting.conn;
        match self.random.below(9) {
            0 | 1 => {
                let opened = conn.open_stream(
                    now,
                    ["s"],
                    &headers(&[("n", "v")]),
                    &NONE,
                    self.random.one_in(2),
                );
                self.ours
                    .extend(opened.map(|stream| (u32::try_from(stream.0).unwrap(), Answer::Owed)));
            }
            2 => drop(conn.send_data(now, stream, &self.random.bytes(3_000))),
            3 => drop(conn.send_end(now, stream)),
            4 => drop(conn.respond(now, stream, &NONE, self.random.one_in(3))),
            5 if self.random.one_in(2) => conn.reset(now, stream, ResetCode::Cancel, "random"),
            6 => conn.refuse(now, stream),
            7 => drop(conn.find_node(now, [1; 32])),
            _ => {
                let id = NodeId::new([self.random.next() as u8; 32], ([10, 0, 0, 1], 1).into());
                if let Some(token) = self.tokens.pop() {
                    conn.nodes(now, token, [&id].into_iter()).unwrap();
                }
            }
        }
    }

    fn play(&mut self) {
        for _ in 0..STEPS {
            self.steps += 1;
            let alive = match self.random.below(10) {
                0..=4 => self.peer_writes(),
                5..=7 => {
                    self.we_call();
                    true
                }
                8 => {
                    let reading = self.random.one_in(2);
                    self.meeting.conn.set_reading(self.meeting.now, reading);
                    self.meeting
                        .pass([0, 1, 150, 1_000, 11_000][self.random.below(5)])
                        .is_ok()
                }
                _ => {
                    // Every frame of ours opens, and holds a whole message.
                    for plaintext in self.meeting.sent() {
                        assert!(plaintext.len() > 4);
                        let max = self
                            .meeting
                            .conn
                            .dialect()
                            .message_bytes_max
                            .max(limits::NODE_MESSAGE_BYTES_MAX);
                        assert!(plaintext.len() - 4 <= max);
                    }
                    true
                }
            };
            self.meeting.conn.check_invariants();
            assert!(self.meeting.conn.queued_bytes() <= 3 * limits::TRANSMIT_BYTES_MAX);
            if !alive {
                assert!(self.meeting.conn.next_deadline().is_none());
                break;
            }
        }
        self.meeting.sent();
    }
}

#[test]
fn mutated_peers_never_break_an_invariant() {
    let replayed = std::env::var("MUTATION_SEED")
        .ok()
        .and_then(|seed| seed.parse::<u64>().ok());
    let seeds = replayed.map_or(0..RUNS, |seed| seed..seed + 1);
    let mut steps = 0;
    for seed in seeds {
        let _name = NameSeed(seed);
        let mut run = Run::new(seed);
        run.play();
        steps += run.steps;
    }
    assert!(
        replayed.is_some() || steps > RUNS * 50,
        "runs are long enough to mean something: {steps}"
    );
}

#[test]
fn random_bytes_after_the_keys_never_open() {
    for seed in 0..200 {
        let _name = NameSeed(seed);
        let mut random = Xorshift::new(seed);
        let mut meeting = Meeting::keyed(identified(Role::Acceptor, 3, &[]));
        let mut fed = 0;
        while fed < 300_000 {
            let len = 1 + random.below(2_000);
            fed += len;
            if meeting.feed(&random.bytes(len)).is_err() {
                break;
            }
        }
        assert!(meeting.news().is_empty());
        assert!(
            fed < 300_000,
            "a frame that cannot be is refused by its length or its tag"
        );
    }
}
