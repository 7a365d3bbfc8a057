//! Which keys were named to a peer in answers to its lookups (protocol.md 5): a key is named once a minute and link, so that asking
//! again brings the next ones. Bounded: a link that was named too many hears of no more until they are forgotten.

use std::collections::BTreeMap;

use crate::limits::{KEY_BYTES, NAMED_KEYS_MAX, NAMED_MEMORY_MS, NODES_MAX};
use crate::Millis;

#[derive(Debug, Default)]
pub(crate) struct Named {
    /// When each key was named last.
    at: BTreeMap<[u8; KEY_BYTES], Millis>,
}

impl Named {
    /// How many keys an answer may name.
    pub(crate) fn room(&mut self, now: Millis) -> usize {
        if self.at.len() + NODES_MAX > NAMED_KEYS_MAX {
            self.forget_old(now);
        }
        NODES_MAX.min(NAMED_KEYS_MAX - self.at.len())
    }

    /// Forgets the keys that may be named again.
    pub(crate) fn forget_old(&mut self, now: Millis) {
        self.at.retain(|_, at| is_fresh(now, *at));
    }

    /// Notes that a key is named; false if it was a moment ago.
    pub(crate) fn note(&mut self, now: Millis, key: [u8; KEY_BYTES]) -> bool {
        if self.at.get(&key).is_some_and(|at| is_fresh(now, *at)) {
            return false;
        }
        self.at.insert(key, now);
        true
    }
}

fn is_fresh(now: Millis, named_at: Millis) -> bool {
    now.0.saturating_sub(named_at.0) < NAMED_MEMORY_MS
}
