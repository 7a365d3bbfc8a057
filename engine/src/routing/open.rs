//! Whether the peer of a link takes another request of ours, as the link's shard saw it last: the other shards read it where they
//! choose a provider, so that they ask nobody who would refuse. A word without a lock; who reads it a moment too late is refused,
//! and asks another.

use std::sync::atomic::{AtomicU8, Ordering};

/// What the peer of a link takes of our requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// Another one.
    Yes,
    /// None until it grants more.
    Spent,
    /// None any more: it has said goodbye, or the link is lost.
    No,
}

/// The same as one shard writes it and all read it.
#[derive(Debug, Default)]
pub struct Openness(AtomicU8);

impl Openness {
    /// What it is now.
    pub fn look(&self) -> Open {
        match self.0.load(Ordering::Relaxed) {
            0 => Open::Yes,
            1 => Open::Spent,
            _ => Open::No,
        }
    }

    /// Changes it, if it is another: the line in the readers' caches stays as long as nothing does.
    pub fn note(&self, open: Open) {
        if self.look() != open {
            let value = match open {
                Open::Yes => 0,
                Open::Spent => 1,
                Open::No => 2,
            };
            self.0.store(value, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_last_is_what_is_seen() {
        let openness = Openness::default();
        assert_eq!(openness.look(), Open::Yes);
        for open in [Open::Spent, Open::No, Open::Yes, Open::No] {
            openness.note(open);
            assert_eq!(openness.look(), open);
        }
    }
}
