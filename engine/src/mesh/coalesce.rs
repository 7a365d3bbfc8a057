//! Reading a link of many small frames less often. An old peer that streams a body in frames of 2 KiB sends each in a segment of its
//! own; read as they come they cost a turn and four system calls each. Once such a body has flowed for a while and we have said
//! nothing meanwhile, the link is read every few milliseconds, and what came leaves in one write. Pure: the link's task has the timer.

use flatend_codec::Millis;

use crate::limits::{
    COALESCE_AFTER_MS, COALESCE_AGAIN_MS, COALESCE_BYTES_MIN, COALESCE_READS_A_MS,
};

/// What a link's task knows of its small reads.
#[derive(Default)]
pub(super) struct Coalesce {
    is_paused: bool,
    /// When the present run of reads began, how many they are, and what we had said on the link by then.
    since: Millis,
    reads: u64,
    said: u64,
}

impl Coalesce {
    /// The socket was read empty and gave `bytes`; `said` counts all that we ever said on this link. True: the next read waits.
    pub(super) fn note_read(&mut self, now: Millis, bytes: usize, said: u64) -> bool {
        let was_paused = std::mem::take(&mut self.is_paused);
        if said != self.said {
            // Somebody waits for an answer on this link.
            (self.since, self.reads, self.said) = (now, 0, said);
            return false;
        }
        if was_paused && bytes < COALESCE_BYTES_MIN {
            // The peer paused too: it need not show all of it again.
            let ms = COALESCE_AFTER_MS - COALESCE_AGAIN_MS;
            self.since = Millis(now.0.saturating_sub(ms));
            self.reads = ms * COALESCE_READS_A_MS;
            return false;
        }
        self.reads += 1;
        let ms = now.0.saturating_sub(self.since.0);
        let are_many = self.reads >= ms * COALESCE_READS_A_MS;
        self.is_paused = was_paused || (ms >= COALESCE_AFTER_MS && are_many);
        if ms >= COALESCE_AFTER_MS && !self.is_paused {
            (self.since, self.reads) = (now, 0);
        }
        self.is_paused
    }

    /// Whether the next read waits.
    pub(super) fn is_paused(&self) -> bool {
        self.is_paused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: usize = 2_084;

    /// Reads at `a_ms` a millisecond from 1,000 ms on, until one is to wait; when that is.
    fn paused_after(coalesce: &mut Coalesce, a_ms: u64, said: impl Fn(u64) -> u64) -> Option<u64> {
        (0..1_000)
            .find(|ms| (0..a_ms).any(|_| coalesce.note_read(Millis(1_000 + ms), FRAME, said(*ms))))
    }

    #[test]
    fn a_long_body_of_many_small_reads_is_read_less_often_and_nothing_else() {
        let mut of_npm = Coalesce::default();
        let since = paused_after(&mut of_npm, 30, |_| 7).unwrap();
        assert!(
            (COALESCE_AFTER_MS..=2 * COALESCE_AFTER_MS).contains(&since),
            "{since}"
        );
        assert_eq!(
            paused_after(&mut Coalesce::default(), COALESCE_READS_A_MS - 1, |_| 7),
            None
        );
        let asked = |ms| ms / 10;
        assert_eq!(paused_after(&mut Coalesce::default(), 30, asked), None);
    }

    #[test]
    fn it_goes_on_while_much_comes_and_ends_with_a_question() {
        let mut coalesce = Coalesce::default();
        paused_after(&mut coalesce, 30, |_| 7).unwrap();
        assert!(coalesce.note_read(Millis(3_000), 100_000, 7));
        assert!(
            !coalesce.note_read(Millis(3_005), FRAME, 7),
            "it paused too"
        );
        let again = (3_005..).find(|ms| (0..30).any(|_| coalesce.note_read(Millis(*ms), FRAME, 7)));
        assert!(again.unwrap() <= 3_005 + COALESCE_AGAIN_MS, "{again:?}");
        assert!(coalesce.note_read(Millis(3_020), 100_000, 7) && coalesce.is_paused());
        assert!(!coalesce.note_read(Millis(3_025), 100_000, 8), "we asked");
        assert!(!coalesce.is_paused());
    }
}
