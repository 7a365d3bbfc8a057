//! The streams of a link as their receiving side: who reads each, how much is unread, and when the link must stop reading.
//! The invariant: `unread` is the sum over the streams, `full` counts those above the limit.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bytes::Bytes;
use flatend_codec::{HeaderBlock, Millis, StreamId};

use crate::error::Fault;
use crate::idmap::IdMap;
use crate::limits::{READER_LEND_MS, READER_STALL_MS};
use crate::rt::Outbox;
use crate::shard::{CallId, Inbound, Message, Relay};

/// Who reads a stream.
pub(crate) enum Recipient {
    /// A reader on this shard.
    Local(Rc<Inbound>),
    /// A caller on another shard.
    Remote(CallId, Rc<Outbox<Message>>),
}

impl Recipient {
    pub(crate) fn head(&self, headers: HeaderBlock) {
        match self {
            Recipient::Local(inbound) => inbound.set_head(headers),
            Recipient::Remote(call, outbox) => outbox.send(Message::Relay(Relay::Head {
                call: *call,
                headers,
            })),
        }
    }

    pub(crate) fn data(&self, bytes: Bytes) {
        match self {
            Recipient::Local(inbound) => inbound.push(bytes),
            Recipient::Remote(call, outbox) => {
                outbox.send(Message::Relay(Relay::Data { call: *call, bytes }))
            }
        }
    }

    fn trailers(&self, trailers: HeaderBlock) {
        match self {
            Recipient::Local(inbound) => inbound.set_trailers(trailers),
            Recipient::Remote(call, outbox) => outbox.send(Message::Relay(Relay::Trailers {
                call: *call,
                trailers,
            })),
        }
    }

    pub(crate) fn end(&self) {
        match self {
            Recipient::Local(inbound) => inbound.finish(),
            Recipient::Remote(call, outbox) => {
                outbox.send(Message::Relay(Relay::End { call: *call }))
            }
        }
    }

    pub(crate) fn fail(&self, fault: Fault) {
        match self {
            Recipient::Local(inbound) => inbound.fail(fault),
            Recipient::Remote(call, outbox) => {
                outbox.send(Message::Relay(Relay::Failed { call: *call, fault }))
            }
        }
    }
}

struct Stream {
    /// `None`: the reader has gone; what arrives is thrown away.
    recipient: Option<Recipient>,
    unread: usize,
    full: bool,
    /// It may have more than a stream's share: its reader does nothing, and the link has room.
    lent: bool,
    /// The peer's direction is complete; the entry stays for what its reader has not taken.
    ended: bool,
    /// When its reader last took something, or when it became unread.
    progress_at: Millis,
    /// `bytes_queued` of the connection when it was opened.
    mark: u64,
}

/// The streams of one link.
pub(crate) struct Streams {
    table: RefCell<IdMap<StreamId, Stream>>,
    unread: Cell<usize>,
    full: Cell<usize>,
    /// Unread bytes of one stream, and of all together, past which the link stops reading.
    stream_bytes_max: Cell<usize>,
    link_bytes_max: Cell<usize>,
}

impl Streams {
    pub(crate) fn new(stream_bytes_max: usize, link_bytes_max: usize) -> Streams {
        Streams {
            table: RefCell::default(),
            unread: Cell::new(0),
            full: Cell::new(0),
            stream_bytes_max: Cell::new(stream_bytes_max),
            link_bytes_max: Cell::new(link_bytes_max),
        }
    }

    /// Each stream has a window of its own: what is unread never stops the link.
    pub(crate) fn are_windowed(&self) {
        self.stream_bytes_max.set(usize::MAX);
        self.link_bytes_max.set(usize::MAX);
    }

    pub(crate) fn insert(&self, stream: StreamId, recipient: Recipient, mark: u64) {
        let entry = Stream {
            recipient: Some(recipient),
            unread: 0,
            full: false,
            lent: false,
            ended: false,
            progress_at: Millis(0),
            mark,
        };
        let replaced = self.table.borrow_mut().insert(stream, entry);
        if let Some(mut replaced) = replaced {
            // A peer may use the number of a stream again that is complete; its reader keeps what it has.
            self.discharge(&mut replaced);
        }
    }

    /// Gives the table's memory back if nothing is in it.
    pub(crate) fn rest(&self) {
        let mut table = self.table.borrow_mut();
        if table.is_empty() {
            table.shrink_to_fit();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.table.borrow().len()
    }

    /// Hands a head to the stream's reader.
    pub(crate) fn head(&self, stream: StreamId, headers: HeaderBlock) {
        if let Some(Stream {
            recipient: Some(recipient),
            ..
        }) = self.table.borrow().get(&stream)
        {
            recipient.head(headers);
        }
    }

    /// Hands headers behind a body to the stream's reader; the end is told apart.
    pub(crate) fn trailers(&self, stream: StreamId, trailers: HeaderBlock) {
        if let Some(Stream {
            recipient: Some(recipient),
            ..
        }) = self.table.borrow().get(&stream)
        {
            recipient.trailers(trailers);
        }
    }

    /// Hands a piece to the stream's reader and charges it. False if nobody reads it any more.
    pub(crate) fn data(&self, stream: StreamId, bytes: Bytes, now: Millis) -> bool {
        let mut table = self.table.borrow_mut();
        let Some(entry) = table.get_mut(&stream) else {
            return false;
        };
        let Some(recipient) = &entry.recipient else {
            return false;
        };
        if entry.unread == 0 {
            entry.progress_at = now;
        }
        entry.unread += bytes.len();
        self.unread.set(self.unread.get() + bytes.len());
        if entry.unread > self.stream_bytes_max.get() && !entry.full && !entry.lent {
            entry.full = true;
            self.full.set(self.full.get() + 1);
        }
        recipient.data(bytes);
        true
    }

    /// The peer's direction is complete. What its reader has not taken stays charged to the link: else whole bodies for a reader
    /// that does not read would be memory without a bound. Such a stream alone holds nothing up, for it cannot grow.
    pub(crate) fn end(&self, stream: StreamId) {
        let mut table = self.table.borrow_mut();
        let Some(entry) = table.get_mut(&stream) else {
            return;
        };
        if let Some(recipient) = &entry.recipient {
            recipient.end();
        }
        entry.ended = true;
        if std::mem::take(&mut entry.full) {
            self.full.set(self.full.get() - 1);
        }
        if entry.unread == 0 {
            table.remove(&stream);
        }
    }

    /// Whether the peer's direction of a stream is complete. One that is not known was read to its end.
    pub(crate) fn has_ended(&self, stream: StreamId) -> bool {
        let table = self.table.borrow();
        table.get(&stream).is_none_or(|entry| entry.ended)
    }

    /// The stream broke.
    pub(crate) fn fail(&self, stream: StreamId, fault: Fault) {
        if let Some(entry) = self.detach(stream) {
            if let Some(recipient) = entry.recipient {
                recipient.fail(fault);
            }
        }
    }

    /// Forgets a stream without telling its reader.
    pub(crate) fn remove(&self, stream: StreamId) {
        drop(self.detach(stream));
    }

    /// The reader has gone, but the peer's direction goes on: what arrives is thrown away.
    pub(crate) fn ignore(&self, stream: StreamId) {
        let mut table = self.table.borrow_mut();
        if let Some(entry) = table.get_mut(&stream) {
            entry.recipient = None;
            self.discharge(entry);
            if entry.ended {
                table.remove(&stream);
            }
        }
    }

    fn detach(&self, stream: StreamId) -> Option<Stream> {
        let mut entry = self.table.borrow_mut().remove(&stream)?;
        self.discharge(&mut entry);
        Some(entry)
    }

    fn discharge(&self, entry: &mut Stream) {
        self.unread.set(self.unread.get() - entry.unread);
        entry.unread = 0;
        if std::mem::take(&mut entry.full) {
            self.full.set(self.full.get() - 1);
        }
    }

    /// A reader took `bytes`.
    pub(crate) fn taken(&self, stream: StreamId, bytes: usize, now: Millis) {
        let mut table = self.table.borrow_mut();
        let Some(entry) = table.get_mut(&stream) else {
            return;
        };
        let bytes = bytes.min(entry.unread);
        entry.unread -= bytes;
        entry.progress_at = now;
        self.unread.set(self.unread.get() - bytes);
        if entry.unread <= self.stream_bytes_max.get() / 2 {
            entry.lent = false;
            if std::mem::take(&mut entry.full) {
                self.full.set(self.full.get() - 1);
            }
        }
        if entry.ended && entry.unread == 0 {
            table.remove(&stream);
        }
    }

    /// Whether the link must not read on.
    pub(crate) fn is_paused(&self) -> bool {
        self.full.get() > 0 || self.unread.get() > self.link_bytes_max.get()
    }

    /// Full streams whose readers took nothing for [`READER_LEND_MS`] may use what the link has left, until they read again: the
    /// others wait for nothing as long as all together hold no more than a link may.
    pub(crate) fn lend(&self, now: Millis) {
        for entry in self.table.borrow_mut().values_mut() {
            let idle_ms = now.0.saturating_sub(entry.progress_at.0);
            if entry.full && idle_ms >= READER_LEND_MS {
                entry.lent = true;
                entry.full = false;
                self.full.set(self.full.get() - 1);
            }
        }
    }

    /// Streams that hold the link up and whose readers took nothing for [`READER_STALL_MS`]: those that are full, and the
    /// largest of the rest while all together are too much.
    pub(crate) fn stalled(&self, now: Millis) -> Vec<StreamId> {
        let table = self.table.borrow();
        let mut idle: Vec<(usize, bool, StreamId)> = table
            .iter()
            .filter(|(_, entry)| {
                let idle_ms = now.0.saturating_sub(entry.progress_at.0);
                entry.unread > 0 && idle_ms >= READER_STALL_MS
            })
            .map(|(stream, entry)| (entry.unread, entry.full, *stream))
            .collect();
        idle.sort_unstable_by_key(|(unread, ..)| std::cmp::Reverse(*unread));
        let mut left = self.unread.get();
        // Well below the limit, so that the next body does not stop the link again at once.
        let low = if left > self.link_bytes_max.get() {
            self.link_bytes_max.get() / 2
        } else {
            left
        };
        idle.retain(|(unread, full, _)| {
            let holds = *full || left > low;
            if holds {
                left -= unread;
            }
            holds
        });
        idle.into_iter().map(|(_, _, stream)| stream).collect()
    }

    /// Takes out every stream, with its reader and mark.
    pub(crate) fn take_all(&self) -> Vec<(Recipient, u64)> {
        self.unread.set(0);
        self.full.set(0);
        let table = std::mem::take(&mut *self.table.borrow_mut());
        table
            .into_values()
            .filter_map(|entry| Some((entry.recipient?, entry.mark)))
            .collect()
    }
}
