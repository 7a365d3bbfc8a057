//! The link to the upstream on a ring: one receive for all its life, one write a turn.
//!
//! Invariant: of two pieces of memory one is the kernel's while it sends, and the other one gathers.

use std::net::TcpStream;
use std::os::fd::AsRawFd;

use rustix::io::Errno;
use rustix::net::SendFlags;

use super::buffers::Buffers;
use super::entries::File;
use super::key::{Kind, NOBODY};
use super::requests::Server;
use super::{Completion, Ring};
use crate::counters::CALLS;
use crate::limits::{CLIENTS_MAX, LINK_BUFFERS, LINK_BUFFER_BYTES};
use crate::spec::{RingSpec, Send};

pub(super) struct Link {
    file: File,
    pub(super) buffers: Buffers,
    /// What the kernel sends: left alone until it has ended.
    sending: Vec<u8>,
    /// How much of it has left; all of it if nothing is under way.
    sent: usize,
}

impl Link {
    /// # Errors
    /// The system refuses its buffers, or its place in the table.
    pub(super) fn new(ring: &Ring<'_>, spec: RingSpec, link: TcpStream) -> Result<Link, String> {
        Ok(Link {
            file: file(ring, spec, link)?,
            buffers: Buffers::register(&ring.submitter, 1, LINK_BUFFERS, LINK_BUFFER_BYTES)?,
            sending: Vec::new(),
            sent: 0,
        })
    }
}

fn file(ring: &Ring<'_>, spec: RingSpec, link: TcpStream) -> Result<File, String> {
    if !spec.files {
        return Ok(File::Plain(link.into()));
    }
    // The last place; the kernel gives clients any that is free. The table keeps the connection open.
    ring.submitter
        .register_files_update(CLIENTS_MAX, &[link.as_raw_fd()])
        .map_err(|error| format!("cannot register the link: {error}"))?;
    Ok(File::Direct(CLIENTS_MAX))
}

impl Server<'_> {
    pub(super) fn receive_link(&mut self) -> Result<(), String> {
        let Some(link) = &self.link else {
            return Ok(());
        };
        let entry = link.file.recv_multi(link.buffers.group());
        // SAFETY: it points to nothing; its buffers are those of the group.
        unsafe { self.ring.push(&entry.user_data(Kind::LinkRecv.key(NOBODY))) }
    }

    pub(super) fn link_received(&mut self, done: Completion) -> Result<(), String> {
        if done.result == 0 {
            return Err("the upstream has closed the link".to_owned());
        }
        if !done.more() {
            self.receive_link()?;
        }
        let Ok(len) = usize::try_from(done.result) else {
            return match -done.result {
                libc::ENOBUFS => Ok(()),
                code => Err(format!(
                    "the link is broken: {}",
                    Errno::from_raw_os_error(code)
                )),
            };
        };
        let Some((link, id)) = self.link.as_ref().zip(done.buffer()) else {
            return Ok(());
        };
        let mut answered = std::mem::take(&mut self.answered);
        self.exchange
            .link_brought(link.buffers.filled(id, len), |token| answered.push(token));
        for token in answered.drain(..) {
            if let Some(client) = self.clients.get(token) {
                client.owed.add(1);
                self.send(token)?;
            }
        }
        self.answered = answered;
        if let Some(link) = &mut self.link {
            link.buffers.give_back(id);
        }
        Ok(())
    }

    /// Hands this turn's frames to the kernel, unless those of an earlier turn are under way.
    pub(super) fn flush(&mut self) -> Result<(), String> {
        self.exchange.check().map_err(|full| full.to_string())?;
        let out = &mut self.exchange.link_out;
        let Some(link) = self.link.as_mut().filter(|_| !out.is_empty()) else {
            return Ok(());
        };
        if link.sent < link.sending.len() {
            return Ok(());
        }
        std::mem::swap(&mut link.sending, out);
        out.clear();
        link.sent = 0;
        if let (Send::Plain, File::Plain(fd)) = (self.spec.send, &link.file) {
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            CALLS.add(1);
            // What does not leave, and errors, are the ring's.
            link.sent = rustix::net::send(fd, &link.sending, flags).unwrap_or(0);
        }
        self.send_link()
    }

    fn send_link(&mut self) -> Result<(), String> {
        let Some(link) = &self.link else {
            return Ok(());
        };
        let rest = &link.sending[link.sent..];
        if rest.is_empty() {
            return Ok(());
        }
        let entry = link.file.send(rest.as_ptr(), rest.len());
        // SAFETY: `sending` is not touched before all of it has left, and the server is never dropped.
        unsafe {
            self.ring
                .push_quick(&entry.user_data(Kind::LinkSend.key(NOBODY)))
        }
    }

    pub(super) fn link_sent(&mut self, done: Completion) -> Result<(), String> {
        let Ok(len) = usize::try_from(done.result) else {
            let error = Errno::from_raw_os_error(-done.result);
            return Err(format!("the link is broken: {error}"));
        };
        if let Some(link) = &mut self.link {
            link.sent += len;
        }
        self.send_link()
    }
}
