//! Chunk extensions (RFC 9112 7.1.1).
//!
//! Owns their grammar, byte by byte. Refuses to keep or to interpret them: we know none, so a well-formed one is passed
//! over. Invariant: a line end is the end of the chunk's size line only where no quoted string is open, so that no parser
//! that reads quotes sees another end than we do.
//!
//! ```text
//! ; ──▶ BeforeName ─▶ Name ─▶ AfterName ─=─▶ BeforeValue ─▶ Value ───▶ AfterValue ─;─▶ BeforeName
//!                                                  └── " ──▶ Quoted ─"─▶ Closed ──┘
//!                                                            │   ▲
//!                                                           \└▶ Escape
//! ```

use crate::headers::is_token_byte;

/// Where in a chunk extension the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extension {
    BeforeName,
    Name,
    AfterName,
    BeforeValue,
    Value,
    Quoted,
    Escape,
    Closed,
    AfterValue,
}

impl Extension {
    /// After one more byte; `None` if it may not stand here.
    pub(super) fn next(self, byte: u8) -> Option<Extension> {
        use Extension::{
            AfterName, AfterValue, BeforeName, BeforeValue, Closed, Escape, Name, Quoted, Value,
        };
        let next = match (self, byte) {
            (Quoted, b'"') => Closed,
            (Quoted, b'\\') => Escape,
            (Quoted | Escape, b'\t' | b' '..=b'~' | 0x80..) => Quoted,
            (Name | AfterName, b'=') => BeforeValue,
            (Name | AfterName | Value | Closed | AfterValue, b';') => BeforeName,
            (BeforeName | AfterName | BeforeValue | AfterValue, b' ' | b'\t') => self,
            (Name, b' ' | b'\t') => AfterName,
            (Value | Closed, b' ' | b'\t') => AfterValue,
            (BeforeName | Name, byte) if is_token_byte(byte) => Name,
            (BeforeValue, b'"') => Quoted,
            (BeforeValue | Value, byte) if is_token_byte(byte) => Value,
            _ => return None,
        };
        Some(next)
    }

    /// Whether the line may end here.
    pub(super) fn may_end(self) -> bool {
        matches!(self, Extension::Name | Extension::Value | Extension::Closed)
    }
}
