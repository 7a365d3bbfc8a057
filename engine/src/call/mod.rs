//! Calls: one request to whoever offers a service, with the choice of a provider, failover and replay in one place. The
//! gateway's bridge and the SDK use the same.

mod attempt;
mod budget;
mod clock;
mod drive;
mod outlet;
mod pick;
mod verdict;

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use flatend_codec::{HeaderBlock, Millis};

use crate::blocks::recycle;
use crate::client::ProviderInfo;
use crate::error::{CallError, Fault};
use crate::limits::{QUEUED_PIECE_BYTES, REPLAY_BYTES_MAX};
use crate::routing::{ProviderKey, ProviderName};
use crate::rt::{Ticket, WaitQueue};
use crate::shard::{ProviderState, ServiceSet, Shard};
pub(crate) use attempt::not_opened;
use attempt::Attempt;
pub(crate) use budget::RetryBudget;
use clock::Clock;
pub use outlet::{Outlet, OutletRequest, OutletStream, ResponseSink};
use pick::Tried;

/// What to call and how.
pub struct CallRequest {
    /// Whom to ask: names in order of preference, or outlets.
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
    /// is younger than 5 s, else not at all. For outlets `None` is not at all; longer, it waits for one that is well again.
    pub hold_ms: Option<u64>,
    /// Requests of this shard that one provider may have outstanding.
    pub max_in_flight: Option<u32>,
    /// How long the provider may take to the response's head, in milliseconds; `None`: for ever. Time in which the request is
    /// held for a provider, or the provider waits for more of the body, does not count.
    pub timeout_ms: Option<u64>,
    /// When the head must be there, whoever keeps the caller waiting; `None`: whenever it comes.
    pub deadline: Option<Millis>,
}

/// The provider takes no more of the request's body: it has answered already, or the stream is gone. What it answered can
/// still be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyRefused;

impl std::fmt::Display for BodyRefused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "the provider takes no more of the request's body; its response, if any, says why",
        )
    }
}

impl std::error::Error for BodyRefused {}

/// A call under way. Sending the body and awaiting the response may go on at once from one task (join the two futures).
/// Dropping it cancels the stream.
pub struct Call {
    shard: Rc<Shard>,
    request: CallRequest,
    state: RefCell<State>,
    clock: Clock,
    changed: WaitQueue,
    ticket: Ticket,
}

struct State {
    attempt: Option<Attempt>,
    /// A response's head that waits for the rest of a small body.
    head: Option<HeaderBlock>,
    tried: Tried,
    /// The provider of the last try, once that is over.
    last: Option<Rc<ProviderState>>,
    /// Pieces of the body sent so far, while a second try is possible.
    replay: Option<Vec<Bytes>>,
    replay_bytes: usize,
    body_done: bool,
    /// Headers behind the body.
    trailers: HeaderBlock,
    responded: bool,
    failed: bool,
}

impl Shard {
    /// Starts a call. Nothing is sent before [`Call::response`] is polled.
    pub fn call(self: &Rc<Self>, request: CallRequest) -> Call {
        self.retry_budget.request();
        let body_done = !request.has_body;
        Call {
            shard: self.clone(),
            request,
            state: RefCell::new(State {
                attempt: None,
                head: None,
                tried: Tried::default(),
                last: None,
                replay: Some(Vec::new()),
                replay_bytes: 0,
                body_done,
                trailers: HeaderBlock::new(),
                responded: false,
                failed: false,
            }),
            clock: Clock::default(),
            changed: WaitQueue::default(),
            ticket: Ticket::default(),
        }
    }
}

impl Shard {
    /// As [`Shard::call`], but never to the provider `not`.
    pub(crate) fn call_but(self: &Rc<Self>, request: CallRequest, not: ProviderKey) -> Call {
        let call = self.call(request);
        call.state.borrow_mut().tried.providers.push(not);
        call
    }
}

impl Call {
    /// The response's head, from whichever provider answered. Call it once.
    ///
    /// # Errors
    /// [`CallError`] when no provider can answer, or the request may not be repeated.
    pub async fn response(&self) -> Result<HeaderBlock, CallError> {
        let first = std::future::poll_fn(|cx| self.poll_first(cx).map(Ok));
        let result = match self.in_time(first).await {
            Ok(Some(result)) => result,
            // Rare, and large: in memory of its own, so that the usual call stays small.
            Ok(None) => Box::pin(self.in_time(self.drive())).await,
            Err(error) => Err(error),
        };
        let mut state = self.state.borrow_mut();
        state.replay = None;
        match &result {
            Ok(_) => state.responded = true,
            Err(error) => {
                state.failed = true;
                if let (true, Some(attempt)) = (self.clock.is_provider_late(), &state.attempt) {
                    debug_assert_eq!(*error, CallError::TimedOut);
                    self.note_timeout(attempt);
                }
            }
        }
        if let (true, Some(attempt)) = (state.responded, &state.attempt) {
            self.note_streaming(attempt);
        }
        drop(state);
        self.changed.wake_all();
        result
    }

    /// Sends a piece of the request's body; waits while the provider's link is full or no provider is chosen yet.
    ///
    /// # Errors
    /// [`BodyRefused`]: stop sending; the response, if any, can still be read.
    pub async fn send(&self, bytes: Bytes) -> Result<(), BodyRefused> {
        std::future::poll_fn(|cx| self.poll_room(cx)).await?;
        self.push(bytes)
    }

    /// As [`Call::send`], after [`Call::poll_room`] was ready.
    pub(crate) fn push(&self, bytes: Bytes) -> Result<(), BodyRefused> {
        self.clock.given();
        let mut state = self.state.borrow_mut();
        // Of this piece the first bytes may be the last that a provider takes before it has said anything: it is kept too.
        let kept = state.replay_bytes;
        state.replay_bytes += bytes.len() + QUEUED_PIECE_BYTES;
        // As long as nothing has left, all of it is kept: another provider is asked then, whatever the method.
        let may_have_left = state.attempt.as_ref().is_none_or(Attempt::is_open);
        if kept > REPLAY_BYTES_MAX && may_have_left {
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

    /// Ready when a piece of the body may be sent, or no more is taken.
    pub(crate) fn poll_room(&self, cx: &Context<'_>) -> Poll<Result<(), BodyRefused>> {
        let state = self.state.borrow();
        if state.failed {
            return Poll::Ready(Err(BodyRefused));
        }
        match &state.attempt {
            // Who was refused, or is lost, takes all that is pushed: it would be too much to keep for the next one.
            Some(attempt) if state.responded || attempt.inbound.fault().is_none() => {
                attempt.poll_room(cx).map(Ok)
            }
            _ => {
                self.changed.park(cx, &self.ticket);
                Poll::Pending
            }
        }
    }

    /// Ends the request's body: it is complete.
    pub fn finish(&self) {
        self.finish_with(HeaderBlock::new());
    }

    /// As [`Call::finish`], with headers behind the body. A provider on legacy and an outlet do not get them.
    pub fn finish_with(&self, trailers: HeaderBlock) {
        self.clock.given();
        let mut state = self.state.borrow_mut();
        state.body_done = true;
        state.trailers = trailers;
        if let Some(attempt) = &state.attempt {
            attempt.finish(&state.trailers);
        }
    }

    /// The headers behind the response's body, once all of it has arrived; none from a provider on legacy.
    pub fn trailers(&self) -> HeaderBlock {
        let state = self.state.borrow();
        let inbound = state.attempt.as_ref().map(|attempt| &attempt.inbound);
        inbound.map_or_else(HeaderBlock::new, |inbound| inbound.trailers())
    }

    /// Whether there are any.
    pub fn has_trailers(&self) -> bool {
        let state = self.state.borrow();
        let inbound = state.attempt.as_ref().map(|attempt| &attempt.inbound);
        inbound.is_some_and(|inbound| inbound.has_trailers())
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
            Some(attempt) => {
                let polled = attempt.inbound.poll_chunk(cx);
                if let Poll::Ready(Err(fault)) = &polled {
                    self.note_fault(attempt, fault);
                }
                polled
            }
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

    /// Who answers; `None` while nobody is asked.
    pub(crate) fn provider_info(&self) -> Option<ProviderInfo> {
        let state = self.state.borrow();
        let (key, _) = state.tried.at?;
        let name = state.attempt.as_ref()?.state.name();
        Some(ProviderInfo { key, name })
    }

    /// Who answered, or was tried last; `None` before the first try. Allocates nothing.
    pub fn provider(&self) -> Option<ProviderName> {
        let state = self.state.borrow();
        let attempt = state.attempt.as_ref().map(|attempt| &attempt.state);
        attempt.or(state.last.as_ref()).map(|state| state.name())
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        recycle(std::mem::take(&mut self.request.headers));
        recycle(std::mem::take(&mut self.request.extras));
        if let Some(attempt) = &self.state.borrow().attempt {
            self.note_end(attempt);
        }
        // Dropping the attempt gives the stream up if it is not complete.
    }
}
