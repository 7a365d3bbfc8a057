//! Reading a link: the receive buffer and its size, whole frames taken off it, their events handed on. A payload that is
//! large leaves as a slice of the buffer, so the buffer is never written where a slice may live.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::rc::Rc;

use bytes::{Buf, Bytes, BytesMut};
use flatend_codec::{Event, Opened, StreamId};

use super::driver::{fault, poll_events, Progress};
use super::link::{CloseReason, Link};
use super::{events, lanes, mistaken};
use crate::limits::{
    LINK_BUFFER_BULK_BYTES, LINK_BUFFER_BYTES, LINK_TURN_BYTES_MAX, LINK_WINDOW_LOOK_BYTES,
    SLICE_BYTES_MIN, SPARE_BUFFERS_MAX, SPARE_BULK_BUFFERS_MAX, UNVERIFIED_BUFFER_BYTES,
};
use crate::rt::{self, make_room};
use crate::shard::Shard;

thread_local! {
    /// Receive buffers that no link uses now: a link at rest has none.
    static SPARE: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// A buffer for a link that has none.
fn take_spare(buffer: &mut BytesMut) {
    if buffer.capacity() == 0 {
        let spare = SPARE.with(|spare| spare.borrow_mut().pop());
        *buffer = spare.unwrap_or_default();
    }
}

/// Takes the buffer of a link that has nothing in it. What slices are in use of is theirs; the rest of it serves the next reader.
fn give_back(buffer: &mut BytesMut) {
    let mut buffer = std::mem::take(buffer);
    if !buffer.try_reclaim(LINK_BUFFER_BYTES) {
        return;
    }
    let is_large = buffer.capacity() > 2 * LINK_BUFFER_BYTES;
    SPARE.with(|spare| {
        let mut spare = spare.borrow_mut();
        let most = if is_large {
            SPARE_BULK_BUFFERS_MAX
        } else {
            SPARE_BUFFERS_MAX
        };
        if spare.len() < most {
            spare.push(buffer);
        }
    });
}

/// Reads until the socket is empty, the turn's budget is used up, or a reader is full.
pub(super) async fn read(
    shard: &Rc<Shard>,
    link: &Rc<Link>,
    progress: &mut Progress,
    buffer: &mut BytesMut,
    size: &mut BufferSize,
) -> Result<(), CloseReason> {
    let mut budget = LINK_TURN_BYTES_MAX;
    take_spare(buffer);
    loop {
        size.is_unverified = !progress.handshaked;
        make_room(buffer, size.room_min(buffer.len()), size.room());
        let n = match link.socket.try_recv(buffer) {
            Ok(0) => return Err(CloseReason::PeerLeft),
            Ok(n) => n,
            Err(err) if err.kind() == ErrorKind::WouldBlock => break,
            Err(err) => return Err(CloseReason::Broken(err.to_string())),
        };
        if !progress.begun && mistaken::is_http(buffer) {
            return Err(CloseReason::Http);
        }
        let wants_more = take_frames(shard, link, progress, buffer)?;
        size.note_read(n, wants_more);
        if size.window_is_due() {
            link.socket.narrow_window();
        }
        if link.conn.borrow().dialect().quick_ack {
            link.socket.quick_ack();
        }
        if progress.moves_to.is_some() {
            return Ok(());
        }
        if link.socket.is_drained() || link.streams.is_paused() || link.closing.borrow().is_some() {
            break;
        }
        budget = budget.saturating_sub(n);
        if budget == 0 {
            rt::yield_now().await;
            budget = LINK_TURN_BYTES_MAX;
        }
    }
    if link.socket.is_drained() {
        link.conn.borrow_mut().read_empty(rt::now());
        if buffer.is_empty() {
            give_back(buffer);
        }
    }
    Ok(())
}

/// Takes up what another shard, or an earlier look, has read.
pub(super) fn resume(
    shard: &Rc<Shard>,
    link: &Rc<Link>,
    progress: &mut Progress,
    buffer: &mut BytesMut,
    size: &mut BufferSize,
) -> Result<(), CloseReason> {
    if !buffer.is_empty() {
        let wants_more = take_frames(shard, link, progress, buffer)?;
        size.note_read(0, wants_more);
    }
    Ok(())
}

/// How large a link's receive buffer is: small at first, as large as a frame that needs it, and large while bulk data
/// travels.
#[derive(Default)]
pub(super) struct BufferSize {
    /// Reads in a row that brought much.
    full_reads: u32,
    /// Bytes of such reads since the window was narrowed.
    bulk_bytes: usize,
    /// Bytes that the frame at the front needs in all.
    wants: usize,
    /// Nobody knows yet whom the link leads to: it gets little.
    is_unverified: bool,
    /// A frame has begun and is not whole.
    pub(super) frame_begun: bool,
}

impl BufferSize {
    fn note_read(&mut self, bytes: usize, wants: usize) {
        self.full_reads = if bytes >= LINK_BUFFER_BYTES / 2 {
            self.bulk_bytes += bytes;
            self.full_reads.saturating_add(1)
        } else {
            0
        };
        // A new frame at the front: the clock of the old one stops.
        self.frame_begun = wants > 0;
        self.wants = wants;
    }

    fn room(&self) -> usize {
        let usual = match self.full_reads {
            _ if self.is_unverified => UNVERIFIED_BUFFER_BYTES,
            BULK_READS_MIN.. => LINK_BUFFER_BULK_BYTES,
            _ => LINK_BUFFER_BYTES,
        };
        usual.max(self.wants)
    }

    /// Whether the window is to be narrowed now; asked once for each read.
    fn window_is_due(&mut self) -> bool {
        let due = self.bulk_bytes >= LINK_WINDOW_LOOK_BYTES;
        if due {
            self.bulk_bytes = 0;
        }
        due
    }

    /// Room below which a buffer with `have` bytes is replaced.
    fn room_min(&self, have: usize) -> usize {
        self.wants.saturating_sub(have).max(self.room() / 4)
    }
}

/// Full reads in a row that make a link's traffic bulk.
const BULK_READS_MIN: u32 = 3;

/// Opens and hands on every whole frame of the buffer. Returns how many bytes the next frame needs in all.
fn take_frames(
    shard: &Rc<Shard>,
    link: &Rc<Link>,
    progress: &mut Progress,
    buffer: &mut BytesMut,
) -> Result<usize, CloseReason> {
    let now = rt::now();
    let mut wants = 0;
    while !buffer.is_empty() {
        // The payload of a large Data, handed on as a slice once the frame is split off, and whether its stream's end followed.
        let mut large: Option<(StreamId, &[u8], bool)> = None;
        let base = buffer.as_ptr() as usize;
        let opened = link
            .conn
            .borrow_mut()
            .open(now, &mut buffer[..])
            .map_err(fault)?;
        let (consumed, mut messages) = match opened {
            Opened::Incomplete { at_least } => {
                wants = at_least;
                break;
            }
            Opened::Frame { consumed, messages } => (consumed, messages),
        };
        progress.begun = true;
        loop {
            let event = link
                .with_room(|conn| conn.next_event(now, &mut messages))
                .map_err(fault)?;
            match (event, &mut large) {
                (None, _) => break,
                (Some(Event::Data { stream, bytes }), None) if bytes.len() >= SLICE_BYTES_MIN => {
                    large = Some((stream, bytes, false));
                }
                (Some(Event::End { stream }), Some((of, _, ended))) if stream == *of => {
                    *ended = true;
                }
                (Some(event), _) => {
                    if let Some((stream, bytes, ended)) = large.take() {
                        // Something else follows in the same frame: order matters more than the copy.
                        events::data(link, stream, Bytes::copy_from_slice(bytes));
                        if ended {
                            link.streams.end(stream);
                        }
                    }
                    events::handle(shard, link, progress, event)?;
                }
            }
        }
        let large = large.map(|(stream, bytes, ended)| {
            let start = bytes.as_ptr() as usize - base;
            (stream, start..start + bytes.len(), ended)
        });
        if let Some((stream, range, ended)) = large {
            let frame = buffer.split_to(consumed).freeze();
            events::data(link, stream, frame.slice(range));
            if ended {
                link.streams.end(stream);
            }
        } else {
            buffer.advance(consumed);
        }
        poll_events(shard, link, progress)?;
        progress.moves_to = lanes::belongs_to(shard, link, progress);
        if progress.moves_to.is_some() {
            // What follows is opened there.
            return Ok(0);
        }
    }
    poll_events(shard, link, progress)?;
    Ok(wants)
}
