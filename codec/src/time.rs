//! The only notion of time in the crate: a number that the caller passes in, and a clock that stands still under backpressure.

/// Monotone milliseconds since an epoch of the caller's choice.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Millis(pub u64);

impl Millis {
    /// The moment `ms` milliseconds later; saturates.
    #[must_use]
    pub const fn after(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds since `earlier`; 0 if `earlier` is later.
    #[must_use]
    pub const fn saturating_sub(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Milliseconds during which the socket was being read. Deadlines that wait for the peer's bytes are kept in this time, so that
/// nobody is judged silent while we are the ones who do not listen.
#[derive(Copy, Clone, Debug)]
pub(crate) struct ReadingClock {
    reading: bool,
    since: Millis,
    accumulated_ms: u64,
    /// Last moment at which bytes came in.
    bytes_at: Millis,
    /// The same in reading time.
    bytes_at_reading: u64,
    /// Last moment at which a read found the socket empty.
    empty_at: Option<Millis>,
}

impl ReadingClock {
    pub(crate) fn new(now: Millis) -> Self {
        Self {
            reading: true,
            since: now,
            accumulated_ms: 0,
            bytes_at: now,
            bytes_at_reading: 0,
            empty_at: None,
        }
    }

    /// Reading time at `now`.
    pub(crate) fn at(&self, now: Millis) -> u64 {
        if self.reading {
            self.accumulated_ms
                .saturating_add(now.saturating_sub(self.since))
        } else {
            self.accumulated_ms
        }
    }

    pub(crate) fn set(&mut self, now: Millis, reading: bool) {
        if reading == self.reading {
            return;
        }
        self.accumulated_ms = self.at(now);
        self.since = now;
        self.reading = reading;
        if !reading {
            // What the socket holds from now on is unknown until it is read empty again.
            self.empty_at = None;
        }
    }

    pub(crate) fn note_bytes(&mut self, now: Millis) {
        self.bytes_at = now;
        self.bytes_at_reading = self.at(now);
    }

    /// When the last bytes came in, in reading time.
    pub(crate) const fn bytes_at(&self) -> u64 {
        self.bytes_at_reading
    }

    /// The same by the caller's clock.
    pub(crate) const fn bytes_came(&self) -> Millis {
        self.bytes_at
    }

    pub(crate) fn note_empty(&mut self, now: Millis) {
        if self.reading {
            self.empty_at = Some(now);
        }
    }

    /// True while all that the peer has sent so far has been read: the last read found the socket empty. A read that filled the
    /// buffer leaves this false until one comes up short.
    pub(crate) fn is_quiet(&self) -> bool {
        self.reading && self.empty_at.is_some_and(|at| at >= self.bytes_at)
    }

    /// The moment at which reading time will be `due`, if the clock runs.
    pub(crate) fn moment_of(&self, due: u64) -> Option<Millis> {
        self.reading
            .then(|| self.since.after(due.saturating_sub(self.accumulated_ms)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reading_clock_stands_still_under_backpressure() {
        let mut clock = ReadingClock::new(Millis(100));
        assert_eq!(clock.at(Millis(150)), 50);
        clock.set(Millis(150), false);
        assert_eq!(clock.at(Millis(9_000)), 50);
        assert_eq!(clock.moment_of(60), None);
        clock.set(Millis(9_000), true);
        assert_eq!(clock.at(Millis(9_010)), 60);
        assert_eq!(clock.moment_of(70), Some(Millis(9_020)));
    }

    #[test]
    fn quiet_means_read_empty_after_the_last_bytes() {
        let mut clock = ReadingClock::new(Millis(0));
        assert!(!clock.is_quiet());
        clock.note_empty(Millis(5));
        assert!(clock.is_quiet());
        clock.note_bytes(Millis(6));
        assert!(!clock.is_quiet());
        clock.note_empty(Millis(6));
        assert!(clock.is_quiet());
        clock.set(Millis(7), false);
        clock.note_empty(Millis(8));
        clock.set(Millis(9), true);
        assert!(!clock.is_quiet());
    }
}
