//! Bytes in: frames are taken off the front of the caller's buffer, opened in place, and read as events that borrow it.

use super::agreement::Agreed;
use super::{Connection, Protocol};
use crate::error::ProtocolError;
use crate::event::Event;
use crate::flatend2;
use crate::legacy;
use crate::limits::KEY_BYTES;
use crate::Millis;

/// What [`Connection::open`] found.
#[derive(Debug)]
pub enum Opened<'a> {
    /// Nothing to take yet.
    Incomplete {
        /// Total bytes that the buffer must hold before another try is useful.
        at_least: usize,
    },
    /// One frame (or the 32 bytes of a session's start, which hold no messages).
    Frame {
        /// Bytes to drop off the front of the buffer once `messages` is used up.
        consumed: usize,
        /// What the frame holds: drain it with [`Connection::next_event`] before the next `open`.
        messages: Messages<'a>,
    },
}

/// The messages of one opened frame.
#[derive(Debug)]
#[must_use]
pub struct Messages<'a>(pub(crate) Plaintext<'a>);

/// What is left of an opened frame, by dialect.
#[derive(Debug)]
pub(crate) enum Plaintext<'a> {
    /// Nothing (any more).
    Empty,
    /// The one message of a legacy frame: RPC number and all.
    Legacy(&'a [u8]),
    /// The messages of a frame of flatend/2 that were not taken yet.
    Flatend2(&'a [u8]),
}

impl Connection {
    /// Takes at most one frame off the front of `input`, which holds everything unread so far, and opens it in place.
    ///
    /// # Errors
    /// The peer broke the protocol: the link must end. Every later call fails too.
    pub fn open<'a>(
        &mut self,
        now: Millis,
        input: &'a mut [u8],
    ) -> Result<Opened<'a>, ProtocolError> {
        if self.shared.failed {
            return Err(ProtocolError::Closed);
        }
        self.shared.note_input(now, input.len());
        let result = self.open_frame(now, input);
        if let Ok(Opened::Frame { consumed, .. }) = &result {
            self.shared.note_consumed(*consumed);
        }
        self.settle(result)
    }

    fn open_frame<'a>(
        &mut self,
        now: Millis,
        input: &'a mut [u8],
    ) -> Result<Opened<'a>, ProtocolError> {
        match &mut self.protocol {
            Protocol::Agreeing(agreement) => {
                let Some(peer) = input.first_chunk::<KEY_BYTES>() else {
                    return Ok(Opened::Incomplete {
                        at_least: KEY_BYTES,
                    });
                };
                let seed = agreement.table_seed();
                self.protocol = match agreement.agree(&mut self.shared, *peer)? {
                    Agreed::Legacy { key, downgrade } => {
                        let link = legacy::Link::new(&mut self.shared, now, &key, seed, downgrade);
                        Protocol::Legacy(Box::new(link))
                    }
                    Agreed::Flatend2 { secrets, mut own } => {
                        let link =
                            flatend2::Link::new(&mut self.shared, now, &mut own, secrets, seed);
                        self.shared.speaks_flatend2();
                        Protocol::Flatend2(Box::new((link, Some(own))))
                    }
                };
                Ok(Opened::Frame {
                    consumed: KEY_BYTES,
                    messages: Messages(Plaintext::Empty),
                })
            }
            Protocol::Legacy(link) => link.open(&self.shared, input),
            Protocol::Flatend2(link) => link.0.open(input),
        }
    }

    /// The next event of an opened frame; `None` when the frame is used up.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn next_event<'a>(
        &mut self,
        now: Millis,
        messages: &mut Messages<'a>,
    ) -> Result<Option<Event<'a>>, ProtocolError> {
        if self.shared.failed {
            return Err(ProtocolError::Closed);
        }
        let plaintext = std::mem::replace(&mut messages.0, Plaintext::Empty);
        let result = match (&mut self.protocol, plaintext) {
            (Protocol::Legacy(link), Plaintext::Legacy(message)) => {
                link.receive(&mut self.shared, now, message)
            }
            (Protocol::Flatend2(link), Plaintext::Flatend2(mut rest)) => {
                let (link, own) = &mut **link;
                let event = link.next_event(&mut self.shared, own, &mut rest);
                if matches!(event, Ok(Some(_))) {
                    messages.0 = Plaintext::Flatend2(rest);
                }
                event
            }
            _ => return Ok(None),
        };
        self.settle(result)
    }
}
