//! Stream numbers (protocol.md 4). Ours come from the upper half, where no legacy peer counts; the peer's may be any. Owns the
//! knowledge which numbers were ever used on this link.

use crate::Role;

/// First number of the upper half.
const UPPER: u32 = 1 << 31;

#[derive(Debug)]
pub(crate) struct StreamIds {
    parity: u32,
    /// The number that the next stream of ours gets, if it is free.
    next: u32,
    /// Highest of ours so far; the last of the range once we have wrapped.
    ours_highest: Option<u32>,
    /// Highest that the peer opened, by parity: an implementation counts in steps of two.
    theirs_highest: [Option<u32>; 2],
}

impl StreamIds {
    /// Ours: dialer 2^31+1, +3 …; acceptor 2^31, +2 ….
    pub(crate) const fn new(role: Role) -> Self {
        let parity = match role {
            Role::Dialer => 1,
            Role::Acceptor => 0,
        };
        Self {
            parity,
            next: UPPER + parity,
            ours_highest: None,
            theirs_highest: [None; 2],
        }
    }

    /// Whether a number that the peer opened tells that it is a node of this project.
    pub(crate) const fn is_native(id: u32) -> bool {
        id >= UPPER
    }

    /// The next number of ours for which `is_open` is false. The caller bounds open streams far below the 2^30 numbers there are.
    pub(crate) fn next_free(&mut self, is_open: impl Fn(u32) -> bool) -> u32 {
        while is_open(self.next) {
            self.advance();
        }
        self.next
    }

    /// The number that [`next_free`](Self::next_free) gave is in use from now on.
    pub(crate) fn take(&mut self, id: u32) {
        debug_assert_eq!(id, self.next);
        self.ours_highest = self.ours_highest.max(Some(id));
        self.advance();
    }

    fn advance(&mut self) {
        // Stays in the upper half: the step over its end leads to its beginning.
        self.next = self.next.wrapping_add(2) | UPPER;
    }

    /// The peer opened this one.
    pub(crate) fn note_theirs(&mut self, id: u32) {
        let [even, odd] = &mut self.theirs_highest;
        let highest = if id % 2 == 0 { even } else { odd };
        *highest = (*highest).max(Some(id));
    }

    /// Did either side open this number, or one above it of the same kind?
    pub(crate) fn was_used(&self, id: u32) -> bool {
        let ours = id >= UPPER
            && id % 2 == self.parity
            && self.ours_highest.is_some_and(|highest| id <= highest);
        let [even, odd] = self.theirs_highest;
        let theirs = if id % 2 == 0 { even } else { odd };
        ours || theirs.is_some_and(|highest| id <= highest)
    }

    #[cfg(test)]
    fn allot(&mut self, is_open: impl Fn(u32) -> bool) -> u32 {
        let id = self.next_free(is_open);
        self.take(id);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dialer_is_odd_and_the_acceptor_even_in_the_upper_half() {
        let mut dialer = StreamIds::new(Role::Dialer);
        let mut acceptor = StreamIds::new(Role::Acceptor);
        let free = |_| false;
        assert_eq!(
            [dialer.allot(free), dialer.allot(free)],
            [UPPER + 1, UPPER + 3]
        );
        assert_eq!(
            [acceptor.allot(free), acceptor.allot(free)],
            [UPPER, UPPER + 2]
        );
    }

    #[test]
    fn they_wrap_within_the_upper_half_and_skip_open_ones() {
        let mut dialer = StreamIds::new(Role::Dialer);
        dialer.next = u32::MAX - 2;
        let open = |id| id == UPPER + 1 || id == UPPER + 3;
        let got = [dialer.allot(open), dialer.allot(open), dialer.allot(open)];
        assert_eq!(got, [u32::MAX - 2, u32::MAX, UPPER + 5]);
        let mut acceptor = StreamIds::new(Role::Acceptor);
        acceptor.next = u32::MAX - 1;
        assert_eq!(
            [acceptor.allot(|_| false), acceptor.allot(|_| false)],
            [u32::MAX - 1, UPPER]
        );
    }

    #[test]
    fn used_is_up_to_the_highest_of_either_side() {
        let mut ids = StreamIds::new(Role::Dialer);
        assert!(!ids.was_used(UPPER + 1));
        ids.allot(|_| false);
        assert!(ids.was_used(UPPER + 1));
        assert!(!ids.was_used(UPPER + 3));
        assert!(!ids.was_used(UPPER));
        assert!(!ids.was_used(1), "the lower half is not ours");
        ids.note_theirs(4);
        assert!(ids.was_used(4) && ids.was_used(0) && !ids.was_used(6) && !ids.was_used(3));
        ids.note_theirs(2);
        assert!(ids.was_used(4));
    }
}
