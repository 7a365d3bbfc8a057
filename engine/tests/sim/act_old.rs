//! What an old peer does with what reaches it, as the npm package does.

use flatend::kademlia::Key;

use super::act::other;
use super::kinds::{Dialer, Msg};
use super::net::{ConnId, To};
use super::old::Fault;
use super::world::World;

impl World {
    pub(super) fn old_takes(&mut self, host: usize, conn: ConnId, to: To, msg: Msg) {
        let own = self.hosts[host].key.unwrap_or_default();
        match msg {
            Msg::Hello { key, shown, .. } => {
                let (own, shown_here) = (self.hosts[host].key, self.shown(host));
                if let Some(old) = self.old_mut(host) {
                    old.links.insert((conn, to), key);
                    if let (Some(key), Some(shown)) = (key, shown) {
                        old.update(key, shown);
                    }
                }
                let reply = Msg::HelloReply {
                    key: own,
                    shown: shown_here,
                    services: 0,
                    claim: None,
                };
                self.send(conn, To::Dialer, reply);
            }
            Msg::HelloReply { key, shown, .. } => {
                let addr = self.conns[&conn].addr;
                if let Some(state) = self.conns.get_mut(&conn) {
                    state.up = true;
                }
                if let Some(old) = self.old_mut(host) {
                    old.links.insert((conn, to), key);
                    if let (Some(key), Some(shown)) = (key, shown) {
                        old.update(key, shown);
                    }
                    old.clients.insert(addr, conn);
                    old.clients_ever += 1;
                    old.asked += 1;
                }
                self.send(conn, To::Acceptor, Msg::FindNode { target: own });
            }
            Msg::FindNode { target } => self.old_answers(host, conn, to, &target),
            Msg::Nodes { ids } => {
                // The package's bootstrap: it asks whom an answer names, again and again, until nobody is named any more. Old peers
                // keep each other at it for ever; that is left out, for only what ours do to them is to be shown.
                let teller = self.conns[&conn].acceptor;
                if self.hosts[teller].old.is_some() {
                    return;
                }
                for (key, addr) in ids {
                    if key == own {
                        continue;
                    }
                    match self
                        .old(host)
                        .and_then(|old| old.clients.get(&addr).copied())
                    {
                        Some(client) if self.conns.get(&client).is_some_and(|conn| conn.alive) => {
                            if let Some(old) = self.old_mut(host) {
                                old.asked += 1;
                            }
                            self.send(client, To::Acceptor, Msg::FindNode { target: own });
                        }
                        _ => self.dial(host, addr, Dialer::Old(0), 0, 0),
                    }
                }
                if let Some(old) = self.old_mut(host) {
                    old.answers += 1;
                }
            }
            Msg::Goodbye => panic!("links of old peers have no lanes"),
            Msg::Services { .. } => panic!("a second Handshake ends an npm process (rule N01)"),
        }
    }

    fn old_answers(&mut self, host: usize, conn: ConnId, to: To, target: &Key) {
        let lies: Vec<_> = (0..6).map(|_| self.random_key()).collect();
        let victim = self.rng.below(self.hosts.len());
        let victim = self.hosts[victim].addr;
        let Some(old) = self.old(host) else {
            return;
        };
        let (fault, mut ids) = (old.fault, old.closest(target));
        match fault {
            Fault::Mute => return,
            Fault::Liar => {
                ids.truncate(10);
                ids.push((lies[0], victim));
                ids.push((lies[1], ([10, 9, 9, 9], 9_000).into()));
                ids.push((lies[2], ([0, 0, 0, 0], 9_000).into()));
                ids.push((lies[3], ([224, 0, 0, 1], 9_000).into()));
                ids.push((lies[4], ([127, 0, 0, 1], 9_000).into()));
                ids.push((lies[5], ([255, 255, 255, 255], 9_000).into()));
            }
            Fault::Flood => {
                ids = (0..5_000u16)
                    .map(|number| {
                        let [high, low] = number.to_be_bytes();
                        (self.random_key(), ([10, 7, high, low], 9_000).into())
                    })
                    .collect();
            }
            _ => {}
        }
        self.send(conn, other(to), Msg::Nodes { ids });
    }
}
