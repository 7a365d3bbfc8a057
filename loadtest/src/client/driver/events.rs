//! What the driver does when something happens on a connection: reads, sends on, replaces it.

use super::super::connection::{Flight, Stage};
use super::super::poller::Ready;
use super::Driver;
use crate::limits::RECONNECT_PAUSE_MS;

impl Driver<'_> {
    /// Something happened on a connection.
    ///
    /// # Errors
    /// Nobody was ever reached.
    pub(super) fn handle(&mut self, event: Ready, buffer: &mut [u8]) -> Result<(), String> {
        let at = (event.token & u64::from(u32::MAX)) as usize;
        let Some(connection) = self
            .connections
            .get_mut(at)
            .filter(|connection| connection.is(event.token))
        else {
            return Ok(());
        };
        if connection.stage == Stage::Connecting {
            if event.writable {
                self.connecting -= 1;
                if let Err(sentence) = connection.connected() {
                    return self.lose(at, &sentence);
                }
                self.reached = true;
                if let Some(group) = self.groups.get_mut(connection.group) {
                    group.tally.connects += 1;
                }
                self.fill(at, self.poller.now_ns());
                // Where nothing is due yet: a socket that can be written to would be told again and again.
                self.flush(at);
            }
            return Ok(());
        }
        if event.writable && connection.is_sending() {
            self.flush(at);
        }
        if event.readable {
            self.read(at, buffer)?;
        }
        Ok(())
    }

    fn read(&mut self, at: usize, buffer: &mut [u8]) -> Result<(), String> {
        let Some(connection) = self.connections.get_mut(at) else {
            return Ok(());
        };
        let count = match connection.recv(buffer) {
            Ok(None) => return Ok(()),
            Ok(Some(count)) => count,
            Err(sentence) => return self.lose(at, &sentence),
        };
        let now_ns = self.poller.now_ns();
        if count == 0 {
            return self.ended(at, now_ns);
        }
        connection.progress_ns = now_ns;
        let Some(group) = self.groups.get_mut(connection.group) else {
            return Ok(());
        };
        let mut rest = buffer.get(..count).unwrap_or_default();
        while !rest.is_empty() {
            let Some(flight) = connection.flights.front().copied() else {
                return self.lose(at, "bytes came that nobody asked for");
            };
            let Some(template) = group.template(flight.template) else {
                break;
            };
            let fed = match connection.reader.feed(rest, &template.expect) {
                Ok(fed) => fed,
                Err(sentence) => return self.lose(at, &sentence),
            };
            rest = rest.get(fed.used..).unwrap_or_default();
            group.tally.receive(fed.body_bytes, now_ns);
            if fed.done {
                connection.flights.pop_front();
                let wrong = connection.reader.take_wrong();
                if connection.flights.is_empty() && connection.is_unsent() {
                    let early = "the answer came before the request was whole";
                    return self.lose(at, wrong.as_deref().unwrap_or(early));
                }
                match wrong {
                    None => group.tally.answer(flight.times, now_ns),
                    Some(sentence) => group.tally.failure(&sentence),
                }
                if connection.reader.closes() {
                    break;
                }
            }
        }
        let full = connection.begun >= group.requests_a_connection && connection.flights.is_empty();
        if full || connection.reader.closes() {
            return self.renew(at);
        }
        self.fill(at, now_ns);
        Ok(())
    }

    /// The peer ended the connection.
    fn ended(&mut self, at: usize, now_ns: u64) -> Result<(), String> {
        let Some(connection) = self.connections.get_mut(at) else {
            return Ok(());
        };
        let Some(flight) = connection.flights.front().copied() else {
            // Between two requests a server may do so.
            return self.renew(at);
        };
        let Some(group) = self.groups.get_mut(connection.group) else {
            return Ok(());
        };
        let Some(template) = group.template(flight.template) else {
            return Ok(());
        };
        match connection.reader.end(&template.expect) {
            Ok(true) => {
                connection.flights.pop_front();
                match connection.reader.take_wrong() {
                    None => group.tally.answer(flight.times, now_ns),
                    Some(sentence) => group.tally.failure(&sentence),
                }
                self.renew(at)
            }
            Ok(false) => self.lose(at, "the connection was closed before an answer"),
            Err(sentence) => self.lose(at, &sentence),
        }
    }

    /// Sends on a connection as long as it has room and there is something to send.
    pub(super) fn fill(&mut self, at: usize, now_ns: u64) {
        let Some(connection) = self
            .connections
            .get_mut(at)
            .filter(|connection| connection.stage == Stage::Up)
        else {
            return;
        };
        let Some(group) = self.groups.get_mut(connection.group) else {
            return;
        };
        let mut added = false;
        while connection.flights.len() < group.pipeline
            && connection.begun < group.requests_a_connection
        {
            let Some((template, times)) = group.take(now_ns) else {
                if group.has_backlog() && !connection.listed {
                    connection.listed = true;
                    group.idle.push_back(at);
                }
                break;
            };
            if let Some(encoded) = group.template(template) {
                connection.begin(Flight { template, times }, encoded);
                added = true;
            }
        }
        if added {
            self.flush(at);
        }
    }

    fn flush(&mut self, at: usize) {
        let Some(connection) = self.connections.get_mut(at) else {
            return;
        };
        match connection.flush(&self.pattern, &self.poller) {
            Ok(0) => {}
            Ok(bytes) => {
                let now_ns = self.poller.now_ns();
                connection.progress_ns = now_ns;
                if let Some(group) = self.groups.get_mut(connection.group) {
                    group.tally.send(bytes, now_ns);
                }
            }
            // What is still to be read says why, be it an answer or the connection's end.
            Err(_) => connection.give_up_sending(),
        }
    }

    /// A connection is of no use any more: what was on it has failed for this reason.
    pub(super) fn lose(&mut self, at: usize, sentence: &str) -> Result<(), String> {
        let Some(connection) = self.connections.get_mut(at) else {
            return Ok(());
        };
        if !self.reached {
            return Err(format!(
                "{sentence} (nobody was reached at {} before)",
                self.job.addr
            ));
        }
        let was_up = connection.stage == Stage::Up;
        let flights = connection.close();
        if let Some(group) = self.groups.get_mut(connection.group) {
            group.tally.failure(sentence);
            for _ in flights.iter().skip(1) {
                group
                    .tally
                    .failure("the connection was lost with an earlier answer");
            }
        }
        if !was_up {
            self.connect_from_ns = self.poller.now_ns() + RECONNECT_PAUSE_MS * 1_000_000;
        }
        self.down.push(at);
        Ok(())
    }

    /// Closes a connection after its last answer; another takes its place.
    fn renew(&mut self, at: usize) -> Result<(), String> {
        let Some(connection) = self.connections.get_mut(at) else {
            return Ok(());
        };
        let flights = connection.close();
        if let Some(group) = self.groups.get_mut(connection.group) {
            for _ in flights {
                group.tally.failure(
                    "the server closed the connection before an answer to a piped request",
                );
            }
        }
        self.down.push(at);
        Ok(())
    }
}
