//! The network of the simulation: delays, partitions, loss of links, all from one seed. Messages of one direction of a link
//! arrive in order, as over TCP.

use std::collections::{BTreeMap, BTreeSet};

use flatend::routing::Rng;

/// What the network does to a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Knobs {
    /// One way, milliseconds.
    pub(crate) delay_ms: (u64, u64),
    /// How long a side may take to notice that a link is dead: keepalive.
    pub(crate) notice_ms: u64,
    /// A connect to where nobody answers.
    pub(crate) connect_timeout_ms: u64,
}

impl Default for Knobs {
    fn default() -> Self {
        Knobs {
            delay_ms: (1, 40),
            notice_ms: 60_000,
            connect_timeout_ms: 5_000,
        }
    }
}

/// Names a connection.
pub(crate) type ConnId = u64;

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum To {
    Dialer,
    Acceptor,
}

/// Who can reach whom, and when what arrives.
#[derive(Debug)]
pub(crate) struct Net {
    pub(crate) knobs: Knobs,
    /// The side of a partition on which each node is; all on 0 without one.
    side: BTreeMap<usize, u8>,
    /// Pairs between which nothing passes, whatever the sides are.
    cut: BTreeSet<(usize, usize)>,
    /// When the last message of a direction arrives.
    last: BTreeMap<(ConnId, To), u64>,
}

impl Net {
    pub(crate) fn new(knobs: Knobs) -> Net {
        Net {
            knobs,
            side: BTreeMap::new(),
            cut: BTreeSet::new(),
            last: BTreeMap::new(),
        }
    }

    pub(crate) fn split(&mut self, side: BTreeMap<usize, u8>) {
        self.side = side;
    }

    pub(crate) fn cut_pair(&mut self, a: usize, b: usize) {
        self.cut.insert((a.min(b), a.max(b)));
    }

    pub(crate) fn heal(&mut self) {
        self.side.clear();
        self.cut.clear();
    }

    pub(crate) fn reaches(&self, a: usize, b: usize) -> bool {
        let side = |node| self.side.get(&node).copied().unwrap_or(0);
        side(a) == side(b) && !self.cut.contains(&(a.min(b), a.max(b)))
    }

    pub(crate) fn delay(&self, rng: &mut Rng) -> u64 {
        let (min, max) = self.knobs.delay_ms;
        min + rng.below((max - min + 1) as usize) as u64
    }

    /// When a message that leaves now arrives; not before the one that left before it.
    pub(crate) fn arrival(
        &mut self,
        rng: &mut Rng,
        now: u64,
        conn: ConnId,
        to: To,
        slow_ms: u64,
    ) -> u64 {
        let at = now + self.delay(rng) + slow_ms;
        let last = self.last.entry((conn, to)).or_insert(0);
        *last = at.max(*last);
        *last
    }

    pub(crate) fn forget(&mut self, conn: ConnId) {
        self.last.remove(&(conn, To::Dialer));
        self.last.remove(&(conn, To::Acceptor));
    }
}
