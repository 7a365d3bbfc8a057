//! The network at work: messages, dials, connections that break or end.

use std::net::SocketAddr;

use flatend::discovery::DialEnd;

use super::kinds::{Conn, Dialer, Event, Msg};
use super::net::{ConnId, To};
use super::world::World;

impl World {
    pub(super) fn send(&mut self, conn: ConnId, to: To, msg: Msg) {
        let state = &self.conns[&conn];
        let sender = match to {
            To::Dialer => state.acceptor,
            To::Acceptor => state.dialer,
        };
        self.totals.messages += 1;
        self.totals.lookups += u64::from(matches!(msg, Msg::FindNode { .. }));
        let slow_ms = self.hosts[sender].slow_ms;
        let at = self.net.arrival(&mut self.rng, self.now, conn, to, slow_ms);
        self.at(at, Event::Arrive { conn, to, msg });
    }

    /// `lane`, `shard`: which of the links to a process it is to be, and our shard that dials.
    pub(super) fn dial(
        &mut self,
        host: usize,
        addr: SocketAddr,
        by: Dialer,
        lane: u16,
        shard: usize,
    ) {
        self.totals.dials += 1;
        let life = self.hosts[host].life;
        let round_trip = 2 * self.net.delay(&mut self.rng);
        let timeout = self.net.knobs.connect_timeout_ms;
        let failed = |end| Event::DialFailed {
            host,
            life,
            by,
            end,
        };
        let Some(to) = self.by_addr.get(&addr).copied() else {
            return self.at(self.now + timeout, failed(DialEnd::Failed));
        };
        if !self.net.reaches(host, to) {
            return self.at(self.now + timeout, failed(DialEnd::Failed));
        }
        if !self.is_alive(to) {
            return self.at(self.now + round_trip, failed(DialEnd::Failed));
        }
        if to == host {
            return self.at(self.now + round_trip, failed(DialEnd::Ourselves));
        }
        let conn = self.next_conn;
        self.next_conn += 1;
        let lives = (life, self.hosts[to].life);
        let claim = self.claim(host, lane);
        let owner = claim
            .filter(|_| self.ours(to).is_some())
            .map_or(0, |claim| {
                owner(claim.process.instance, lane, self.hosts[to].shards)
            });
        let state = Conn {
            dialer: host,
            acceptor: to,
            lives,
            by,
            addr,
            lane,
            shards: (shard, owner),
            alive: true,
            leaving: false,
            up: false,
        };
        self.conns.insert(conn, state);
        let (key, shown) = (self.hosts[host].key, self.shown(host));
        let services = self.hosts[host].services;
        self.send(
            conn,
            To::Acceptor,
            Msg::Hello {
                key,
                shown,
                services,
                claim,
            },
        );
        // A handshake that never comes to its end.
        self.at(
            self.now + timeout,
            Event::Closed {
                conn,
                to: To::Dialer,
                renewed: false,
            },
        );
    }

    /// A connection breaks: each side notices in its own time.
    pub(crate) fn break_conn(&mut self, conn: ConnId) {
        let Some(state) = self.conns.get_mut(&conn) else {
            return;
        };
        if !std::mem::replace(&mut state.alive, false) {
            return;
        }
        for to in [To::Dialer, To::Acceptor] {
            let notice = 1 + self.rng.below(self.net.knobs.notice_ms as usize) as u64;
            self.at(
                self.now + notice,
                Event::Closed {
                    conn,
                    to,
                    renewed: false,
                },
            );
        }
    }

    /// A connection is ended by one side's FIN.
    pub(super) fn end_conn(&mut self, conn: ConnId, by: To, renewed: bool) {
        let Some(state) = self.conns.get_mut(&conn) else {
            return;
        };
        if !std::mem::replace(&mut state.alive, false) {
            return;
        }
        let other = match by {
            To::Dialer => To::Acceptor,
            To::Acceptor => To::Dialer,
        };
        let at = self.net.arrival(&mut self.rng, self.now, conn, other, 0);
        self.at(
            self.now,
            Event::Closed {
                conn,
                to: by,
                renewed,
            },
        );
        self.at(
            at,
            Event::Closed {
                conn,
                to: other,
                renewed: false,
            },
        );
    }

    /// Connections between hosts that do not reach each other any more.
    pub(crate) fn break_unreachable(&mut self) {
        let broken: Vec<ConnId> = self
            .conns
            .iter()
            .filter(|(_, conn)| conn.alive && !self.net.reaches(conn.dialer, conn.acceptor))
            .map(|(id, _)| *id)
            .collect();
        broken.into_iter().for_each(|conn| self.break_conn(conn));
    }

    /// Those that live and do not end for others.
    pub(crate) fn staying_conns(&self) -> usize {
        let stay = self.conns.values();
        stay.filter(|conn| conn.alive && !conn.leaving).count()
    }

    pub(crate) fn live_conns(&self) -> Vec<ConnId> {
        let live = self.conns.iter().filter(|(_, conn)| conn.alive);
        live.map(|(id, _)| *id).collect()
    }
}

/// The acceptor's shard of a lane (docs/flatend2.md, Lanes).
fn owner(instance: [u8; 16], lane: u16, shards: u16) -> usize {
    let first = usize::from(u16::from_be_bytes([instance[0], instance[1]]));
    (first + usize::from(lane)) % usize::from(shards)
}
