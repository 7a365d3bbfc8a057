//! Requests on a ring: one accept and one receive a connection for all its life, buffers provided by group, sends as entries or plain
//! calls; the link is written once at the end of the turn, as on epoll.

use std::convert::Infallible;
use std::mem::ManuallyDrop;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{FromRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::SendFlags;

use super::buffers::Buffers;
use super::entries::{self, File};
use super::key::{Kind, NOBODY};
use super::link::Link;
use super::{Completion, Ring};
use crate::clients::{Clients, Exchange};
use crate::counters::{CALLS, COPIED, DONE};
use crate::limits::{BUSY_EVENTS_MIN, CLIENTS_MAX, CLIENT_BUFFERS, CLIENT_BUFFER_BYTES, LOOKS_MAX};
use crate::spec::{RingSpec, Send};
use crate::wire::{Heads, Owed, Token, ANSWER};

pub(super) struct Client {
    file: File,
    heads: Heads,
    pub(super) owed: Owed,
    receiving: bool,
    sending: bool,
    /// Zero-copy sends whose memory the kernel still holds.
    held: u32,
    /// No more is taken from it, and it gets no more.
    ends: bool,
}

pub(super) struct Server<'r> {
    pub(super) ring: Ring<'r>,
    pub(super) spec: RingSpec,
    listener: TcpListener,
    buffers: Buffers,
    pub(super) link: Option<Link>,
    pub(super) clients: Clients<Client>,
    pub(super) exchange: Exchange,
    /// Who is answered by one read of the link; kept for its memory.
    pub(super) answered: Vec<Token>,
}

/// Serves until the process is ended.
///
/// # Errors
/// The system refuses something, or the link is gone.
pub(crate) fn run(
    spec: RingSpec,
    listener: TcpListener,
    link: Option<TcpStream>,
) -> Result<Infallible, String> {
    let mut uring = super::make(spec.defer)?;
    let ring = Ring::new(&mut uring, spec.batch)?;
    let submitter = &ring.submitter;
    let buffers = Buffers::register(submitter, 0, CLIENT_BUFFERS, CLIENT_BUFFER_BYTES)?;
    if spec.files {
        submitter
            .register_files_sparse(CLIENTS_MAX + 1)
            .map_err(|error| format!("cannot register descriptors: {error}"))?;
    }
    let link = match link {
        Some(link) => Some(Link::new(&ring, spec, link)?),
        None => None,
    };
    // Never dropped, whatever happens: the kernel may still read what the link sends.
    let mut server = ManuallyDrop::new(Server {
        exchange: Exchange::new(link.is_some()),
        ring,
        spec,
        listener,
        buffers,
        link,
        clients: Clients::new(),
        answered: Vec::new(),
    });
    server.accept()?;
    server.receive_link()?;
    server.serve()
}

impl Server<'_> {
    fn serve(&mut self) -> Result<Infallible, String> {
        let (mut ready, mut looks) = (0, 0);
        loop {
            let look =
                looks < LOOKS_MAX && ready >= BUSY_EVENTS_MIN && !self.exchange.link_out.is_empty();
            if look {
                looks += 1;
                self.ring.look()?;
            } else {
                looks = 0;
                self.flush()?;
                self.ring.wait(ready)?;
            }
            ready = 0;
            while let Some(done) = self.ring.next() {
                let (kind, token) = Kind::of(done.key);
                ready += usize::from(kind.is_news());
                self.completed(kind, token, done)?;
            }
            self.buffers.publish();
            if let Some(link) = &mut self.link {
                link.buffers.publish();
            }
        }
    }

    fn completed(&mut self, kind: Kind, token: Token, done: Completion) -> Result<(), String> {
        match kind {
            Kind::Accept => self.accepted(done),
            Kind::Recv => self.received(token, done),
            Kind::Send => self.sent(token, done),
            Kind::LinkRecv => self.link_received(done),
            Kind::LinkSend => self.link_sent(done),
            Kind::Other => Ok(()),
        }
    }

    fn accept(&mut self) -> Result<(), String> {
        let entry = entries::accept_multi(&self.listener, self.spec.files);
        // SAFETY: it points to nothing.
        unsafe { self.ring.push(&entry.user_data(Kind::Accept.key(NOBODY))) }
    }

    fn accepted(&mut self, done: Completion) -> Result<(), String> {
        if !done.more() {
            self.accept()?;
        }
        let Ok(number) = u32::try_from(done.result) else {
            return match -done.result {
                libc::ECONNABORTED | libc::EINTR | libc::ENFILE => Ok(()),
                code => Err(format!("cannot accept: {}", Errno::from_raw_os_error(code))),
            };
        };
        let file = if self.spec.files {
            File::Direct(number)
        } else {
            // SAFETY: the kernel has just made this descriptor for us, and nobody else knows its number.
            File::Plain(unsafe { OwnedFd::from_raw_fd(done.result) })
        };
        let client = Client {
            file,
            heads: Heads::default(),
            owed: Owed::default(),
            receiving: true,
            sending: false,
            held: 0,
            ends: false,
        };
        match self.clients.insert(client) {
            Some(token) => self.receive(token),
            // One too many; there is no place in the table for it either.
            None => Ok(()),
        }
    }

    fn receive(&mut self, token: Token) -> Result<(), String> {
        let Some(client) = self.clients.get(token) else {
            return Ok(());
        };
        let entry = client.file.recv_multi(self.buffers.group());
        // SAFETY: it points to nothing; its buffers are those of the group.
        unsafe { self.ring.push(&entry.user_data(Kind::Recv.key(token))) }
    }

    fn received(&mut self, token: Token, done: Completion) -> Result<(), String> {
        let Some(client) = self.clients.get(token) else {
            return Err("a receive has no client".to_owned());
        };
        client.receiving = done.more();
        let mut ends = done.result == 0 || done.result < 0 && done.result != -libc::ENOBUFS;
        if let (Some(id), Ok(len)) = (done.buffer(), usize::try_from(done.result)) {
            let bytes = self.buffers.filled(id, len);
            if !client.ends {
                match self.exchange.client_sent(token, &mut client.heads, bytes) {
                    Ok(answers) => client.owed.add(answers),
                    Err(_) => ends = true,
                }
            }
            self.buffers.give_back(id);
        }
        if ends && !client.ends {
            client.ends = true;
            if client.receiving {
                let entry = client.file.shutdown();
                // SAFETY: it points to nothing.
                unsafe { self.ring.push(&entry.user_data(Kind::Other.key(NOBODY))) }?;
            }
        }
        if client.ends {
            return self.part(token);
        }
        if !client.receiving {
            client.receiving = true;
            self.receive(token)?;
        }
        self.send(token)
    }

    /// Sends what a client is owed, unless something is under way to it.
    pub(super) fn send(&mut self, token: Token) -> Result<(), String> {
        let Some(client) = self.clients.get(token) else {
            return Ok(());
        };
        if client.sending || client.ends {
            return Ok(());
        }
        if let (Send::Plain, File::Plain(fd)) = (self.spec.send, &client.file) {
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            if !client.owed.next().is_empty() {
                CALLS.add(1);
                if let Ok(len) = rustix::net::send(fd, client.owed.next(), flags) {
                    client.owed.sent(len);
                    DONE.add((len / ANSWER.len()) as u64);
                }
            }
            // What did not leave, and errors, are the ring's.
        }
        let next = client.owed.next();
        if next.is_empty() {
            return Ok(());
        }
        client.sending = true;
        let entry = match self.spec.send {
            Send::Zc => client.file.send_zc(next.as_ptr(), next.len(), None),
            Send::Ring | Send::Plain => client.file.send(next.as_ptr(), next.len()),
        };
        // SAFETY: answers live as long as the process and never change.
        unsafe {
            self.ring
                .push_quick(&entry.user_data(Kind::Send.key(token)))
        }
    }

    fn sent(&mut self, token: Token, done: Completion) -> Result<(), String> {
        let Some(client) = self.clients.get(token) else {
            return Err("a send has no client".to_owned());
        };
        if done.is_notice() {
            client.held -= 1;
            COPIED.add(u64::from(done.result & entries::COPIED != 0));
            return self.part(token);
        }
        client.held += u32::from(done.more());
        client.sending = false;
        match usize::try_from(done.result) {
            Ok(len) => {
                client.owed.sent(len);
                DONE.add((len / ANSWER.len()) as u64);
                if client.ends {
                    return self.part(token);
                }
                self.send(token)
            }
            // The receive ends too, and tells.
            Err(_) => {
                client.ends = true;
                let entry = client.file.shutdown();
                // SAFETY: it points to nothing.
                unsafe { self.ring.push(&entry.user_data(Kind::Other.key(NOBODY))) }?;
                self.part(token)
            }
        }
    }

    /// Lets a client go that ends, when the kernel has nothing of it any more.
    fn part(&mut self, token: Token) -> Result<(), String> {
        let Some(client) = self.clients.get(token) else {
            return Ok(());
        };
        if !client.ends || client.receiving || client.sending || client.held > 0 {
            return Ok(());
        }
        match self.clients.remove(token) {
            Some(Client {
                file: File::Direct(at),
                ..
            }) => {
                let entry = entries::close_direct(at).user_data(Kind::Other.key(NOBODY));
                // SAFETY: it points to nothing.
                unsafe { self.ring.push(&entry) }
            }
            _ => Ok(()),
        }
    }
}
