//! SERVICES (flatend2.md 4): the whole list of what a peer offers, with an epoch, in as many messages as it takes. The invariant
//! likeliest to break: half a list is never acted on.

use super::message::{flag, kind, Message};
use super::{Link, Phase};
use crate::connection::Shared;
use crate::error::{IdentityFault, ProtocolError};
use crate::event::Event;
use crate::limits::{HEAD_BYTES_MAX, SERVICES_MAX};
use crate::wire::{put_name, put_u16, Reader};

const TRUNCATED: ProtocolError = ProtocolError::Truncated { packet: "services" };

/// A list that has begun and not ended.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    epoch: Option<u64>,
    names: Vec<String>,
}

/// `u8 len, name`, `u8 len, version`, `u16 weight`, `u8 n` × (`u8 len, label`, `u8 len, value`)
fn entry_bytes(name: &str) -> usize {
    1 + name.len() + 1 + 2 + 1
}

impl Link {
    /// Says what we offer now; before the peer's HELLO is verified that is left to the list that follows it.
    pub(crate) fn announce(&mut self, shared: &mut Shared, names: &[String]) {
        if self.phase != Phase::AwaitHello {
            self.say_services(shared, names);
        }
    }

    /// The list that is said next is number `epoch` of the process, over all its links.
    pub(crate) fn set_epoch(&mut self, epoch: u64) {
        self.next_epoch = epoch;
    }

    /// The number of the peer's last list.
    pub(crate) fn peer_epoch(&self) -> u64 {
        self.peer_epoch
    }

    /// Says what we offer.
    pub(crate) fn say_services(&mut self, shared: &mut Shared, names: &[String]) {
        let epoch = self.next_epoch.max(self.epoch + 1);
        self.epoch = epoch;
        let mut rest = names;
        loop {
            let mut bytes = 8;
            let mut count = 0;
            for name in rest {
                if bytes + entry_bytes(name) > HEAD_BYTES_MAX {
                    break;
                }
                bytes += entry_bytes(name);
                count += 1;
            }
            let (now, later) = rest.split_at(count);
            let flags = if later.is_empty() { 0 } else { flag::MORE };
            self.put(shared, kind::SERVICES, flags, 0, bytes, |out| {
                out.extend_from_slice(&epoch.to_be_bytes());
                for name in now {
                    // Names of 1 to 255 bytes are checked when the connection is made.
                    let _written = put_name(out, name.as_bytes());
                    out.push(0);
                    put_u16(out, 1);
                    out.push(0);
                }
            });
            if later.is_empty() {
                return;
            }
            rest = later;
        }
    }

    pub(super) fn on_services<'a>(
        &mut self,
        message: Message<'a>,
    ) -> Result<Option<Event<'a>>, ProtocolError> {
        let mut incoming = self.incoming.take().unwrap_or_default();
        let Some((epoch, names)) = incoming.take(message)? else {
            self.incoming = Some(incoming);
            return Ok(None);
        };
        self.peer_epoch = epoch;
        let again = self.phase == Phase::Up;
        self.phase = Phase::Up;
        if let Some(peer) = &mut self.peer {
            if again && peer.services == names {
                return Ok(None);
            }
            peer.services = names;
        }
        Ok(Some(Event::Handshake { again }))
    }
}

impl Incoming {
    /// Takes a part of a list; gives all of it with the last one. A part of another epoch begins anew.
    pub(super) fn take(
        &mut self,
        message: Message<'_>,
    ) -> Result<Option<(u64, Vec<String>)>, ProtocolError> {
        let mut reader = Reader::new(message.body);
        let epoch = reader.array().map(u64::from_be_bytes).ok_or(TRUNCATED)?;
        if self.epoch.replace(epoch) != Some(epoch) {
            self.names.clear();
        }
        while !reader.is_empty() {
            let name = entry(&mut reader).ok_or(TRUNCATED)?;
            if self.names.len() == SERVICES_MAX {
                return Err(ProtocolError::Flood {
                    what: "services of one peer",
                    max: SERVICES_MAX,
                });
            }
            let name = std::str::from_utf8(name)
                .map_err(|_| ProtocolError::Identity(IdentityFault::NameEncoding))?;
            self.names.push(name.to_owned());
        }
        if message.has(flag::MORE) {
            return Ok(None);
        }
        self.epoch = None;
        Ok(Some((epoch, std::mem::take(&mut self.names))))
    }
}

/// One service; what else is said of it is for a choice that looks at it.
fn entry<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let name = reader.name().filter(|name| !name.is_empty())?;
    reader.name()?;
    reader.u16()?;
    for _ in 0..reader.u8()? {
        reader.name()?;
        reader.name()?;
    }
    Some(name)
}
