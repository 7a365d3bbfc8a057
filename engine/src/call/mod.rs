//! Calls: one request to whoever offers a service, with the choice of a provider, failover and replay in one place. The
//! gateway's bridge and the SDK use the same.

mod attempt;
mod budget;
mod pick;

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use flatend_codec::{HeaderBlock, Millis};

use crate::blocks::recycle;
use crate::error::{CallError, Fault};
use crate::limits::{
    REPLAY_BYTES_MAX, TRIES_MAX, WHOLE_RESPONSE_BYTES_MAX, WHOLE_RESPONSE_WAIT_MS,
};
use crate::rt::{self, Ticket, Timer, WaitQueue};
use crate::shard::{ServiceSet, Shard};
pub(crate) use attempt::not_opened;
use attempt::Attempt;
pub(crate) use budget::RetryBudget;
use pick::{Chosen, Tried};

/// What to call and how.
pub struct CallRequest {
    /// The names, in order of preference.
    pub services: Rc<ServiceSet>,
    /// Headers that the service must get.
    pub headers: HeaderBlock,
    /// Headers that are left out where the provider's frames cannot hold both.
    pub extras: HeaderBlock,
    /// A body follows with [`Call::send`] and [`Call::finish`]; otherwise the request ends with its head.
    pub has_body: bool,
    /// May be sent to a second provider although the first may have seen it (an idempotent method, or the caller's word).
    pub repeatable: bool,
    /// How long to wait for a provider, in milliseconds. `None`: 1.5 s if there was one within the last minute or the node
    /// is younger than 5 s, else not at all.
    pub hold_ms: Option<u64>,
    /// Requests of this shard that one provider may have outstanding.
    pub max_in_flight: Option<u32>,
    /// Time from now to the response's head, in milliseconds; `None`: for ever.
    pub timeout_ms: Option<u64>,
}

/// The provider takes no more of the request's body: it has answered already, or the stream is gone. What it answered can
/// still be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyRefused;

/// A call under way. Sending the body and awaiting the response may go on at once from one task (join the two futures).
/// Dropping it cancels the stream.
pub struct Call {
    shard: Rc<Shard>,
    request: CallRequest,
    state: RefCell<State>,
    changed: WaitQueue,
    ticket: Ticket,
}

struct State {
    attempt: Option<Attempt>,
    /// A response's head that waits for the rest of a small body.
    head: Option<HeaderBlock>,
    tried: Tried,
    /// Pieces of the body sent so far, while a second try is possible.
    replay: Option<Vec<Bytes>>,
    replay_bytes: usize,
    body_done: bool,
    responded: bool,
    failed: bool,
}

impl Shard {
    /// Starts a call. Nothing is sent before [`Call::response`] is polled.
    pub fn call(self: &Rc<Self>, request: CallRequest) -> Call {
        self.live_calls.set(self.live_calls.get() + 1);
        self.retry_budget.request();
        let body_done = !request.has_body;
        Call {
            shard: self.clone(),
            request,
            state: RefCell::new(State {
                attempt: None,
                head: None,
                tried: Tried::default(),
                replay: Some(Vec::new()),
                replay_bytes: 0,
                body_done,
                responded: false,
                failed: false,
            }),
            changed: WaitQueue::default(),
            ticket: Ticket::default(),
        }
    }
}

impl Call {
    /// The response's head, from whichever provider answered. Call it once.
    ///
    /// # Errors
    /// [`CallError`] when no provider can answer, or the request may not be repeated.
    pub async fn response(&self) -> Result<HeaderBlock, CallError> {
        let until = self
            .request
            .timeout_ms
            .map(|ms| Millis(rt::now().0.saturating_add(ms)));
        let first = match until {
            None => std::future::poll_fn(|cx| self.poll_first(cx)).await,
            Some(until) => {
                let timer = Timer::new();
                timer.set(until);
                std::future::poll_fn(|cx| match self.poll_first(cx) {
                    Poll::Pending => timer.poll(cx).map(|()| Some(Err(CallError::TimedOut))),
                    ready => ready,
                })
                .await
            }
        };
        let result = match first {
            Some(result) => result,
            // Rare, and large: in memory of its own, so that the usual call stays small.
            None => Box::pin(self.drive_until(until)).await,
        };
        let mut state = self.state.borrow_mut();
        state.replay = None;
        match result {
            Ok(_) => state.responded = true,
            Err(_) => state.failed = true,
        }
        drop(state);
        self.changed.wake_all();
        result
    }

    /// The usual way: the first provider answers, and whole. `None`: anything else, which [`Call::drive`] goes on with.
    fn poll_first(&self, cx: &Context<'_>) -> Poll<Option<Result<HeaderBlock, CallError>>> {
        if self.state.borrow().attempt.is_none() {
            if self.state.borrow().tried.tries > 0 {
                return Poll::Ready(None);
            }
            let Some(chosen) = self.choose_at_once() else {
                return Poll::Ready(None);
            };
            match self.open_on(chosen) {
                Ok(true) => {}
                Ok(false) => return Poll::Ready(None),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        let mut state = self.state.borrow_mut();
        let Some(attempt) = &state.attempt else {
            return Poll::Ready(None);
        };
        let fault = match std::task::ready!(attempt.inbound.poll_head(cx)) {
            Ok(headers) => {
                let whole = attempt.inbound.has_ended() || !self.awaits_whole(&state, &headers);
                let fault = attempt.inbound.fault();
                match fault {
                    None if whole => return Poll::Ready(Some(Ok(headers))),
                    None => {
                        state.head = Some(headers);
                        return Poll::Ready(None);
                    }
                    Some(fault) if self.awaits_whole(&state, &headers) => fault,
                    // It cannot be repeated: what there is goes on, and then the cut.
                    Some(_) => return Poll::Ready(Some(Ok(headers))),
                }
            }
            Err(fault) => fault,
        };
        drop(state);
        Poll::Ready(self.failed_over(fault).err().map(Err))
    }

    async fn drive_until(&self, until: Option<Millis>) -> Result<HeaderBlock, CallError> {
        match until {
            None => self.drive().await,
            Some(until) => {
                let left_ms = until.0.saturating_sub(rt::now().0);
                rt::timeout(left_ms, self.drive())
                    .await
                    .unwrap_or(Err(CallError::TimedOut))
            }
        }
    }

    async fn drive(&self) -> Result<HeaderBlock, CallError> {
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
                    Some(attempt) => attempt.inbound.poll_head(cx),
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

    /// Whether a response is awaited whole before it is passed on.
    fn awaits_whole(&self, state: &State, headers: &HeaderBlock) -> bool {
        self.request.repeatable && state.replay.is_some() && !is_event_stream(headers)
    }

    /// While the request may be repeated, a small response is awaited whole for a moment. The fault, if it broke meanwhile.
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
        loop {
            let chosen = self.choose().await?;
            if self.open_on(chosen)? {
                return Ok(());
            }
        }
    }

    /// Opens a stream at the chosen provider. `false`: it could not be opened there, and another may be tried.
    fn open_on(&self, chosen: Chosen) -> Result<bool, CallError> {
        let (provider, link) = (chosen.provider, chosen.link);
        let mut state = self.state.borrow_mut();
        state.tried.tries += 1;
        let end = state.body_done && state.replay.as_ref().is_some_and(Vec::is_empty);
        match Attempt::open(&self.shard, &self.request, chosen, end) {
            Ok(attempt) => {
                for bytes in state.replay.iter().flatten() {
                    attempt.send(bytes.clone()).ok();
                }
                if state.body_done && !end {
                    attempt.finish();
                }
                state.attempt = Some(attempt);
                drop(state);
                self.changed.wake_all();
                Ok(true)
            }
            Err(error) => {
                drop(state);
                self.note_failure(provider, link, error, false)?;
                Ok(false)
            }
        }
    }

    /// Decides after a fault whether another provider is tried: `Ok` goes on.
    fn failed_over(&self, fault: Fault) -> Result<(), CallError> {
        let mut state = self.state.borrow_mut();
        let Some(attempt) = state.attempt.take() else {
            return Err(CallError::Broken(fault));
        };
        let (provider, link) = (attempt.provider, attempt.link);
        drop(attempt);
        let whole = state.replay.is_some();
        drop(state);
        match fault {
            Fault::Refused if whole => self.note_failure(provider, link, CallError::Refused, true),
            Fault::NotOpened(error) if whole => self.note_failure(provider, link, *error, false),
            Fault::LinkLost { left } if whole && (!left || self.request.repeatable) => self
                .note_failure(
                    provider,
                    link,
                    CallError::Broken(Fault::LinkLost { left }),
                    false,
                ),
            // Not started, but the body cannot be sent again: unavailable, not broken.
            Fault::Refused => Err(CallError::Refused),
            Fault::Malformed(what) => Err(CallError::BadResponse(what)),
            fault => Err(CallError::Broken(fault)),
        }
    }

    /// Remembers what does not work and gives the error back if there is no further try.
    fn note_failure(
        &self,
        provider: crate::routing::ProviderKey,
        link: crate::routing::LinkRef,
        error: CallError,
        whole_provider: bool,
    ) -> Result<(), CallError> {
        let mut state = self.state.borrow_mut();
        let tried = &mut state.tried;
        tried.links.push(link);
        if whole_provider || matches!(error, CallError::HeadTooLarge { .. }) {
            tried.providers.push(provider);
        }
        let last = tried.tries >= TRIES_MAX || !self.shard.retry_budget.retry();
        tried.error = Some(error.clone());
        if last {
            return Err(error);
        }
        Ok(())
    }

    /// Sends a piece of the request's body; waits while the provider's link is full or no provider is chosen yet.
    ///
    /// # Errors
    /// [`BodyRefused`]: stop sending; the response, if any, can still be read.
    pub async fn send(&self, bytes: Bytes) -> Result<(), BodyRefused> {
        std::future::poll_fn(|cx| self.poll_room(cx)).await?;
        let mut state = self.state.borrow_mut();
        state.replay_bytes += bytes.len();
        if state.replay_bytes > REPLAY_BYTES_MAX {
            state.replay = None;
        }
        if let Some(replay) = &mut state.replay {
            replay.push(bytes.clone());
        }
        let can_repeat = state.replay.is_some();
        match &state.attempt {
            Some(attempt) => match attempt.send(bytes) {
                Ok(()) => Ok(()),
                // The link is gone, but the next one gets what was kept.
                Err(BodyRefused) if can_repeat && !state.responded => Ok(()),
                Err(BodyRefused) => Err(BodyRefused),
            },
            None => Ok(()),
        }
    }

    fn poll_room(&self, cx: &Context<'_>) -> Poll<Result<(), BodyRefused>> {
        let state = self.state.borrow();
        if state.failed {
            return Poll::Ready(Err(BodyRefused));
        }
        match &state.attempt {
            Some(attempt) => attempt.poll_room(cx).map(Ok),
            None => {
                self.changed.park(cx, &self.ticket);
                Poll::Pending
            }
        }
    }

    /// Ends the request's body: it is complete.
    pub fn finish(&self) {
        let mut state = self.state.borrow_mut();
        state.body_done = true;
        if let Some(attempt) = &state.attempt {
            attempt.finish();
        }
    }

    /// The next piece of the response's body; `None` at its clean end. Only after [`Call::response`].
    ///
    /// # Errors
    /// A [`Fault`]: the body is cut, and must not be passed on as if it were whole.
    pub async fn data(&self) -> Result<Option<Bytes>, Fault> {
        std::future::poll_fn(|cx| self.poll_data(cx)).await
    }

    /// As [`Call::data`].
    pub fn poll_data(&self, cx: &Context<'_>) -> Poll<Result<Option<Bytes>, Fault>> {
        match &self.state.borrow().attempt {
            Some(attempt) => attempt.inbound.poll_chunk(cx),
            None => Poll::Ready(Ok(None)),
        }
    }

    /// A further piece of the response's body, if one is there already.
    pub fn try_data(&self) -> Option<Bytes> {
        self.state
            .borrow()
            .attempt
            .as_ref()
            .and_then(|attempt| attempt.inbound.take_chunk())
    }

    /// The bytes of the response's body that are left to read, if all of them have arrived.
    pub fn rest(&self) -> Option<usize> {
        self.state
            .borrow()
            .attempt
            .as_ref()
            .and_then(|attempt| attempt.inbound.rest())
    }

    /// Whether no more of the response will arrive.
    pub fn has_ended(&self) -> bool {
        self.state
            .borrow()
            .attempt
            .as_ref()
            .is_some_and(|attempt| attempt.inbound.has_ended())
    }

    /// Whether the response's body has been read to its clean end.
    pub fn is_complete(&self) -> bool {
        self.state
            .borrow()
            .attempt
            .as_ref()
            .is_some_and(|attempt| attempt.inbound.is_finished())
    }

    /// How many providers were tried so far.
    pub fn tries(&self) -> u32 {
        self.state.borrow().tried.tries
    }
}

/// Events are for now: they are not awaited whole.
fn is_event_stream(headers: &HeaderBlock) -> bool {
    let is_kind = |name: &[u8]| name.eq_ignore_ascii_case(b"content-type");
    headers
        .iter()
        .any(|(name, value)| is_kind(name) && value.starts_with(b"text/event-stream"))
}

impl Drop for Call {
    fn drop(&mut self) {
        self.shard.live_calls.set(self.shard.live_calls.get() - 1);
        recycle(std::mem::take(&mut self.request.headers));
        recycle(std::mem::take(&mut self.request.extras));
        // Dropping the attempt gives the stream up if it is not complete.
    }
}
