//! Bulk on epoll: one buffer, filled by `recv`, emptied by `send`. A short read means empty, as in the engine.

use std::net::TcpStream;

use rustix::io::Errno;
use rustix::net::{recv, send, RecvFlags, SendFlags};

use super::Set;
use crate::counters::{CALLS, DONE};
use crate::memory::aligned;

const SOURCE: u64 = 0;
const SINK: u64 = 1;

/// Carries everything over, up to the source's end.
///
/// # Errors
/// Either end breaks.
pub(crate) fn run(source: &TcpStream, sink: &TcpStream, piece_bytes: usize) -> Result<(), String> {
    let mut ready = Readiness::new(source, sink)?;
    let bytes = aligned(piece_bytes);
    let (mut from, mut to) = (0, 0);
    loop {
        while from == to {
            if !ready.readable {
                ready.wait()?;
                continue;
            }
            CALLS.add(1);
            match recv(source, &mut *bytes, RecvFlags::DONTWAIT) {
                Ok((0, _)) => return Ok(()),
                Ok((len, _)) => {
                    (from, to) = (0, len);
                    ready.readable = len == bytes.len() || ready.hang_up;
                    DONE.add(1);
                }
                Err(Errno::AGAIN) => ready.readable = false,
                Err(Errno::INTR) => {}
                Err(error) => return Err(format!("the source is broken: {error}")),
            }
        }
        if !ready.writable {
            ready.wait()?;
            continue;
        }
        CALLS.add(1);
        let piece = &bytes[from..to];
        match send(sink, piece, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(len) => {
                ready.writable = len == piece.len();
                from += len;
            }
            Err(Errno::AGAIN) => ready.writable = false,
            Err(Errno::INTR) => {}
            Err(error) => return Err(format!("the sink is broken: {error}")),
        }
    }
}

/// What the two ends are ready for.
pub(super) struct Readiness {
    set: Set,
    pub(super) readable: bool,
    pub(super) writable: bool,
    /// The source has ended: a short read no longer means empty.
    pub(super) hang_up: bool,
}

impl Readiness {
    pub(super) fn new(source: &TcpStream, sink: &TcpStream) -> Result<Readiness, String> {
        let set = Set::new()?;
        set.add(source, SOURCE)?;
        set.add(sink, SINK)?;
        Ok(Readiness {
            set,
            readable: true,
            writable: true,
            hang_up: false,
        })
    }

    pub(super) fn wait(&mut self) -> Result<(), String> {
        for at in 0..self.set.wait(false)? {
            let event = self.set.event(at);
            if event.key == SOURCE {
                self.readable |= event.readable;
                self.hang_up |= event.hang_up;
            } else {
                self.writable |= event.writable;
            }
        }
        Ok(())
    }
}
