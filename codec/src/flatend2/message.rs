//! The messages of an opened frame (flatend2.md 3 and 4): which there are, where they may stand, and how their bodies are read.
//! Owns bounds checks; refuses to know streams.

use super::codes::{goodbye_code, reset_code};
use super::record::RecordsRef;
use crate::error::ProtocolError;
use crate::event::{GoodbyeCode, ResetCode};
use crate::header::HeadersRef;
use crate::limits::MESSAGE_HEADER_BYTES;
use crate::names::{IdsRef, NamesRef};
use crate::session::MessageHead;
use crate::wire::Reader;

/// The kinds of message.
pub(crate) mod kind {
    pub(crate) const HELLO: u8 = 0;
    pub(crate) const REQUEST: u8 = 1;
    pub(crate) const RESPONSE: u8 = 2;
    pub(crate) const DATA: u8 = 3;
    pub(crate) const TRAILERS: u8 = 4;
    pub(crate) const RESET: u8 = 5;
    pub(crate) const WINDOW: u8 = 6;
    pub(crate) const PING: u8 = 7;
    pub(crate) const GOODBYE: u8 = 8;
    pub(crate) const SERVICES: u8 = 9;
    pub(crate) const FIND_NODE: u8 = 10;
    pub(crate) const NODES: u8 = 11;
    pub(crate) const CREDIT: u8 = 12;
    /// IDs of peers that speak legacy alone, and so sign no record; before the NODES of the same token. 13 to 15 are reserved.
    pub(crate) const LEGACY_NODES: u8 = 16;
    /// From here on an unknown kind closes the link; below it is skipped.
    pub(crate) const CRITICAL: u8 = 128;
}

/// The flags that there are, each for some kinds.
pub(crate) mod flag {
    /// REQUEST, RESPONSE, DATA: nothing follows in this direction of the stream.
    pub(crate) const END: u8 = 1;
    /// PING: an answer.
    pub(crate) const ACK: u8 = 1;
    /// SERVICES: the list goes on in the next such message.
    pub(crate) const MORE: u8 = 1;
}

/// One message.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) head: MessageHead,
    pub(crate) body: &'a [u8],
}

impl<'a> Message<'a> {
    /// Takes the next message off the front of an opened frame; `None` when the frame is used up.
    ///
    /// # Errors
    /// A message beyond its frame, one that belongs to the link on a stream or the reverse, an unknown one that must be known.
    pub(crate) fn take(frame: &mut &'a [u8]) -> Result<Option<Self>, ProtocolError> {
        if frame.is_empty() {
            return Ok(None);
        }
        let truncated = ProtocolError::Truncated { packet: "message" };
        let (header, rest) = frame
            .split_first_chunk::<MESSAGE_HEADER_BYTES>()
            .ok_or(truncated.clone())?;
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3, s4, s5, s6] = *header;
        let length = u32::from_be_bytes([0, l0, l1, l2]);
        let stream = u64::from_be_bytes([0, s0, s1, s2, s3, s4, s5, s6]);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let (body, behind) = rest.split_at_checked(length).ok_or(truncated)?;
        let of_link = match kind {
            kind::HELLO | kind::PING..=kind::CREDIT | kind::LEGACY_NODES => Some(true),
            kind::REQUEST..=kind::WINDOW => Some(false),
            kind::CRITICAL.. => return Err(ProtocolError::UnknownOpcode(kind)),
            _ => None,
        };
        if of_link.is_some_and(|of_link| of_link != (stream == 0)) {
            return Err(ProtocolError::Misplaced { kind, stream });
        }
        *frame = behind;
        Ok(Some(Message {
            head: MessageHead {
                kind,
                flags,
                stream,
            },
            body,
        }))
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.head.flags & flag != 0
    }

    fn truncated(&self) -> ProtocolError {
        ProtocolError::Truncated {
            packet: name(self.head.kind),
        }
    }

    /// Reads the whole body with `read`, which gives `None` where it is too short.
    fn read<T>(&self, read: impl FnOnce(&mut Reader<'a>) -> Option<T>) -> Result<T, ProtocolError> {
        let mut reader = Reader::new(self.body);
        let value = read(&mut reader).ok_or_else(|| self.truncated())?;
        if !reader.is_empty() {
            return Err(ProtocolError::Trailing {
                packet: name(self.head.kind),
                bytes: reader.rest().len(),
            });
        }
        Ok(value)
    }

    /// REQUEST: deadline in milliseconds (0: none), names, headers.
    pub(crate) fn request(&self) -> Result<(u32, NamesRef<'a>, HeadersRef<'a>), ProtocolError> {
        self.read(|reader| {
            let deadline_ms = reader.u32()?;
            let services = NamesRef::decode(reader)?;
            Some((deadline_ms, services, HeadersRef::decode(reader)?))
        })
    }

    /// RESPONSE: status, headers.
    pub(crate) fn response(&self) -> Result<(u16, HeadersRef<'a>), ProtocolError> {
        self.read(|reader| Some((reader.u16()?, HeadersRef::decode(reader)?)))
    }

    /// TRAILERS.
    pub(crate) fn trailers(&self) -> Result<HeadersRef<'a>, ProtocolError> {
        self.read(HeadersRef::decode)
    }

    /// RESET: code, reason.
    pub(crate) fn reset(&self) -> Result<(ResetCode, &'a str), ProtocolError> {
        let (code, reason) = self.body.split_first().ok_or_else(|| self.truncated())?;
        Ok((reset_code(*code), text(reason)))
    }

    /// WINDOW: bytes; CREDIT: requests.
    pub(crate) fn amount(&self) -> Result<u32, ProtocolError> {
        self.read(|reader| reader.u32())
    }

    /// PING: eight bytes.
    pub(crate) fn ping(&self) -> Result<[u8; 8], ProtocolError> {
        self.read(|reader| reader.array())
    }

    /// GOODBYE: requests taken, code, milliseconds until it goes, reason.
    pub(crate) fn goodbye(&self) -> Result<(u64, GoodbyeCode, u32, &'a str), ProtocolError> {
        self.read(|reader| {
            let taken = reader.array().map(u64::from_be_bytes)?;
            let code = goodbye_code(reader.u8()?);
            let after_ms = reader.u32()?;
            let reason = reader.take(reader.rest().len())?;
            Some((taken, code, after_ms, text(reason)))
        })
    }

    /// NODES: token, records.
    pub(crate) fn nodes(&self) -> Result<(u32, RecordsRef<'a>), ProtocolError> {
        self.read(|reader| Some((reader.u32()?, RecordsRef::decode(reader)?)))
    }

    /// LEGACY_NODES: token, IDs as in the FindNodeResponse of protocol.md 5.
    pub(crate) fn legacy_nodes(&self) -> Result<(u32, IdsRef<'a>), ProtocolError> {
        self.read(|reader| Some((reader.u32()?, IdsRef::decode(reader)?)))
    }

    /// FIND_NODE: token, key.
    pub(crate) fn find_node(&self) -> Result<(u32, [u8; 32]), ProtocolError> {
        self.read(|reader| Some((reader.u32()?, reader.array()?)))
    }
}

/// A reason is for people: what of it is no UTF-8 is cut off.
pub(super) fn text(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => bytes
            .get(..error.valid_up_to())
            .and_then(|valid| std::str::from_utf8(valid).ok())
            .unwrap_or_default(),
    }
}

/// How errors name a kind.
pub(crate) const fn name(kind: u8) -> &'static str {
    match kind {
        kind::HELLO => "hello",
        kind::REQUEST => "request",
        kind::RESPONSE => "response",
        kind::DATA => "data",
        kind::TRAILERS => "trailers",
        kind::RESET => "reset",
        kind::WINDOW => "window",
        kind::PING => "ping",
        kind::GOODBYE => "goodbye",
        kind::SERVICES => "services",
        kind::FIND_NODE => "find node",
        kind::NODES => "nodes",
        kind::CREDIT => "credit",
        kind::LEGACY_NODES => "legacy nodes",
        _ => "message",
    }
}

/// Takes all messages of a plaintext and reads the body of each; for fuzzing.
#[cfg(any(test, fuzzing))]
pub(crate) fn decode_any(mut plaintext: &[u8], look_at: fn(HeadersRef<'_>)) {
    let mut services = super::services::Incoming::default();
    while let Ok(Some(message)) = Message::take(&mut plaintext) {
        match message.head.kind {
            kind::REQUEST => {
                if let Ok((_, names, headers)) = message.request() {
                    assert_eq!(names.iter().count(), names.len());
                    look_at(headers);
                }
            }
            kind::RESPONSE => drop(message.response().map(|(_, headers)| look_at(headers))),
            kind::TRAILERS => drop(message.trailers().map(look_at)),
            kind::RESET => drop(message.reset()),
            kind::WINDOW | kind::CREDIT => drop(message.amount()),
            kind::PING => drop(message.ping()),
            kind::GOODBYE => drop(message.goodbye()),
            kind::SERVICES => {
                if let Ok(Some(names)) = services.take(message) {
                    assert!(names.1.len() <= crate::limits::SERVICES_MAX);
                }
            }
            kind::FIND_NODE => drop(message.find_node()),
            kind::NODES => {
                if let Ok((_, records)) = message.nodes() {
                    assert_eq!(records.iter().count(), records.len());
                }
            }
            kind::LEGACY_NODES => {
                if let Ok((_, ids)) = message.legacy_nodes() {
                    assert!(ids.iter().count() <= ids.len());
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, flags: u8, stream: u64, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u32).to_be_bytes();
        let id = stream.to_be_bytes();
        [&length[1..], &[kind, flags], &id[1..], body].concat()
    }

    #[test]
    fn messages_are_taken_one_by_one_and_never_beyond_their_frame() {
        let bytes = [
            message(kind::DATA, flag::END, 3, b"abc"),
            message(kind::PING, 0, 0, &[1; 8]),
        ]
        .concat();
        let mut frame = &bytes[..];
        let first = Message::take(&mut frame).unwrap().unwrap();
        assert_eq!((first.head.stream, first.body), (3, &b"abc"[..]));
        assert!(first.has(flag::END));
        let second = Message::take(&mut frame).unwrap().unwrap();
        assert_eq!(second.ping(), Ok([1; 8]));
        assert!(Message::take(&mut frame).unwrap().is_none());
        for cut in 1..bytes.len() {
            let mut frame = &bytes[..cut];
            let mut last = Message::take(&mut frame);
            while let Ok(Some(_)) = last {
                last = Message::take(&mut frame);
            }
            assert_eq!(last.is_err(), cut != 12 + 3, "cut {cut}");
        }
    }

    #[test]
    fn what_is_not_known_is_skipped_or_ends_the_link_by_its_kind() {
        for (kind, stream, error) in [
            (127, 0, None),
            (127, 9, None),
            (128, 0, Some(ProtocolError::UnknownOpcode(128))),
            (
                kind::DATA,
                0,
                Some(ProtocolError::Misplaced { kind: 3, stream: 0 }),
            ),
            (
                kind::PING,
                5,
                Some(ProtocolError::Misplaced { kind: 7, stream: 5 }),
            ),
            (
                kind::HELLO,
                1,
                Some(ProtocolError::Misplaced { kind: 0, stream: 1 }),
            ),
        ] {
            let bytes = message(kind, 0xff, stream, b"");
            assert_eq!(Message::take(&mut &bytes[..]).err(), error, "{kind}");
        }
    }

    #[test]
    fn bodies_that_are_short_or_long_are_named() {
        let bytes = message(kind::WINDOW, 0, 1, &[0, 0, 1]);
        let short = Message::take(&mut &bytes[..]).unwrap().unwrap();
        assert_eq!(
            short.amount(),
            Err(ProtocolError::Truncated { packet: "window" })
        );
        let bytes = message(kind::WINDOW, 0, 1, &[0, 0, 0, 1, 9]);
        let long = Message::take(&mut &bytes[..]).unwrap().unwrap();
        assert_eq!(
            long.amount(),
            Err(ProtocolError::Trailing {
                packet: "window",
                bytes: 1
            })
        );
    }

    #[test]
    fn reasons_are_cut_where_they_are_no_text() {
        let bytes = message(kind::RESET, 0, 1, b"\x02gone\xff!");
        let reset = Message::take(&mut &bytes[..]).unwrap().unwrap();
        assert_eq!(reset.reset(), Ok((ResetCode::Cancel, "gone")));
    }
}
