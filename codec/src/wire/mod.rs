//! Integers and length-prefixed strings, big-endian. Owns bounds checks: whatever was read here lies within its input, and nothing
//! is allocated by a count that a peer claims.

mod reader;
mod writer;

pub(crate) use reader::Reader;
pub(crate) use writer::{put_name, put_u16, put_u32};
