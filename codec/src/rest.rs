//! When a link is at rest: no message of a stream has gone over it for a while. What the link says of itself (its handshake, PING,
//! lookups) does not wake it. It is looked at now and then, so that a message costs a store and no look at a clock.

use crate::limits::REST_AFTER_MS;
use crate::Millis;

/// ```text
/// AtRest ──a message of a stream──▶ Awake ──none between two looks──▶ AtRest
/// ```
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Rest {
    #[default]
    AtRest,
    Awake {
        /// One went since the last look.
        spoke: bool,
        look: Millis,
    },
}

impl Rest {
    /// A message of a stream goes. `bytes_at`: when bytes came in last, which is now where it comes in, and as good a time as any for
    /// the first look where it goes out.
    pub(crate) fn note(&mut self, bytes_at: Millis) {
        match self {
            Self::Awake { spoke, .. } => *spoke = true,
            Self::AtRest => {
                *self = Self::Awake {
                    spoke: true,
                    look: bytes_at.after(REST_AFTER_MS),
                };
            }
        }
    }

    pub(crate) const fn is_at_rest(&self) -> bool {
        matches!(self, Self::AtRest)
    }

    /// When to look next.
    pub(crate) const fn next_look(&self) -> Option<Millis> {
        match self {
            Self::Awake { look, .. } => Some(*look),
            Self::AtRest => None,
        }
    }

    /// Looks, if it is time. True if the link has come to rest.
    pub(crate) fn look(&mut self, now: Millis) -> bool {
        match self {
            Self::Awake { spoke, look } if now >= *look => {
                *look = now.after(REST_AFTER_MS);
                if std::mem::take(spoke) {
                    return false;
                }
                *self = Self::AtRest;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_that_finds_nothing_since_the_one_before_is_the_beginning_of_rest() {
        let mut rest = Rest::default();
        let due = |rest: &Rest| rest.next_look().map(|at| at.0);
        assert!(rest.is_at_rest() && due(&rest).is_none());
        rest.note(Millis(10));
        assert!(!rest.is_at_rest());
        assert_eq!(due(&rest), Some(10 + REST_AFTER_MS));
        assert!(!rest.look(Millis(9 + REST_AFTER_MS)), "too early");
        assert!(!rest.look(Millis(10 + REST_AFTER_MS)));
        assert_eq!(due(&rest), Some(10 + 2 * REST_AFTER_MS));
        assert!(rest.look(Millis(10 + 2 * REST_AFTER_MS)));
        assert!(rest.is_at_rest() && due(&rest).is_none());
        assert!(!rest.look(Millis(100_000)), "told once");
    }
}
