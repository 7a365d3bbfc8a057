//! Whom a node takes, and what it believes of them (flatend2.md 1 and 5). On flatend/2 a peer has proved its key; on a legacy link
//! nothing is proved, so that no list of keys counts there. Pure but for [`known`], which keeps a file.

mod known;

use std::collections::{HashMap, HashSet};

pub(crate) use known::Known;

use crate::hex;

/// An Ed25519 public key.
type Key = [u8; 32];

/// Who may connect, call and offer what. Empty, as [`Trust::default`] gives it, it lets everybody do everything, but for legacy
/// peers that show a key which was seen on flatend/2.
///
/// ```
/// use flatend::{Legacy, Trust};
///
/// let orders = [7; 32];
/// let trust = Trust::default()
///     .peer(orders)
///     .offer(orders, ["order", "invoice"])
///     .legacy(Legacy::Refuse);
/// let node = flatend::Node::builder().trust(trust);
/// # let _ = node;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    peers: Option<HashSet<Key>>,
    offers: Option<HashMap<Key, HashSet<String>>>,
    legacy: Legacy,
    legacy_services: HashSet<String>,
}

/// Whether peers that speak legacy alone are taken. They cannot prove who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Legacy {
    /// All of them.
    Allow,
    /// Those whose key was never seen on flatend/2: who could speak it, and does not, is not who it says it is.
    #[default]
    Known,
    /// None.
    Refuse,
}

impl Trust {
    /// Lets the node with this key connect and call; with the first one, all others no more.
    #[must_use]
    pub fn peer(mut self, key: Key) -> Trust {
        self.peers.get_or_insert_default().insert(key);
        self
    }

    /// Lets the node with this key offer these names; with the first such list, others are not believed what they offer.
    #[must_use]
    pub fn offer(mut self, key: Key, names: impl IntoIterator<Item = impl Into<String>>) -> Trust {
        let offers = self.offers.get_or_insert_default();
        let own = offers.entry(key).or_default();
        own.extend(names.into_iter().map(Into::into));
        self
    }

    /// Whether peers that speak legacy alone are taken.
    #[must_use]
    pub fn legacy(mut self, legacy: Legacy) -> Trust {
        self.legacy = legacy;
        self
    }

    /// Names that legacy peers may offer once there is a list of keys.
    #[must_use]
    pub fn legacy_services(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Trust {
        self.legacy_services
            .extend(names.into_iter().map(Into::into));
        self
    }

    /// Whether there is any list of keys.
    pub(crate) fn has_lists(&self) -> bool {
        self.peers.is_some() || self.offers.is_some()
    }

    pub(crate) fn takes_legacy(&self) -> bool {
        self.legacy != Legacy::Refuse
    }

    /// Whether the peer may stay.
    ///
    /// # Errors
    /// A sentence about the peer that says why not.
    pub(crate) fn admits(&self, peer: &Shown, known: &Known) -> Result<(), String> {
        match *peer {
            Shown::Proved(key) => match &self.peers {
                Some(peers) if !peers.contains(&key) => Err(format!(
                    "its key {} is not among the peers of this node",
                    hex::encode(&key)
                )),
                _ => Ok(()),
            },
            Shown::Legacy(_) if self.legacy == Legacy::Refuse => {
                Err("it speaks legacy alone, which this node refuses".to_owned())
            }
            Shown::Legacy(Some(key)) if self.legacy == Legacy::Known && known.contains(&key) => {
                Err(format!(
                    "it shows the key {} on legacy, which was seen on flatend/2: run `flatend forget KEY` if its node was set back to an old version",
                    hex::encode(&key)
                ))
            }
            Shown::Legacy(_) => Ok(()),
        }
    }

    /// Whether requests of the peer are taken. Where keys decide, nobody without a proved one may call.
    pub(crate) fn may_call(&self, peer: &Shown) -> bool {
        match (&self.peers, peer) {
            (None, _) => true,
            (Some(peers), Shown::Proved(key)) => peers.contains(key),
            (Some(_), Shown::Legacy(_)) => false,
        }
    }

    /// Whether the peer is believed that it offers `name`.
    pub(crate) fn may_offer(&self, peer: &Shown, name: &str) -> bool {
        match peer {
            Shown::Proved(key) => match &self.offers {
                None => true,
                Some(offers) => offers.get(key).is_some_and(|names| names.contains(name)),
            },
            Shown::Legacy(_) => !self.has_lists() || self.legacy_services.contains(name),
        }
    }
}

/// What a peer shows of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// It has proved this key, on flatend/2.
    Proved(Key),
    /// It speaks legacy; the key, if it shows one, proves nothing.
    Legacy(Option<Key>),
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Key = [1; 32];
    const B: Key = [2; 32];

    #[test]
    fn without_lists_everybody_may_do_everything_but_show_a_known_key_on_legacy() {
        let known = Known::default();
        known.remember(A).expect("no file");
        let trust = Trust::default();
        for peer in [
            Shown::Proved(A),
            Shown::Legacy(None),
            Shown::Legacy(Some(B)),
        ] {
            assert_eq!(trust.admits(&peer, &known), Ok(()));
            assert!(trust.may_call(&peer) && trust.may_offer(&peer, "a"));
        }
        let error = trust.admits(&Shown::Legacy(Some(A)), &known);
        assert!(error.expect_err("known").contains("flatend forget"));
        let all = trust.legacy(Legacy::Allow);
        assert_eq!(all.admits(&Shown::Legacy(Some(A)), &known), Ok(()));
        let none = all.legacy(Legacy::Refuse);
        assert!(none.admits(&Shown::Legacy(None), &known).is_err());
        assert_eq!(none.admits(&Shown::Proved(B), &known), Ok(()));
    }

    #[test]
    fn a_list_counts_for_proved_keys_alone() {
        let known = Known::default();
        let trust = Trust::default().peer(A);
        assert_eq!(trust.admits(&Shown::Proved(A), &known), Ok(()));
        assert!(trust.admits(&Shown::Proved(B), &known).is_err());
        // The key that a legacy peer shows may be anybody's.
        let legacy = Shown::Legacy(Some(A));
        assert_eq!(trust.admits(&legacy, &known), Ok(()));
        assert!(!trust.may_call(&legacy) && !trust.may_offer(&legacy, "a"));
        let trust = trust.legacy_services(["a"]);
        assert!(trust.may_offer(&legacy, "a") && !trust.may_offer(&legacy, "b"));
    }

    #[test]
    fn names_are_believed_of_those_who_may_offer_them() {
        let trust = Trust::default().offer(A, ["a", "b"]);
        assert!(
            trust.may_offer(&Shown::Proved(A), "b") && !trust.may_offer(&Shown::Proved(A), "c")
        );
        assert!(!trust.may_offer(&Shown::Proved(B), "a"));
        assert!(
            trust.may_call(&Shown::Proved(B)),
            "it is no list of callers"
        );
    }
}
