//! The log: lines on standard error in the seed's format, `2020/06/18 04:07:07 message` in local time.
//!
//! Owns the time stamp, the writer thread and the limit a kind of line. Refuses to block the caller: once
//! `start` was called a line is queued, and one that finds the queue full is counted instead of written, so a
//! stuck terminal never stops a shard. Refuses control characters: peers choose some of the words. Before
//! `start`, and in short commands, a line is written by the caller itself.

mod kind;

use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{bounded, Receiver, RecvTimeoutError, Sender};
use jiff::tz::TimeZone;
use jiff::Timestamp;

pub use kind::Kind;

use crate::limits::{LOG_FLUSH_MS_MAX, LOG_QUEUE_LINES_MAX};

/// Writes one line to the log: `log!("Discovered {n} peer(s).")`.
#[macro_export]
macro_rules! log {
    ($($arg:tt)*) => { $crate::logs::line(format_args!($($arg)*)) };
}

enum Message {
    Line(Timestamp, String),
    /// Lines of this kind are being left out; tell how many when its second is over.
    Limited(&'static Kind),
    Flush(Sender<()>),
}

static QUEUE: OnceLock<Sender<Message>> = OnceLock::new();
/// Lines that found the queue full.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Starts the writer thread; lines are queued from now on. A second call does nothing.
///
/// # Errors
/// The system has no thread to give.
pub fn start() -> io::Result<()> {
    if QUEUE.get().is_some() {
        return Ok(());
    }
    let (sender, receiver) = bounded(LOG_QUEUE_LINES_MAX);
    thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || write_lines(&receiver, &mut io::stderr()))?;
    // Lost race: the receiver above sees its sender dropped and its thread ends.
    let _ = QUEUE.set(sender);
    Ok(())
}

/// Waits until every line so far is written, at most `LOG_FLUSH_MS_MAX`: the last call before the process ends.
pub fn flush() {
    let Some(queue) = QUEUE.get() else { return };
    let deadline = Instant::now() + Duration::from_millis(LOG_FLUSH_MS_MAX);
    let (done, flushed) = bounded(1);
    if queue.send_deadline(Message::Flush(done), deadline).is_ok() {
        let _ = flushed.recv_deadline(deadline);
    }
}

/// Asks the writer to tell in a second what was left out of `kind`. Before `start` nobody does.
fn tell_later(kind: &'static Kind) {
    let Some(queue) = QUEUE.get() else { return };
    if queue.try_send(Message::Limited(kind)).is_err() {
        // Nobody will tell: count these as lost lines.
        LOST.fetch_add(kind.take_left_out(), Ordering::Relaxed);
    }
}

/// Writes one line, without limit: for what happens rarely. See `log!`.
pub fn line(message: fmt::Arguments<'_>) {
    let (now, text) = (Timestamp::now(), clean(message.to_string()));
    match QUEUE.get() {
        Some(queue) => {
            if queue.try_send(Message::Line(now, text)).is_err() {
                LOST.fetch_add(1, Ordering::Relaxed);
            }
        }
        None => {
            let _ = io::stderr().write_all(stamped(now, &text, &TimeZone::system()).as_bytes());
        }
    }
}

/// The writer thread: until every sender is gone.
fn write_lines(receiver: &Receiver<Message>, out: &mut dyn Write) {
    let zone = TimeZone::system();
    let mut limited: Vec<(&'static Kind, Instant)> = Vec::new();
    loop {
        let next = limited.iter().map(|(_, due)| *due).min();
        let received = match next {
            None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(due) => receiver.recv_timeout(due.saturating_duration_since(Instant::now())),
        };
        let mut text = String::new();
        match received {
            Ok(Message::Line(at, line)) => text = stamped(at, &line, &zone),
            Ok(Message::Limited(kind)) => {
                limited.push((kind, Instant::now() + Duration::from_secs(1)))
            }
            Ok(Message::Flush(done)) => {
                close(&mut limited, None, &zone, &mut text);
                let _ = out.write_all(text.as_bytes());
                let _ = done.try_send(());
                continue;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        close(&mut limited, Some(Instant::now()), &zone, &mut text);
        // One write a line: lines of several processes on one terminal do not mix. Nobody can be told of an error.
        let _ = out.write_all(text.as_bytes());
    }
}

/// Adds the closing lines that are due (all of them without `now`), and the count of lost lines.
fn close(
    limited: &mut Vec<(&'static Kind, Instant)>,
    now: Option<Instant>,
    zone: &TimeZone,
    text: &mut String,
) {
    limited.retain(|(kind, due)| {
        let is_due = now.is_none_or(|now| *due <= now);
        if is_due {
            text.extend(
                kind.closing_line()
                    .map(|line| stamped(Timestamp::now(), &line, zone)),
            );
        }
        !is_due
    });
    match LOST.swap(0, Ordering::Relaxed) {
        0 => {}
        lost => text.push_str(&stamped(
            Timestamp::now(),
            &format!("{lost} lines were lost: standard error is too slow."),
            zone,
        )),
    }
}

fn stamped(at: Timestamp, text: &str, zone: &TimeZone) -> String {
    let stamp = zone
        .to_datetime(at)
        .strftime("%Y/%m/%d %H:%M:%S")
        .to_string();
    format!("{stamp} {text}\n")
}

/// Control characters are escaped, so that a line stays one line and a terminal a terminal.
fn clean(text: String) -> String {
    if !text.chars().any(char::is_control) {
        return text;
    }
    text.chars()
        .fold(String::with_capacity(text.len() + 8), |mut clean, c| {
            if c.is_control() {
                clean.extend(c.escape_default());
            } else {
                clean.push(c);
            }
            clean
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_carry_the_seeds_stamp_in_the_zones_time() {
        let at = Timestamp::from_second(1_592_453_227).unwrap();
        assert_eq!(
            stamped(at, "Hello.", &TimeZone::UTC),
            "2020/06/18 04:07:07 Hello.\n"
        );
        let zone = TimeZone::fixed(jiff::tz::offset(9));
        assert_eq!(stamped(at, "Hello.", &zone), "2020/06/18 13:07:07 Hello.\n");
    }

    #[test]
    fn a_line_stays_one_line() {
        assert_eq!(clean("a\nb\x1b[2Jü".to_owned()), "a\\nb\\u{1b}[2Jü");
        assert_eq!(clean("plain ü".to_owned()), "plain ü");
    }

    #[test]
    fn the_writer_tells_what_was_left_out_when_flushed() {
        static KIND: Kind = Kind::new("floods");
        let (sender, receiver) = bounded(8);
        KIND.leave_out_in_test(3);
        let (done, flushed) = bounded(1);
        sender
            .send(Message::Line(Timestamp::UNIX_EPOCH, "first".to_owned()))
            .unwrap();
        sender.send(Message::Limited(&KIND)).unwrap();
        sender.send(Message::Flush(done)).unwrap();
        drop(sender);
        let mut out = Vec::new();
        write_lines(&receiver, &mut out);
        flushed.try_recv().unwrap();
        let text = String::from_utf8(out).unwrap();
        let messages: Vec<&str> = text
            .lines()
            .map(|line| &line["2020/06/18 04:07:07 ".len()..])
            .collect();
        assert_eq!(
            messages,
            ["first", "3 more lines about floods were left out."]
        );
    }
}
