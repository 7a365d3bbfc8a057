//! The access log: one line a request, written without keeping a shard waiting.
//!
//! A shard formats lines into a block of its own ([`ShardLog`]) and hands whole blocks through a bounded queue to the thread
//! that owns the file ([`writer`]). Owns blocks, queues and the count of lines that found a queue full. The invariant that a
//! change is likeliest to break: a line is written once, or counted once as lost and told.

mod escape;
mod format;
mod output;
mod stamp;
mod writer;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{bounded, Sender};
use flatend::rt;
use flatend_http::server::Record;

use crate::config::{AccessFormat, AccessLog};
use crate::limits::{
    ACCESS_BLOCK_BYTES, ACCESS_FLUSH_MS, ACCESS_LINE_BYTES_MAX, ACCESS_QUEUE_BLOCKS_MAX,
    LOG_FLUSH_MS_MAX,
};
use crate::log;
use stamp::Stamp;

/// Lines that one shard gathered.
struct Block {
    bytes: Vec<u8>,
    lines: u64,
}

enum Message {
    Block(Block),
    /// Answered when everything before it is written.
    Flush(Sender<()>),
}

/// One file, or standard output: the queue to the thread that writes it.
pub struct Sink {
    log: AccessLog,
    queue: Sender<Message>,
    /// Lines that found the queue full.
    lost: Arc<AtomicU64>,
}

/// Every sink of the process, for [`flush`].
static SINKS: Mutex<Vec<Arc<Sink>>> = Mutex::new(Vec::new());

/// Opens what `log` names, or gives what is open already: sections may share a file.
///
/// # Errors
/// The file cannot be opened, or the system has no thread to give.
pub fn open(log: &AccessLog) -> io::Result<Arc<Sink>> {
    let mut sinks = SINKS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(sink) = sinks.iter().find(|sink| sink.log == *log) {
        return Ok(sink.clone());
    }
    let (queue, blocks) = bounded(ACCESS_QUEUE_BLOCKS_MAX);
    let lost = Arc::new(AtomicU64::new(0));
    writer::start(log, blocks, lost.clone())?;
    let sink = Arc::new(Sink {
        log: log.clone(),
        queue,
        lost,
    });
    sinks.push(sink.clone());
    Ok(sink)
}

/// Waits until every block so far is written, at most `LOG_FLUSH_MS_MAX` in all.
pub fn flush() {
    let sinks = SINKS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let deadline = Instant::now() + Duration::from_millis(LOG_FLUSH_MS_MAX);
    for sink in sinks {
        let (done, flushed) = bounded(1);
        let asked = sink.queue.send_deadline(Message::Flush(done), deadline);
        if asked.is_err() || flushed.recv_deadline(deadline).is_err() {
            log!(
                "The last lines of the access log {} are lost: it did not take them within {LOG_FLUSH_MS_MAX} ms.",
                sink.log.to
            );
        }
    }
}

/// The lines of one section on one shard.
pub struct ShardLog {
    sink: Arc<Sink>,
    gathered: RefCell<Gathered>,
}

struct Gathered {
    bytes: Vec<u8>,
    lines: u64,
    stamp: Stamp,
    /// A task will hand the block over.
    is_timed: bool,
}

impl ShardLog {
    /// Nothing gathered yet for `sink`.
    pub fn new(sink: Arc<Sink>) -> Rc<ShardLog> {
        let gathered = RefCell::new(Gathered {
            bytes: Vec::new(),
            lines: 0,
            stamp: Stamp::new(),
            is_timed: false,
        });
        Rc::new(ShardLog { sink, gathered })
    }

    /// Adds the line of one request; `route` is the pattern of its route.
    pub fn line(self: &Rc<Self>, record: &Record<'_>, route: Option<&str>) {
        let (is_full, is_timed) = {
            let mut gathered = self.gathered.borrow_mut();
            let Gathered {
                bytes,
                lines,
                stamp,
                is_timed,
            } = &mut *gathered;
            if bytes.capacity() == 0 {
                bytes.reserve_exact(ACCESS_BLOCK_BYTES + ACCESS_LINE_BYTES_MAX);
            }
            match self.sink.log.format {
                AccessFormat::Text => format::text(bytes, record, route, stamp),
                AccessFormat::Json => format::json(bytes, record, route, stamp),
            }
            *lines += 1;
            let is_full = bytes.len() >= ACCESS_BLOCK_BYTES;
            let was_timed = *is_timed;
            *is_timed |= !is_full;
            (is_full, was_timed)
        };
        if is_full {
            self.flush();
        } else if !is_timed {
            let log = self.clone();
            rt::spawn(async move {
                rt::sleep(ACCESS_FLUSH_MS).await;
                log.gathered.borrow_mut().is_timed = false;
                log.flush();
            });
        }
    }

    /// Hands over what is gathered.
    pub fn flush(&self) {
        let mut gathered = self.gathered.borrow_mut();
        if gathered.lines == 0 {
            return;
        }
        let block = Block {
            bytes: std::mem::take(&mut gathered.bytes),
            lines: std::mem::take(&mut gathered.lines),
        };
        let lines = block.lines;
        let is_full = self.sink.queue.try_send(Message::Block(block)).is_err();
        if is_full && self.sink.lost.fetch_add(lines, Ordering::Relaxed) == 0 {
            // How many, the thread says when it can write again.
            log!(
                "The access log {} cannot be written as fast as requests come: lines are being lost.",
                self.sink.log.to
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AccessTo;

    #[test]
    fn a_full_queue_loses_whole_blocks_and_counts_their_lines() {
        let (queue, blocks) = bounded(1);
        let sink = Arc::new(Sink {
            log: AccessLog {
                to: AccessTo::Stdout,
                format: AccessFormat::Text,
            },
            queue,
            lost: Arc::default(),
        });
        let log = ShardLog::new(sink.clone());
        for lines in [1, 2, 3] {
            let mut gathered = log.gathered.borrow_mut();
            gathered.bytes = b"line\n".repeat(lines);
            gathered.lines = lines as u64;
            drop(gathered);
            log.flush();
            log.flush();
        }
        assert_eq!(sink.lost.load(Ordering::Relaxed), 5);
        let Ok(Message::Block(block)) = blocks.try_recv() else {
            panic!("the first block is queued");
        };
        assert_eq!((block.lines, &block.bytes[..]), (1, &b"line\n"[..]));
        assert!(blocks.try_recv().is_err());
    }
}
