//! The engine's loop: edge-triggered epoll, plain non-blocking calls that are tried first, a short read means empty.

pub(crate) mod bulk;
mod late;
pub(crate) mod requests;
pub(crate) mod splice;

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::epoll;
use rustix::event::Timespec;
use rustix::io::Errno;

use crate::counters::{CALLS, TURNS};
use crate::limits::EVENTS_MAX;

/// The set of one thread.
struct Set {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Set {
    fn new() -> Result<Set, String> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)
            .map_err(|error| format!("cannot make an epoll descriptor: {error}"))?;
        let nothing = epoll::Event {
            flags: epoll::EventFlags::empty(),
            data: epoll::EventData::new_u64(0),
        };
        Ok(Set {
            epoll,
            events: vec![nothing; EVENTS_MAX],
        })
    }

    /// Registers for good, edge-triggered, both directions.
    fn add(&self, fd: impl AsFd, key: u64) -> Result<(), String> {
        let flags = epoll::EventFlags::IN
            | epoll::EventFlags::OUT
            | epoll::EventFlags::RDHUP
            | epoll::EventFlags::ET;
        CALLS.add(1);
        epoll::add(&self.epoll, fd, epoll::EventData::new_u64(key), flags)
            .map_err(|error| format!("cannot watch a connection: {error}"))
    }

    /// Waits until something happens, or only looks.
    fn wait(&mut self, looks: bool) -> Result<usize, String> {
        const NOW: Timespec = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        TURNS.add(1);
        CALLS.add(1);
        match epoll::wait(&self.epoll, &mut self.events[..], looks.then_some(&NOW)) {
            Ok(ready) => Ok(ready),
            Err(Errno::INTR) => Ok(0),
            Err(error) => Err(format!("cannot wait for connections: {error}")),
        }
    }

    /// The `at`th event of the last wait.
    fn event(&self, at: usize) -> Event {
        let flags = self.events[at].flags;
        let gone = flags.intersects(epoll::EventFlags::HUP | epoll::EventFlags::ERR);
        let hang_up = gone || flags.contains(epoll::EventFlags::RDHUP);
        Event {
            key: { self.events[at].data }.u64(),
            readable: hang_up || flags.contains(epoll::EventFlags::IN),
            writable: gone || flags.contains(epoll::EventFlags::OUT),
            hang_up,
        }
    }
}

#[derive(Clone, Copy)]
struct Event {
    key: u64,
    readable: bool,
    writable: bool,
    /// A FIN follows, or the connection is gone: a short read no longer means empty.
    hang_up: bool,
}
