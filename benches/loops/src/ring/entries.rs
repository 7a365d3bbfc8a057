//! Operations on a socket that is a descriptor of the process or one of the ring alone.

use std::os::fd::{AsRawFd, OwnedFd};

use io_uring::squeue::Entry;
use io_uring::{opcode, types};

/// Has a zero-copy send tell whether the kernel copied after all.
const REPORT_USAGE: u16 = 1 << 3;

/// Its answer, in the result of the notice.
pub(crate) const COPIED: i32 = 1 << 31;

/// A connection.
#[derive(Debug)]
pub(crate) enum File {
    Plain(OwnedFd),
    /// A place in the ring's table.
    Direct(u32),
}

/// Builds one of two types of entry, which differ in the descriptor.
macro_rules! on {
    ($file:expr, $fd:ident => $entry:expr) => {
        match $file {
            File::Plain(plain) => {
                let $fd = types::Fd(plain.as_raw_fd());
                $entry.build()
            }
            File::Direct(at) => {
                let $fd = types::Fixed(*at);
                $entry.build()
            }
        }
    };
}

impl File {
    /// Receives again and again into buffers of `group`.
    pub(crate) fn recv_multi(&self, group: u16) -> Entry {
        on!(self, fd => opcode::RecvMulti::new(fd, group))
    }

    /// Receives once.
    pub(crate) fn recv(&self, bytes: *mut u8, len: usize) -> Entry {
        on!(self, fd => opcode::Recv::new(fd, bytes, len as u32))
    }

    /// Sends all of it: what does not fit waits within the kernel.
    pub(crate) fn send(&self, bytes: *const u8, len: usize) -> Entry {
        let flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
        on!(self, fd => opcode::Send::new(fd, bytes, len as u32).flags(flags))
    }

    /// As [`File::send`] without a copy where the system can; `buffer` is the registered one that it lies in.
    pub(crate) fn send_zc(&self, bytes: *const u8, len: usize, buffer: Option<u16>) -> Entry {
        let flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
        on!(self, fd => opcode::SendZc::new(fd, bytes, len as u32)
            .flags(flags)
            .buf_index(buffer)
            .zc_flags(REPORT_USAGE))
    }

    /// Ends both directions; what is under way ends with it.
    pub(crate) fn shutdown(&self) -> Entry {
        on!(self, fd => opcode::Shutdown::new(fd, libc::SHUT_RDWR))
    }
}

/// Gives a place in the ring's table back.
pub(crate) fn close_direct(at: u32) -> Entry {
    opcode::Close::new(types::Fixed(at)).build()
}

/// Accepts again and again, into the ring's table if `direct`.
pub(crate) fn accept_multi(listener: &impl AsRawFd, direct: bool) -> Entry {
    let flags = if direct { 0 } else { libc::SOCK_CLOEXEC };
    opcode::AcceptMulti::new(types::Fd(listener.as_raw_fd()))
        .allocate_file_index(direct)
        .flags(flags)
        .build()
}
