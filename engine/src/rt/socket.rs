//! One stream socket of a shard. Reads and writes are plain non-blocking calls, tried first when the readiness flag says
//! so; `EAGAIN` or a short count clears the flag and the epoll set raises it again. Owns the descriptor, never a buffer.

use std::io::{self, ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BufMut, BytesMut};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown};
use socket2::{Domain, Protocol, SockRef, Type};

use super::congestion::Congestion;
use super::file::File;
use super::limits::GATHER_MAX;
use super::reactor::{self, Slot};
use super::timer;

/// A connected TCP socket of this shard.
pub struct Socket {
    fd: Option<OwnedFd>,
    key: usize,
    slot: Rc<Slot>,
}

/// Why a dial failed.
#[derive(Debug)]
pub enum ConnectError {
    /// The system refused or the peer did.
    Io(io::Error),
    /// No answer within the given time.
    TimedOut,
}

impl std::fmt::Display for ConnectError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ConnectError::Io(err) => err.fmt(f),
            ConnectError::TimedOut => f.write_str("no answer in time"),
        }
    }
}

impl std::error::Error for ConnectError {}

impl Socket {
    /// Takes over a connected descriptor and turns Nagle's algorithm off.
    ///
    /// # Errors
    /// When the descriptor cannot be made non-blocking or registered.
    pub fn adopt(fd: OwnedFd) -> io::Result<Socket> {
        let sock = SockRef::from(&fd);
        sock.set_nonblocking(true)?;
        sock.set_tcp_nodelay(true)?;
        let (key, slot) = reactor::register(&fd)?;
        Ok(Socket {
            fd: Some(fd),
            key,
            slot,
        })
    }

    /// Dials `addr`, with the system's congestion control if no other is named.
    ///
    /// # Errors
    /// [`ConnectError`]; a refused or unreachable address comes back at once, a silent one after `timeout_ms`.
    pub async fn connect(
        addr: SocketAddr,
        congestion: Option<&Congestion>,
        timeout_ms: u64,
    ) -> Result<Socket, ConnectError> {
        let sock = socket2::Socket::new(
            Domain::for_address(addr),
            Type::STREAM.cloexec(),
            Some(Protocol::TCP),
        )
        .map_err(ConnectError::Io)?;
        sock.set_nonblocking(true).map_err(ConnectError::Io)?;
        if let Some(congestion) = congestion {
            congestion.set(&sock).map_err(ConnectError::Io)?;
        }
        match sock.connect(&addr.into()) {
            Ok(()) => {}
            Err(err)
                if err.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
            Err(err) => return Err(ConnectError::Io(err)),
        }
        let socket = Socket::adopt(sock.into()).map_err(ConnectError::Io)?;
        let writable = std::future::poll_fn(|cx| socket.poll_writable(cx));
        timer::timeout(timeout_ms, writable)
            .await
            .map_err(|_| ConnectError::TimedOut)?;
        match socket.sock().take_error() {
            Ok(None) => Ok(socket),
            Ok(Some(err)) | Err(err) => Err(ConnectError::Io(err)),
        }
    }

    /// Gives the descriptor up, for another shard to adopt.
    ///
    /// # Errors
    /// When the system does not take it out of this shard's set; the connection ends then.
    pub fn detach(mut self) -> io::Result<OwnedFd> {
        reactor::unwatch(self.fd())?;
        match self.fd.take() {
            Some(fd) => Ok(fd),
            None => unreachable!("the descriptor is taken in drop and here only"),
        }
    }

    fn fd(&self) -> &OwnedFd {
        match &self.fd {
            Some(fd) => fd,
            None => unreachable!("the descriptor is taken at the end only"),
        }
    }

    fn sock(&self) -> SockRef<'_> {
        SockRef::from(self.fd())
    }

    /// Our address on this connection.
    ///
    /// # Errors
    /// When the system does not know it.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.sock()
            .local_addr()?
            .as_socket()
            .ok_or_else(|| ErrorKind::AddrNotAvailable.into())
    }

    /// The peer's address.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.sock()
            .peer_addr()?
            .as_socket()
            .ok_or_else(|| ErrorKind::AddrNotAvailable.into())
    }

    /// TCP keepalive: first probe after `idle_s` without a byte, then three more `interval_s` apart.
    pub fn keepalive(&self, idle_s: u64, interval_s: u64) {
        let params = socket2::TcpKeepalive::new()
            .with_time(Duration::from_secs(idle_s))
            .with_interval(Duration::from_secs(interval_s))
            .with_retries(3);
        // A kernel that refuses leaves the connection with its defaults, which work too.
        self.sock().set_tcp_keepalive(&params).ok();
    }

    /// Acknowledges at once until the kernel falls back to delayed ACKs; asked again after each receive.
    pub fn quick_ack(&self) {
        rustix::net::sockopt::set_tcp_quickack(self.fd(), true).ok();
    }

    /// Keeps the window that the peer is given at half of the memory that the system has for this connection, as Linux did by
    /// itself until 6.6. Since then the window is nearly all of it; the memory then runs out before the window, the system throws away
    /// bytes that it had allowed, and with them every acknowledgement that the peer sends until they are repeated: a connection
    /// that waits in both directions stays so for seconds. The system widens the window when it adds memory, so bulk readers
    /// ask again now and then.
    pub fn narrow_window(&self) {
        let Ok(memory) = rustix::net::sockopt::socket_recv_buffer_size(self.fd()) else {
            return;
        };
        let window = libc::c_int::try_from(memory / 2).unwrap_or(libc::c_int::MAX);
        let fd = std::os::fd::AsRawFd::as_raw_fd(self.fd());
        // SAFETY: TCP_WINDOW_CLAMP reads one C int, which lives until the call returns (tcp(7)). A system that refuses
        // leaves the connection as it was, which works too.
        unsafe {
            libc::setsockopt(
                fd,
                libc::IPPROTO_TCP,
                libc::TCP_WINDOW_CLAMP,
                std::ptr::from_ref(&window).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        };
    }

    /// Wakes the reader although nothing came: its task looks around.
    pub fn nudge(&self) {
        self.slot.readable.set(true);
        self.slot.reader.wake();
    }

    /// Ends both directions; whoever reads or writes hears of it.
    pub fn shutdown_both(&self) {
        rustix::net::shutdown(self.fd(), Shutdown::Both).ok();
    }

    /// Makes the coming close a reset, so that the peer cannot take what it got for the whole.
    pub fn reset_on_close(&self) {
        self.sock().set_linger(Some(Duration::ZERO)).ok();
    }

    /// Whether the peer has sent FIN or the connection is gone, as far as is known without a read.
    pub fn hung_up(&self) -> bool {
        self.slot.hang_up.get()
    }

    /// Whether the connection is gone in both directions.
    pub fn gone(&self) -> bool {
        self.slot.gone.get()
    }

    /// Ready when the connection is gone in both directions; for one who waits for something else than bytes.
    pub fn poll_gone(&self, cx: &Context<'_>) -> Poll<()> {
        if self.slot.gone.get() {
            return Poll::Ready(());
        }
        self.slot.watcher.park(cx);
        Poll::Pending
    }

    /// Bytes that the peer's system has not acknowledged yet, or that were not sent.
    pub fn unsent_bytes(&self) -> usize {
        const SIOCOUTQ: rustix::ioctl::Opcode = 0x5411;
        // SAFETY: SIOCOUTQ writes one C int, which is what the getter gives it (tcp(7)).
        let asked = unsafe {
            rustix::ioctl::ioctl(self.fd(), rustix::ioctl::Getter::<SIOCOUTQ, i32>::new())
        };
        asked.map_or(0, |bytes| usize::try_from(bytes).unwrap_or(0))
    }

    /// Has the next read ask the system, whatever is known: something may have come since this turn began.
    pub fn look_again(&self) {
        self.slot.readable.set(true);
    }

    /// Whether the last read left the socket empty.
    pub fn is_drained(&self) -> bool {
        !self.slot.readable.get()
    }

    /// One `recv` into the spare room of `buf`, which must not be full. `Ok(0)`: the peer's FIN. `WouldBlock`: empty.
    ///
    /// # Errors
    /// As the system says; `WouldBlock` is not a fault.
    pub fn try_recv(&self, buf: &mut BytesMut) -> io::Result<usize> {
        if !self.slot.readable.get() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let spare = buf.spare_capacity_mut();
        debug_assert!(!spare.is_empty(), "a receive needs room");
        let room = spare.len();
        match rustix::net::recv(self.fd(), spare, RecvFlags::DONTWAIT) {
            Ok(((init, _), _)) => {
                let n = init.len();
                // A short read means empty, unless a FIN is known to follow.
                if n < room && !self.slot.hang_up.get() {
                    self.slot.readable.set(false);
                }
                // SAFETY: `recv` initialised the first `n` bytes of the spare room.
                unsafe { buf.advance_mut(n) };
                Ok(n)
            }
            Err(rustix::io::Errno::AGAIN) => {
                self.slot.readable.set(false);
                Err(ErrorKind::WouldBlock.into())
            }
            Err(rustix::io::Errno::INTR) => self.try_recv(buf),
            Err(err) => Err(err.into()),
        }
    }

    /// Ready when a read is worth trying.
    pub fn poll_readable(&self, cx: &Context<'_>) -> Poll<()> {
        if self.slot.readable.get() {
            return Poll::Ready(());
        }
        self.slot.reader.park(cx);
        Poll::Pending
    }

    /// Reads into the spare room of `buf`; waits for bytes. `Ok(0)`: the peer's FIN.
    ///
    /// # Errors
    /// As the system says, never `WouldBlock`.
    pub fn poll_recv(&self, cx: &Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        loop {
            std::task::ready!(self.poll_readable(cx));
            match self.try_recv(buf) {
                Err(err) if err.kind() == ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    /// One `sendmsg` of up to 64 slices.
    ///
    /// # Errors
    /// As the system says; `WouldBlock` is not a fault: wait with [`Socket::poll_writable`].
    pub fn try_send(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if !self.slot.writable.get() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let slices = &slices[..slices.len().min(GATHER_MAX)];
        let result = match slices {
            [one] => rustix::net::send(self.fd(), one, flags),
            many => {
                rustix::net::sendmsg(self.fd(), many, &mut SendAncillaryBuffer::default(), flags)
            }
        };
        match result {
            Ok(n) => {
                let asked: usize = slices.iter().map(|slice| slice.len()).sum();
                if n < asked {
                    self.slot.writable.set(false);
                }
                Ok(n)
            }
            Err(rustix::io::Errno::AGAIN) => {
                self.slot.writable.set(false);
                Err(ErrorKind::WouldBlock.into())
            }
            Err(rustix::io::Errno::INTR) => self.try_send(slices),
            Err(err) => Err(err.into()),
        }
    }

    /// One `sendfile` of up to `len` bytes of `file` from `offset`. `Ok(0)`: the file ends there. Waits for the disk if the
    /// bytes are not in the page cache, which a shard must not: ask [`File::residency`] first.
    ///
    /// # Errors
    /// As the system says; `WouldBlock` is not a fault: wait with [`Socket::poll_writable`]. `InvalidInput`: the file's system
    /// cannot do it.
    pub fn try_sendfile(&self, file: &File, offset: u64, len: usize) -> io::Result<usize> {
        if !self.slot.writable.get() {
            return Err(ErrorKind::WouldBlock.into());
        }
        // A client that is gone would be a SIGPIPE, which the standard library has every program ignore.
        let mut from = offset;
        match rustix::fs::sendfile(self.fd(), file, Some(&mut from), len) {
            // A short count may come of a signal too, so it does not mean that the socket is full.
            Ok(n) => Ok(n),
            Err(rustix::io::Errno::AGAIN) => {
                self.slot.writable.set(false);
                Err(ErrorKind::WouldBlock.into())
            }
            Err(rustix::io::Errno::INTR) => self.try_sendfile(file, offset, len),
            Err(err) => Err(err.into()),
        }
    }

    /// Ready when a write is worth trying.
    pub fn poll_writable(&self, cx: &Context<'_>) -> Poll<()> {
        if self.slot.writable.get() {
            return Poll::Ready(());
        }
        self.slot.writer.park(cx);
        Poll::Pending
    }

    /// Sends all of `bytes`.
    ///
    /// # Errors
    /// As the system says, never `WouldBlock`.
    pub async fn send_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.try_send(&[IoSlice::new(bytes)]) {
                Ok(n) => bytes = &bytes[n..],
                Err(err) if err.kind() == ErrorKind::WouldBlock => {
                    std::future::poll_fn(|cx| self.poll_writable(cx)).await
                }
                Err(err) => return Err(err),
            }
        }
        Ok(())
    }

    /// Sends FIN; what the peer still sends can be read.
    pub fn shutdown_write(&self) {
        // An error means that the connection is gone already, which the next read tells.
        rustix::net::shutdown(self.fd(), Shutdown::Write).ok();
    }

    /// Reads and throws away until the peer's FIN, an error, or `timeout_ms` or `bytes_max` are over: a `close` with
    /// unread bytes would be a reset, and a reset ends a Node peer's whole process.
    pub async fn discard_until_fin(&self, timeout_ms: u64, bytes_max: usize) {
        let discard = async {
            let mut left = bytes_max;
            let mut scrap = BytesMut::with_capacity(16 * 1024);
            while left > 0 {
                scrap.clear();
                match std::future::poll_fn(|cx| self.poll_recv(cx, &mut scrap)).await {
                    Ok(0) | Err(_) => return,
                    Ok(n) => left = left.saturating_sub(n),
                }
            }
        };
        // Either end is the end: the descriptor is closed by the caller.
        timer::timeout(timeout_ms, discard).await.ok();
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        reactor::deregister(self.key);
        self.fd.take();
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd().as_fd()
    }
}

/// Boundary on which receives start: elsewhere the kernel's copy was measured to cost four times as much.
const ALIGN: usize = 64;

/// An empty buffer with at least `bytes` of room that starts on a 64-byte boundary behind `leftover`, which it begins with.
pub fn aligned_buffer(bytes: usize, leftover: &[u8]) -> BytesMut {
    let mut buf = BytesMut::with_capacity(bytes + leftover.len() + 2 * ALIGN);
    pad(&mut buf, leftover.len());
    buf.extend_from_slice(leftover);
    debug_assert_eq!(buf.spare_capacity_mut().as_ptr() as usize % ALIGN, 0);
    buf
}

/// Makes sure that `buf` has at least `room_min` of room, or `room` if memory has to be had for it. An empty buffer starts
/// again on an aligned place of the memory that it has, unless slices of it are still in use. Says whether it has other memory now.
pub fn make_room(buf: &mut BytesMut, room_min: usize, room: usize) -> bool {
    if !buf.is_empty() {
        let is_short = buf.capacity() - buf.len() < room_min;
        if is_short {
            *buf = aligned_buffer(room, buf);
        }
        return is_short;
    }
    let aligned = buf.spare_capacity_mut().as_ptr() as usize % ALIGN == 0;
    if aligned && buf.capacity() >= room_min {
        return false;
    }
    if !buf.try_reclaim(room + ALIGN) {
        *buf = aligned_buffer(room, &[]);
        return true;
    }
    pad(buf, 0);
    false
}

/// Moves the start of an empty buffer so that `ahead` bytes further on is a boundary.
fn pad(buf: &mut BytesMut, ahead: usize) {
    let base = buf.spare_capacity_mut().as_ptr().cast::<MaybeUninit<u8>>() as usize;
    let pad = (ALIGN - (base + ahead) % ALIGN) % ALIGN;
    buf.put_bytes(0, pad);
    buf.advance(pad);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emptied_buffer_starts_again_aligned_in_its_own_memory() {
        let mut buf = aligned_buffer(8_192, &[]);
        let first = buf.as_ptr();
        for _ in 0..100 {
            buf.put_bytes(7, 46);
            buf.advance(46);
            make_room(&mut buf, 4_096, 8_192);
            assert_eq!(buf.spare_capacity_mut().as_ptr() as usize % ALIGN, 0);
            assert!(buf.capacity() >= 4_096);
        }
        let moved = (buf.as_ptr() as usize).abs_diff(first as usize);
        assert!(moved < 8_192, "the same memory: {moved} bytes away");
    }

    #[test]
    fn slices_in_use_are_left_alone_and_a_leftover_ends_on_a_boundary() {
        let mut buf = aligned_buffer(8_192, &[]);
        buf.put_bytes(7, 6_000);
        let slice = buf.split_to(5_990).freeze();
        make_room(&mut buf, 4_096, 8_192);
        assert_eq!(&buf[..], [7; 10]);
        assert_eq!(buf.spare_capacity_mut().as_ptr() as usize % ALIGN, 0);
        buf.advance(10);
        make_room(&mut buf, 4_096, 8_192);
        buf.put_bytes(9, 8_192);
        assert!(slice.iter().all(|&byte| byte == 7));
    }
}
