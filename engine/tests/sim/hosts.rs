//! Hosts: nodes that start, are killed, and offer something new.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use flatend::discovery::{Lane, Process};
use flatend::kademlia::Key;

use super::kinds::{Dialer, Event, Msg, Running};
use super::net::{ConnId, To};
use super::node::{LinkState, Ours};
use super::old::Old;
use super::world::World;

impl World {
    /// Starts a node on a host.
    pub(crate) fn start(&mut self, number: usize) {
        let seed = self.rng.next_u64();
        // Who shows no key proves one all the same, for this run.
        let (proved, instance) = (self.random_key(), self.random_key());
        let host = &mut self.hosts[number];
        host.life += 1;
        host.wake = None;
        host.running = Some(match host.old {
            None => {
                let bootstrap = host.seeds.len();
                let process = Process {
                    key: host.key.unwrap_or(proved),
                    instance: instance[..16].try_into().expect("16 of 32"),
                };
                let (key, addr, shards) = (host.key, host.addr, host.shards);
                Running::Ours(Box::new(Ours::new(
                    self.now, key, process, shards, addr, bootstrap, seed,
                )))
            }
            Some(fault) => Running::Old(Old::new(host.key.unwrap_or_default(), fault)),
        });
        if host.old.is_some() {
            for seed in host.seeds.clone() {
                let addr = self.hosts[seed].addr;
                self.dial(number, addr, Dialer::Old(8), 0, 0);
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

    /// From now on requests pass over every link.
    pub(crate) fn put_to_work(&mut self) {
        self.all_work = true;
        for conn in self.live_conns() {
            let at = self.now + self.rng.below(1_000) as u64;
            self.at(at, Event::Works { conn });
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
        claim: Option<Lane>,
    ) -> LinkState {
        // An unspecified address is the one that the link came from.
        let shown = shown.map(|shown| match shown.ip().is_unspecified() {
            true => SocketAddr::new(from.ip(), shown.port()),
            false => shown,
        });
        let mut link = LinkState::new(key, shown, services);
        link.process = claim.map(|claim| claim.process);
        link
    }

    /// What a node says of itself on flatend/2.
    pub(super) fn claim(&self, number: usize, lane: u16) -> Option<Lane> {
        self.ours(number).map(|ours| Lane {
            process: ours.process,
            lane,
            shards: self.hosts[number].shards,
        })
    }
}
