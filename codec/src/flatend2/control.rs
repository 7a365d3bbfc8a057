//! What a peer says of the link and not of a stream: grants of requests both ways, goodbye.

use super::message::{kind, Message};
use super::receive::Received;
use super::streams::Left;
use super::Link;
use crate::connection::Shared;
use crate::event::Event;
use crate::StreamId;

impl Link {
    pub(super) fn on_credit<'a>(&mut self, message: Message<'a>) -> Received<'a> {
        // More than 2⁶³ requests are never made.
        self.grants.ours = self
            .grants
            .ours
            .saturating_add(u64::from(message.amount()?));
        Ok(None)
    }

    pub(super) fn on_goodbye<'a>(
        &mut self,
        shared: &mut Shared,
        message: Message<'a>,
    ) -> Received<'a> {
        let (requests_taken, code, after_ms, reason) = message.goodbye()?;
        if std::mem::replace(&mut self.heard_goodbye, true) {
            // Said once; each look for unanswered requests is a scan.
            return Ok(None);
        }
        // Numbers go in steps of two, so the nth request of ours has the number first + 2 (n - 1).
        let first = 2 - self.next % 2;
        let beyond = requests_taken.saturating_mul(2).saturating_add(first);
        for id in self.streams.unanswered_from(beyond) {
            self.leave(shared, id);
            shared.events.push_back(Event::Refused {
                stream: StreamId(id),
            });
        }
        Ok(Some(Event::Goodbye {
            code,
            requests_taken,
            after_ms,
            reason,
        }))
    }

    /// A request of theirs that has ended makes room for another: granted in parcels, so that the grants cost little.
    pub(super) fn note_left(&mut self, shared: &mut Shared, left: Left) {
        if left != Left::Theirs {
            return;
        }
        self.grants.ended += 1;
        if self.said_goodbye
            || (self.grants.theirs > 0 && self.grants.ended < self.grants.theirs / 2)
        {
            return;
        }
        let granted = u32::try_from(self.grants.ended).unwrap_or(u32::MAX);
        self.grants.ended -= u64::from(granted);
        self.grants.theirs += u64::from(granted);
        self.put(shared, kind::CREDIT, 0, 0, 4, |out| {
            out.extend_from_slice(&granted.to_be_bytes());
        });
    }
}
