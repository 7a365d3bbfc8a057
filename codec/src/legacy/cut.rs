//! Ways out of a stream that are no clean end: refusing a request, resetting a stream. Legacy has no abort, so a reset mostly means to
//! stop caring; where even that leaves the peer with a stream that never ends, it counts as abandoned.

use super::send::wire_id;
use super::Link;
use crate::connection::Shared;
use crate::limits::DISCARDED_MAX;
use crate::packet::Opcode;
use crate::stream::{Send, Stream};
use crate::wire::{put_u16, put_u32};
use crate::{Millis, StreamId};

impl Link {
    /// handled = 0, no body, no empty Data (protocol.md 4).
    pub(super) fn send_refusal(&mut self, shared: &mut Shared, id: u32) {
        let start = shared.out.begin(0);
        let message = shared.out.message();
        message.push(Opcode::ServiceResponse as u8);
        put_u32(message, id);
        message.push(0);
        put_u16(message, 0);
        self.finish(shared, start);
    }

    pub(crate) fn refuse(&mut self, shared: &mut Shared, stream: StreamId) {
        let Ok(id) = wire_id(stream) else { return };
        if self
            .streams
            .get(id)
            .is_some_and(|stream| !stream.ours && stream.send == Send::Idle)
        {
            // What still comes on it is late, and dropped.
            self.streams.remove(id);
            self.send_refusal(shared, id);
        }
    }

    /// A peer that never answers must not fill the table with requests about which nobody cares any more. What comes late for
    /// a forgotten one is dropped all the same: its number was used.
    fn forget_oldest_discarded(&mut self, newest: u32) {
        self.discarded.push_back(newest);
        while self.discarded.len() > DISCARDED_MAX {
            let Some(id) = self.discarded.pop_front() else {
                break;
            };
            let forgettable =
                |stream: &Stream| stream.discard && !stream.abandoned && !stream.unwanted;
            if self.streams.get(id).is_some_and(forgettable) {
                self.streams.remove(id);
            }
        }
    }

    /// See [`Connection::reset`](crate::Connection::reset).
    pub(crate) fn reset(&mut self, shared: &mut Shared, now: Millis, stream: StreamId) {
        let Ok(id) = wire_id(stream) else { return };
        let Some(state) = self.streams.get(id).filter(|stream| !stream.discard) else {
            return;
        };
        match (state.ours, state.send) {
            (false, Send::Idle) => self.refuse(shared, stream),
            (false, send) => {
                self.streams.remove(id);
                if send == Send::Open {
                    self.abandoned.add(now);
                }
            }
            (true, send) => {
                // Kept, so that its number is not given out again and what comes for it can be told.
                let over = state.recv.is_over();
                self.streams.update(id, |stream| {
                    stream.discard = true;
                    stream.abandoned = send == Send::Open;
                });
                if send == Send::Open {
                    self.abandoned.add(now);
                }
                if over {
                    self.streams.remove(id);
                } else if send != Send::Open {
                    self.forget_oldest_discarded(id);
                    self.unwanted.note(shared.clock.at(now), id, &self.streams);
                }
                self.note_waiting(shared, now);
            }
        }
    }
}
