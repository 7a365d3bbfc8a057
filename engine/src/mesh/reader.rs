//! Reading a link: whole frames taken off its receive buffer, their events handed on. A payload that is large leaves as a slice of the
//! buffer, so the buffer is never written where a slice may live.

use std::io::ErrorKind;
use std::rc::Rc;

use bytes::{Buf, Bytes, BytesMut};
use flatend_codec::{Event, Opened, StreamId};

use super::buffer::BufferSize;
use super::driver::{fault, poll_events, Progress};
use super::link::{CloseReason, Link};
use super::{events, lanes, mistaken};
use crate::limits::LINK_TURN_BYTES_MAX;
use crate::rt;
use crate::shard::Shard;

/// How far a link was read.
pub(super) enum Read {
    /// As far as it can be now, and so many bytes came: the socket is empty, or a reader is full.
    All(usize),
    /// The turn's budget is used up: the others are to have theirs, then it goes on.
    Enough,
}

/// Reads until the socket is empty, the turn's budget is used up, or a reader is full.
pub(super) fn read(
    shard: &Rc<Shard>,
    link: &Rc<Link>,
    progress: &mut Progress,
    buffer: &mut BytesMut,
    size: &mut BufferSize,
) -> Result<Read, CloseReason> {
    let mut budget = LINK_TURN_BYTES_MAX;
    let mut bytes = 0;
    loop {
        size.make_room(buffer, progress.handshaked);
        let n = match link.socket.try_recv(buffer) {
            Ok(0) => return Err(CloseReason::PeerLeft),
            Ok(n) => n,
            Err(err) if err.kind() == ErrorKind::WouldBlock => break,
            Err(err) => return Err(CloseReason::Broken(err.to_string())),
        };
        if !progress.begun && mistaken::is_http(buffer) {
            return Err(CloseReason::Http);
        }
        bytes += n;
        let wants_more = take_frames(shard, link, progress, buffer, size)?;
        size.note_read(n, wants_more);
        if size.window_is_due() {
            link.socket.narrow_window();
        }
        if link.conn.borrow().dialect().quick_ack {
            link.socket.quick_ack();
        }
        if progress.moves_to.is_some() {
            return Ok(Read::All(bytes));
        }
        if link.socket.is_drained() || link.streams.is_paused() || link.closing.borrow().is_some() {
            break;
        }
        budget = budget.saturating_sub(n);
        if budget == 0 {
            return Ok(Read::Enough);
        }
    }
    if link.socket.is_drained() {
        link.conn.borrow_mut().read_empty(rt::now());
        size.rest(buffer);
    }
    Ok(Read::All(bytes))
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
        size.take_foreign(buffer);
        let wants_more = take_frames(shard, link, progress, buffer, size)?;
        size.note_read(0, wants_more);
    }
    Ok(())
}

/// Opens and hands on every whole frame of the buffer. Returns how many bytes the next frame needs in all.
fn take_frames(
    shard: &Rc<Shard>,
    link: &Rc<Link>,
    progress: &mut Progress,
    buffer: &mut BytesMut,
    size: &BufferSize,
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
                (Some(Event::Data { stream, bytes }), None) if size.may_slice(bytes.len()) => {
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
