//! What a group of connections found.
//!
//! Owns the counts of one run. Invariant: a request whose moment lies in the measured window is in exactly one of `answered`, `failed`,
//! `unanswered` and `unsent`; `latency` holds all of them that have a time, those without an answer with their age at the end, so that
//! what hangs cannot make the quantiles look better. The moment is the intended one of an open loop, else that of sending.

use crate::histogram::Histogram;
use crate::limits::FAILURES_SHOWN_MAX;

/// The measured part of a run, nanoseconds since the client began. The end is `u64::MAX` where requests are counted, not timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) begin_ns: u64,
    pub(crate) end_ns: u64,
}

impl Window {
    /// Whether `at_ns` is measured.
    pub(crate) fn holds(&self, at_ns: u64) -> bool {
        (self.begin_ns..self.end_ns).contains(&at_ns)
    }
}

/// One request's times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    /// What latency is measured from.
    pub(crate) origin_ns: u64,
    pub(crate) sent_ns: u64,
}

/// Counts and times of one group.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    window: Window,
    /// Latency of the requests of the window.
    pub(crate) latency: Histogram,
    /// How late requests left, compared with what was meant: the client's own lateness, or a lack of connections.
    pub(crate) lag: Histogram,
    /// Requests of the window that were answered as expected, whenever.
    pub(crate) answered: u64,
    /// Answers as expected that came within the window: what rates and costs a request are made of.
    pub(crate) completed: u64,
    /// Requests, of warm-up too, and connections that failed.
    pub(crate) failed: u64,
    /// Sent within the window, and not answered when the run ended.
    pub(crate) unanswered: u64,
    /// Meant to be sent within the window, and never sent.
    pub(crate) unsent: u64,
    /// Body bytes within the window.
    pub(crate) received_bytes: u64,
    pub(crate) sent_bytes: u64,
    /// Connections that were opened.
    pub(crate) connects: u64,
    /// Why, and how often; the last entry gathers what is too much.
    pub(crate) failures: Vec<(String, u64)>,
}

/// Counts a reason; beyond so many different ones the others are counted together.
pub(crate) fn count_reason(reasons: &mut Vec<(String, u64)>, sentence: &str, times: u64) {
    let sentence = match reasons.len() {
        0..FAILURES_SHOWN_MAX => sentence,
        _ if reasons.iter().any(|(known, _)| known == sentence) => sentence,
        _ => "other reasons",
    };
    match reasons.iter_mut().find(|(known, _)| known == sentence) {
        Some((_, count)) => *count += times,
        None => reasons.push((sentence.to_owned(), times)),
    }
}

impl Tally {
    /// Of nothing yet.
    pub(crate) fn new(window: Window) -> Tally {
        Tally {
            window,
            latency: Histogram::default(),
            lag: Histogram::default(),
            answered: 0,
            completed: 0,
            failed: 0,
            unanswered: 0,
            unsent: 0,
            received_bytes: 0,
            sent_bytes: 0,
            connects: 0,
            failures: Vec::new(),
        }
    }

    /// A request was answered as expected.
    pub(crate) fn answer(&mut self, times: Times, now_ns: u64) {
        self.completed += u64::from(self.window.holds(now_ns));
        if self.window.holds(times.origin_ns) {
            self.answered += 1;
            self.time(times, now_ns);
        }
    }

    /// A request, or a connection without one, failed.
    pub(crate) fn failure(&mut self, sentence: &str) {
        self.fail(sentence, 1);
    }

    fn fail(&mut self, sentence: &str, times: u64) {
        self.failed += times;
        count_reason(&mut self.failures, sentence, times);
    }

    /// A request was given up because nothing came: its age counts as its time.
    pub(crate) fn time_out(&mut self, times: Times, now_ns: u64) {
        if self.window.holds(times.origin_ns) {
            self.time(times, now_ns);
        }
    }

    /// Adds what another part of the same group found.
    pub(crate) fn merge(&mut self, other: &Tally) {
        self.latency.merge(&other.latency);
        self.lag.merge(&other.lag);
        self.answered += other.answered;
        self.completed += other.completed;
        self.unanswered += other.unanswered;
        self.unsent += other.unsent;
        self.received_bytes += other.received_bytes;
        self.sent_bytes += other.sent_bytes;
        self.connects += other.connects;
        for (sentence, count) in &other.failures {
            self.fail(sentence, *count);
        }
    }

    /// The run ends without an answer.
    pub(crate) fn leave_unanswered(&mut self, times: Times, now_ns: u64) {
        if self.window.holds(times.origin_ns) {
            self.unanswered += 1;
            self.time(times, now_ns);
        }
    }

    /// The run ends and the request that was meant for `intended_ns` has not been sent.
    pub(crate) fn leave_unsent(&mut self, intended_ns: u64, now_ns: u64) {
        if self.window.holds(intended_ns) {
            self.unsent += 1;
            self.time(
                Times {
                    origin_ns: intended_ns,
                    sent_ns: now_ns,
                },
                now_ns,
            );
        }
    }

    /// Body bytes came.
    pub(crate) fn receive(&mut self, bytes: usize, now_ns: u64) {
        if self.window.holds(now_ns) {
            self.received_bytes += bytes as u64;
        }
    }

    /// Body bytes went.
    pub(crate) fn send(&mut self, bytes: usize, now_ns: u64) {
        if self.window.holds(now_ns) {
            self.sent_bytes += bytes as u64;
        }
    }

    fn time(&mut self, times: Times, now_ns: u64) {
        self.latency.record(now_ns.saturating_sub(times.origin_ns));
        self.lag
            .record(times.sent_ns.saturating_sub(times.origin_ns));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(origin_ns: u64) -> Times {
        Times {
            origin_ns,
            sent_ns: origin_ns + 1,
        }
    }

    #[test]
    fn every_request_of_the_window_is_somewhere() {
        let mut tally = Tally::new(Window {
            begin_ns: 100,
            end_ns: 200,
        });
        tally.answer(at(99), 110); // warm-up; its answer is of the window
        tally.answer(at(100), 150);
        tally.answer(at(199), 300); // late, and counted
        tally.answer(at(200), 201); // after the end
        tally.leave_unanswered(at(150), 1_150);
        tally.leave_unanswered(at(50), 1_150);
        tally.leave_unsent(160, 1_160);
        tally.leave_unsent(260, 1_160);
        assert_eq!((tally.answered, tally.completed), (2, 2));
        assert_eq!((tally.unanswered, tally.unsent), (1, 1));
        assert_eq!(tally.latency.count(), 4);
        assert_eq!((tally.latency.min(), tally.latency.max()), (50, 1_000));
        assert_eq!(tally.lag.max(), 1_000);
    }

    #[test]
    fn merged_ones_hold_what_both_found() {
        let window = Window {
            begin_ns: 0,
            end_ns: 100,
        };
        let (mut all, mut other) = (Tally::new(window), Tally::new(window));
        for tally in [&mut all, &mut other] {
            tally.answer(at(1), 5);
            tally.failure("same");
            tally.receive(7, 5);
        }
        other.failure("another");
        other.leave_unsent(2, 9);
        all.merge(&other);
        assert_eq!((all.answered, all.failed, all.unsent), (2, 3, 1));
        assert_eq!((all.received_bytes, all.latency.count()), (14, 3));
        let same = |of: &str, times| (of.to_owned(), times);
        assert_eq!(all.failures, [same("same", 2), same("another", 1)]);
    }

    #[test]
    fn reasons_are_bounded() {
        let mut tally = Tally::new(Window {
            begin_ns: 0,
            end_ns: 1,
        });
        for at in 0..2 * FAILURES_SHOWN_MAX {
            tally.failure(&format!("reason {at}"));
            tally.failure("reason 0");
        }
        assert_eq!(tally.failed, 4 * FAILURES_SHOWN_MAX as u64);
        assert_eq!(tally.failures.len(), FAILURES_SHOWN_MAX + 1);
        assert_eq!(tally.failures[0].1, 2 * FAILURES_SHOWN_MAX as u64 + 1);
        assert_eq!(
            tally.failures.last().unwrap(),
            &("other reasons".to_owned(), FAILURES_SHOWN_MAX as u64)
        );
    }
}
