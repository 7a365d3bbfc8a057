//! Bulk on a ring: one piece is received while another is sent. Pieces are taken from the top of a stack, so that as few as possible
//! are in use and stay in the caches; a zero-copy send holds its piece until the kernel's notice.

use std::collections::VecDeque;
use std::mem::ManuallyDrop;
use std::net::TcpStream;

use rustix::io::Errno;

use super::entries::{File, COPIED as WAS_COPIED};
use super::{Completion, Ring};
use crate::counters::{COPIED, DONE};
use crate::limits::PIECES;
use crate::memory::aligned_raw;
use crate::spec::{RingSpec, Send};

const RECV: u64 = PIECES as u64;

/// Bytes of a piece that are still to be sent.
#[derive(Clone, Copy)]
struct Filled {
    piece: usize,
    from: usize,
    to: usize,
}

struct Relay<'r> {
    ring: Ring<'r>,
    spec: RingSpec,
    source: File,
    sink: File,
    piece_bytes: usize,
    /// Memory for the life of the process.
    pieces: [*mut u8; PIECES],
    vacant: Vec<usize>,
    receiving: Option<usize>,
    filled: VecDeque<Filled>,
    sending: Option<Filled>,
    /// Zero-copy sends of each piece whose notice has not come.
    held: [u32; PIECES],
    ended: bool,
}

/// Carries everything over, up to the source's end.
///
/// # Errors
/// Either end breaks, or the system refuses something.
pub(crate) fn run(
    spec: RingSpec,
    source: &TcpStream,
    sink: &TcpStream,
    piece_bytes: usize,
) -> Result<(), String> {
    let own = |stream: &TcpStream| {
        let twin = stream.try_clone();
        twin.map(|twin| File::Plain(twin.into()))
            .map_err(|error| format!("cannot keep a connection: {error}"))
    };
    let mut uring = super::make(spec.defer)?;
    let ring = Ring::new(&mut uring, spec.batch)?;
    let pieces = [(); PIECES].map(|()| aligned_raw(piece_bytes));
    if spec.buffers {
        let buffers = pieces.map(|start| libc::iovec {
            iov_base: start.cast(),
            iov_len: piece_bytes,
        });
        // SAFETY: the memory is never given back.
        unsafe { ring.submitter.register_buffers(&buffers) }.map_err(|error| {
            format!(
                "cannot register {PIECES} buffers of {piece_bytes} bytes: {error}; see ulimit -l"
            )
        })?;
    }
    let mut relay = ManuallyDrop::new(Relay {
        ring,
        spec,
        source: own(source)?,
        sink: own(sink)?,
        piece_bytes,
        pieces,
        vacant: (0..PIECES).collect(),
        receiving: None,
        filled: VecDeque::new(),
        sending: None,
        held: [0; PIECES],
        ended: false,
    });
    relay.carry()
}

impl Relay<'_> {
    fn carry(&mut self) -> Result<(), String> {
        loop {
            self.receive()?;
            self.send()?;
            if self.ended && self.sending.is_none() {
                return Ok(());
            }
            self.ring.wait(0)?;
            while let Some(done) = self.ring.next() {
                match done.key {
                    RECV => self.received(done)?,
                    piece => self.sent(piece as usize, done)?,
                }
            }
        }
    }

    fn receive(&mut self) -> Result<(), String> {
        if self.ended || self.receiving.is_some() {
            return Ok(());
        }
        let Some(piece) = self.vacant.pop() else {
            return Ok(());
        };
        self.receiving = Some(piece);
        let entry = self.source.recv(self.pieces[piece], self.piece_bytes);
        // SAFETY: the piece is in no list until this has ended.
        unsafe { self.ring.push(&entry.user_data(RECV)) }
    }

    fn received(&mut self, done: Completion) -> Result<(), String> {
        let Some(piece) = self.receiving.take() else {
            return Err("a receive ended twice".to_owned());
        };
        match usize::try_from(done.result) {
            Ok(0) => self.ended = true,
            Ok(to) => {
                DONE.add(1);
                self.filled.push_back(Filled { piece, from: 0, to });
            }
            Err(_) => return Err(broken("source", done)),
        }
        Ok(())
    }

    fn send(&mut self) -> Result<(), String> {
        if self.sending.is_some() {
            return Ok(());
        }
        let Some(next) = self.filled.pop_front() else {
            return Ok(());
        };
        self.sending = Some(next);
        let Filled { piece, from, to } = next;
        let start = self.pieces[piece].wrapping_add(from);
        let entry = match self.spec.send {
            Send::Zc => {
                let buffer = self.spec.buffers.then_some(piece as u16);
                self.sink.send_zc(start, to - from, buffer)
            }
            Send::Ring | Send::Plain => self.sink.send(start, to - from),
        };
        // SAFETY: the piece is vacant only when this has ended and all its notices have come.
        unsafe { self.ring.push(&entry.user_data(piece as u64)) }
    }

    fn sent(&mut self, piece: usize, done: Completion) -> Result<(), String> {
        if done.is_notice() {
            COPIED.add(u64::from(done.result & WAS_COPIED != 0));
            self.held[piece] -= 1;
        } else {
            self.held[piece] += u32::from(done.more());
            let Some(mut sent) = self.sending.take() else {
                return Err("a send ended twice".to_owned());
            };
            sent.from += usize::try_from(done.result).map_err(|_| broken("sink", done))?;
            if sent.from < sent.to {
                self.filled.push_front(sent);
                return Ok(());
            }
        }
        let in_use = self.sending.is_some_and(|sending| sending.piece == piece)
            || self.filled.iter().any(|filled| filled.piece == piece);
        if self.held[piece] == 0 && !in_use {
            self.vacant.push(piece);
        }
        Ok(())
    }
}

fn broken(end: &str, done: Completion) -> String {
    let error = Errno::from_raw_os_error(-done.result);
    format!("the {end} is broken: {error}")
}
