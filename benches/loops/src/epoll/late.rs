//! The answers of a turn, which leave when its events have been looked at: by one `send` each, or as entries of a ring that one call
//! hands over. Owns who waits for that; refuses to wait for a socket: who does not take an answer gets it when epoll says so.
//!
//! Invariant: a send ends while it is handed over, with `EAGAIN` if the socket is full (`MSG_DONTWAIT`), so that the memory that its
//! entry names has to live across that one call and no longer.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use io_uring::squeue::Entry;
use io_uring::{opcode, types, IoUring};
use rustix::io::Errno;

use super::requests::Client;
use crate::clients::Clients;
use crate::counters::{CALLS, DONE};
use crate::limits::CLIENTS_MAX;
use crate::ring::Ring;
use crate::wire::{Token, ANSWER};

pub(super) struct Late<'r> {
    /// Clients that are owed something and take it, as far as we know; each once.
    waiting: Vec<Token>,
    ring: Option<Ring<'r>>,
    /// The ring has a table of the clients' descriptors, by slot.
    files: bool,
}

impl<'r> Late<'r> {
    /// By one call each.
    pub(super) fn plain() -> Late<'r> {
        Late {
            waiting: Vec::new(),
            ring: None,
            files: false,
        }
    }

    /// By one call for all.
    ///
    /// # Errors
    /// The system refuses the ring's own descriptor or its table.
    pub(super) fn together(uring: &'r mut IoUring, files: bool) -> Result<Late<'r>, String> {
        let ring = Ring::new(uring, None)?;
        if files {
            ring.submitter
                .register_files_sparse(CLIENTS_MAX)
                .map_err(|error| format!("cannot register descriptors: {error}"))?;
        }
        Ok(Late {
            waiting: Vec::new(),
            ring: Some(ring),
            files,
        })
    }

    /// A client has come.
    pub(super) fn came(&self, token: Token, fd: &OwnedFd) -> Result<(), String> {
        self.register(token, fd.as_raw_fd())
    }

    /// A client has gone: the table would keep its connection open.
    pub(super) fn went(&self, token: Token) -> Result<(), String> {
        self.register(token, -1)
    }

    fn register(&self, token: Token, fd: RawFd) -> Result<(), String> {
        let Some(ring) = self.ring.as_ref().filter(|_| self.files) else {
            return Ok(());
        };
        CALLS.add(1);
        ring.submitter
            .register_files_update(token.slot, &[fd])
            .map(drop)
            .map_err(|error| format!("cannot register a client: {error}"))
    }

    /// Has a client's answers leave with the others.
    pub(super) fn add(&mut self, token: Token, client: &mut Client) {
        if !client.waits && client.writable && !client.owed.next().is_empty() {
            client.waits = true;
            self.waiting.push(token);
        }
    }

    /// Sends what all of them are owed, as far as they take it.
    ///
    /// # Errors
    /// The kernel does not take the entries, or keeps one.
    pub(super) fn leave(&mut self, clients: &mut Clients<Client>) -> Result<(), String> {
        if self.ring.is_some() {
            // One that is owed more than one write takes part again.
            while !self.waiting.is_empty() {
                self.hand_over(clients)?;
            }
            return Ok(());
        }
        for token in self.waiting.drain(..) {
            if let Some(client) = clients.get(token) {
                client.waits = false;
                if !client.send() {
                    clients.remove(token);
                }
            }
        }
        Ok(())
    }

    fn hand_over(&mut self, clients: &mut Clients<Client>) -> Result<(), String> {
        let Some(ring) = &mut self.ring else {
            return Ok(());
        };
        let mut under_way = 0;
        for token in self.waiting.drain(..) {
            if let Some(client) = clients.get(token) {
                client.waits = false;
                let entry = send(self.files, token, client).user_data(token.to_u64());
                // SAFETY: answers live as long as the process and never change.
                unsafe { ring.push(&entry) }?;
                under_way += 1;
            }
        }
        if under_way == 0 {
            return Ok(());
        }
        ring.hand_over()?;
        let mut gone = Vec::new();
        while let Some(done) = ring.next() {
            under_way -= 1;
            let token = Token::from_u64(done.key);
            let Some(client) = clients.get(token) else {
                continue;
            };
            match usize::try_from(done.result) {
                Ok(len) => {
                    client.writable = len == client.owed.next().len();
                    client.owed.sent(len);
                    DONE.add((len / ANSWER.len()) as u64);
                    if client.writable && !client.owed.next().is_empty() {
                        client.waits = true;
                        self.waiting.push(token);
                    }
                }
                Err(_) if -done.result == Errno::AGAIN.raw_os_error() => client.writable = false,
                Err(_) => gone.push(token),
            }
        }
        if under_way > 0 {
            return Err(format!(
                "{under_way} sends did not end while they were handed over"
            ));
        }
        for token in gone {
            clients.remove(token);
            self.went(token)?;
        }
        Ok(())
    }
}

/// What a client gets next, as an entry.
fn send(files: bool, token: Token, client: &Client) -> Entry {
    let next = client.owed.next();
    let (bytes, len) = (next.as_ptr(), next.len() as u32);
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    if files {
        let fd = types::Fixed(token.slot);
        return opcode::Send::new(fd, bytes, len).flags(flags).build();
    }
    let fd = types::Fd(client.fd.as_raw_fd());
    opcode::Send::new(fd, bytes, len).flags(flags).build()
}
