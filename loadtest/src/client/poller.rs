//! The epoll set of the client, and its clock.
//!
//! Level-triggered: a connection is read once an event, so that no large body keeps the others waiting. Waits are exact to the timer's
//! resolution: an open loop has to send in time.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{epoll, poll, PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use crate::limits::{EVENTS_MAX, EXACT_WAIT_BELOW_NS, TIMER_SLACK_NS};

const NOW: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    Read,
    ReadAndWrite,
}

impl Interest {
    fn flags(self) -> epoll::EventFlags {
        match self {
            Interest::Read => epoll::EventFlags::IN,
            Interest::ReadAndWrite => epoll::EventFlags::IN | epoll::EventFlags::OUT,
        }
    }
}

/// Something happened on a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    pub(crate) token: u64,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
}

/// The set.
pub(crate) struct Poller {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
    begin: Instant,
}

impl Poller {
    /// A set without members; its clock counts from `begin`.
    ///
    /// # Errors
    /// The system refuses one.
    pub(crate) fn new(begin: Instant) -> Result<Poller, String> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)
            .map_err(|error| format!("cannot make an epoll set: {error}"))?;
        // The default of 50 µs would be seen in the latencies of an open loop. Without it they are a little worse.
        rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(TIMER_SLACK_NS)).ok();
        Ok(Poller {
            epoll,
            events: Vec::with_capacity(EVENTS_MAX),
            begin,
        })
    }

    /// Nanoseconds since the beginning.
    pub(crate) fn now_ns(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Takes a socket in. It leaves by being closed.
    ///
    /// # Errors
    /// That of the system.
    pub(crate) fn add(
        &self,
        socket: BorrowedFd<'_>,
        token: u64,
        interest: Interest,
    ) -> Result<(), Errno> {
        epoll::add(
            &self.epoll,
            socket,
            epoll::EventData::new_u64(token),
            interest.flags(),
        )
    }

    /// Waits for something else from now on.
    ///
    /// # Errors
    /// That of the system.
    pub(crate) fn change(
        &self,
        socket: BorrowedFd<'_>,
        token: u64,
        interest: Interest,
    ) -> Result<(), Errno> {
        epoll::modify(
            &self.epoll,
            socket,
            epoll::EventData::new_u64(token),
            interest.flags(),
        )
    }

    /// Waits up to `timeout` and puts into `ready` what happened.
    ///
    /// # Errors
    /// The system refuses to wait.
    pub(crate) fn wait(&mut self, timeout: Duration, ready: &mut Vec<Ready>) -> Result<(), String> {
        ready.clear();
        let failed = |error: Errno| format!("cannot wait for connections: {error}");
        let timeout = Timespec::try_from(timeout)
            .map_err(|_| "the time to wait is out of range".to_owned())?;
        if timeout.tv_sec > 0 || timeout.tv_nsec >= EXACT_WAIT_BELOW_NS {
            // epoll_wait counts whole milliseconds.
            let tv_nsec = timeout.tv_nsec / 1_000_000 * 1_000_000;
            return self
                .take(ready, Timespec { tv_nsec, ..timeout })
                .map_err(failed);
        }
        // Looked at first: under load there is nearly always something, and the exact wait costs one call more.
        self.take(ready, NOW).map_err(failed)?;
        if ready.is_empty() && timeout != NOW {
            let mut set = [PollFd::from_borrowed_fd(self.epoll.as_fd(), PollFlags::IN)];
            match poll(&mut set, Some(&timeout)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => self.take(ready, NOW).map_err(failed)?,
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(())
    }

    fn take(&mut self, ready: &mut Vec<Ready>, timeout: Timespec) -> Result<(), Errno> {
        self.events.clear();
        let room = rustix::buffer::spare_capacity(&mut self.events);
        match epoll::wait(&self.epoll, room, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
        let closed = epoll::EventFlags::ERR | epoll::EventFlags::HUP;
        ready.extend(self.events.iter().map(|event| {
            let flags = event.flags;
            Ready {
                token: event.data.u64(),
                // An end is seen by reading, a failed connect by writing.
                readable: flags.intersects(epoll::EventFlags::IN | closed),
                writable: flags.intersects(epoll::EventFlags::OUT | closed),
            }
        }));
        Ok(())
    }
}
