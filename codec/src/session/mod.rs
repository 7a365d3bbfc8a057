//! The session layer: key agreement, then frames sealed and opened in place (protocol.md 1). Refuses low-order keys. The invariant
//! likeliest to break: one counter a direction, from 0, one step a frame, never reused.

mod cipher;
mod gather;
mod keys;
mod outbox;
mod seal;

pub(crate) use cipher::{Cipher, Secret};
pub(crate) use gather::MessageHead;
pub(crate) use keys::{public_key, session_key, table_seed};
pub(crate) use outbox::{FrameStart, Outbox};
pub(crate) use seal::{nonce, Opener, Seal, Sealer};
