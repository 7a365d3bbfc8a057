//! When requests of an open loop are meant to be sent.
//!
//! Pure. Invariant: every intended time before the end is given out once, in order, however late; what was not taken can be asked for
//! at the end, so nothing is dropped in silence.

/// Evenly spaced moments, in nanoseconds since the client began.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    interval_ns: f64,
    end_ns: u64,
    next: u64,
}

impl Schedule {
    /// `per_s` requests a second from 0 on, the last one before `end_ns`.
    pub(crate) fn new(per_s: f64, end_ns: u64) -> Schedule {
        Schedule {
            interval_ns: 1e9 / per_s,
            end_ns,
            next: 0,
        }
    }

    /// The next intended time, however far ahead; `None` after the last.
    pub(crate) fn upcoming_ns(&self) -> Option<u64> {
        Some((self.next as f64 * self.interval_ns) as u64).filter(|at| *at < self.end_ns)
    }

    /// Takes the next intended time if it has come.
    pub(crate) fn take_due(&mut self, now_ns: u64) -> Option<u64> {
        let due = self.upcoming_ns().filter(|at| *at <= now_ns)?;
        self.next += 1;
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_even_and_end() {
        let mut schedule = Schedule::new(1_000.0, 5_000_000);
        assert_eq!(schedule.take_due(0), Some(0));
        assert_eq!(schedule.take_due(999_999), None);
        assert_eq!(schedule.upcoming_ns(), Some(1_000_000));
        assert_eq!(schedule.take_due(1_000_000), Some(1_000_000));
        // Late: all that were missed come with the times that were meant.
        let late: Vec<u64> = std::iter::from_fn(|| schedule.take_due(9_000_000)).collect();
        assert_eq!(late, [2_000_000, 3_000_000, 4_000_000]);
        assert_eq!(schedule.upcoming_ns(), None);
    }

    #[test]
    fn a_long_run_does_not_drift() {
        let mut schedule = Schedule::new(30_000.0, 60_000_000_000);
        let all: Vec<u64> = std::iter::from_fn(|| schedule.take_due(u64::MAX)).collect();
        assert_eq!(all.len(), 1_800_000);
        assert_eq!(all.last(), Some(&59_999_966_666));
        assert!(all
            .windows(2)
            .all(|two| matches!(two[1] - two[0], 33_333 | 33_334)));
    }
}
