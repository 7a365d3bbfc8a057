//! Response bodies on their way out (RFC 9112 6 and 7).
//!
//! Owns the framing of each piece and the promise of `content-length`. Refuses to hold data: a
//! [`Piece`] has the few bytes that go before and after the caller's own. Invariant: the framing
//! on the wire is well-formed whatever the service does; a body that breaks its promise is an
//! error, never a clean end.

use crate::error::ResponseError;

/// Longest chunk size line: 16 digits and CRLF.
const CHUNK_HEAD_BYTES_MAX: usize = 18;
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The frame of one piece of body: send `prefix`, the data if [`Piece::carries_data`], `suffix`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    prefix: [u8; CHUNK_HEAD_BYTES_MAX],
    prefix_length: usize,
    suffix: &'static [u8],
    carries_data: bool,
}

impl Piece {
    const NOTHING: Piece = Piece {
        prefix: [0; CHUNK_HEAD_BYTES_MAX],
        prefix_length: 0,
        suffix: b"",
        carries_data: false,
    };

    /// What goes before the data.
    pub fn prefix(&self) -> &[u8] {
        self.prefix.get(..self.prefix_length).unwrap_or_default()
    }

    /// What goes after the data.
    pub fn suffix(&self) -> &'static [u8] {
        self.suffix
    }

    /// Whether the data is sent at all; not for HEAD, 204, 205 and 304.
    pub fn carries_data(&self) -> bool {
        self.carries_data
    }

    fn chunk(bytes: usize) -> Piece {
        let mut piece = Piece {
            suffix: b"\r\n",
            carries_data: true,
            ..Piece::NOTHING
        };
        let digits = (usize::BITS - bytes.leading_zeros()).div_ceil(4).max(1);
        for at in (0..digits).rev() {
            let digit = (bytes >> (4 * at)) & 0xf;
            piece.push(b"0123456789abcdef".get(digit).copied().unwrap_or(b'0'));
        }
        piece.push(b'\r');
        piece.push(b'\n');
        piece
    }

    fn push(&mut self, byte: u8) {
        if let Some(slot) = self.prefix.get_mut(self.prefix_length) {
            *slot = byte;
            self.prefix_length += 1;
        }
    }
}

/// The body of one response; watches that it keeps its promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutBody {
    framing: OutFraming,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutFraming {
    /// HEAD, 204, 205, 304: data is swallowed.
    Nothing,
    /// Bytes left of `content-length`.
    Length(u64),
    Chunked,
    /// HTTP/1.0 without a length: the end of the connection is the end of the body.
    UntilClose,
    Ended,
}

impl OutBody {
    pub(super) fn new(framing: OutFraming) -> Self {
        OutBody { framing }
    }

    /// Whether trailers can stand behind the body.
    pub(super) fn takes_trailers(&self) -> bool {
        self.framing == OutFraming::Chunked
    }

    /// Whether the end of the connection is the end of the body.
    pub fn ends_with_connection(&self) -> bool {
        self.framing == OutFraming::UntilClose
    }

    /// The frame for the next `bytes` of data; an empty piece needs nothing.
    ///
    /// # Errors
    /// [`ResponseError::BodyTooLong`] if that is more than was promised; none of it may be sent.
    pub fn frame(&mut self, bytes: usize) -> Result<Piece, ResponseError> {
        let plain = Piece {
            carries_data: true,
            ..Piece::NOTHING
        };
        match &mut self.framing {
            OutFraming::Nothing => Ok(Piece::NOTHING),
            OutFraming::Ended => Err(ResponseError::Misuse("body data after the end of the body")),
            _ if bytes == 0 => Ok(Piece::NOTHING),
            OutFraming::Length(left) => match left.checked_sub(bytes as u64) {
                Some(rest) => {
                    *left = rest;
                    Ok(plain)
                }
                None => Err(ResponseError::BodyTooLong),
            },
            OutFraming::Chunked => Ok(Piece::chunk(bytes)),
            OutFraming::UntilClose => Ok(plain),
        }
    }

    /// Ends the body; the bytes that end it on the wire.
    ///
    /// # Errors
    /// [`ResponseError::BodyTooShort`] if less came than was promised; cut the connection.
    pub fn finish(&mut self) -> Result<&'static [u8], ResponseError> {
        match std::mem::replace(&mut self.framing, OutFraming::Ended) {
            OutFraming::Nothing | OutFraming::Length(0) | OutFraming::UntilClose => Ok(b""),
            OutFraming::Length(_) => Err(ResponseError::BodyTooShort),
            OutFraming::Chunked => Ok(LAST_CHUNK),
            OutFraming::Ended => Err(ResponseError::Misuse("the body ended twice")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunk_heads() {
        for (bytes, head) in [
            (1, &b"1\r\n"[..]),
            (15, b"f\r\n"),
            (16, b"10\r\n"),
            (65536, b"10000\r\n"),
            (usize::MAX, b"ffffffffffffffff\r\n"),
        ] {
            let piece = OutBody::new(OutFraming::Chunked).frame(bytes).unwrap();
            assert_eq!(
                (piece.prefix(), piece.suffix()),
                (head, &b"\r\n"[..]),
                "{bytes}"
            );
            assert!(piece.carries_data());
        }
    }

    #[test]
    fn an_empty_piece_never_ends_a_chunked_body() {
        let mut body = OutBody::new(OutFraming::Chunked);
        assert_eq!(body.frame(0), Ok(Piece::NOTHING));
        assert_eq!(body.finish(), Ok(LAST_CHUNK));
    }

    #[test]
    fn a_promised_length_is_kept() {
        let mut exact = OutBody::new(OutFraming::Length(3));
        assert!(exact.frame(3).is_ok_and(|p| p.carries_data()));
        assert_eq!(exact.finish(), Ok(&b""[..]));
        let mut long = OutBody::new(OutFraming::Length(3));
        assert_eq!(long.frame(4), Err(ResponseError::BodyTooLong));
        let mut short = OutBody::new(OutFraming::Length(3));
        assert!(short.frame(2).is_ok());
        assert_eq!(short.finish(), Err(ResponseError::BodyTooShort));
    }
}
