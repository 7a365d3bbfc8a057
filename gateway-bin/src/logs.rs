//! The log: lines on standard error in the seed's format, `2020/06/18 04:07:07 message` in local time.
//!
//! Owns the time stamp, the writer thread and the limit a kind of line. Refuses to block the caller: once
//! `start` was called a line is queued, and one that finds the queue full is counted instead of written, so a
//! stuck terminal never stops a shard. Refuses control characters: peers choose some of the words. Before
//! `start`, and in short commands, a line is written by the caller itself.

use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use jiff::Timestamp;

use crate::limits::{LOG_FLUSH_MS_MAX, LOG_LINES_A_SECOND_MAX, LOG_QUEUE_LINES_MAX};

/// Writes one line to the log: `log!("Discovered {n} peer(s).")`.
#[macro_export]
macro_rules! log {
    ($($arg:tt)*) => { $crate::logs::line(format_args!($($arg)*)) };
}

enum Message {
    Line(Timestamp, String),
    /// Lines of this kind are being left out; tell how many when its second is over.
    Limited(&'static Kind),
    Flush(SyncSender<()>),
}

static QUEUE: OnceLock<SyncSender<Message>> = OnceLock::new();
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
    let (sender, receiver) = mpsc::sync_channel(LOG_QUEUE_LINES_MAX);
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
    let (sender, receiver) = mpsc::sync_channel(1);
    if queue.try_send(Message::Flush(sender)).is_ok() {
        let _ = receiver.recv_timeout(Duration::from_millis(LOG_FLUSH_MS_MAX));
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

/// A kind of line that a peer or a client can cause at will. At most `LOG_LINES_A_SECOND_MAX` of it are written
/// within one second; one line then says how many more there were.
///
/// ```
/// static REFUSED: flatend_gateway::logs::Kind = flatend_gateway::logs::Kind::new("refused links");
/// REFUSED.line(format_args!("Refused a link from 203.0.113.7:4000."));
/// ```
#[derive(Debug)]
pub struct Kind {
    /// What the closing line calls them: "17 more lines about refused links were left out."
    about: &'static str,
    /// The running second (upper 32 bits) and the lines admitted in it.
    window: AtomicU64,
    left_out: AtomicU64,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Write,
    /// Left out, and nobody has yet been asked to tell so.
    FirstLeftOut,
    LeftOut,
}

impl Kind {
    /// A kind; `about` completes "lines about …".
    #[must_use]
    pub const fn new(about: &'static str) -> Kind {
        Kind {
            about,
            window: AtomicU64::new(0),
            left_out: AtomicU64::new(0),
        }
    }

    /// Writes one line of this kind, or counts it.
    pub fn line(&'static self, message: fmt::Arguments<'_>) {
        let second = u32::try_from(Timestamp::now().as_second()).unwrap_or(0);
        match self.admit(second) {
            Verdict::Write => line(message),
            Verdict::LeftOut => {}
            Verdict::FirstLeftOut => {
                if let Some(queue) = QUEUE.get() {
                    if queue.try_send(Message::Limited(self)).is_err() {
                        // Nobody will tell: count these as lost lines.
                        LOST.fetch_add(self.left_out.swap(0, Ordering::Relaxed), Ordering::Relaxed);
                    }
                }
            }
        }
    }

    fn admit(&self, second: u32) -> Verdict {
        let admitted = self
            .window
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |window| {
                let count = if window >> 32 == u64::from(second) {
                    window & 0xFFFF_FFFF
                } else {
                    0
                };
                (count < u64::from(LOG_LINES_A_SECOND_MAX))
                    .then_some((u64::from(second) << 32) | (count + 1))
            });
        match admitted {
            Ok(_) => Verdict::Write,
            Err(_) if self.left_out.fetch_add(1, Ordering::Relaxed) == 0 => Verdict::FirstLeftOut,
            Err(_) => Verdict::LeftOut,
        }
    }

    /// The closing line, if lines were left out since the last one.
    fn closing_line(&self) -> Option<String> {
        match self.left_out.swap(0, Ordering::Relaxed) {
            0 => None,
            1 => Some(format!("1 more line about {} was left out.", self.about)),
            more => Some(format!(
                "{more} more lines about {} were left out.",
                self.about
            )),
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
    fn the_last_line_of_a_second_passes_and_the_next_is_left_out() {
        let kind = Kind::new("tests");
        for _ in 0..LOG_LINES_A_SECOND_MAX {
            assert_eq!(kind.admit(7), Verdict::Write);
        }
        assert_eq!(kind.admit(7), Verdict::FirstLeftOut);
        assert_eq!(kind.admit(7), Verdict::LeftOut);
        assert_eq!(kind.admit(8), Verdict::Write, "a new second");
        assert_eq!(
            kind.closing_line().unwrap(),
            "2 more lines about tests were left out."
        );
        assert_eq!(kind.closing_line(), None);
    }

    #[test]
    fn one_line_left_out_is_told_in_the_singular() {
        let kind = Kind::new("tests");
        for _ in 0..=LOG_LINES_A_SECOND_MAX {
            kind.admit(1);
        }
        assert_eq!(
            kind.closing_line().unwrap(),
            "1 more line about tests was left out."
        );
    }

    #[test]
    fn the_writer_tells_what_was_left_out_when_flushed() {
        static KIND: Kind = Kind::new("floods");
        let (sender, receiver) = mpsc::sync_channel(8);
        for _ in 0..LOG_LINES_A_SECOND_MAX + 3 {
            KIND.admit(1);
        }
        let (done, flushed) = mpsc::sync_channel(1);
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
