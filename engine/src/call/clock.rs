//! The clock of a call's timeout: how long its provider may take to the head of the response. It runs while the provider owes
//! us, and only then: not while a request is held for one to come, and not while our caller still owes its body. A deadline of
//! the caller's own runs all the time, and is held against nobody.

use std::cell::Cell;
use std::future::Future;
use std::task::Poll;

use flatend_codec::Millis;

use super::{Call, CallRequest};
use crate::error::CallError;
use crate::limits::OUTLET_LOOK_MS;
use crate::rt::{self, Timer};

/// Since when the provider owes a response.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// A first provider was asked then.
    asked: Cell<Option<Millis>>,
    /// Our caller gave a piece of the body then, or its end.
    given: Cell<Millis>,
    /// The call ended because its provider took too long.
    provider_late: Cell<bool>,
}

/// What the clock shows.
enum Owes {
    /// The provider, until then.
    Provider(Millis),
    /// Somebody else: look again then.
    Other(Millis),
}

impl Clock {
    pub(super) fn asked(&self) {
        if self.asked.get().is_none() {
            self.asked.set(Some(rt::now()));
        }
    }

    pub(super) fn is_provider_late(&self) -> bool {
        self.provider_late.get()
    }

    pub(super) fn given(&self) {
        self.given.set(rt::now());
    }
}

impl Call {
    /// Awaits `work`, which leads to the head of the response, for as long as the provider may take and its caller waits.
    pub(super) async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        let CallRequest {
            timeout_ms,
            deadline,
            ..
        } = self.request;
        if timeout_ms.is_none() && deadline.is_none() {
            return work.await;
        }
        let timer = Timer::new();
        // When the provider is late, and when it is to be looked at again.
        let look = || {
            let owes = timeout_ms.map(|timeout_ms| self.owes(timeout_ms));
            let (late, again) = match owes {
                Some(Owes::Provider(late)) => (Some(late), Some(late)),
                Some(Owes::Other(again)) => (None, Some(again)),
                None => (None, None),
            };
            let again = again.into_iter().chain(deadline).min();
            (late, again.unwrap_or(Millis(u64::MAX)))
        };
        timer.set(look().1);
        let mut work = std::pin::pin!(work);
        std::future::poll_fn(|cx| {
            if let Poll::Ready(result) = work.as_mut().poll(cx) {
                return Poll::Ready(result);
            }
            while timer.poll(cx).is_ready() {
                let (now, (late, again)) = (rt::now(), look());
                if late.is_some_and(|late| late <= now) {
                    self.clock.provider_late.set(true);
                    return Poll::Ready(Err(CallError::TimedOut));
                }
                if deadline.is_some_and(|deadline| deadline <= now) {
                    return Poll::Ready(Err(self.too_late()));
                }
                timer.set(again);
            }
            Poll::Pending
        })
        .await
    }

    /// The caller's deadline has passed, whoever kept it waiting.
    fn too_late(&self) -> CallError {
        if self.clock.asked.get().is_none() {
            return CallError::NoProvider;
        }
        CallError::TimedOut
    }

    fn owes(&self, timeout_ms: u64) -> Owes {
        let state = self.state.borrow();
        let later = Millis(rt::now().0.saturating_add(timeout_ms.max(1)));
        let Some(asked) = self.clock.asked.get() else {
            return Owes::Other(later);
        };
        let Some(attempt) = &state.attempt else {
            // Between two tries: the next provider has what the first one left.
            let soon = rt::now().0.saturating_add(OUTLET_LOOK_MS);
            return Owes::Other(Millis(asked.0.saturating_add(timeout_ms).max(soon)));
        };
        if !state.body_done && attempt.has_room() {
            // What the provider has asked for so far was given.
            return Owes::Other(later);
        }
        let since = asked.max(self.clock.given.get());
        Owes::Provider(Millis(since.0.saturating_add(timeout_ms)))
    }
}
