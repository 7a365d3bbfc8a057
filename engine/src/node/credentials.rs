//! What a node shows of itself on flatend/2 (flatend2.md 5): a key always, the instance, and a record that others pass on.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use ed25519_dalek::SigningKey;
use flatend_codec::Record;

use crate::limits::RECORD_LIFETIME_S;

/// Name and version, for the logs of peers.
pub(crate) const SOFTWARE: &str = concat!("flatend ", env!("CARGO_PKG_VERSION"));

/// A node's key and the number of its process.
pub(crate) struct Credentials {
    /// The one that it was given; one for this run if it has none.
    pub(crate) key: SigningKey,
    /// Replicas may share a key.
    pub(crate) instance: [u8; 16],
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
        })
    }

    pub(crate) fn public_key(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    /// What others pass on about this node; nothing of one that cannot be dialed.
    pub(crate) fn record(&self, addresses: &[SocketAddr]) -> Option<Vec<u8>> {
        if addresses.is_empty() {
            return None;
        }
        let record = Record {
            public_key: [0; 32],
            addresses: addresses.to_vec(),
            capabilities: 0,
            made_s: now_s(),
            lifetime_s: RECORD_LIFETIME_S,
        };
        Some(record.sign(&self.key))
    }
}

/// Seconds since 1970; 0 where the clock is before.
pub(crate) fn now_s() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
