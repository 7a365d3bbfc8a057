//! The world: hosts, the connections between them, one queue of events in virtual time. Everything follows from the seed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use flatend::kademlia::Key;
use flatend::routing::{LinkRef, Rng};
use flatend::Millis;

use super::kinds::{Conn, Dialer, Event, Host, Running, Totals};
use super::ledger::Ledger;
use super::net::{ConnId, Knobs, Net, To};
use super::node::Ours;
use super::old::{Fault, Old};
use super::trace::Trace;

/// A run.
pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) rng: Rng,
    pub(crate) net: Net,
    pub(crate) hosts: Vec<Host>,
    pub(crate) totals: Totals,
    pub(crate) trace: Trace,
    pub(crate) ledger: Ledger,
    pub(super) conns: BTreeMap<ConnId, Conn>,
    pub(super) by_addr: BTreeMap<SocketAddr, usize>,
    pub(super) next_conn: ConnId,
    /// Requests pass over every link.
    pub(super) all_work: bool,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: BTreeMap<u64, Event>,
    next_event: u64,
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
            ledger: Ledger::default(),
            conns: BTreeMap::new(),
            by_addr: BTreeMap::new(),
            next_conn: 1,
            all_work: false,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            next_event: 0,
        }
    }

    /// How the core of one side knows a link.
    pub(super) fn link_ref(&self, conn: ConnId, to: To) -> LinkRef {
        let shards = self.conns[&conn].shards;
        LinkRef {
            shard: if to == To::Dialer { shards.0 } else { shards.1 },
            id: conn * 2 + u64::from(to == To::Acceptor),
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
            shards: 1,
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
            Event::Left { conn, by } => {
                let host = self.side(conn, by)?;
                self.end_conn(conn, by, false);
                Some(host)
            }
            Event::Works { conn } => {
                let host = self.side(conn, To::Dialer)?;
                let link = self.link_ref(conn, To::Dialer);
                self.ours_mut(host)?.core.link_works(now, link);
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
                    self.dial(host, addr, Dialer::Old(left), 0, 0);
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
}
