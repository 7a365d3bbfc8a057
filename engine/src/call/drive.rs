//! From a request to the head of its response: the usual way without a task's detours, and the loop that goes on with another
//! provider where the first did not answer. What may be repeated is decided here and nowhere else (docs/http.md, Statuses).

use std::task::{Context, Poll};

use flatend_codec::HeaderBlock;

use super::attempt::Attempt;
use super::pick::Chosen;
use super::{Call, State};
use crate::error::{CallError, Fault};
use crate::limits::{BROKEN_LINK_TRIES_MAX, WHOLE_RESPONSE_BYTES_MAX, WHOLE_RESPONSE_WAIT_MS};
use crate::routing::ProviderKey;
use crate::rt;

/// What came of opening a stream.
enum Opened {
    Yes,
    /// It could not be opened there, and another may be tried.
    Elsewhere,
    /// This shard has no room for what the response may bring.
    NoRoom(CallError),
}

impl Call {
    /// The usual way: the first provider answers, and whole. `None`: anything else, which [`Call::drive`] goes on with.
    pub(super) fn poll_first(
        &self,
        cx: &Context<'_>,
    ) -> Poll<Option<Result<HeaderBlock, CallError>>> {
        if self.state.borrow().attempt.is_none() {
            if self.state.borrow().tried.tries > 0 {
                return Poll::Ready(None);
            }
            let Some(chosen) = self.choose_at_once() else {
                return Poll::Ready(None);
            };
            match self.open_on(chosen) {
                Ok(Opened::Yes) => {}
                Ok(Opened::Elsewhere | Opened::NoRoom(_)) => return Poll::Ready(None),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        let mut state = self.state.borrow_mut();
        let Some(attempt) = &state.attempt else {
            return Poll::Ready(None);
        };
        let fault = match std::task::ready!(self.poll_head(attempt, cx)) {
            Ok(headers) => {
                let awaits_whole = self.awaits_whole(&state, &headers);
                match attempt.inbound.fault() {
                    Some(fault) if awaits_whole => fault,
                    None if awaits_whole && !attempt.inbound.has_ended() => {
                        state.head = Some(headers);
                        return Poll::Ready(None);
                    }
                    // Whole, or it cannot be repeated: what there is goes on, and then the cut if it is one.
                    _ => return Poll::Ready(Some(Ok(headers))),
                }
            }
            Err(fault) => fault,
        };
        drop(state);
        Poll::Ready(self.failed_over(fault).err().map(Err))
    }

    pub(super) async fn drive(&self) -> Result<HeaderBlock, CallError> {
        loop {
            if self.state.borrow().attempt.is_none() {
                self.open().await?;
            }
            let head = std::future::poll_fn(|cx| {
                let mut state = self.state.borrow_mut();
                if let Some(headers) = state.head.take() {
                    return Poll::Ready(Ok(headers));
                }
                match &state.attempt {
                    Some(attempt) => self.poll_head(attempt, cx),
                    None => Poll::Ready(Err(Fault::LinkLost { left: false })),
                }
            });
            match head.await {
                Ok(headers) => match self.broken_before_whole(&headers).await {
                    None => return Ok(headers),
                    Some(fault) => self.failed_over(fault)?,
                },
                Err(fault) => self.failed_over(fault)?,
            }
        }
    }

    /// Whether a response is awaited whole before it is passed on. Old peers write it in several frames: one that is killed
    /// between them has answered nobody if the request can be repeated, and if not, or all of it has left, its sender
    /// gets a status that says what happened instead of a response cut off. On flatend/2 a small response is one frame.
    fn awaits_whole(&self, state: &State, headers: &HeaderBlock) -> bool {
        let repeated = self.request.repeatable && state.replay.is_some();
        let waits = match state.tried.at {
            Some((ProviderKey::Public(_) | ProviderKey::Anonymous(_), _)) => {
                repeated || state.body_done
            }
            Some((ProviderKey::Outlet(_), _)) => repeated,
            Some((ProviderKey::Instance { .. }, _)) | None => false,
        };
        waits && !is_event_stream(headers)
    }

    /// A small response is awaited whole for a moment. The fault, if it broke meanwhile.
    async fn broken_before_whole(&self, headers: &HeaderBlock) -> Option<Fault> {
        if !self.awaits_whole(&self.state.borrow(), headers) {
            return None;
        }
        let inbound = self
            .state
            .borrow()
            .attempt
            .as_ref()
            .map(|attempt| attempt.inbound.clone())?;
        if !inbound.has_ended() {
            let whole = std::future::poll_fn(|cx| inbound.poll_whole(cx, WHOLE_RESPONSE_BYTES_MAX));
            // A response that takes longer is passed on as it comes.
            rt::timeout(WHOLE_RESPONSE_WAIT_MS, whole).await.ok();
        }
        inbound.fault()
    }

    /// Chooses a provider, opens a stream there and sends what of the body was sent before.
    async fn open(&self) -> Result<(), CallError> {
        let mut room = None;
        loop {
            // Room that was waited for is used at once, or it is the next one's: nobody waits for a provider with it.
            let at_once = room.as_ref().and_then(|_| self.choose_at_once());
            let chosen = match at_once {
                Some(chosen) => chosen,
                None => {
                    drop(room.take());
                    self.choose().await?
                }
            };
            let opened = self.open_on(chosen);
            drop(room.take());
            match opened? {
                Opened::Yes => return Ok(()),
                Opened::Elsewhere => {}
                Opened::NoRoom(error) => room = Some(self.room_to_receive(error).await?),
            }
        }
    }

    /// Opens a stream at the chosen provider.
    fn open_on(&self, chosen: Chosen) -> Result<Opened, CallError> {
        let mut state = self.state.borrow_mut();
        state.tried.tries += 1;
        self.clock.asked();
        let end = state.body_done
            && state.trailers.count() == 0
            && state.replay.as_ref().is_some_and(Vec::is_empty);
        match Attempt::open(&self.shard, &self.request, &chosen, end) {
            Ok(attempt) => {
                for bytes in state.replay.iter().flatten() {
                    attempt.send(bytes.clone()).ok();
                }
                if state.body_done && !end {
                    attempt.finish(&state.trailers);
                }
                state.attempt = Some(attempt);
                state.tried.at = Some((chosen.key, chosen.through.link()));
                drop(state);
                self.changed.wake_all();
                Ok(Opened::Yes)
            }
            Err(error @ CallError::OverBudget { .. }) => {
                // Nobody was asked: it is no try.
                state.tried.tries -= 1;
                Ok(Opened::NoRoom(error))
            }
            Err(error) => {
                self.note_not_opened(&chosen, &error);
                state.last = Some(chosen.state);
                state.tried.at = Some((chosen.key, chosen.through.link()));
                drop(state);
                self.note_failure(error, false)?;
                Ok(Opened::Elsewhere)
            }
        }
    }

    /// Decides after a fault whether another provider is tried: `Ok` goes on.
    fn failed_over(&self, fault: Fault) -> Result<(), CallError> {
        let mut state = self.state.borrow_mut();
        let Some(attempt) = state.attempt.take() else {
            return Err(CallError::Broken(fault));
        };
        self.note_fault(&attempt, &fault);
        state.last = Some(attempt.state.clone());
        drop(attempt);
        let whole = state.replay.is_some();
        drop(state);
        match fault {
            Fault::Refused if whole => self.note_failure(CallError::Refused, true),
            Fault::NotOpened(error) if whole => self.note_failure(*error, false),
            Fault::LinkLost { left } if whole && (!left || self.request.repeatable) => {
                self.note_failure(CallError::Broken(Fault::LinkLost { left }), false)
            }
            // What made one provider break the rules may well do the same to the next: once more, and not again.
            Fault::LinkBroken(_)
                if whole && self.request.repeatable && self.tries() < BROKEN_LINK_TRIES_MAX =>
            {
                self.note_failure(CallError::Broken(fault), false)
            }
            Fault::RequestBroken(why) => Err(CallError::Unsendable { status: 400, why }),
            // Not started, but the body cannot be sent again: unavailable, not broken.
            Fault::Refused => Err(CallError::Refused),
            Fault::Malformed(what) => Err(CallError::BadResponse(what)),
            fault => Err(CallError::Broken(fault)),
        }
    }

    /// Remembers what does not work and gives the error back if there is no further try.
    fn note_failure(&self, error: CallError, whole_provider: bool) -> Result<(), CallError> {
        let mut state = self.state.borrow_mut();
        let tried = &mut state.tried;
        // Another link to the same provider would take it no better.
        let hopeless = matches!(
            error,
            CallError::HeadTooLarge { .. } | CallError::Unsendable { .. }
        );
        let whole_provider = whole_provider || hopeless;
        match tried.at.take() {
            Some((provider, Some(link))) if !whole_provider => {
                tried.links.push(link);
                tried.shaky.push(provider);
            }
            Some((provider, _)) => {
                tried.providers.push(provider);
                if matches!(error, CallError::Broken(Fault::LinkLost { left: false })) {
                    tried.unreached.push(provider);
                }
            }
            None => {}
        }
        let made = tried.tries - tried.unsent;
        let last = made >= self.request.services.tries_max() || !self.shard.retry_budget.retry();
        tried.error = Some(error.clone());
        if last {
            return Err(error);
        }
        Ok(())
    }
}

/// Events are for now: they are not awaited whole.
fn is_event_stream(headers: &HeaderBlock) -> bool {
    let is_kind = |name: &[u8]| name.eq_ignore_ascii_case(b"content-type");
    headers
        .iter()
        .any(|(name, value)| is_kind(name) && value.starts_with(b"text/event-stream"))
}
