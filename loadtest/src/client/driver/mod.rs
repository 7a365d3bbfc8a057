//! The loop: waits, reads, sends, and decides what each connection does next.
//!
//! Owns the connections and the groups. Invariant: whoever takes a request from a group puts it into a connection's flights, and
//! whoever takes a flight out tells the tally.

mod events;

use std::time::{Duration, Instant};

use super::connection::Connection;
use super::group::Running;
use super::poller::{Poller, Ready};
use super::tally::Window;
use super::{Job, Outcome};
use crate::limits::{
    CLIENT_BUFFER_ALIGN_BYTES, CLIENT_BUFFER_BYTES, CONNECTS_AT_ONCE_MAX, TICK_MS,
};
use crate::pattern::Pattern;
use crate::{proc_stat, stop};

const TICK_NS: u64 = TICK_MS * 1_000_000;

/// A run.
pub(crate) struct Driver<'j> {
    job: &'j Job,
    poller: Poller,
    window: Window,
    groups: Vec<Running>,
    connections: Vec<Connection>,
    /// Connections that are to be opened, last first.
    down: Vec<usize>,
    connecting: usize,
    /// Sockets opened so far.
    opened: u64,
    /// A server was reached once.
    reached: bool,
    connect_from_ns: u64,
    buffer: Vec<u8>,
    pattern: Pattern,
    client_cpu_s: [Option<f64>; 2],
}

impl<'j> Driver<'j> {
    /// Before the first event.
    ///
    /// # Errors
    /// The system refuses an epoll set.
    pub(crate) fn new(job: &'j Job, begin: Instant) -> Result<Self, String> {
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let begin_ns = nanos(job.warm_up);
        let window = Window {
            begin_ns,
            end_ns: if job.is_counted() {
                u64::MAX
            } else {
                begin_ns.saturating_add(nanos(job.duration))
            },
        };
        let connections: Vec<Connection> = (0..)
            .zip(&job.groups)
            .flat_map(|(at, group)| (0..group.connections).map(move |_| Connection::new(at)))
            .collect();
        Ok(Driver {
            job,
            poller: Poller::new(begin)?,
            window,
            groups: job
                .groups
                .iter()
                .map(|group| Running::new(group, window))
                .collect(),
            down: (0..connections.len()).rev().collect(),
            connections,
            connecting: 0,
            opened: 0,
            reached: false,
            connect_from_ns: 0,
            buffer: vec![0; CLIENT_BUFFER_BYTES + CLIENT_BUFFER_ALIGN_BYTES],
            pattern: Pattern::new(),
            client_cpu_s: [None, None],
        })
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// A sentence: nobody was ever reached, the system refuses, or a signal came.
    pub(crate) fn run(mut self) -> Result<Outcome, String> {
        let mut ready: Vec<Ready> = Vec::new();
        let mut memory = std::mem::take(&mut self.buffer);
        let from = memory
            .as_ptr()
            .align_offset(CLIENT_BUFFER_ALIGN_BYTES)
            .min(CLIENT_BUFFER_ALIGN_BYTES);
        let buffer = memory
            .get_mut(from..from + CLIENT_BUFFER_BYTES)
            .unwrap_or_default();
        let mut tick_ns = 0;
        loop {
            let now_ns = self.poller.now_ns();
            self.read_cpu(now_ns);
            if now_ns >= tick_ns {
                stop::check()?;
                self.give_up_stuck(now_ns);
                tick_ns = now_ns + TICK_NS;
            }
            if self.is_over(now_ns) {
                break;
            }
            self.open_connections(now_ns)?;
            self.send_due(now_ns);
            self.poller
                .wait(Duration::from_nanos(self.wait_ns(tick_ns)), &mut ready)?;
            for event in &ready {
                self.handle(*event, buffer)?;
            }
        }
        Ok(self.finish())
    }

    /// CPU time at both ends of the window.
    fn read_cpu(&mut self, now_ns: u64) {
        let edges = [self.window.begin_ns, self.window.end_ns];
        for (reading, edge_ns) in self.client_cpu_s.iter_mut().zip(edges) {
            if reading.is_none() && now_ns >= edge_ns {
                *reading = Some(proc_stat::thread_seconds());
            }
        }
    }

    fn is_over(&self, now_ns: u64) -> bool {
        let grace_ns = u64::try_from(self.job.grace.as_nanos()).unwrap_or(u64::MAX);
        if now_ns >= self.window.end_ns.saturating_add(grace_ns) {
            return true;
        }
        (self.job.is_counted() || now_ns >= self.window.end_ns)
            && !self.groups.iter().any(Running::has_backlog)
            && self
                .connections
                .iter()
                .all(|connection| connection.flights.is_empty())
    }

    /// How long nothing has to be done but by events.
    fn wait_ns(&self, tick_ns: u64) -> u64 {
        // A backlog waits for connections, which come with events.
        let due = self
            .groups
            .iter()
            .filter(|group| !group.idle.is_empty())
            .filter_map(Running::upcoming_ns);
        let edges = [self.window.begin_ns, self.window.end_ns];
        let now_ns = self.poller.now_ns();
        let next = due
            .chain(edges.into_iter().filter(|edge_ns| *edge_ns > now_ns))
            .min()
            .unwrap_or(tick_ns);
        next.min(tick_ns).saturating_sub(now_ns)
    }

    fn open_connections(&mut self, now_ns: u64) -> Result<(), String> {
        while self.connecting < CONNECTS_AT_ONCE_MAX && now_ns >= self.connect_from_ns {
            let Some(at) = self.down.pop() else { break };
            let source = match self.job.sources.len() as u64 {
                0 => None,
                count => self
                    .job
                    .sources
                    .get((self.opened % count) as usize)
                    .copied(),
            };
            // The upper half tells sockets of the same place apart.
            let token = (self.opened << 32) | at as u64;
            self.opened += 1;
            let Some(connection) = self.connections.get_mut(at) else {
                continue;
            };
            match connection.connect(self.job.addr, source, token, &self.poller) {
                Ok(()) => self.connecting += 1,
                Err(sentence) => self.lose(at, &sentence)?,
            }
        }
        Ok(())
    }

    /// Hands due requests to connections with room.
    fn send_due(&mut self, now_ns: u64) {
        for at in 0..self.groups.len() {
            while let Some(group) = self.groups.get_mut(at) {
                if group.upcoming_ns().is_none_or(|due_ns| due_ns > now_ns) {
                    break;
                }
                let Some(place) = group.idle.pop_front() else {
                    break;
                };
                if let Some(connection) = self.connections.get_mut(place) {
                    connection.listed = false;
                }
                self.fill(place, now_ns);
            }
        }
    }

    /// Fails what has had no progress for too long.
    fn give_up_stuck(&mut self, now_ns: u64) {
        let timeout_ns = u64::try_from(self.job.timeout.as_nanos()).unwrap_or(u64::MAX);
        for at in 0..self.connections.len() {
            let Some(connection) = self.connections.get_mut(at) else {
                continue;
            };
            if connection.flights.is_empty()
                || now_ns.saturating_sub(connection.progress_ns) < timeout_ns
            {
                continue;
            }
            let flights = connection.close();
            if let Some(group) = self.groups.get_mut(connection.group) {
                for flight in flights {
                    group
                        .tally
                        .failure(&format!("no progress for {} ms", timeout_ns / 1_000_000));
                    group.tally.time_out(flight.times, now_ns);
                }
            }
            self.down.push(at);
        }
    }

    fn finish(mut self) -> Outcome {
        let now_ns = self.poller.now_ns();
        for connection in &mut self.connections {
            let Some(group) = self.groups.get_mut(connection.group) else {
                continue;
            };
            for flight in connection.close() {
                group.tally.leave_unanswered(flight.times, now_ns);
            }
        }
        self.groups.iter_mut().for_each(|group| group.leave(now_ns));
        let tallies: Vec<_> = self.groups.into_iter().map(|group| group.tally).collect();
        let end_ns = if self.job.is_counted() {
            // Now, and not when the last answer came: bytes of a body that was cut later count too.
            now_ns
        } else {
            self.window.end_ns
        };
        let [before, after] = self.client_cpu_s;
        let after = after.unwrap_or_else(proc_stat::thread_seconds);
        Outcome {
            tallies,
            seconds: end_ns.saturating_sub(self.window.begin_ns) as f64 / 1e9,
            client_cpu_s: after - before.unwrap_or(after),
        }
    }
}
