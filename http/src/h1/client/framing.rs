//! Where a response ends and whether its connection lives on (RFC 9112 6.3 and 9.3).
//!
//! Owns Content-Length, Transfer-Encoding, Connection and Keep-Alive of responses. Refuses every head that could be framed in
//! two ways. Invariant: a head that passes has exactly one length.

use httparse::Header;

use super::response::{ResponseLength, UpstreamHead};
use crate::error::UpstreamError;
use crate::h1::framing::{has_tab, parse_length};
use crate::h1::head::{Fields, Version};
use crate::headers::list;

/// What the framing fields of a head say (RFC 9112 6 and 9).
#[derive(Default)]
pub(super) struct Framing {
    pub(super) length: Option<u64>,
    pub(super) chunked: bool,
    keep_alive: bool,
    keep_alive_s: Option<u64>,
}

impl Framing {
    pub(super) fn of(
        head: &[u8],
        raw: &[Header<'_>],
        version: Version,
    ) -> Result<Framing, UpstreamError> {
        let mut framing = Framing::default();
        let (mut close, mut keep_alive) = (false, false);
        for header in raw {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            match header.name.len() {
                10 if is("connection") => {
                    for token in list(header.value) {
                        close |= token.eq_ignore_ascii_case(b"close");
                        keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
                    }
                }
                10 if is("keep-alive") => framing.keep_alive_s = timeout_of(header.value),
                14 if is("content-length") => {
                    if framing.length.is_some() {
                        return Err(UpstreamError::new(
                            "the response has more than one Content-Length",
                        ));
                    }
                    refuse_tab(head, header)?;
                    let length = parse_length(header.value).map_err(|_| {
                        UpstreamError::new(
                            "the Content-Length of the response is not one decimal number of 64 bits",
                        )
                    })?;
                    framing.length = Some(length);
                }
                17 if is("transfer-encoding") => {
                    refuse_tab(head, header)?;
                    // The one coding that we ask for; RFC 9112 7: none other without TE.
                    if framing.chunked || !header.value.eq_ignore_ascii_case(b"chunked") {
                        return Err(UpstreamError::new(
                            "the response has a transfer coding other than chunked alone",
                        ));
                    }
                    framing.chunked = true;
                }
                _ => {}
            }
        }
        if framing.chunked && framing.length.is_some() {
            return Err(UpstreamError::new(
                "the response has both Content-Length and Transfer-Encoding",
            ));
        }
        // RFC 9112 6.1: such a message is framed wrongly, whatever else it says.
        if framing.chunked && version == Version::Http10 {
            return Err(UpstreamError::new(
                "the response has a Transfer-Encoding, which is not part of HTTP/1.0",
            ));
        }
        framing.keep_alive = !close && (version == Version::Http11 || keep_alive);
        Ok(framing)
    }

    pub(super) fn into_head(
        self,
        status: u16,
        version: Version,
        is_head: bool,
        fields: Fields<'_>,
    ) -> UpstreamHead<'_> {
        let announced = self.chunked || self.length.is_some_and(|bytes| bytes > 0);
        let body = match (status, self.length) {
            _ if is_head || matches!(status, 204 | 304) => ResponseLength::None,
            _ if self.chunked => ResponseLength::Chunked,
            (_, Some(bytes)) => ResponseLength::Length(bytes),
            (_, None) => ResponseLength::UntilClose,
        };
        // 204 may announce nothing (RFC 9110 8.6, RFC 9112 6.1); one that does may be followed by what it announced.
        let trusted = status != 204 || !announced;
        UpstreamHead {
            status,
            version,
            fields,
            body,
            keep_alive: self.keep_alive && trusted && body != ResponseLength::UntilClose,
            keep_alive_s: self.keep_alive_s,
        }
    }
}

/// See `refuse_tabs` of the request side.
fn refuse_tab(head: &[u8], header: &Header<'_>) -> Result<(), UpstreamError> {
    if has_tab(head, header) {
        return Err(UpstreamError::new(
            "Content-Length or Transfer-Encoding of the response has a tab beside its value",
        ));
    }
    Ok(())
}

/// Seconds of `timeout=5, max=100`.
fn timeout_of(value: &[u8]) -> Option<u64> {
    list(value).find_map(|parameter| {
        let (name, seconds) = parameter.split_at_checked(b"timeout=".len())?;
        if !name.eq_ignore_ascii_case(b"timeout=") {
            return None;
        }
        std::str::from_utf8(seconds).ok()?.parse().ok()
    })
}
