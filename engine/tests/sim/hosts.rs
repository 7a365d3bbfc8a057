//! Hosts: nodes that start, are killed, and offer something new.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use flatend::kademlia::Key;

use super::kinds::{Dialer, Msg, Running};
use super::net::{ConnId, To};
use super::node::{LinkState, Ours};
use super::old::Old;
use super::world::World;

impl World {
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
        self.ledger.forget(number);
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
