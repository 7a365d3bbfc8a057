//! Listening sockets. The first of a group binds and listens alone, without `SO_REUSEPORT`, so that a port in use is an error and
//! not a share of somebody else's traffic; the other shards' listeners then join it.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::task::Poll;

use rustix::net::SocketFlags;
use socket2::{Domain, Protocol, Type};

use super::congestion::Congestion;
use super::limits::BACKLOG;
use super::reactor::{self, Slot};
use super::sync::Flag;

/// How a listener is made.
#[derive(Clone, Debug, Default)]
pub struct ListenOptions {
    /// `IPV6_V6ONLY`; false lets `[::]` take IPv4 too.
    pub only_v6: bool,
    /// TCP congestion control of accepted sockets; `None`: the system's default.
    pub congestion: Option<Congestion>,
}

/// A listening socket of this shard.
pub struct Listener {
    fd: Option<OwnedFd>,
    key: usize,
    slot: Rc<Slot>,
}

/// An accepted descriptor, not yet registered with any shard.
pub type Accepted = OwnedFd;

impl Listener {
    /// Binds one listener for each of `shards` shards on one address, port 0 included. Call it on any thread and hand the
    /// descriptors to the shards.
    ///
    /// # Errors
    /// `AddrInUse` if anybody listens there already, also with `SO_REUSEPORT`; otherwise as the system says.
    pub fn bind_group(
        addr: SocketAddr,
        shards: usize,
        options: &ListenOptions,
    ) -> io::Result<(SocketAddr, Vec<OwnedFd>)> {
        // The first listens alone, without SO_REUSEPORT, so that it fails if any socket, shared or not, listens here. Only then it
        // may be shared, and it is never closed in between: of several processes that start at once, one gets the port.
        let first = bound(addr, false, options)?;
        first.listen(BACKLOG)?;
        let addr = first
            .local_addr()?
            .as_socket()
            .ok_or(ErrorKind::AddrNotAvailable)?;
        first.set_reuse_port(true)?;
        let mut group = vec![first.into()];
        while group.len() < shards {
            let sock = bound(addr, true, options)?;
            sock.listen(BACKLOG)?;
            group.push(sock.into());
        }
        Ok((addr, group))
    }

    /// Takes over a listening descriptor on this shard.
    ///
    /// # Errors
    /// When it cannot be registered.
    pub fn adopt(fd: OwnedFd) -> io::Result<Listener> {
        let (key, slot) = reactor::register(&fd)?;
        slot.readable.set(true);
        Ok(Listener {
            fd: Some(fd),
            key,
            slot,
        })
    }

    /// The next connection, or `None` once `stop` is set and the backlog is empty: a listener that closes resets what is
    /// in it, and those clients were promised a connection. Lets the shard's other tasks go first, so that a full backlog
    /// does not keep them waiting.
    pub async fn accept_until(&self, stop: &Flag) -> Option<io::Result<Accepted>> {
        let accepted = async { Some(self.accept().await) };
        let next = futures_lite::future::or(accepted, async {
            stop.wait().await;
            None
        });
        let next = match next.await {
            // Not all that is in the backlog has been told by the readiness set yet.
            None => self.accept_now().transpose(),
            some => some,
        };
        super::yield_now().await;
        next
    }

    /// A connection of the backlog, without waiting for one.
    fn accept_now(&self) -> io::Result<Option<Accepted>> {
        let Some(fd) = &self.fd else {
            return Err(ErrorKind::NotConnected.into());
        };
        loop {
            match rustix::net::accept_with(fd, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(fd) => return Ok(Some(fd)),
                Err(rustix::io::Errno::AGAIN) => return Ok(None),
                Err(
                    rustix::io::Errno::INTR
                    | rustix::io::Errno::CONNABORTED
                    | rustix::io::Errno::PROTO,
                ) => {}
                Err(err) => return Err(err.into()),
            }
        }
    }

    /// The next connection.
    ///
    /// # Errors
    /// Out of descriptors or memory: wait a little and try again. Connections that died in the queue are passed over.
    pub async fn accept(&self) -> io::Result<Accepted> {
        std::future::poll_fn(|cx| {
            if !self.slot.readable.get() {
                self.slot.reader.park(cx);
                return Poll::Pending;
            }
            match self.accept_now().transpose() {
                Some(result) => Poll::Ready(result),
                None => {
                    self.slot.readable.set(false);
                    self.slot.reader.park(cx);
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        reactor::deregister(self.key);
        self.fd.take();
    }
}

fn bound(addr: SocketAddr, share: bool, options: &ListenOptions) -> io::Result<socket2::Socket> {
    let sock = socket2::Socket::new(
        Domain::for_address(addr),
        Type::STREAM.cloexec(),
        Some(Protocol::TCP),
    )?;
    // A restarted gateway binds again while old connections sit in TIME_WAIT.
    sock.set_reuse_address(true)?;
    if addr.is_ipv6() {
        sock.set_only_v6(options.only_v6)?;
    }
    if share {
        sock.set_reuse_port(true)?;
    }
    sock.set_nonblocking(true)?;
    if let Some(congestion) = &options.congestion {
        congestion.set(&sock)?;
    }
    sock.bind(&addr.into())?;
    Ok(sock)
}
