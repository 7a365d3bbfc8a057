//! The trailer section of a chunked body (RFC 9112 7.1.2).
//!
//! Owns the only request bytes that this crate keeps, at most [`TRAILER_BYTES_MAX`] of them.
//! Refuses what a head refuses. Invariant: a body without trailers, the common case, allocates
//! nothing here.

use crate::error::RequestError;
use crate::headers;
use crate::limits::{TRAILERS_MAX, TRAILER_BYTES_MAX};

/// The trailer fields of a chunked body, names in lower case, without those that must not be
/// trailers (RFC 9110 6.5.1).
pub type Trailers = Vec<(String, Vec<u8>)>;

/// The section so far, without its blank line.
#[derive(Debug, Default)]
pub(super) struct TrailerSection {
    block: Vec<u8>,
}

impl TrailerSection {
    /// Takes what `rest` has of the current line; how much that was, and whether the line ended.
    pub(super) fn push(&mut self, rest: &[u8]) -> Result<(usize, bool), RequestError> {
        let lf = memchr::memchr(b'\n', rest);
        let part = rest
            .get(..lf.map_or(rest.len(), |at| at + 1))
            .unwrap_or(rest);
        const BLANK_LINE_BYTES: usize = 2;
        if self.block.len() + part.len() + BLANK_LINE_BYTES > TRAILER_BYTES_MAX {
            return Err(RequestError::limit(
                431,
                "The trailer section has more bytes than the server takes",
                "trailer_bytes_max",
                TRAILER_BYTES_MAX as u64,
            ));
        }
        self.block.extend_from_slice(part);
        if lf.is_some() && !self.block.ends_with(b"\r\n") {
            return Err(RequestError::bad("A trailer line ends with LF without CR"));
        }
        Ok((part.len(), lf.is_some()))
    }

    /// The fields, after the blank line came.
    pub(super) fn finish(mut self) -> Result<Trailers, RequestError> {
        if self.block.is_empty() {
            return Ok(Trailers::new());
        }
        self.block.extend_from_slice(b"\r\n");
        let mut fields = [httparse::EMPTY_HEADER; TRAILERS_MAX];
        match httparse::parse_headers(&self.block, &mut fields) {
            Ok(httparse::Status::Complete((_, fields))) => Ok(fields
                .iter()
                .filter(|field| headers::is_trailer(field.name.as_bytes()))
                .map(|field| (field.name.to_ascii_lowercase(), field.value.to_vec()))
                .collect()),
            Err(httparse::Error::TooManyHeaders) => Err(RequestError::limit(
                431,
                "The trailer section has more fields than the server takes",
                "trailers_max",
                TRAILERS_MAX as u64,
            )),
            _ => Err(RequestError::bad("A trailer field is malformed")),
        }
    }
}
