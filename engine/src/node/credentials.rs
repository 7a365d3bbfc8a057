//! What a node shows of itself on flatend/2 (flatend2.md 5): a key always, the instance, and a record that others pass on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use ed25519_dalek::SigningKey;
use flatend_codec::Record;

use crate::limits::{RECORDS_KEPT_MAX, RECORD_LIFETIME_S, RECORD_RENEW_S};

/// Name and version, for the logs of peers.
pub(crate) const SOFTWARE: &str = concat!("flatend ", env!("CARGO_PKG_VERSION"));

/// A node's key and the number of its process.
pub(crate) struct Credentials {
    /// The one that it was given; one for this run if it has none.
    pub(crate) key: SigningKey,
    /// Replicas may share a key.
    pub(crate) instance: [u8; 16],
    /// Records that were signed, the newest last: half handshakes cost no signature.
    signed: ArcSwap<Vec<Signed>>,
}

/// A record of ours.
#[derive(Clone)]
struct Signed {
    addresses: Vec<SocketAddr>,
    made_s: u64,
    record: Arc<[u8]>,
}

impl Credentials {
    /// Those of a node with this key, or of one without.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub(super) fn new(key: Option<&SigningKey>) -> Result<Credentials, String> {
        let (mut seed, mut instance) = ([0; 32], [0; 16]);
        getrandom::fill(&mut seed)
            .and_then(|()| getrandom::fill(&mut instance))
            .map_err(|err| format!("the system gives no random numbers for a key: {err}"))?;
        let key = key.cloned();
        Ok(Credentials {
            key: key.unwrap_or_else(|| SigningKey::from_bytes(&seed)),
            instance,
            signed: ArcSwap::default(),
        })
    }

    pub(crate) fn public_key(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    /// What others pass on about this node; nothing of one that cannot be dialed.
    pub(crate) fn record(&self, addresses: &[SocketAddr]) -> Option<Vec<u8>> {
        self.record_at(now_s(), addresses)
    }

    fn record_at(&self, now_s: u64, addresses: &[SocketAddr]) -> Option<Vec<u8>> {
        if addresses.is_empty() {
            return None;
        }
        let is_good = |signed: &&Signed| {
            signed.addresses == addresses && now_s.abs_diff(signed.made_s) < RECORD_RENEW_S
        };
        if let Some(signed) = self.signed.load().iter().find(is_good) {
            return Some(signed.record.to_vec());
        }
        let record = Record {
            public_key: [0; 32],
            addresses: addresses.to_vec(),
            capabilities: 0,
            made_s: now_s,
            lifetime_s: RECORD_LIFETIME_S,
        };
        let record = record.sign(&self.key);
        let new = Signed {
            addresses: addresses.to_vec(),
            made_s: now_s,
            record: record.as_slice().into(),
        };
        self.signed.rcu(|signed| {
            let mut signed = Vec::clone(signed);
            signed.retain(|old| old.addresses != addresses);
            if signed.len() >= RECORDS_KEPT_MAX {
                signed.remove(0);
            }
            signed.push(new.clone());
            signed
        });
        Some(record)
    }
}

/// Seconds since 1970; 0 where the clock is before.
pub(crate) fn now_s() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made_s(record: &[u8]) -> u64 {
        Record::verify(record).expect("it is ours").made_s
    }

    #[test]
    fn a_record_is_signed_once_a_day_for_each_list_of_addresses() {
        let own = Credentials::new(None).expect("random numbers");
        let at = |port: u16| [SocketAddr::from(([10, 0, 0, 1], port))];
        let first = own.record_at(1_000_000, &at(1)).expect("an address");
        let made = |now_s, port| made_s(&own.record_at(now_s, &at(port)).expect("an address"));
        assert_eq!(made_s(&first), 1_000_000);
        assert_eq!(made(1_000_000 + RECORD_RENEW_S - 1, 1), 1_000_000);
        assert_eq!(made(1_000_007, 2), 1_000_007);
        let renewed = 1_000_000 + RECORD_RENEW_S;
        assert_eq!(made(renewed, 1), renewed);
        assert_eq!(made(renewed + 1, 1), renewed);
        // A clock that was set back must not have it made for every link.
        assert_eq!(made(renewed - 1, 1), renewed);
        assert_eq!(own.record_at(1, &[]), None);
    }

    #[test]
    fn records_that_are_kept_are_bounded() {
        let own = Credentials::new(None).expect("random numbers");
        for port in 1..100 {
            own.record_at(1, &[SocketAddr::from(([10, 0, 0, 1], port))]);
            assert!(own.signed.load().len() <= RECORDS_KEPT_MAX);
        }
        let last = own.record_at(2, &[SocketAddr::from(([10, 0, 0, 1], 99))]);
        assert_eq!(made_s(&last.expect("an address")), 1);
    }
}
