//! What a host does with what reaches it: a node of ours tells its core and does what the core wants, an old peer does as it does.

use std::net::SocketAddr;

use flatend::discovery::{Action, DialEnd, Down, Lane, LinkUp, Named, Target};
use flatend::kademlia::Key;
use flatend::routing::LinkRef;
use flatend::Millis;

use super::kinds::{Dialer, Event, Msg, Running};
use super::net::{ConnId, To};
use super::node::Dialing;
use super::world::World;

/// How long a link that was accepted waits for the dialer's next packet before it may be asked.
const READY_MS: u64 = 200;

/// How long the streams of a link that is given up for another may last, and how soon requests have passed over a new one.
const STREAM_MS: usize = 3_000;

/// The other end of a connection.
pub(super) fn other(to: To) -> To {
    match to {
        To::Dialer => To::Acceptor,
        To::Acceptor => To::Dialer,
    }
}

impl World {
    pub(super) fn ours_takes(&mut self, host: usize, conn: ConnId, to: To, msg: Msg) {
        let now = Millis(self.now);
        let link = self.link_ref(conn, to);
        if !matches!(msg, Msg::Hello { .. } | Msg::HelloReply { .. }) {
            self.note_ready(host, conn, to);
        }
        match msg {
            Msg::Hello {
                key,
                shown,
                services,
                claim,
            } => {
                let from = self.hosts[self.conns[&conn].dialer].addr;
                let state = self.new_link(key, shown, from, services, claim);
                let up = LinkUp {
                    link,
                    lane: claim,
                    key,
                    addr: state.shown,
                    from: Some((from.ip(), 40_000).into()),
                    dial: None,
                };
                let (own, shown) = (self.hosts[host].key, self.shown(host));
                let services = self.hosts[host].services;
                let claim = self.claim(host, 0);
                if let Some(ours) = self.ours_mut(host) {
                    ours.insert((conn, to), state);
                    ours.core.link_up(now, up);
                }
                self.send(
                    conn,
                    To::Dialer,
                    Msg::HelloReply {
                        key: own,
                        shown,
                        services,
                        claim,
                    },
                );
                self.at(self.now + READY_MS, Event::Ready { conn });
            }
            Msg::HelloReply {
                key,
                shown,
                services,
                claim,
            } => {
                let (addr, by) = (self.conns[&conn].addr, self.conns[&conn].by);
                let Dialer::Ours(dial) = by else {
                    unreachable!("a node of ours dials as one");
                };
                let dialing = self.ours(host).and_then(|ours| ours.dials.get(&dial));
                let process = dialing.and_then(|dialing| Some(dialing.lane?.0));
                if process.is_some() && process != claim.map(|claim| claim.process) {
                    // Another process answers there.
                    return self.end_conn(conn, To::Dialer, false);
                }
                // An acceptor does not say which lane it is.
                let lane = self.conns[&conn].lane;
                let claim = claim.map(|claim| Lane { lane, ..claim });
                if let Some(state) = self.conns.get_mut(&conn) {
                    state.up = true;
                }
                if claim.is_some() && (self.all_work || self.rng.below(2) == 0) {
                    let at = self.now + self.rng.below(STREAM_MS) as u64;
                    self.at(at, Event::Works { conn });
                }
                let mut state = self.new_link(key, shown, addr, services, claim);
                state.ready = true;
                let up = LinkUp {
                    link,
                    lane: claim,
                    key,
                    addr: state.shown,
                    from: Some(addr),
                    dial: Some(dial),
                };
                let own = self.hosts[host].key.unwrap_or_default();
                if let Some(ours) = self.ours_mut(host) {
                    ours.dials.remove(&dial);
                    ours.insert((conn, to), state);
                    ours.core.link_up(now, up);
                }
                if lane == 0 {
                    self.send(conn, To::Acceptor, Msg::FindNode { target: own });
                }
            }
            Msg::FindNode { target } => {
                let asker = self.conns[&conn].dialer;
                let asker = if to == To::Acceptor {
                    asker
                } else {
                    self.conns[&conn].acceptor
                };
                let takes_ipv6 = self.hosts[asker].old.is_none();
                let now = self.now;
                if let Some(ours) = self.ours_mut(host) {
                    let ids = ours.answer(now, (conn, to), &target, takes_ipv6);
                    self.send(conn, other(to), Msg::Nodes { ids });
                }
            }
            Msg::Nodes { ids } => {
                self.ledger.answered(host, link);
                if let Some(ours) = self.ours_mut(host) {
                    let named: Vec<Named> =
                        ids.iter().map(|(key, addr)| hearsay(*key, *addr)).collect();
                    ours.core.named(now, link, &named);
                }
            }
            Msg::Goodbye => {
                if let (To::Acceptor, Some(ours)) = (to, self.ours_mut(host)) {
                    ours.core.link_leaves(now, link);
                }
            }
            Msg::Services { services } => {
                if let Some(state) = self.ours_mut(host).and_then(|ours| ours.link((conn, to))) {
                    state.services = state.services.max(services);
                }
            }
        }
    }

    /// A link may be asked from now on.
    pub(super) fn note_ready(&mut self, host: usize, conn: ConnId, to: To) {
        let (now, link) = (Millis(self.now), self.link_ref(conn, to));
        if let Some(ours) = self.ours_mut(host) {
            let fresh = ours
                .link((conn, to))
                .is_some_and(|link| !std::mem::replace(&mut link.ready, true));
            if fresh {
                ours.core.link_ready(now, link);
            }
        }
    }

    /// One side of a connection has ended, or was never made.
    pub(super) fn closed(&mut self, host: usize, conn: ConnId, to: To, renewed: bool) {
        let now = Millis(self.now);
        let (alive, up, addr, by, lives) = {
            let state = &self.conns[&conn];
            (state.alive, state.up, state.addr, state.by, state.lives)
        };
        if alive && (to == To::Acceptor || up) {
            // The timeout of a handshake that has come to its end long since.
            return;
        }
        if alive {
            self.end_conn(conn, To::Dialer, false);
            return;
        }
        self.net.forget(conn);
        let link = self.link_ref(conn, to);
        self.ledger.answered(host, link);
        match &mut self.hosts[host].running {
            Some(Running::Ours(ours)) => {
                if ours.remove((conn, to)).is_some() {
                    let how = if renewed { Down::Renewed } else { Down::Lost };
                    ours.core.link_down(now, link, how);
                } else if let (To::Dialer, Dialer::Ours(dial)) = (to, by) {
                    if ours.dials.remove(&dial).is_some() {
                        ours.core.dial_ended(now, dial, DialEnd::Failed);
                    }
                }
            }
            Some(Running::Old(old)) => {
                if let Some(Some(key)) = old.links.remove(&(conn, to)) {
                    old.delete(&key);
                }
                if to == To::Dialer {
                    old.clients.remove(&addr);
                    // Eight tries of half a second, as the package has it.
                    let event = Event::OldRedial {
                        host,
                        life: lives.0,
                        addr,
                        left: 7,
                    };
                    self.at(self.now + 500, event);
                }
            }
            None => {}
        }
    }

    pub(super) fn dial_failed(&mut self, host: usize, by: Dialer, end: DialEnd) {
        let now = Millis(self.now);
        match by {
            Dialer::Ours(dial) => {
                if let Some(ours) = self.ours_mut(host) {
                    ours.dials.remove(&dial);
                    ours.core.dial_ended(now, dial, end);
                }
            }
            Dialer::Old(left) => {
                // Its bootstrap passes over whom it cannot reach; a lost link is tried again.
                let addr = self.hosts[self.hosts[host].seeds[0]].addr;
                if left > 0 {
                    let life = self.hosts[host].life;
                    self.at(
                        self.now + 500,
                        Event::OldRedial {
                            host,
                            life,
                            addr,
                            left: left - 1,
                        },
                    );
                }
            }
        }
    }

    /// Does what the core of a host wants.
    pub(super) fn pump(&mut self, host: usize) {
        loop {
            let seeds = self.hosts[host].seeds.clone();
            let Some(ours) = self.ours_mut(host) else {
                return;
            };
            let Some(action) = ours.core.poll_action() else {
                break;
            };
            match action {
                Action::Dial { dial, target, .. } => {
                    let (expected, addr) = match target {
                        Target::Bootstrap(number) => (None, self.hosts[seeds[number]].addr),
                        Target::Peer { key, addr, .. } => (Some(key), addr),
                        Target::Lane { addr, .. } => (None, addr),
                    };
                    let (of, lane, shard) = match target {
                        Target::Lane {
                            process,
                            lane,
                            shard,
                            ..
                        } => (Some((process, lane)), lane, shard),
                        _ => {
                            let shards = usize::from(self.hosts[host].shards);
                            (None, 0, self.rng.below(shards))
                        }
                    };
                    self.check_dial(host, expected, addr);
                    match of {
                        Some((process, lane)) => self.check_lane_dial(host, process, lane),
                        None => self.note_dial(host, addr),
                    }
                    if let Some(ours) = self.ours_mut(host) {
                        ours.dials.insert(dial, Dialing { expected, lane: of });
                    }
                    self.dial(host, addr, Dialer::Ours(dial), lane, shard);
                }
                Action::Ask { link, target } => {
                    let (conn, side) = ends_of(link);
                    self.ledger.ask(self.now, host, link);
                    self.send(conn, other(side), Msg::FindNode { target });
                }
                Action::Supersede { link } => {
                    let (conn, by) = ends_of(link);
                    let at = self.now + self.rng.below(STREAM_MS) as u64;
                    self.at(at, Event::Left { conn, by });
                    self.send(conn, other(by), Msg::Goodbye);
                    if let Some(state) = self.conns.get_mut(&conn) {
                        state.leaving = true;
                    }
                }
                Action::Discovered { .. } => {
                    assert!(!ours.discovered, "the first lookup ends once");
                    ours.discovered = true;
                }
                Action::Pausing { .. } | Action::GaveUp { .. } => {}
            }
        }
        let deadline = self.ours(host).and_then(|ours| ours.core.next_deadline());
        let wake = self.hosts[host].wake;
        if let Some(Millis(at)) = deadline {
            if wake.is_none_or(|wake| at < wake || wake < self.now) {
                let at = at.max(self.now);
                self.hosts[host].wake = Some(at);
                self.at(at, Event::Timeout { host });
            }
        }
    }
}

/// The connection of a link, and which side of it knows it so.
fn ends_of(link: LinkRef) -> (ConnId, To) {
    let side = match link.id % 2 {
        0 => To::Dialer,
        _ => To::Acceptor,
    };
    (link.id / 2, side)
}

/// An ID as old peers name it: nothing proves it.
fn hearsay(key: Key, addr: SocketAddr) -> Named {
    Named {
        key,
        addr,
        signed: false,
    }
}
