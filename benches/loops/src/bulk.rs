//! Both ends of a bulk relay, as threads of the comparing process on one core. The sink checks the mark of every block, so that a relay
//! that loses or swaps bytes has no figures.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use flatend_loadtest::cpu_time::CpuTime;
use flatend_loadtest::limits::READY_TIMEOUT_MS;
use flatend_loadtest::proc_stat::MachineStat;
use flatend_loadtest::process::{on_core, Running};
use flatend_loadtest::stop;
use rustix::time::{clock_gettime, ClockId};

use crate::limits::{BULK_BYTES, BULK_END_BYTES, BULK_STALL_MS};

/// Every so many bytes stands their number.
const BLOCK_BYTES: usize = 4096;
const MARK_BYTES: usize = size_of::<u64>();

/// What one run found.
pub(crate) struct Passed {
    pub(crate) bytes: u64,
    pub(crate) seconds: f64,
    pub(crate) server_cpu_s: f64,
    pub(crate) steal: f64,
    pub(crate) others: f64,
}

/// Sends [`BULK_BYTES`] through `server`, with both ends on `core`.
///
/// # Errors
/// The server does not listen, stalls, or what comes out is not what went in.
pub(crate) fn carry(addr: SocketAddr, server: &mut Running, core: usize) -> Result<Passed, String> {
    let timeout = Duration::from_millis(READY_TIMEOUT_MS);
    // The first connection is the source already: a relay of bulk has two and no more.
    let first = stop::poll_until(timeout, || match server.ended()? {
        Some(status) => Err(format!("the server ended ({status}): see server.log")),
        None => Ok(TcpStream::connect(addr).ok()),
    })?;
    let source =
        first.ok_or_else(|| format!("the server does not listen at {addr} within {timeout:?}"))?;
    let sink =
        TcpStream::connect(addr).map_err(|error| format!("cannot connect again: {error}"))?;
    let read = || -> Result<_, String> {
        let server = CpuTime::read(&[server.pid()])?;
        Ok((server, own_cpu(), MachineStat::read()?))
    };
    let before = read()?;
    let begin = Instant::now();
    let bytes = on_core(core, || ends(&source, &sink, BULK_BYTES))??;
    let seconds = begin.elapsed().as_secs_f64();
    let after = read()?;
    let server_cpu_s = after.0.since(&before.0);
    let machine = after.2.since(before.2);
    let ours = server_cpu_s + (after.1 - before.1).as_secs_f64();
    Ok(Passed {
        bytes,
        seconds,
        server_cpu_s,
        steal: machine.steal,
        others: (machine.busy - ours / machine.total_s.max(f64::MIN_POSITIVE)).max(0.0),
    })
}

/// What this process has used, threads that have ended too: the ends are such, and `/proc` forgets them.
fn own_cpu() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(used).unwrap_or_default()
}

/// Sends `bytes` into one end while all is taken from the other. Gives how many came.
pub(crate) fn ends(source: &TcpStream, sink: &TcpStream, bytes: u64) -> Result<u64, String> {
    let stall = Some(Duration::from_millis(BULK_STALL_MS));
    let refused = |error| format!("cannot limit how long an end waits: {error}");
    source.set_write_timeout(stall).map_err(refused)?;
    sink.set_read_timeout(stall).map_err(refused)?;
    let came = thread::scope(|scope| {
        let sender = scope.spawn(|| send(source, bytes));
        let came = receive(sink);
        let sent = sender.join();
        sent.map_err(|_| "the source panicked".to_owned())??;
        came
    })?;
    match came {
        came if came == bytes => Ok(came),
        came => Err(format!("{came} of {bytes} bytes came out")),
    }
}

fn send(mut source: &TcpStream, bytes: u64) -> Result<(), String> {
    let failed = |error| format!("the source cannot send: {error}");
    let mut piece = vec![0; BULK_END_BYTES];
    let mut at = 0;
    while at < bytes {
        mark(&mut piece, at);
        let len = piece
            .len()
            .min(usize::try_from(bytes - at).unwrap_or(usize::MAX));
        source.write_all(&piece[..len]).map_err(failed)?;
        at += len as u64;
    }
    source.shutdown(Shutdown::Write).map_err(failed)
}

fn receive(mut sink: &TcpStream) -> Result<u64, String> {
    let mut piece = vec![0; BULK_END_BYTES];
    let mut at = 0;
    loop {
        match sink.read(&mut piece) {
            Ok(0) => return Ok(at),
            Ok(len) => {
                check(&piece[..len], at)?;
                at += len as u64;
            }
            Err(error) => return Err(format!("the sink gets nothing after {at} bytes: {error}")),
        }
    }
}

/// Writes the marks of a piece that begins at `at`, which is a block's beginning.
fn mark(piece: &mut [u8], at: u64) {
    for (block, number) in piece.chunks_mut(BLOCK_BYTES).zip(at / BLOCK_BYTES as u64..) {
        if let Some(mark) = block.first_chunk_mut() {
            *mark = number.to_le_bytes();
        }
    }
}

/// Checks every mark that lies whole within a piece that begins at `at`.
fn check(piece: &[u8], at: u64) -> Result<(), String> {
    let first = at.next_multiple_of(BLOCK_BYTES as u64);
    let skipped = usize::try_from(first - at).unwrap_or(usize::MAX);
    let blocks = piece.get(skipped..).unwrap_or_default().chunks(BLOCK_BYTES);
    for (block, number) in blocks.zip(first / BLOCK_BYTES as u64..) {
        match block.first_chunk::<MARK_BYTES>() {
            Some(mark) if *mark != number.to_le_bytes() => {
                return Err(format!(
                    "block {number} of the bulk is not the one that was sent"
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_have_ended_count() {
        const WORK: Duration = Duration::from_millis(20);
        let before = own_cpu();
        let worker = thread::spawn(|| {
            let own = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime));
            while own().is_ok_and(|used| used < WORK) {}
        });
        worker.join().expect("it does not panic");
        assert!(own_cpu() - before >= WORK);
    }

    #[test]
    fn marks_are_checked_wherever_pieces_begin() {
        let mut all = vec![0; 4 * BLOCK_BYTES];
        mark(&mut all, 0);
        for from in [0, 1, 7, BLOCK_BYTES - 1, BLOCK_BYTES, 2 * BLOCK_BYTES + 5] {
            assert_eq!(check(&all[from..], from as u64), Ok(()), "from {from}");
            assert!(check(&all[from..], from as u64 + BLOCK_BYTES as u64).is_err());
        }
        assert_eq!(check(&[], 1), Ok(()));
    }
}
