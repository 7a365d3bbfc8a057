//! The first 32 bytes of each direction (protocol.md 1). The dialer's go out at once, the acceptor's when the dialer's are there, each
//! in one write. Here the dialect is chosen: bit 255 of both keys set is flatend/2 (flatend2.md 1), all else is legacy.

use super::config::Role;
use super::Shared;
use crate::error::ProtocolError;
use crate::flatend2::{Downgrade, Opening, Own, Secrets};
use crate::limits::KEY_BYTES;
use crate::session::{public_key, session_key, table_seed, Secret};

/// Bit 255 of a key: "I speak flatend/2". X25519 ignores it (RFC 7748 section 5), and keys of legacy peers never have it.
const MARK: u8 = 0x80;

#[derive(Debug)]
pub(super) struct Agreement {
    secret: Secret,
    own: Option<Box<Own>>,
    /// Our 32 bytes, once they are said: a dialer's are when it begins.
    said: Option<[u8; KEY_BYTES]>,
}

/// What both sides now share.
pub(super) enum Agreed {
    Legacy {
        key: Secret,
        downgrade: Option<Downgrade>,
    },
    Flatend2 {
        secrets: Secrets,
        own: Box<Own>,
    },
}

fn mark(key: &mut [u8; KEY_BYTES]) {
    if let Some(last) = key.last_mut() {
        *last |= MARK;
    }
}

fn is_marked(key: &[u8; KEY_BYTES]) -> bool {
    key.last().is_some_and(|last| last & MARK != 0)
}

impl Agreement {
    pub(super) fn new(shared: &mut Shared, secret: [u8; KEY_BYTES], own: Option<Box<Own>>) -> Self {
        let mut agreement = Self {
            secret: Secret(secret),
            own,
            said: None,
        };
        if shared.role == Role::Dialer {
            let ours = agreement.opening_key(true);
            shared.out.put_plain(&ours);
        }
        agreement
    }

    /// What is said once it is known which dialect is spoken.
    pub(super) fn set_services(&mut self, services: &[String]) {
        if let Some(own) = &mut self.own {
            own.services = services.to_vec();
        }
    }

    /// The number of that list, on flatend/2.
    pub(super) fn set_epoch(&mut self, epoch: u64) {
        if let Some(own) = &mut self.own {
            own.epoch = epoch;
        }
    }

    /// Our 32 bytes; a dialer marks them if it may, an acceptor only if the dialer did.
    fn opening_key(&mut self, may_mark: bool) -> [u8; KEY_BYTES] {
        if let Some(said) = self.said {
            return said;
        }
        let mut key = public_key(&self.secret.0);
        if may_mark && self.own.is_some() {
            mark(&mut key);
        }
        self.said = Some(key);
        key
    }

    pub(super) fn table_seed(&self) -> [u64; 2] {
        table_seed(&self.secret.0)
    }

    pub(super) fn agree(
        &mut self,
        shared: &mut Shared,
        peer: [u8; KEY_BYTES],
    ) -> Result<Agreed, ProtocolError> {
        let opening = match shared.role {
            Role::Dialer => Opening {
                dialer: self.opening_key(true),
                acceptor: peer,
            },
            Role::Acceptor => Opening {
                dialer: peer,
                acceptor: self.opening_key(is_marked(&peer)),
            },
        };
        let both = is_marked(&opening.dialer) && is_marked(&opening.acceptor);
        match self.own.take() {
            Some(own) if both => {
                let network_key = own.network_key.as_ref();
                let secrets = Secrets::agree(&self.secret.0, shared.role, opening, network_key)?;
                self.answer(shared, &opening);
                Ok(Agreed::Flatend2 { secrets, own })
            }
            Some(own) if !own.legacy => Err(ProtocolError::LegacyRefused),
            own => {
                let key = session_key(&self.secret.0, peer)?;
                self.answer(shared, &opening);
                let downgrade = own.map(|own| Downgrade::new(&own.key, shared.role, opening));
                Ok(Agreed::Legacy { key, downgrade })
            }
        }
    }

    /// An acceptor's 32 bytes leave once it knows what it will speak.
    fn answer(&self, shared: &mut Shared, opening: &Opening) {
        if shared.role == Role::Acceptor {
            shared.out.put_plain(&opening.acceptor);
        }
    }
}
