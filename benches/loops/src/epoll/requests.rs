//! Requests on epoll: received until a read is short, answered at once; the link is written once at the end of the turn.

use std::convert::Infallible;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::Timespec;
use rustix::io::Errno;
use rustix::net::{recv, send, RecvFlags, SendFlags, SocketFlags};
use rustix::thread::nanosleep;

use super::late::Late;
use super::{Event, Set};
use crate::clients::{Clients, Exchange};
use crate::counters::{CALLS, DONE};
use crate::limits::{BUSY_EVENTS_MIN, LOOKS_MAX, READ_BYTES};
use crate::memory::aligned;
use crate::ring;
use crate::spec::{EpollSpec, Leave};
use crate::wire::{Heads, Owed, Token, ANSWER};

const LISTENER: u64 = u64::MAX;
const LINK: u64 = u64::MAX - 1;

pub(super) struct Client {
    pub(super) fd: OwnedFd,
    heads: Heads,
    pub(super) owed: Owed,
    pub(super) writable: bool,
    /// Among those whose answers leave later.
    pub(super) waits: bool,
}

struct Server<'r> {
    set: Set,
    listener: TcpListener,
    link: Option<TcpStream>,
    link_writable: bool,
    clients: Clients<Client>,
    exchange: Exchange,
    /// Answers that leave later; without it they leave at once.
    late: Option<Late<'r>>,
    bytes: &'static mut [u8],
}

/// Serves until the process is ended.
///
/// # Errors
/// The system refuses something, or the link is gone.
pub(crate) fn run(
    spec: EpollSpec,
    listener: TcpListener,
    link: Option<TcpStream>,
) -> Result<Infallible, String> {
    // Behind a busy turn, so that the next one finds more.
    let pause = spec.batch.map(|batch| Timespec {
        tv_sec: 0,
        tv_nsec: i64::from(batch.us) * 1_000,
    });
    let set = Set::new()?;
    set.add(&listener, LISTENER)?;
    if let Some(link) = &link {
        set.add(link, LINK)?;
    }
    let mut uring;
    let late = match spec.leave {
        Leave::AtOnce => None,
        Leave::Late => Some(Late::plain()),
        Leave::Together { files } => {
            uring = ring::make(true)?;
            Some(Late::together(&mut uring, files)?)
        }
    };
    let mut server = Server {
        set,
        late,
        listener,
        exchange: Exchange::new(link.is_some()),
        link,
        link_writable: true,
        clients: Clients::new(),
        bytes: aligned(READ_BYTES),
    };
    let (mut ready, mut looks) = (0, 0);
    loop {
        // Before the link is written: when events came several at a time, more of them are there by now.
        let busy = ready >= BUSY_EVENTS_MIN;
        let look = looks < LOOKS_MAX && busy && !server.exchange.link_out.is_empty();
        if look {
            looks += 1;
        } else {
            looks = 0;
            server.flush()?;
            // Behind the link, so that the upstream works meanwhile.
            if let Some(late) = &mut server.late {
                late.leave(&mut server.clients)?;
            }
            if let Some(pause) = pause.filter(|_| busy) {
                CALLS.add(1);
                // Interrupted: what has come is looked at sooner.
                let _ = nanosleep(&pause);
            }
        }
        ready = server.set.wait(look)?;
        for at in 0..ready {
            let event = server.set.event(at);
            match event.key {
                LISTENER => server.accept()?,
                LINK => server.link(event)?,
                key => server.client(Token::from_u64(key), event)?,
            }
        }
    }
}

impl Server<'_> {
    fn accept(&mut self) -> Result<(), String> {
        loop {
            CALLS.add(1);
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            let fd = match rustix::net::accept_with(&self.listener, flags) {
                Ok(fd) => fd,
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR | Errno::CONNABORTED) => continue,
                Err(error) => return Err(format!("cannot accept: {error}")),
            };
            let client = Client {
                fd,
                heads: Heads::default(),
                owed: Owed::default(),
                writable: true,
                waits: false,
            };
            // One too many is closed.
            if let Some(token) = self.clients.insert(client) {
                if let Some(client) = self.clients.get(token) {
                    self.set.add(&client.fd, token.to_u64())?;
                    if let Some(late) = &mut self.late {
                        late.came(token, &client.fd)?;
                    }
                }
            }
        }
    }

    fn client(&mut self, token: Token, event: Event) -> Result<(), String> {
        let Some(client) = self.clients.get(token) else {
            return Ok(());
        };
        client.writable |= event.writable;
        let stays = (!event.readable || client.read(token, event, &mut self.exchange, self.bytes))
            && client.answer(token, self.late.as_mut());
        if !stays {
            self.clients.remove(token);
            if let Some(late) = &mut self.late {
                late.went(token)?;
            }
        }
        Ok(())
    }

    fn link(&mut self, event: Event) -> Result<(), String> {
        self.link_writable |= event.writable;
        let Some(link) = self.link.as_ref().filter(|_| event.readable) else {
            return Ok(());
        };
        loop {
            CALLS.add(1);
            let len = match recv(link, &mut *self.bytes, RecvFlags::DONTWAIT) {
                Ok((0, _)) => return Err("the upstream has closed the link".to_owned()),
                Ok((len, _)) => len,
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => continue,
                Err(error) => return Err(format!("the link is broken: {error}")),
            };
            let (clients, late) = (&mut self.clients, &mut self.late);
            self.exchange.link_brought(&self.bytes[..len], |token| {
                let Some(client) = clients.get(token) else {
                    return;
                };
                client.owed.add(1);
                // With `late` nobody goes here; without it there is no table.
                if !client.answer(token, late.as_mut()) {
                    clients.remove(token);
                }
            });
            if len < self.bytes.len() && !event.hang_up {
                return Ok(());
            }
        }
    }

    fn flush(&mut self) -> Result<(), String> {
        let Some(link) = &self.link else {
            return Ok(());
        };
        let out = &mut self.exchange.link_out;
        while self.link_writable && !out.is_empty() {
            match send_some(link, out) {
                Ok(len) => {
                    self.link_writable = len == out.len();
                    out.drain(..len);
                }
                Err(Errno::AGAIN) => self.link_writable = false,
                Err(error) => return Err(format!("the link is broken: {error}")),
            }
        }
        self.exchange.check().map_err(|full| full.to_string())
    }
}

impl Client {
    /// Takes all that it has sent. False if it has gone.
    fn read(
        &mut self,
        token: Token,
        event: Event,
        exchange: &mut Exchange,
        bytes: &mut [u8],
    ) -> bool {
        loop {
            CALLS.add(1);
            let len = match recv(&self.fd, &mut *bytes, RecvFlags::DONTWAIT) {
                Ok((0, _)) => return false,
                Ok((len, _)) => len,
                Err(Errno::AGAIN) => return true,
                Err(Errno::INTR) => continue,
                Err(_) => return false,
            };
            match exchange.client_sent(token, &mut self.heads, &bytes[..len]) {
                Ok(answers) => self.owed.add(answers),
                Err(_) => return false,
            }
            if len < bytes.len() && !event.hang_up {
                return true;
            }
        }
    }

    /// Sends what it is owed, or has it sent later. False if it has gone.
    fn answer(&mut self, token: Token, late: Option<&mut Late<'_>>) -> bool {
        match late {
            Some(late) => {
                late.add(token, self);
                true
            }
            None => self.send(),
        }
    }

    /// Sends what it is owed, as far as it takes it. False if it has gone.
    pub(super) fn send(&mut self) -> bool {
        while self.writable && !self.owed.next().is_empty() {
            let next = self.owed.next();
            match send_some(&self.fd, next) {
                Ok(len) => {
                    self.writable = len == next.len();
                    self.owed.sent(len);
                    DONE.add((len / ANSWER.len()) as u64);
                }
                Err(Errno::AGAIN) => self.writable = false,
                Err(_) => return false,
            }
        }
        true
    }
}

/// One `send`.
fn send_some(fd: impl AsFd, bytes: &[u8]) -> Result<usize, Errno> {
    loop {
        CALLS.add(1);
        match send(&fd, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}
