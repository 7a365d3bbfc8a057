//! The thread that writes one access log: blocks into a file or to standard output.
//!
//! Owns the order of writes and what is said of lines that are lost. The invariant
//! that a change is likeliest to break: trouble is told once when it begins and once when it ends, never a line a block.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::output::{Opened, Output};
use super::stamp::Stamp;
use super::Message;
use crate::config::{AccessFormat, AccessLog, AccessTo};
use crate::limits::ACCESS_RENEW_MS;
use crate::{io_words, log, logs};

/// Starts the thread of `log`; it ends when every sender is gone.
pub(super) fn start(
    log: &AccessLog,
    blocks: Receiver<Message>,
    lost: Arc<AtomicU64>,
) -> io::Result<()> {
    let output: Box<dyn Output + Send> = match &log.to {
        AccessTo::Stdout => Box::new(Opened::stdout()?),
        AccessTo::File(path) => Box::new(Opened::at(path.clone())?),
    };
    let mut writer = Writer::new(output, log.to.to_string(), log.format);
    thread::Builder::new()
        .name("access log".to_owned())
        .spawn(move || run(&mut writer, &blocks, &lost))?;
    Ok(())
}

fn run(writer: &mut Writer, blocks: &Receiver<Message>, lost: &AtomicU64) {
    let every = Duration::from_millis(ACCESS_RENEW_MS);
    let mut renewed = Instant::now();
    loop {
        let received = blocks.recv_timeout(every.saturating_sub(renewed.elapsed()));
        if renewed.elapsed() >= every {
            writer.renew();
            renewed = Instant::now();
        }
        match received {
            Ok(Message::Block(block)) => {
                writer.tell_lost(lost.swap(0, Ordering::Relaxed));
                writer.write(&block.bytes, block.lines);
            }
            Ok(Message::Flush(done)) => {
                writer.tell_lost(lost.swap(0, Ordering::Relaxed));
                // Who asked may have stopped waiting.
                let _ = done.try_send(());
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Writes blocks and tells of trouble.
struct Writer {
    output: Box<dyn Output + Send>,
    /// How the log names it.
    name: String,
    format: AccessFormat,
    /// Writing fails, and it was said.
    is_failing: bool,
    /// Opening anew fails, and it was said.
    is_stale: bool,
    /// Lines that could not be written, not yet told in the file.
    lost: u64,
    /// The last byte that was written is in the middle of a line.
    is_torn: bool,
}

impl Writer {
    fn new(output: Box<dyn Output + Send>, name: String, format: AccessFormat) -> Writer {
        Writer {
            output,
            name,
            format,
            is_failing: false,
            is_stale: false,
            lost: 0,
            is_torn: false,
        }
    }

    fn renew(&mut self) {
        match self.output.renew() {
            Ok(()) => self.is_stale = false,
            Err(error) if !self.is_stale => {
                self.is_stale = true;
                log!(
                    "The access log {} cannot be opened anew: {}; its lines go where they went before.",
                    self.name,
                    io_words(&error)
                );
            }
            Err(_) => {}
        }
    }

    /// Tells of lines that found the queue full.
    fn tell_lost(&mut self, lost: u64) {
        static TOO_SLOW: logs::Kind = logs::Kind::new("access logs that are too slow");
        if lost > 0 {
            TOO_SLOW.line(format_args!(
                "{lost} lines of the access log {} were lost, because it was not written as fast as requests came.",
                self.name
            ));
            self.lost += lost;
        }
        self.close_gap();
    }

    /// Says in the file that lines are missing here.
    fn close_gap(&mut self) -> bool {
        if self.lost == 0 && !self.is_torn {
            return true;
        }
        let mut line = Vec::new();
        if self.is_torn {
            line.push(b'\n');
        }
        if self.lost > 0 {
            let mut time = Vec::new();
            let now = jiff::Timestamp::now().as_millisecond();
            Stamp::new().push(&mut time, u64::try_from(now).unwrap_or(0));
            let (time, lost) = (String::from_utf8_lossy(&time), self.lost);
            let text = match self.format {
                AccessFormat::Text => format!("# {time} {lost} lines were lost here\n"),
                AccessFormat::Json => format!("{{\"time\":\"{time}\",\"lost\":{lost}}}\n"),
            };
            line.extend_from_slice(text.as_bytes());
        }
        if self.put(&line) < line.len() {
            return false;
        }
        let lost = std::mem::take(&mut self.lost);
        if std::mem::take(&mut self.is_failing) {
            log!(
                "The access log {} is written again; {lost} of its lines were lost.",
                self.name
            );
        }
        true
    }

    /// Writes a block of `lines` lines.
    fn write(&mut self, bytes: &[u8], lines: u64) {
        let written = if self.close_gap() { self.put(bytes) } else { 0 };
        if written < bytes.len() {
            let whole = bytes.get(..written).unwrap_or_default();
            let kept = whole.iter().filter(|&&byte| byte == b'\n').count() as u64;
            self.lost += lines.saturating_sub(kept);
        }
    }

    /// Writes what can be written; the number of bytes.
    fn put(&mut self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while !rest.is_empty() {
            let error = match self.output.write(rest) {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(written) => {
                    let (taken, left) = rest.split_at(written.min(rest.len()));
                    self.is_torn = taken.last() != Some(&b'\n');
                    rest = left;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            if !std::mem::replace(&mut self.is_failing, true) {
                log!(
                    "The access log {} cannot be written: {}; its lines are lost until it can.",
                    self.name,
                    io_words(&error)
                );
            }
            break;
        }
        bytes.len() - rest.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A disk with room for so many bytes.
    #[derive(Clone, Default)]
    struct FullDisk(Arc<Mutex<(Vec<u8>, usize)>>);

    impl Output for FullDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut disk = self.0.lock().unwrap();
            let (held, room) = &mut *disk;
            let taken = bytes.len().min(*room);
            if taken == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            held.extend_from_slice(&bytes[..taken]);
            *room -= taken;
            Ok(taken)
        }

        fn renew(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl FullDisk {
        fn with(room: usize) -> FullDisk {
            FullDisk(Arc::new(Mutex::new((Vec::new(), room))))
        }

        fn make_room(&self, room: usize) {
            self.0.lock().unwrap().1 = room;
        }

        fn lines(&self) -> Vec<String> {
            let disk = self.0.lock().unwrap();
            let text = String::from_utf8(disk.0.clone()).unwrap();
            assert!(text.is_empty() || text.ends_with('\n'), "{text}");
            text.lines().map(str::to_owned).collect()
        }
    }

    fn writer(disk: &FullDisk, format: AccessFormat) -> Writer {
        Writer::new(Box::new(disk.clone()), "'x'".to_owned(), format)
    }

    #[test]
    fn a_full_disk_loses_lines_and_the_file_says_how_many() {
        let disk = FullDisk::with(7);
        let mut writer = writer(&disk, AccessFormat::Json);
        writer.write(b"one\ntwo\nthree\n", 3);
        assert!(writer.is_failing && writer.is_torn);
        assert_eq!(writer.lost, 2, "`two` has no end of line");
        writer.write(b"four\n", 1);
        disk.make_room(1000);
        writer.write(b"five\n", 1);
        assert!(!writer.is_failing);
        let lines = disk.lines();
        assert_eq!(lines[..2], ["one", "two"]);
        assert!(lines[2].ends_with("Z\",\"lost\":3}"), "{lines:?}");
        assert_eq!(lines[3..], ["five"]);
    }

    #[test]
    fn lines_that_found_the_queue_full_are_told_before_the_next_block() {
        let disk = FullDisk::with(1000);
        let mut writer = writer(&disk, AccessFormat::Text);
        writer.write(b"one\n", 1);
        writer.tell_lost(17);
        writer.tell_lost(0);
        writer.write(b"two\n", 1);
        let lines = disk.lines();
        assert_eq!(lines.len(), 3);
        assert!(
            lines[1].starts_with("# ") && lines[1].ends_with("Z 17 lines were lost here"),
            "{lines:?}"
        );
    }
}
