//! Bulk by `splice` through a pipe: the bytes never come into this process. No gateway can do it whose link is encrypted, so this
//! is a bound and no candidate.

use std::net::TcpStream;

use rustix::io::Errno;
use rustix::pipe::{fcntl_setpipe_size, pipe_with, splice, PipeFlags, SpliceFlags};

use super::bulk::Readiness;
use crate::counters::{CALLS, DONE};

/// Carries everything over, up to the source's end.
///
/// # Errors
/// Either end breaks.
pub(crate) fn run(source: &TcpStream, sink: &TcpStream, piece_bytes: usize) -> Result<(), String> {
    let (outlet, inlet) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)
        .map_err(|error| format!("cannot make a pipe: {error}"))?;
    fcntl_setpipe_size(&inlet, piece_bytes).map_err(|error| {
        format!(
            "cannot make a pipe of {piece_bytes} bytes: {error}; see /proc/sys/fs/pipe-max-size"
        )
    })?;
    let mut ready = Readiness::new(source, sink)?;
    let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
    let mut within = 0;
    loop {
        while within == 0 {
            if !ready.readable {
                ready.wait()?;
                continue;
            }
            CALLS.add(1);
            match splice(source, None, &inlet, None, piece_bytes, flags) {
                Ok(0) => return Ok(()),
                Ok(len) => {
                    within = len;
                    DONE.add(1);
                }
                // A full pipe says so too, but it is empty here.
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
        match splice(&outlet, None, sink, None, within, flags) {
            Ok(len) => within -= len,
            Err(Errno::AGAIN) => ready.writable = false,
            Err(Errno::INTR) => {}
            Err(error) => return Err(format!("the sink is broken: {error}")),
        }
    }
}
