//! Pieces of bodies that a stream's window does not admit yet (flatend2.md 4). Who sends waits for room first, so that at most one
//! piece a stream is held, and its end. The invariant that a change is likeliest to break: while something is held, nothing
//! of the same stream passes it.

use std::cell::{OnceCell, RefCell, RefMut};
use std::collections::VecDeque;

use bytes::Bytes;
use flatend_codec::{Connection, HeaderBlock, Millis, SendError, StreamId};

use crate::idmap::IdMap;

/// Costs a word until something is held.
#[derive(Default)]
pub(crate) struct Held {
    streams: OnceCell<Box<RefCell<IdMap<StreamId, Pieces>>>>,
}

#[derive(Default)]
struct Pieces {
    pieces: VecDeque<Bytes>,
    ended: bool,
    trailers: HeaderBlock,
}

impl Held {
    pub(crate) fn is_holding(&self, stream: StreamId) -> bool {
        self.streams.get().is_some_and(|streams| {
            let streams = streams.borrow();
            !streams.is_empty() && streams.contains_key(&stream)
        })
    }

    /// Sends what the window admits of a piece, and keeps the rest.
    pub(crate) fn send(
        &self,
        conn: &mut Connection,
        now: Millis,
        stream: StreamId,
        bytes: &Bytes,
    ) -> Result<(), SendError> {
        let capacity = conn.send_capacity(stream);
        if !self.is_holding(stream) && bytes.len() <= capacity {
            return conn.send_data(now, stream, bytes);
        }
        let mut streams = self.streams.get_or_init(Box::default).borrow_mut();
        let pieces = streams.entry(stream).or_default();
        pieces.pieces.push_back(bytes.clone());
        pieces.flush(conn, now, stream)
    }

    /// Ends a stream behind what is held of it.
    pub(crate) fn end(
        &self,
        conn: &mut Connection,
        now: Millis,
        stream: StreamId,
        trailers: &HeaderBlock,
    ) -> Result<(), SendError> {
        if self.is_holding(stream) {
            let mut streams = self.streams();
            if let Some(pieces) = streams.as_mut().and_then(|it| it.get_mut(&stream)) {
                pieces.ended = true;
                pieces.trailers.clone_from(trailers);
            }
            return Ok(());
        }
        send_end(conn, now, stream, trailers)
    }

    /// The window has opened: sends what it admits. A stream that is gone meanwhile loses what was held.
    pub(crate) fn flush(&self, conn: &mut Connection, now: Millis, stream: StreamId) {
        let Some(mut streams) = self.streams() else {
            return;
        };
        let Some(pieces) = streams.get_mut(&stream) else {
            return;
        };
        let flushed = pieces.flush(conn, now, stream);
        if flushed.is_ok() && !pieces.pieces.is_empty() {
            return;
        }
        let (ended, trailers) = (pieces.ended, std::mem::take(&mut pieces.trailers));
        streams.remove(&stream);
        if flushed.is_ok() && ended {
            // A stream that is gone needs no end.
            send_end(conn, now, stream, &trailers).ok();
        }
    }

    /// Forgets what is held of a stream.
    pub(crate) fn forget(&self, stream: StreamId) {
        if let Some(mut streams) = self.streams().filter(|streams| !streams.is_empty()) {
            streams.remove(&stream);
        }
    }

    pub(crate) fn forget_all(&self) {
        if let Some(mut streams) = self.streams() {
            streams.clear();
        }
    }

    fn streams(&self) -> Option<RefMut<'_, IdMap<StreamId, Pieces>>> {
        Some(self.streams.get()?.borrow_mut())
    }
}

/// Ends a direction, with headers behind its body if there are any. A legacy peer cannot be told them.
fn send_end(
    conn: &mut Connection,
    now: Millis,
    stream: StreamId,
    trailers: &HeaderBlock,
) -> Result<(), SendError> {
    if trailers.count() > 0 {
        match conn.trailers(now, stream, trailers) {
            Err(SendError::Unsupported) => {}
            result => return result,
        }
    }
    conn.send_end(now, stream)
}

impl Pieces {
    fn flush(
        &mut self,
        conn: &mut Connection,
        now: Millis,
        stream: StreamId,
    ) -> Result<(), SendError> {
        while let Some(mut piece) = self.pieces.pop_front() {
            let capacity = conn.send_capacity(stream);
            let admitted = piece.split_to(piece.len().min(capacity));
            if !admitted.is_empty() {
                conn.send_data(now, stream, &admitted)?;
            }
            if !piece.is_empty() {
                self.pieces.push_front(piece);
                break;
            }
        }
        Ok(())
    }
}
