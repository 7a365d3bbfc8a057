//! Rule G11: a Go caller reads no response before its whole body is sent, and one response that it does not read stops its link. So
//! the response is kept back until the body has ended. What is kept is bounded; beyond the bound that one stream fails, so that a
//! caller and a handler that wait for each other do not hang.

use super::send::put_response;
use super::Link;
use crate::connection::Shared;
use crate::error::SendError;
use crate::header::HeaderBlock;
use crate::stream::{Held, Recv, Send};

impl Link {
    pub(super) fn must_hold(&self, id: u32) -> bool {
        self.dialect().holds_response
            && self
                .streams
                .get(id)
                .is_some_and(|stream| stream.recv != Recv::Ended)
    }

    pub(super) fn hold_response(
        &mut self,
        shared: &mut Shared,
        id: u32,
        headers: &HeaderBlock,
        end: bool,
    ) -> Result<(), SendError> {
        let mut held = Held {
            end,
            ..Held::default()
        };
        put_response(&mut held.head, id, headers);
        self.check_held(shared, id, held.byte_len())?;
        self.streams
            .update(id, |stream| stream.held = Some(Box::new(held)));
        Ok(())
    }

    pub(super) fn hold_data(
        &mut self,
        shared: &mut Shared,
        id: u32,
        bytes: &[u8],
    ) -> Result<(), SendError> {
        self.check_held(shared, id, bytes.len())?;
        self.streams.update(id, |stream| {
            if let Some(held) = &mut stream.held {
                held.data.extend_from_slice(bytes);
            }
        });
        Ok(())
    }

    /// True if the end is kept back with the rest.
    pub(super) fn hold_end(&mut self, id: u32) -> bool {
        let held = self.streams.update(id, |stream| {
            stream.held.as_mut().map(|held| held.end = true).is_some()
        });
        held.unwrap_or(false)
    }

    /// Room for `more` bytes? If not, the stream is answered "not handled" and is gone.
    fn check_held(&mut self, shared: &mut Shared, id: u32, more: usize) -> Result<(), SendError> {
        let stream = self
            .streams
            .get(id)
            .and_then(|stream| stream.held.as_ref())
            .map_or(0, |held| held.byte_len());
        let link = self.streams.counts().held_bytes;
        for (bytes, max) in [
            (stream, shared.limits.held_stream_bytes_max),
            (link, shared.limits.held_link_bytes_max),
        ] {
            if bytes + more > max {
                self.streams.remove(id);
                self.send_refusal(shared, id);
                return Err(SendError::HeldTooMuch { max });
            }
        }
        Ok(())
    }

    /// What is kept back goes out.
    pub(super) fn release_held(&mut self, shared: &mut Shared, id: u32) {
        let Some(Some(held)) = self.streams.update(id, |stream| {
            let held = stream.held.take();
            if held.is_some() {
                stream.send = Send::Open;
            }
            held
        }) else {
            return;
        };
        let start = shared.out.begin(0);
        shared.out.message().extend_from_slice(&held.head);
        self.finish(shared, start);
        self.put_data(shared, id, &held.data);
        if held.end {
            self.end_direction(shared, id);
        }
    }

    /// The peer turned out to be one that reads at once.
    pub(super) fn release_all_held(&mut self, shared: &mut Shared) {
        for id in self.streams.held_ids() {
            self.release_held(shared, id);
        }
    }
}
