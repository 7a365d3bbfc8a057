//! Who is at fault: the peer ([`ProtocolError`]), our caller ([`ApiMisuse`], [`HeaderTooLarge`]), or the state of the link
//! ([`OpenError`], [`SendError`], which also say whether another provider may be tried).

mod call;
mod misuse;
mod protocol;

pub use call::{OpenError, SendError};
pub use misuse::{ApiMisuse, HeaderTooLarge};
pub use protocol::{IdentityFault, ProtocolError};
