//! Two connections of the codec with hands shaken, and memory to carry bytes between them.

use ed25519_dalek::SigningKey;
use flatend_codec::{Config, Connection, Event, Flatend2, Limits, Millis, Opened, Role};

/// The moment at which everything happens.
pub const NOW: Millis = Millis(1_000);

/// The name that the acceptor offers.
pub const SERVICE: &str = "hello";

/// A dialer that offers nothing and an acceptor that offers [`SERVICE`]. The acceptor knows the dialer for a node of ours and sends it
/// large Data; the dialer takes the acceptor for an unknown peer and sends it 2 KiB at once.
#[derive(Debug)]
pub struct Pair {
    /// Who dialed.
    pub dialer: Connection,
    /// Who was dialed.
    pub acceptor: Connection,
    buffer: Buffer,
}

/// A receive buffer that begins at a multiple of 64 bytes, as the engine's do.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    from: usize,
    len: usize,
}

impl Buffer {
    pub(crate) fn new() -> Buffer {
        Buffer {
            bytes: Vec::new(),
            from: 0,
            len: 0,
        }
    }

    /// Takes over everything that `from` wants to send.
    pub(crate) fn fill(&mut self, from: &mut Connection) {
        from.seal();
        let waiting = from.transmit();
        self.len = waiting.len();
        self.bytes.resize(self.bytes.len().max(self.len + 64), 0);
        self.from = self.bytes.as_ptr().align_offset(64);
        self.filled().copy_from_slice(from.transmit());
        from.transmitted(self.len);
    }

    pub(crate) fn filled(&mut self) -> &mut [u8] {
        &mut self.bytes[self.from..self.from + self.len]
    }
}

impl Pair {
    /// Makes the two and lets them shake hands, on legacy.
    pub fn new() -> Pair {
        Pair::of(Limits::default(), false)
    }

    /// The same on flatend/2; windows may be widened by `extra` bytes in all.
    pub fn flatend2(extra: u64) -> Pair {
        let limits = Limits {
            extra_window_bytes_max: extra,
            ..Limits::default()
        };
        Pair::of(limits, true)
    }

    fn of(limits: Limits, flatend2: bool) -> Pair {
        let services = [SERVICE.to_owned()];
        let side = |role, secret, port: u16, services| {
            let key = SigningKey::from_bytes(&[secret; 32]);
            let flatend2 = flatend2.then(|| Flatend2 {
                key: key.clone(),
                addresses: &[],
                instance: [secret; 16],
                shards: 1,
                lane: 0,
                requests_max: 1_000,
                software: "bench",
                record: None,
                network_key: None,
                expected_key: None,
                legacy: false,
            });
            let config = Config {
                role,
                ephemeral_secret: [secret; 32],
                identity: Some((key, ([127, 0, 0, 1], port).into())),
                services,
                limits,
                flatend2,
            };
            Connection::new(NOW, config).expect("a sound configuration")
        };
        let mut pair = Pair {
            dialer: side(Role::Dialer, 1, 9001, &[]),
            acceptor: side(Role::Acceptor, 2, 9000, &services),
            buffer: Buffer::new(),
        };
        // Not until all is quiet: each side's last word may be a frame that the other only notes.
        let mut unread = [Vec::new(), Vec::new()];
        while pair.dialer.queued_bytes() + pair.acceptor.queued_bytes() > 0 {
            let [there, back] = &mut unread;
            hand_over(&mut pair.dialer, &mut pair.acceptor, there);
            hand_over(&mut pair.acceptor, &mut pair.dialer, back);
        }
        assert!(pair.dialer.is_ready() && pair.acceptor.is_ready());
        pair
    }

    /// Moves what the dialer wants to send to the acceptor's side and gives both.
    pub(crate) fn at_acceptor(&mut self) -> (&mut Connection, &mut [u8]) {
        self.buffer.fill(&mut self.dialer);
        (&mut self.acceptor, self.buffer.filled())
    }

    /// Moves what the acceptor wants to send to the dialer's side and gives both.
    pub(crate) fn at_dialer(&mut self) -> (&mut Connection, &mut [u8]) {
        self.buffer.fill(&mut self.acceptor);
        (&mut self.dialer, self.buffer.filled())
    }
}

impl Default for Pair {
    fn default() -> Self {
        Pair::new()
    }
}

/// Opens all of `frames`, which are whole, and shows each event.
pub(crate) fn open_all(
    to: &mut Connection,
    frames: &mut [u8],
    mut on_event: impl FnMut(&Event<'_>),
) {
    let taken = open_whole(to, frames, &mut on_event);
    assert_eq!(taken, frames.len(), "half a frame is left");
}

/// Opens what is whole and gives the bytes that it took.
fn open_whole(
    to: &mut Connection,
    unread: &mut [u8],
    on_event: &mut impl FnMut(&Event<'_>),
) -> usize {
    let mut taken = 0;
    while let Opened::Frame {
        consumed,
        mut messages,
    } = to.open(NOW, &mut unread[taken..]).expect("an honest peer")
    {
        while let Some(event) = to.next_event(NOW, &mut messages).expect("an honest peer") {
            on_event(&event);
        }
        taken += consumed;
    }
    taken
}

fn hand_over(from: &mut Connection, to: &mut Connection, unread: &mut Vec<u8>) {
    from.seal();
    unread.extend_from_slice(from.transmit());
    from.transmitted(from.queued_bytes());
    let taken = open_whole(to, unread, &mut |_| {});
    unread.drain(..taken);
    to.read_empty(NOW);
}
