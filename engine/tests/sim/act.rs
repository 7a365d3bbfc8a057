//! What a host does with what reaches it: a node of ours tells its core and does what the core wants, an old peer does as it does.

use std::net::SocketAddr;

use flatend::discovery::{Action, DialEnd, Down, LinkUp, Named, Target};
use flatend::kademlia::Key;
use flatend::Millis;

use super::kinds::{Dialer, Event, Msg, Running};
use super::net::{ConnId, To};
use super::node::Dialing;
use super::world::{link_ref, World};

/// How long a link that was accepted waits for the dialer's next packet before it may be asked.
const READY_MS: u64 = 200;

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
        let link = link_ref(conn, to);
        if !matches!(msg, Msg::Hello { .. } | Msg::HelloReply { .. }) {
            self.note_ready(host, conn, to);
        }
        match msg {
            Msg::Hello {
                key,
                shown,
                services,
            } => {
                let from = self.hosts[self.conns[&conn].dialer].addr;
                let state = self.new_link(key, shown, from, services);
                let up = LinkUp {
                    link,
                    lane: None,
                    key,
                    addr: state.shown,
                    from: Some((from.ip(), 40_000).into()),
                    dial: None,
                };
                let (own, shown) = (self.hosts[host].key, self.shown(host));
                let services = self.hosts[host].services;
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
                    },
                );
                self.at(self.now + READY_MS, Event::Ready { conn });
            }
            Msg::HelloReply {
                key,
                shown,
                services,
            } => {
                let (addr, by) = (self.conns[&conn].addr, self.conns[&conn].by);
                let Dialer::Ours(dial) = by else {
                    unreachable!("a node of ours dials as one");
                };
                if let Some(state) = self.conns.get_mut(&conn) {
                    state.up = true;
                }
                let mut state = self.new_link(key, shown, addr, services);
                state.ready = true;
                let up = LinkUp {
                    link,
                    lane: None,
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
                self.send(conn, To::Acceptor, Msg::FindNode { target: own });
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
            Msg::Services { services } => {
                if let Some(state) = self.ours_mut(host).and_then(|ours| ours.link((conn, to))) {
                    state.services = state.services.max(services);
                }
            }
        }
    }

    /// A link may be asked from now on.
    pub(super) fn note_ready(&mut self, host: usize, conn: ConnId, to: To) {
        let now = Millis(self.now);
        if let Some(ours) = self.ours_mut(host) {
            let fresh = ours
                .link((conn, to))
                .is_some_and(|link| !std::mem::replace(&mut link.ready, true));
            if fresh {
                ours.core.link_ready(now, link_ref(conn, to));
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
        self.ledger.answered(host, link_ref(conn, to));
        match &mut self.hosts[host].running {
            Some(Running::Ours(ours)) => {
                if ours.remove((conn, to)).is_some() {
                    let how = if renewed { Down::Renewed } else { Down::Lost };
                    ours.core.link_down(now, link_ref(conn, to), how);
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
                        Target::Lane { .. } => panic!("links of old peers have no lanes"),
                    };
                    self.check_dial(host, expected, addr);
                    self.note_dial(host, addr);
                    if let Some(ours) = self.ours_mut(host) {
                        ours.dials.insert(dial, Dialing { expected });
                    }
                    self.dial(host, addr, Dialer::Ours(dial));
                }
                Action::Ask { link, target } => {
                    let conn = link.id / 2;
                    let to = if link.id % 2 == 1 {
                        To::Dialer
                    } else {
                        To::Acceptor
                    };
                    self.ledger.ask(self.now, host, link);
                    self.send(conn, to, Msg::FindNode { target });
                }
                Action::Supersede { .. } => panic!("links of old peers have no lanes"),
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

/// An ID as old peers name it: nothing proves it.
fn hearsay(key: Key, addr: SocketAddr) -> Named {
    Named {
        key,
        addr,
        signed: false,
    }
}
