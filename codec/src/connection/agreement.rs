//! The first 32 bytes of each direction (protocol.md 1). The dialer's go out at once, the acceptor's when the dialer's are there, each
//! in one write. Here the dialect will be chosen: both keys are known at one point.

use super::config::Role;
use super::Shared;
use crate::error::ProtocolError;
use crate::limits::KEY_BYTES;
use crate::session::{public_key, session_key, table_seed};

#[derive(Debug)]
pub(super) struct Agreement {
    secret: Secret,
}

/// Kept out of debug output, overwritten when dropped.
struct Secret([u8; KEY_BYTES]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secret")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0 = [0; KEY_BYTES];
        std::hint::black_box(&self.0);
    }
}

/// What both sides now share.
pub(super) struct Agreed {
    pub(super) key: [u8; KEY_BYTES],
    pub(super) table_seed: [u64; 2],
}

impl Agreement {
    pub(super) fn new(shared: &mut Shared, secret: [u8; KEY_BYTES]) -> Self {
        if shared.role == Role::Dialer {
            shared.out.put_plain(&public_key(&secret));
        }
        Self {
            secret: Secret(secret),
        }
    }

    pub(super) fn agree(
        &self,
        shared: &mut Shared,
        peer: [u8; KEY_BYTES],
    ) -> Result<Agreed, ProtocolError> {
        let key = session_key(&self.secret.0, peer)?;
        if shared.role == Role::Acceptor {
            shared.out.put_plain(&public_key(&self.secret.0));
        }
        Ok(Agreed {
            key,
            table_seed: table_seed(&self.secret.0),
        })
    }
}
