//! The state of one stream.
//!
//! ```text
//!            ours (we ask)                                   theirs (they ask)
//! send  Open ──end──▶ Ended                          Idle ──respond──▶ Open ──end──▶ Ended
//! recv  Head ──Response──▶ Body ──End──▶ Ended       Body ──End──▶ Ended
//!        │                  └──silence──▶ Assumed     refused, reset ──▶ gone
//!        └──Refused──▶ gone
//! ```
//! Gone once both are Ended (or Assumed). A stream of ours that was reset stays in the table with `discard` set: its number must not be given out
//! while the peer holds it, and what comes for it is thrown away.

/// What we send on a stream.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Send {
    /// A stream of theirs without a response head.
    Idle,
    Open,
    Ended,
}

/// What we receive on a stream.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Recv {
    /// A stream of ours without a response head.
    Head,
    Body,
    Ended,
    /// Ended by us for its silence (rules G04, B02): what still comes is late, not wrong.
    Assumed,
}

impl Recv {
    pub(crate) const fn is_over(self) -> bool {
        matches!(self, Self::Ended | Self::Assumed)
    }
}

/// A response kept back until its caller has ended its body (rule G11).
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// The whole ServiceResponse message.
    pub(crate) head: Vec<u8>,
    pub(crate) data: Vec<u8>,
    pub(crate) end: bool,
}

impl Held {
    pub(crate) fn byte_len(&self) -> usize {
        self.head.len() + self.data.len()
    }
}

#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) ours: bool,
    pub(crate) send: Send,
    pub(crate) recv: Recv,
    /// Nobody here listens any longer (ours only).
    pub(crate) discard: bool,
    /// Reset while our body was incomplete: it can never be ended (protocol.md 4).
    pub(crate) abandoned: bool,
    /// Discarded long ago, and its answer goes on (ours only).
    pub(crate) unwanted: bool,
    /// In reading time: when a response without Data counts as empty (rules G04, B02).
    pub(crate) silent_due: Option<u64>,
    pub(crate) held: Option<Box<Held>>,
}

impl Stream {
    pub(crate) fn ours() -> Self {
        Self {
            ours: true,
            send: Send::Open,
            recv: Recv::Head,
            discard: false,
            abandoned: false,
            unwanted: false,
            silent_due: None,
            held: None,
        }
    }

    pub(crate) fn theirs() -> Self {
        Self {
            ours: false,
            send: Send::Idle,
            recv: Recv::Body,
            ..Self::ours()
        }
    }

    /// Does a request of ours wait for bytes of the peer?
    pub(crate) fn waits(&self) -> bool {
        self.ours && !self.discard && !self.recv.is_over()
    }

    /// Does anybody here still care?
    pub(crate) fn is_live(&self) -> bool {
        !self.discard
    }

    pub(crate) fn is_over(&self) -> bool {
        self.send == Send::Ended && self.recv.is_over()
    }
}
