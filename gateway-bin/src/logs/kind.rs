//! Kinds of lines that others can cause at will, and their limit a second.
//!
//! Owns the count of one kind, in two atomics: any thread may write such lines, and none waits. The invariant that
//! a change is likeliest to break: each line is either written or counted once.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;

use crate::limits::LOG_LINES_A_SECOND_MAX;

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
            Verdict::Write => super::line(message),
            Verdict::LeftOut => {}
            Verdict::FirstLeftOut => super::tell_later(self),
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
    pub(super) fn closing_line(&self) -> Option<String> {
        match self.take_left_out() {
            0 => None,
            1 => Some(format!("1 more line about {} was left out.", self.about)),
            more => Some(format!(
                "{more} more lines about {} were left out.",
                self.about
            )),
        }
    }

    /// How many were left out since the last call.
    pub(super) fn take_left_out(&self) -> u64 {
        self.left_out.swap(0, Ordering::Relaxed)
    }

    /// As if `count` lines had been left out.
    #[cfg(test)]
    pub(super) fn leave_out_in_test(&self, count: u64) {
        self.left_out.fetch_add(count, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
