//! The session layer: key agreement, then frames sealed and opened in place (protocol.md 1). Refuses low-order keys. The invariant
//! likeliest to break: one counter a direction, from 0, one step a frame, never reused.

mod gather;
mod keys;
mod outbox;
mod seal;

pub(crate) use gather::MessageHead;
pub(crate) use keys::{public_key, session_key, table_seed};
pub(crate) use outbox::Outbox;
pub(crate) use seal::{aead_key, nonce, Opener, Seal, Sealer};
