//! What becomes due on a link, rest included, and what is done then. Nothing here costs more than O(1) a request.

use super::liveness::Verdict;
use super::{Link, Phase, Question};
use crate::connection::Shared;
use crate::error::ProtocolError;
use crate::event::Event;
use crate::stream::Recv;
use crate::{Millis, StreamId};

impl Link {
    pub(crate) fn next_deadline(&self, shared: &Shared) -> Option<Millis> {
        let phase = match self.phase {
            Phase::AwaitHandshake | Phase::AwaitReply => Some(shared.handshake_due()),
            Phase::FirstWait { until } => Some(until),
            Phase::Up => None,
        };
        // While the socket may hold more, nobody is silent; the next empty read brings the deadline back.
        let silent = self
            .silent
            .next_due()
            .filter(|_| shared.clock.is_quiet())
            .and_then(|due| shared.clock.moment_of(due));
        let liveness = self
            .liveness
            .next_due(shared.clock.bytes_at())
            .and_then(|due| shared.clock.moment_of(due));
        let unwanted = self
            .unwanted
            .next_due()
            .and_then(|due| shared.clock.moment_of(due));
        let abandoned = self.abandoned.next_due();
        let look = self.rest.next_look();
        [phase, silent, liveness, abandoned, unwanted, look]
            .into_iter()
            .flatten()
            .min()
    }

    pub(crate) fn handle_timeout(
        &mut self,
        shared: &mut Shared,
        now: Millis,
    ) -> Result<(), ProtocolError> {
        match self.phase {
            Phase::AwaitHandshake | Phase::AwaitReply => shared.check_handshake_due(now)?,
            Phase::FirstWait { until } if now >= until => self.phase = Phase::Up,
            Phase::FirstWait { .. } | Phase::Up => {}
        }
        self.look_for_rest(shared, now);
        self.abandoned.handle_timeout(now);
        self.unwanted
            .handle_timeout(shared.clock.at(now), &mut self.streams);
        self.end_silent_responses(shared, now);
        self.check_liveness(shared, now)
    }

    /// At rest what the next message can make anew is given up.
    fn look_for_rest(&mut self, shared: &mut Shared, now: Millis) {
        if self.rest.look(now) {
            self.sealer.rest();
            self.opener.rest();
            self.streams.rest();
            self.rpc.rest();
            self.discarded.shrink_to_fit();
            self.lookups.rest(now);
            shared.rest();
        }
    }

    /// Rules G04, B02: no Data within a second, all that was sent having been read, means an empty body.
    fn end_silent_responses(&mut self, shared: &mut Shared, now: Millis) {
        if !shared.clock.is_quiet() {
            return;
        }
        let reading = shared.clock.at(now);
        while let Some(id) = self.silent.pop_due(reading, &self.streams) {
            if self.response_ended(shared, now, id, Recv::Assumed) {
                shared.events.push_back(Event::End {
                    stream: StreamId(u64::from(id)),
                });
            }
        }
    }

    /// Rule G10.
    fn check_liveness(&mut self, shared: &mut Shared, now: Millis) -> Result<(), ProtocolError> {
        let reading = shared.clock.at(now);
        let transmitted = shared.out.transmitted_total();
        match self
            .liveness
            .judge(reading, shared.clock.bytes_at(), transmitted)
        {
            Verdict::Fine => Ok(()),
            Verdict::Dead { for_ms } => Err(ProtocolError::PeerSilent { for_ms }),
            Verdict::Ask => {
                let target = shared.own_key.unwrap_or_default();
                let all_taken = shared.out.waiting_len() == 0;
                // With too many lookups unanswered already, those are the question.
                let _ = self.ask_nodes(shared, target, Question::Probe);
                // A question that leaves at once is no progress of the peer's.
                let mark = if all_taken {
                    shared.out.queued_total()
                } else {
                    transmitted
                };
                self.liveness.note_asked(reading, mark);
                Ok(())
            }
        }
    }

    pub(super) fn note_waiting(&mut self, shared: &Shared, now: Millis) {
        self.liveness
            .note_waiting(shared.clock.at(now), self.streams.counts().waiting > 0);
    }
}
