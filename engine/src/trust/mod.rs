//! Whom a node takes, and what it believes of them (flatend2.md 1 and 5). On flatend/2 a peer has proved its key; on a legacy link
//! nothing is proved, so that no list of keys counts there. The time comes in as a value. Pure but for [`known`], which keeps a file.

mod known;

use std::collections::{HashMap, HashSet};

pub(crate) use known::Known;

use crate::hex;
use crate::utc::utc_string;

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
    /// Each with the time until which it may come in, seconds since 1970.
    invited: HashMap<Key, Option<u64>>,
    only: HashMap<Key, HashSet<String>>,
    revoked: HashSet<Key>,
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

    /// Lets the node with this key, which came with a join token, connect and call until `expires_s`, seconds since 1970, as if
    /// [`Trust::peer`] named it. Others are not kept out by it. A link that is up then stays until it ends or the lists change.
    #[must_use]
    pub fn invite(mut self, key: Key, expires_s: Option<u64>) -> Trust {
        self.invited.insert(key, expires_s);
        self
    }

    /// Lets the node with this key offer these names and no others, beside those that [`Trust::offer`] lets it offer. What others
    /// may offer stays as it is.
    #[must_use]
    pub fn offer_only(
        mut self,
        key: Key,
        names: impl IntoIterator<Item = impl Into<String>>,
    ) -> Trust {
        let own = self.only.entry(key).or_default();
        own.extend(names.into_iter().map(Into::into));
        self
    }

    /// Keeps the node with this key out, whatever else is said of it. It keeps out no more than the key: where there is no list
    /// of peers, whoever held it comes in with another one.
    #[must_use]
    pub fn revoke(mut self, key: Key) -> Trust {
        self.revoked.insert(key);
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

    /// Whether the peer may stay, at `now_s`.
    ///
    /// # Errors
    /// A sentence about the peer that says why not.
    pub(crate) fn admits(&self, peer: &Shown, known: &Known, now_s: u64) -> Result<(), String> {
        match *peer {
            Shown::Proved(key) => self.admits_key(&key, now_s).map_err(|why| {
                let key = hex::encode(&key);
                format!("its key {key} {why}")
            }),
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

    fn admits_key(&self, key: &Key, now_s: u64) -> Result<(), String> {
        if self.revoked.contains(key) {
            return Err("was revoked".to_owned());
        }
        if self.peers.as_ref().is_some_and(|peers| peers.contains(key)) {
            return Ok(());
        }
        match (self.invited.get(key), &self.peers) {
            (Some(Some(expires_s)), _) if *expires_s <= now_s => Err(format!(
                "was invited until {}: give it a new join token",
                utc_string(*expires_s)
            )),
            (None, Some(_)) => Err("is not among the peers of this node".to_owned()),
            (Some(_), _) | (None, None) => Ok(()),
        }
    }

    /// Whether requests of the peer are taken. Where keys decide, nobody without a proved one may call.
    pub(crate) fn may_call(&self, peer: &Shown) -> bool {
        match (&self.peers, peer) {
            (None, _) => true,
            (Some(peers), Shown::Proved(key)) => {
                peers.contains(key) || self.invited.contains_key(key)
            }
            (Some(_), Shown::Legacy(_)) => false,
        }
    }

    /// Whether the peer is believed that it offers `name`.
    pub(crate) fn may_offer(&self, peer: &Shown, name: &str) -> bool {
        match peer {
            Shown::Proved(key) => {
                let named = |names: &HashSet<String>| names.contains(name);
                let listed = self.offers.as_ref().and_then(|offers| offers.get(key));
                match self.only.get(key) {
                    Some(only) => named(only) || listed.is_some_and(named),
                    None => self.offers.is_none() || listed.is_some_and(named),
                }
            }
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
            assert_eq!(trust.admits(&peer, &known, 0), Ok(()));
            assert!(trust.may_call(&peer) && trust.may_offer(&peer, "a"));
        }
        let error = trust.admits(&Shown::Legacy(Some(A)), &known, 0);
        assert!(error.expect_err("known").contains("flatend forget"));
        let all = trust.legacy(Legacy::Allow);
        assert_eq!(all.admits(&Shown::Legacy(Some(A)), &known, 0), Ok(()));
        let none = all.legacy(Legacy::Refuse);
        assert!(none.admits(&Shown::Legacy(None), &known, 0).is_err());
        assert_eq!(none.admits(&Shown::Proved(B), &known, 0), Ok(()));
    }

    #[test]
    fn a_list_counts_for_proved_keys_alone() {
        let known = Known::default();
        let trust = Trust::default().peer(A);
        assert_eq!(trust.admits(&Shown::Proved(A), &known, 0), Ok(()));
        assert!(trust.admits(&Shown::Proved(B), &known, 0).is_err());
        // The key that a legacy peer shows may be anybody's.
        let legacy = Shown::Legacy(Some(A));
        assert_eq!(trust.admits(&legacy, &known, 0), Ok(()));
        assert!(!trust.may_call(&legacy) && !trust.may_offer(&legacy, "a"));
        let trust = trust.legacy_services(["a"]);
        assert!(trust.may_offer(&legacy, "a") && !trust.may_offer(&legacy, "b"));
    }

    #[test]
    fn an_invited_key_counts_as_listed_until_its_time_and_a_revoked_one_for_nothing() {
        let known = Known::default();
        let at = |trust: &Trust, key, now_s| trust.admits(&Shown::Proved(key), &known, now_s);
        let (c, d) = ([3; 32], [4; 32]);
        let trust = Trust::default()
            .peer(A)
            .invite(B, Some(100))
            .invite(c, None);
        assert_eq!(at(&trust, B, 99), Ok(()));
        let error = at(&trust, B, 100).expect_err("expired");
        assert!(error.contains("until 1970-01-01 00:01:40 UTC"), "{error}");
        assert_eq!(at(&trust, c, u64::MAX), Ok(()));
        assert!(at(&trust, d, 0).is_err(), "nobody invited it");
        assert!(trust.may_call(&Shown::Proved(c)) && !trust.may_call(&Shown::Proved(d)));
        // Who is on the list needs no invitation.
        assert_eq!(at(&trust.clone().peer(B), B, 100), Ok(()));
        let trust = trust.revoke(A).revoke(c);
        for key in [A, c] {
            assert!(at(&trust, key, 0)
                .expect_err("revoked")
                .contains("was revoked"));
        }
        // Without a list others come in as before, and these stay out.
        let trust = Trust::default().invite(B, Some(100)).revoke(A);
        assert_eq!(at(&trust, d, 100), Ok(()));
        assert!(at(&trust, B, 100).is_err() && at(&trust, A, 0).is_err());
        assert!(!trust.has_lists());
    }

    #[test]
    fn an_invited_key_may_be_kept_to_names() {
        let [a, b] = [A, B].map(Shown::Proved);
        let trust = Trust::default().offer_only(A, ["a"]);
        assert!(trust.may_offer(&a, "a") && !trust.may_offer(&a, "b"));
        assert!(trust.may_offer(&b, "b"), "it is no list of the others");
        let trust = trust.offer(A, ["b"]);
        assert!(trust.may_offer(&a, "a") && trust.may_offer(&a, "b"));
        assert!(!trust.may_offer(&a, "c") && !trust.may_offer(&b, "a"));
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
