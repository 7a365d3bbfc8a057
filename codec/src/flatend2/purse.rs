//! What the windows of a link's streams were given, out of the link's own share and of what its caller has left for it.

use crate::limits::STREAM_WINDOW_BYTES;
use crate::WindowRoom;

/// The windows of one link.
#[derive(Debug)]
pub(super) struct Purse {
    /// What the link's windows may still be widened by.
    extra: u64,
    /// Sizes of all windows that are given.
    given: u64,
    /// What the caller has left; what comes back is for the caller to know first.
    room: WindowRoom,
}

impl Purse {
    pub(super) fn new(extra: u64, room: WindowRoom) -> Purse {
        Purse {
            extra,
            given: 0,
            room,
        }
    }

    pub(super) fn set_room(&mut self, room: WindowRoom) {
        self.room = room;
    }

    /// The first window of a stream, if there is room for it.
    pub(super) fn begin(&mut self) -> bool {
        let fits = self.room.begin >= STREAM_WINDOW_BYTES;
        if fits {
            self.take(STREAM_WINDOW_BYTES);
        }
        fits
    }

    /// How many of `bytes` a window may be wider.
    pub(super) fn widen(&mut self, bytes: u64) -> u64 {
        let bytes = bytes.min(self.extra).min(self.room.widen);
        self.extra -= bytes;
        self.take(bytes);
        bytes
    }

    fn take(&mut self, bytes: u64) {
        self.given += bytes;
        self.room.begin = self.room.begin.saturating_sub(bytes);
        self.room.widen = self.room.widen.saturating_sub(bytes);
    }

    /// A window of this size is no more.
    pub(super) fn give_back(&mut self, size: u64) {
        if size > 0 {
            self.extra += size - STREAM_WINDOW_BYTES;
            self.given -= size;
        }
    }

    /// All windows are no more.
    pub(super) fn give_all_back(&mut self) {
        self.given = 0;
    }

    pub(super) fn given(&self) -> u64 {
        self.given
    }

    #[cfg(test)]
    pub(super) fn extra(&self) -> u64 {
        self.extra
    }
}
