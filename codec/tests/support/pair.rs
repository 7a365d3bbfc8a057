//! Two connections of ours that talk on a virtual clock. The network between them takes and gives everything at once, unless a test
//! says otherwise.

use super::happened::{drain, Happened};
use super::identified;
use flatend_codec::{Config, Connection, Millis, Opened, ProtocolError, Role};

pub struct Side {
    pub conn: Connection,
    pub happened: Vec<Happened>,
    pub input: Vec<u8>,
    /// Everything that this side ever wrote.
    pub wrote: Vec<u8>,
}

impl Side {
    pub fn new(now: Millis, config: Config<'_>) -> Self {
        Self {
            conn: Connection::new(now, config).unwrap(),
            happened: Vec::new(),
            input: Vec::new(),
            wrote: Vec::new(),
        }
    }

    /// What happened since the last call.
    pub fn news(&mut self) -> Vec<Happened> {
        std::mem::take(&mut self.happened)
    }

    /// Bytes for the other side.
    pub fn take(&mut self) -> Vec<u8> {
        self.conn.seal();
        let bytes = self.conn.transmit().to_vec();
        self.conn.transmitted(bytes.len());
        self.wrote.extend_from_slice(&bytes);
        bytes
    }

    /// As [`feed`](Self::feed), and calls `between` after each frame.
    pub fn feed_frames(
        &mut self,
        now: Millis,
        bytes: &[u8],
        mut between: impl FnMut(&mut Connection),
    ) {
        self.input.extend_from_slice(bytes);
        while let Opened::Frame {
            consumed,
            mut messages,
        } = self.conn.open(now, &mut self.input).unwrap()
        {
            while let Some(event) = self.conn.next_event(now, &mut messages).unwrap() {
                self.happened.push(Happened::from_event(&event));
            }
            self.input.drain(..consumed);
            between(&mut self.conn);
        }
    }

    pub fn feed(&mut self, now: Millis, bytes: &[u8]) -> Result<(), ProtocolError> {
        self.input.extend_from_slice(bytes);
        let result = drain(&mut self.conn, now, &mut self.input, &mut self.happened);
        self.conn.read_empty(now);
        result
    }
}

pub struct Pair {
    pub now: Millis,
    pub dialer: Side,
    pub acceptor: Side,
}

impl Pair {
    pub fn of(dialer: Config<'_>, acceptor: Config<'_>) -> Self {
        let now = Millis(1_000);
        Self {
            now,
            dialer: Side::new(now, dialer),
            acceptor: Side::new(now, acceptor),
        }
    }

    /// An identified dialer and an identified acceptor that offer these names; hands are shaken.
    pub fn up(dialer_offers: &[&str], acceptor_offers: &[&str]) -> Self {
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        let (dialer_offers, acceptor_offers) = (names(dialer_offers), names(acceptor_offers));
        let mut pair = Self::of(
            identified(Role::Dialer, 1, &dialer_offers),
            identified(Role::Acceptor, 2, &acceptor_offers),
        );
        pair.settle();
        pair.dialer.news();
        pair.acceptor.news();
        assert!(pair.dialer.conn.is_ready() && pair.acceptor.conn.is_ready());
        pair
    }

    /// Carries bytes until neither side has any.
    pub fn settle(&mut self) {
        loop {
            let there = self.dialer.take();
            self.acceptor.feed(self.now, &there).unwrap();
            let back = self.acceptor.take();
            self.dialer.feed(self.now, &back).unwrap();
            if there.is_empty() && back.is_empty() {
                break;
            }
        }
    }

    /// Time passes; both sides do what becomes due on the way, and bytes travel.
    pub fn pass(&mut self, ms: u64) -> Result<(), ProtocolError> {
        let until = self.now.after(ms);
        loop {
            let due = [
                self.dialer.conn.next_deadline(),
                self.acceptor.conn.next_deadline(),
            ]
            .into_iter()
            .flatten()
            .min();
            let Some(due) = due.filter(|due| *due <= until) else {
                break;
            };
            self.now = self.now.max(due);
            for side in [&mut self.dialer, &mut self.acceptor] {
                side.conn.handle_timeout(self.now)?;
                while let Some(event) = side.conn.poll_event() {
                    side.happened.push(Happened::from_event(&event));
                }
            }
            self.settle();
        }
        self.now = until;
        Ok(())
    }
}
