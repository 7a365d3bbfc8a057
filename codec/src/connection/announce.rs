//! What this node offers has changed while the link lives.

use ed25519_dalek::SigningKey;

use super::{Connection, Protocol, Role};
use crate::error::{ApiMisuse, SendError};
use crate::packet::handshake;
use crate::Millis;

/// What became of a new list of services.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Announced {
    /// The peer is told.
    Sent,
    /// Not yet: the handshake is under way, or nobody knows what the peer is. Call again when that changes.
    Later,
    /// This peer dies of a second Handshake (rule N01): only a new link tells it. Retire this one.
    NeedsNewLink,
}

impl Connection {
    /// Tells the peer what we offer now; the whole list. `key`: the one that [`Config::identity`](crate::Config::identity) had.
    ///
    /// # Errors
    /// [`SendError::ApiMisuse`] as [`Connection::new`] says of services, [`SendError::Full`], [`SendError::NotReady`] with too many
    /// questions open. The old list stands then.
    pub fn announce(
        &mut self,
        now: Millis,
        key: Option<&SigningKey>,
        services: &[String],
    ) -> Result<Announced, SendError> {
        let _ = now;
        if self.shared.failed {
            return Err(SendError::StreamGone);
        }
        if self.shared.role == Role::Acceptor && key.is_none() && !services.is_empty() {
            // Rule G06.
            return Err(SendError::ApiMisuse(ApiMisuse::ServicesWithoutIdentity));
        }
        let identity = key.cloned().zip(self.shared.shown);
        let body = handshake::encode(identity.as_ref(), services, self.shared.trailer_bytes)
            .map_err(SendError::ApiMisuse)?;
        let is_legacy = !matches!(self.protocol, Protocol::Flatend2(_));
        let body = if is_legacy { body } else { Vec::new() };
        let before = std::mem::replace(&mut self.shared.handshake_body, body);
        let result = match &mut self.protocol {
            Protocol::Agreeing(agreement) => {
                agreement.set_services(services);
                Ok(Announced::Sent)
            }
            Protocol::Legacy(link) => link.announce(&mut self.shared),
            Protocol::Flatend2(link) => {
                if let Some(own) = &mut link.1 {
                    own.services = services.to_vec();
                }
                link.0.announce(&mut self.shared, services);
                Ok(Announced::Sent)
            }
        };
        if result.is_err() {
            self.shared.handshake_body = before;
        }
        self.check_invariants();
        result
    }

    /// The number of the list of services that is announced next, for a process with several links: it counts for all of them, and
    /// rises. Without it each link counts for itself.
    pub fn set_services_epoch(&mut self, epoch: u64) {
        match &mut self.protocol {
            Protocol::Agreeing(agreement) => agreement.set_epoch(epoch),
            Protocol::Legacy(_) => {}
            Protocol::Flatend2(link) => {
                if let Some(own) = &mut link.1 {
                    own.epoch = epoch;
                }
                link.0.set_epoch(epoch);
            }
        }
    }

    /// The number of the list that the peer has sent last; 0 on legacy, and before the first.
    #[must_use]
    pub fn services_epoch(&self) -> u64 {
        match &self.protocol {
            Protocol::Agreeing(_) | Protocol::Legacy(_) => 0,
            Protocol::Flatend2(link) => link.0.peer_epoch(),
        }
    }

    /// Lets the link be replaced: no new requests where another leads, what runs is finished, then it ends.
    pub fn retire(&mut self) {
        match &mut self.protocol {
            Protocol::Agreeing(_) => {}
            Protocol::Legacy(link) => link.retire(),
            // It is told what changes; nothing there needs a new link.
            Protocol::Flatend2(_) => {}
        }
    }
}
