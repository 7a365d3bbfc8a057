//! Bytes on their way to a client: small ones gathered in one buffer, large ones as slices, all sent with one `sendmsg`
//! where the socket takes them. Bounded by its users, who flush before they add more than a burst.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf, Bytes, BytesMut};
use flatend::rt::Socket;

use super::buffers;

/// Pieces up to this size are copied together: a slice of its own costs the kernel more than the copy.
const COPY_BYTES_MAX: usize = 2 * 1024;

/// Slices gathered in one call.
const SLICES_MAX: usize = 64;

/// Output that the socket has not taken yet.
#[derive(Default)]
pub(crate) struct OutQueue {
    slices: VecDeque<Bytes>,
    tail: Vec<u8>,
    /// Bytes at the start of `tail` that were sent already.
    sent: usize,
    bytes: usize,
}

impl OutQueue {
    /// Where small things are appended; tell with [`OutQueue::appended`].
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        if self.tail.capacity() == 0 {
            self.tail = buffers::take_output();
        }
        &mut self.tail
    }

    /// Gives back memory that holds nothing.
    pub(crate) fn release(&mut self) {
        if self.bytes == 0 {
            self.slices = VecDeque::new();
            buffers::give_output(std::mem::take(&mut self.tail));
        }
    }

    /// Counts what was appended to the tail since its length was `before`.
    pub(crate) fn appended(&mut self, before: usize) {
        self.bytes += self.tail.len() - before;
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.tail().extend_from_slice(bytes);
        self.bytes += bytes.len();
    }

    pub(crate) fn push_slice(&mut self, bytes: Bytes) {
        if bytes.len() <= COPY_BYTES_MAX {
            return self.push(&bytes);
        }
        self.close_tail();
        self.bytes += bytes.len();
        self.slices.push_back(bytes);
    }

    fn close_tail(&mut self) {
        if self.tail.len() > self.sent {
            let mut rest = BytesMut::with_capacity(self.tail.len() - self.sent);
            rest.extend_from_slice(&self.tail[self.sent..]);
            self.slices.push_back(rest.freeze());
        }
        self.tail.clear();
        self.sent = 0;
    }

    /// Bytes that wait.
    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    /// One `sendmsg` of what waits. True when all is gone.
    pub(crate) fn send(&mut self, socket: &Socket) -> io::Result<bool> {
        if self.bytes == 0 {
            return Ok(true);
        }
        let n = if self.slices.is_empty() {
            socket.try_send(&[IoSlice::new(&self.tail[self.sent..])])?
        } else {
            let mut gathered: [IoSlice<'_>; SLICES_MAX] = [IoSlice::new(&[]); SLICES_MAX];
            let mut used = 0;
            let tail = &self.tail[self.sent..];
            for slice in self
                .slices
                .iter()
                .map(|bytes| &bytes[..])
                .chain((!tail.is_empty()).then_some(tail))
                .take(SLICES_MAX)
            {
                gathered[used] = IoSlice::new(slice);
                used += 1;
            }
            socket.try_send(&gathered[..used])?
        };
        self.consume(n);
        Ok(self.bytes == 0)
    }

    fn consume(&mut self, mut n: usize) {
        self.bytes -= n;
        while n > 0 {
            let Some(first) = self.slices.front_mut() else {
                break;
            };
            if n < first.len() {
                first.advance(n);
                return;
            }
            n -= first.len();
            self.slices.pop_front();
        }
        self.sent += n;
        if self.sent == self.tail.len() {
            self.tail.clear();
            self.sent = 0;
        }
    }
}
