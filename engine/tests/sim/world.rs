//! The world: hosts, the connections between them, one queue of events in virtual time. Everything follows from the seed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use flatend::discovery::{DialEnd, DialId};
use flatend::kademlia::Key;
use flatend::routing::{LinkRef, Rng};
use flatend::Millis;

use super::net::{ConnId, Knobs, Net, To};
use super::node::{LinkState, Ours};
use super::old::{Fault, Old};
use super::trace::Trace;

/// What travels over a link.
#[derive(Clone)]
pub(crate) enum Msg {
    Hello {
        key: Option<Key>,
        shown: Option<SocketAddr>,
        services: u32,
    },
    HelloReply {
        key: Option<Key>,
        shown: Option<SocketAddr>,
        services: u32,
    },
    FindNode {
        target: Key,
    },
    Nodes {
        ids: Vec<(Key, SocketAddr)>,
    },
    /// A second Handshake; its reply says nothing new.
    Services {
        services: u32,
    },
}

impl std::fmt::Debug for Msg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let short = |key: &Key| u16::from_be_bytes([key[0], key[1]]);
        match self {
            Msg::Hello { key, services, .. } => {
                write!(f, "Hello({:04x?}, {services})", key.as_ref().map(short))
            }
            Msg::HelloReply { key, services, .. } => {
                write!(
                    f,
                    "HelloReply({:04x?}, {services})",
                    key.as_ref().map(short)
                )
            }
            Msg::FindNode { target } => write!(f, "FindNode({:04x})", short(target)),
            Msg::Nodes { ids } => {
                let keys: Vec<u16> = ids.iter().map(|(key, _)| short(key)).collect();
                write!(f, "Nodes({keys:04x?})")
            }
            Msg::Services { services } => write!(f, "Services({services})"),
        }
    }
}

/// What happens at a time.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// A core's deadline.
    Timeout {
        host: usize,
    },
    /// 200 ms after a handshake: questions may be sent.
    Ready {
        conn: ConnId,
    },
    Arrive {
        conn: ConnId,
        to: To,
        msg: Msg,
    },
    /// A side sees that its link has ended.
    Closed {
        conn: ConnId,
        to: To,
        renewed: bool,
    },
    /// A dial has found nobody.
    DialFailed {
        host: usize,
        life: u32,
        by: Dialer,
        end: DialEnd,
    },
    /// An old peer dials again.
    OldRedial {
        host: usize,
        life: u32,
        addr: SocketAddr,
        left: u32,
    },
}

/// Who dials.
#[derive(Clone, Copy, Debug)]
pub(super) enum Dialer {
    Ours(DialId),
    /// An old peer, with so many tries left.
    Old(u32),
}

pub(super) enum Running {
    Ours(Box<Ours>),
    Old(Old),
}

/// A machine with an address, on which a node runs or not.
pub(crate) struct Host {
    pub(crate) key: Option<Key>,
    pub(crate) addr: SocketAddr,
    pub(crate) seeds: Vec<usize>,
    pub(crate) old: Option<Fault>,
    /// The version of its list of services.
    pub(crate) services: u32,
    /// What each of its messages is late.
    pub(crate) slow_ms: u64,
    pub(super) running: Option<Running>,
    pub(super) life: u32,
    pub(super) wake: Option<u64>,
}

pub(super) struct Conn {
    pub(super) dialer: usize,
    pub(super) acceptor: usize,
    pub(super) lives: (u32, u32),
    pub(super) by: Dialer,
    pub(super) addr: SocketAddr,
    pub(super) alive: bool,
    /// The dialer has its reply.
    pub(super) up: bool,
}

/// What was counted in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) events: u64,
    pub(crate) messages: u64,
    pub(crate) lookups: u64,
    pub(crate) dials: u64,
}

/// A run.
pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) rng: Rng,
    pub(crate) net: Net,
    pub(crate) hosts: Vec<Host>,
    pub(crate) totals: Totals,
    pub(crate) trace: Trace,
    pub(super) conns: BTreeMap<ConnId, Conn>,
    pub(super) by_addr: BTreeMap<SocketAddr, usize>,
    next_conn: ConnId,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: BTreeMap<u64, Event>,
    next_event: u64,
}

pub(super) fn link_ref(conn: ConnId, to: To) -> LinkRef {
    LinkRef {
        shard: 0,
        id: conn * 2 + u64::from(to == To::Acceptor),
    }
}

impl World {
    pub(crate) fn new(seed: u64, knobs: Knobs) -> World {
        World {
            now: 0,
            rng: Rng::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            net: Net::new(knobs),
            hosts: Vec::new(),
            totals: Totals::default(),
            trace: Trace::new(),
            conns: BTreeMap::new(),
            by_addr: BTreeMap::new(),
            next_conn: 1,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            next_event: 0,
        }
    }

    pub(crate) fn random_key(&mut self) -> Key {
        let mut key = [0; 32];
        for part in key.chunks_mut(8) {
            part.copy_from_slice(&self.rng.next_u64().to_be_bytes());
        }
        key
    }

    /// A host; nothing runs on it yet.
    pub(crate) fn add_host(
        &mut self,
        identified: bool,
        old: Option<Fault>,
        seeds: Vec<usize>,
    ) -> usize {
        let number = self.hosts.len();
        let addr = SocketAddr::from((
            [10, 1, (number / 250) as u8, (number % 250) as u8 + 1],
            9_000,
        ));
        let key = identified.then(|| self.random_key());
        self.by_addr.insert(addr, number);
        self.hosts.push(Host {
            key,
            addr,
            seeds,
            old,
            services: 0,
            slow_ms: 0,
            running: None,
            life: 0,
            wake: None,
        });
        number
    }

    pub(crate) fn is_alive(&self, host: usize) -> bool {
        self.hosts[host].running.is_some()
    }

    pub(crate) fn ours(&self, host: usize) -> Option<&Ours> {
        match &self.hosts[host].running {
            Some(Running::Ours(ours)) => Some(ours),
            _ => None,
        }
    }

    pub(super) fn ours_mut(&mut self, host: usize) -> Option<&mut Ours> {
        match &mut self.hosts[host].running {
            Some(Running::Ours(ours)) => Some(ours),
            _ => None,
        }
    }

    pub(crate) fn old(&self, host: usize) -> Option<&Old> {
        match &self.hosts[host].running {
            Some(Running::Old(old)) => Some(old),
            _ => None,
        }
    }

    pub(super) fn old_mut(&mut self, host: usize) -> Option<&mut Old> {
        match &mut self.hosts[host].running {
            Some(Running::Old(old)) => Some(old),
            _ => None,
        }
    }

    /// What a host's node shows as its address.
    pub(super) fn shown(&self, host: usize) -> Option<SocketAddr> {
        let host = &self.hosts[host];
        host.key?;
        Some(match host.old {
            Some(Fault::ShowsUnspecified) => (Ipv4Addr::UNSPECIFIED, host.addr.port()).into(),
            Some(Fault::ShowsIpv6) => {
                (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9), 9_000).into()
            }
            _ => host.addr,
        })
    }

    // ---- events

    pub(super) fn at(&mut self, time: u64, event: Event) {
        self.queue
            .push(Reverse((time.max(self.now), self.next_event)));
        self.events.insert(self.next_event, event);
        self.next_event += 1;
    }

    /// Runs until `until`; false if the queue is empty before.
    pub(crate) fn run_until(&mut self, until: u64) {
        while let Some(Reverse((time, number))) = self.queue.peek().copied() {
            if time > until {
                break;
            }
            self.queue.pop();
            self.now = time;
            self.totals.events += 1;
            if let Some(event) = self.events.remove(&number) {
                self.trace.note(time, &event);
                let host = self.handle(event);
                if let Some(host) = host {
                    self.pump(host);
                    self.check(host);
                }
            }
        }
        self.now = until;
    }

    /// Handles one event; gives the host that it concerned.
    fn handle(&mut self, event: Event) -> Option<usize> {
        let now = Millis(self.now);
        match event {
            Event::Timeout { host } => {
                if self.hosts[host].wake != Some(self.now) {
                    return None;
                }
                self.hosts[host].wake = None;
                self.ours_mut(host)?.core.timeout(now);
                Some(host)
            }
            Event::Ready { conn } => {
                let host = self.side(conn, To::Acceptor)?;
                self.note_ready(host, conn, To::Acceptor);
                Some(host)
            }
            Event::Arrive { conn, to, msg } => {
                let host = self.side(conn, to)?;
                let state = &self.conns[&conn];
                if !state.alive || !self.net.reaches(state.dialer, state.acceptor) {
                    return None;
                }
                match self.hosts[host].running {
                    Some(Running::Ours(_)) => self.ours_takes(host, conn, to, msg),
                    Some(Running::Old(_)) => self.old_takes(host, conn, to, msg),
                    None => {}
                }
                Some(host)
            }
            Event::Closed { conn, to, renewed } => {
                let host = self.side(conn, to)?;
                self.closed(host, conn, to, renewed);
                Some(host)
            }
            Event::DialFailed {
                host,
                life,
                by,
                end,
            } => {
                if self.hosts[host].life != life {
                    return None;
                }
                self.dial_failed(host, by, end);
                Some(host)
            }
            Event::OldRedial {
                host,
                life,
                addr,
                left,
            } => {
                if self.hosts[host].life == life && self.is_alive(host) {
                    self.dial(host, addr, Dialer::Old(left));
                }
                None
            }
        }
    }

    /// The host at one end of a connection, if it is still the node that it was.
    fn side(&self, conn: ConnId, to: To) -> Option<usize> {
        let state = self.conns.get(&conn)?;
        let (host, life) = match to {
            To::Dialer => (state.dialer, state.lives.0),
            To::Acceptor => (state.acceptor, state.lives.1),
        };
        (self.hosts[host].life == life && self.is_alive(host)).then_some(host)
    }

    // ---- the network

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

    pub(super) fn dial(&mut self, host: usize, addr: SocketAddr, by: Dialer) {
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
        let state = Conn {
            dialer: host,
            acceptor: to,
            lives,
            by,
            addr,
            alive: true,
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

    pub(crate) fn live_conns(&self) -> Vec<ConnId> {
        let live = self.conns.iter().filter(|(_, conn)| conn.alive);
        live.map(|(id, _)| *id).collect()
    }

    // ---- hosts

    /// Starts a node on a host.
    pub(crate) fn start(&mut self, number: usize) {
        let seed = self.rng.next_u64();
        let host = &mut self.hosts[number];
        host.life += 1;
        host.wake = None;
        host.running = Some(match host.old {
            None => {
                let bootstrap = host.seeds.len();
                Running::Ours(Box::new(Ours::new(
                    self.now, host.key, host.addr, bootstrap, seed,
                )))
            }
            Some(fault) => Running::Old(Old::new(host.key.unwrap_or_default(), fault)),
        });
        if host.old.is_some() {
            for seed in host.seeds.clone() {
                let addr = self.hosts[seed].addr;
                self.dial(number, addr, Dialer::Old(8));
            }
        }
        self.pump(number);
    }

    /// Kills the node of a host: the others see FIN, unless they do not reach it.
    pub(crate) fn kill(&mut self, number: usize) {
        let ends: Vec<(ConnId, To)> = self
            .conns
            .iter()
            .filter(|(_, conn)| conn.alive)
            .filter_map(|(id, conn)| match number {
                _ if conn.dialer == number => Some((*id, To::Dialer)),
                _ if conn.acceptor == number => Some((*id, To::Acceptor)),
                _ => None,
            })
            .collect();
        for (conn, to) in ends {
            self.end_conn(conn, to, false);
        }
        let host = &mut self.hosts[number];
        host.running = None;
        host.life += 1;
    }

    /// The node of a host offers something new and tells everybody.
    pub(crate) fn offer(&mut self, number: usize) {
        self.hosts[number].services += 1;
        let services = self.hosts[number].services;
        let Some(ours) = self.ours(number) else {
            return;
        };
        let links: Vec<(ConnId, To)> = ours.links().map(|(at, _)| *at).collect();
        for (conn, to) in links {
            let other = match to {
                To::Dialer => To::Acceptor,
                To::Acceptor => To::Dialer,
            };
            let state = &self.conns[&conn];
            let peer = if other == To::Dialer {
                state.dialer
            } else {
                state.acceptor
            };
            if self.hosts[peer].old.is_some() {
                // It dies of a second Handshake.
                self.end_conn(conn, to, true);
            } else {
                self.send(conn, other, Msg::Services { services });
            }
        }
    }

    pub(super) fn alive_hosts(&self) -> BTreeSet<usize> {
        (0..self.hosts.len())
            .filter(|host| self.is_alive(*host))
            .collect()
    }

    pub(super) fn new_link(
        &self,
        key: Option<Key>,
        shown: Option<SocketAddr>,
        from: SocketAddr,
        services: u32,
    ) -> LinkState {
        // An unspecified address is the one that the link came from.
        let shown = shown.map(|shown| match shown.ip().is_unspecified() {
            true => SocketAddr::new(from.ip(), shown.port()),
            false => shown,
        });
        LinkState::new(key, shown, services)
    }
}
