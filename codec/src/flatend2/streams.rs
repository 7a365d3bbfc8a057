//! The streams of a link of flatend/2: their state, their windows in both directions, and the counts that the link asks for. Flow
//! control is per stream only (flatend2.md 4): a stalled reader stops its own stream and no other. The invariant likeliest to
//! break: what a peer may send of a stream is its window, and every byte that it sends is taken off it before anything else.

use std::collections::hash_map::{Entry, HashMap};

use super::purse::Purse;
use crate::error::{ApiMisuse, ProtocolError, SendError};
use crate::limits::{
    STREAM_WINDOW_BYTES, STREAM_WINDOW_BYTES_MAX, STREAM_WINDOW_HURRIED_BYTES_MAX,
};
use crate::stream::{KeyedHash, Recv, Send};
use crate::time::Millis;
use crate::{StreamId, WindowRoom};

/// One request and its response.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) ours: bool,
    pub(super) send: Send,
    pub(super) recv: Recv,
    /// Bytes that we may still send.
    pub(super) send_window: u64,
    /// Bytes that the peer may still send.
    recv_window: u64,
    /// What the window of the peer is filled up to; 0 once its direction has ended.
    window_size: u64,
    /// Bytes taken by the reader and not credited yet.
    uncredited: u64,
    /// When the last credit was given.
    credited_at: Option<Millis>,
}

impl Stream {
    fn new(ours: bool, end: bool) -> Stream {
        let window = if ours || !end { STREAM_WINDOW_BYTES } else { 0 };
        Stream {
            ours,
            send: match (ours, end) {
                (true, true) => Send::Ended,
                (true, false) => Send::Open,
                (false, _) => Send::Idle,
            },
            recv: match (ours, end) {
                (true, _) => Recv::Head,
                (false, true) => Recv::Ended,
                (false, false) => Recv::Body,
            },
            send_window: STREAM_WINDOW_BYTES,
            recv_window: window,
            window_size: window,
            uncredited: 0,
            credited_at: None,
        }
    }

    /// The peer sent `bytes` of a body.
    pub(super) fn receive(&mut self, id: u64, bytes: usize) -> Result<(), ProtocolError> {
        let bytes = bytes as u64;
        let Some(left) = self.recv_window.checked_sub(bytes) else {
            return Err(ProtocolError::WindowExceeded {
                stream: StreamId(id),
                bytes: bytes - self.recv_window,
            });
        };
        self.recv_window = left;
        Ok(())
    }

    /// The reader took `bytes`, all that has arrived at most. Gives the credit to send, if it is worth a message; a wider window
    /// comes out of the purse.
    ///
    /// A window is widened when the peer has used it up although its reader keeps up: then it is the window that holds it back,
    /// and bandwidth × delay is more. It is widened too when it gives credit twice in a millisecond: each credit wakes the peer,
    /// which costs more than the memory.
    pub(super) fn take(&mut self, now: Millis, bytes: usize, purse: &mut Purse) -> Option<u32> {
        if self.recv != Recv::Body {
            return None;
        }
        // No more than has arrived and was not taken before.
        let arrived = (self.window_size - self.recv_window).saturating_sub(self.uncredited);
        let taken = arrived.min(bytes as u64);
        self.uncredited += taken;
        let unread = arrived - taken;
        if self.uncredited < self.window_size / 2 {
            return None;
        }
        let used_up = self.recv_window < self.window_size / 4;
        let hurried =
            self.credited_at == Some(now) && self.window_size < STREAM_WINDOW_HURRIED_BYTES_MAX;
        let keeps_up = unread < self.window_size / 4;
        self.credited_at = Some(now);
        let mut credit = self.uncredited;
        if (used_up || hurried) && keeps_up {
            let most = STREAM_WINDOW_BYTES_MAX - self.window_size;
            let wider = purse.widen(self.window_size.min(most));
            self.window_size += wider;
            credit += wider;
        }
        self.uncredited = 0;
        self.recv_window += credit;
        debug_assert!(self.recv_window <= self.window_size);
        u32::try_from(credit).ok()
    }

    /// The peer sends no more: its window goes back.
    fn close_window(&mut self, purse: &mut Purse) {
        purse.give_back(std::mem::take(&mut self.window_size));
        (self.recv_window, self.uncredited) = (0, 0);
    }

    /// Whether we may send on.
    fn may_send(&self) -> Result<(), SendError> {
        match self.send {
            Send::Open => Ok(()),
            Send::Idle => Err(SendError::ApiMisuse(ApiMisuse::ResponseOrder)),
            Send::Ended => Err(SendError::StreamGone),
        }
    }

    fn is_over(&self) -> bool {
        self.send == Send::Ended && self.recv.is_over()
    }

    /// Does a request of ours wait for bytes of the peer?
    fn waits(&self) -> bool {
        self.ours && !self.recv.is_over()
    }
}

/// What left the table.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Nothing did.
    Nothing,
    Ours,
    Theirs,
}

#[derive(Debug)]
pub(super) struct Streams {
    streams: HashMap<u64, Stream, KeyedHash>,
    pub(super) ours: usize,
    pub(super) theirs: usize,
    /// Requests of ours that wait for bytes.
    pub(super) waiting: usize,
    purse: Purse,
}

impl Streams {
    pub(super) fn new(seed: [u64; 2], purse: Purse) -> Streams {
        Streams {
            streams: HashMap::with_hasher(KeyedHash::new(seed)),
            ours: 0,
            theirs: 0,
            waiting: 0,
            purse,
        }
    }

    pub(super) fn set_room(&mut self, room: WindowRoom) {
        self.purse.set_room(room);
    }

    /// Sizes of all windows that the peer has.
    pub(super) fn given(&self) -> u64 {
        self.purse.given()
    }

    /// Room for what the peer may send of one more stream; whoever has it opens that stream.
    pub(super) fn reserve(&mut self) -> bool {
        self.purse.begin()
    }

    /// Opens a stream. Room for it was reserved, unless the peer sends no more than the request's head.
    pub(super) fn open(&mut self, id: u64, ours: bool, end: bool) {
        let stream = Stream::new(ours, end);
        self.count(&stream, 1);
        let before = self.streams.insert(id, stream);
        debug_assert!(before.is_none(), "numbers rise");
    }

    pub(super) fn get(&self, id: u64) -> Option<&Stream> {
        self.streams.get(&id)
    }

    /// Changes a stream; one that is over afterwards leaves the table.
    pub(super) fn update<R>(
        &mut self,
        id: u64,
        change: impl FnOnce(&mut Stream, &mut Purse) -> R,
    ) -> Option<(R, Left)> {
        // Looked for once, also where it leaves.
        let Entry::Occupied(mut entry) = self.streams.entry(id) else {
            return None;
        };
        let stream = entry.get_mut();
        let waited = stream.waits();
        let result = change(stream, &mut self.purse);
        if stream.recv.is_over() {
            stream.close_window(&mut self.purse);
        }
        self.waiting += usize::from(stream.waits());
        self.waiting -= usize::from(waited);
        if !stream.is_over() {
            return Some((result, Left::Nothing));
        }
        let stream = entry.remove();
        Some((result, self.note_removed(stream)))
    }

    /// The window of a stream on which we may send.
    ///
    /// # Errors
    /// It is gone, its response has no head yet, or our direction has ended.
    pub(super) fn sending(&mut self, id: u64) -> Result<&mut u64, SendError> {
        let stream = self.streams.get_mut(&id).ok_or(SendError::StreamGone)?;
        stream.may_send()?;
        Ok(&mut stream.send_window)
    }

    /// Ends our direction of a stream.
    ///
    /// # Errors
    /// As [`sending`](Self::sending).
    pub(super) fn end_sending(&mut self, id: u64) -> Result<Left, SendError> {
        let ended = self.update(id, |stream, _| {
            stream.may_send()?;
            stream.send = Send::Ended;
            Ok(())
        });
        let (result, left) = ended.ok_or(SendError::StreamGone)?;
        result.map(|()| left)
    }

    pub(super) fn remove(&mut self, id: u64) -> Left {
        match self.streams.remove(&id) {
            Some(stream) => self.note_removed(stream),
            None => Left::Nothing,
        }
    }

    /// Counted out as it was counted in.
    fn note_removed(&mut self, mut stream: Stream) -> Left {
        self.count(&stream, -1);
        stream.close_window(&mut self.purse);
        if stream.ours {
            Left::Ours
        } else {
            Left::Theirs
        }
    }

    /// Forgets all streams; their windows go back.
    pub(super) fn clear(&mut self) {
        self.streams.clear();
        (self.ours, self.theirs, self.waiting) = (0, 0, 0);
        self.purse.give_all_back();
    }

    /// Gives the table's memory back if nothing is in it.
    pub(super) fn rest(&mut self) {
        if self.streams.is_empty() {
            self.streams.shrink_to_fit();
        }
    }

    /// Numbers of our streams from `first` on that have no response yet. A scan, once a link.
    pub(super) fn unanswered_from(&self, first: u64) -> Vec<u64> {
        let mut ids: Vec<u64> = self
            .streams
            .iter()
            .filter(|(id, stream)| stream.ours && **id >= first && stream.recv == Recv::Head)
            .map(|(id, _)| *id)
            .collect();
        ids.sort_unstable();
        ids
    }

    fn count(&mut self, stream: &Stream, by: isize) {
        let add = |count: &mut usize, is: bool| {
            if is {
                *count = count.saturating_add_signed(by);
            }
        };
        add(&mut self.ours, stream.ours);
        add(&mut self.theirs, !stream.ours);
        add(&mut self.waiting, stream.waits());
    }

    pub(super) fn check_invariants(&self) {
        if cfg!(debug_assertions) && self.streams.len() <= 64 {
            let of = |is: fn(&Stream) -> bool| self.streams.values().filter(|s| is(s)).count();
            debug_assert_eq!(self.ours, of(|s| s.ours));
            debug_assert_eq!(self.theirs, of(|s| !s.ours));
            debug_assert_eq!(self.waiting, of(Stream::waits));
            let given: u64 = self.streams.values().map(|s| s.window_size).sum();
            debug_assert_eq!(self.purse.given(), given);
            for stream in self.streams.values() {
                debug_assert!(!stream.is_over(), "a stream that is over has left");
                debug_assert!(stream.recv_window + stream.uncredited <= stream.window_size);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_widened_while_its_reader_keeps_up_and_the_extra_lasts() {
        let mut streams = Streams::new(
            [1, 2],
            Purse::new(3 * STREAM_WINDOW_BYTES, WindowRoom::UNLIMITED),
        );
        assert!(streams.reserve());
        streams.open(1, false, false);
        let mut sizes = Vec::new();
        for _ in 0..4 {
            let ((), _) = streams
                .update(1, |stream, purse| {
                    // The peer sends all that it may, and all of it is read.
                    let bytes = stream.recv_window as usize;
                    stream.receive(1, bytes).unwrap();
                    stream.take(Millis(0), bytes, purse);
                    sizes.push(stream.window_size / STREAM_WINDOW_BYTES);
                })
                .unwrap();
            streams.check_invariants();
        }
        assert_eq!(
            sizes,
            [2, 4, 4, 4],
            "doubled while there was something to give"
        );
        assert_eq!(streams.purse.extra(), 0);
        assert_eq!(streams.remove(1), Left::Theirs);
        assert_eq!(
            streams.purse.extra(),
            3 * STREAM_WINDOW_BYTES,
            "and given back"
        );
    }

    #[test]
    fn a_slow_reader_keeps_its_window_and_a_byte_beyond_it_is_an_error() {
        let mut streams = Streams::new(
            [1, 2],
            Purse::new(u64::from(u32::MAX), WindowRoom::UNLIMITED),
        );
        assert!(streams.reserve());
        streams.open(1, false, false);
        let window = STREAM_WINDOW_BYTES as usize;
        streams
            .update(1, |stream, purse| {
                stream.receive(1, window).unwrap();
                assert_eq!(
                    stream.take(Millis(0), window / 2 - 1, purse),
                    None,
                    "not worth a message"
                );
                assert_eq!(stream.take(Millis(0), 1, purse), Some(window as u32 / 2));
                assert_eq!(stream.window_size, STREAM_WINDOW_BYTES);
                stream.receive(1, window / 2).unwrap();
                assert_eq!(
                    stream.receive(1, 1),
                    Err(ProtocolError::WindowExceeded {
                        stream: StreamId(1),
                        bytes: 1
                    })
                );
            })
            .unwrap();
    }

    #[test]
    fn credit_twice_in_a_millisecond_widens_a_window_that_was_not_used_up() {
        let purse = Purse::new(64 * STREAM_WINDOW_BYTES, WindowRoom::UNLIMITED);
        let mut streams = Streams::new([1, 2], purse);
        assert!(streams.reserve());
        streams.open(1, false, false);
        let mut sizes = Vec::new();
        for now in [0, 1, 2, 2, 2, 3, 3, 3, 3, 3] {
            streams
                .update(1, |stream, purse| {
                    let half = stream.window_size / 2;
                    stream.receive(1, half as usize).unwrap();
                    let credit = stream.take(Millis(now), half as usize, purse);
                    assert!(credit.is_some());
                    sizes.push(stream.window_size / STREAM_WINDOW_BYTES);
                })
                .unwrap();
        }
        assert_eq!(sizes, [1, 1, 1, 2, 4, 4, 8, 16, 16, 16]);
    }

    #[test]
    fn counts_follow_states() {
        let mut streams = Streams::new([1, 2], Purse::new(0, WindowRoom::UNLIMITED));
        assert!(streams.reserve());
        streams.open(1, true, true);
        streams.open(2, false, true);
        assert_eq!((streams.ours, streams.theirs, streams.waiting), (1, 1, 1));
        let (_, left) = streams
            .update(1, |stream, _| stream.recv = Recv::Ended)
            .unwrap();
        assert_eq!(left, Left::Ours);
        let (_, left) = streams
            .update(2, |stream, _| stream.send = Send::Ended)
            .unwrap();
        assert_eq!(left, Left::Theirs);
        assert_eq!((streams.ours, streams.theirs, streams.waiting), (0, 0, 0));
        streams.check_invariants();
    }
}
