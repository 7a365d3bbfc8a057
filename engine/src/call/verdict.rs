//! What the course of a try says about its provider: what is a failure of whose, and when it is known. Told to the provider's
//! repute once a try; a response that breaks after it was taken for good is the one that counts twice. The invariant: what
//! our own client or we ourselves spoil is held against no provider.

use std::task::{Context, Poll};

use flatend_codec::HeaderBlock;

use super::attempt::Attempt;
use super::pick::Chosen;
use super::Call;
use crate::error::{CallError, Fault};
use crate::routing::{Failure, LinkRef};
use crate::rt;
use crate::shard::ProviderState;

/// What a try has said about its provider so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing: there is no head yet.
    Open,
    /// A good head came; what follows may still be bad.
    Head,
    /// It went well.
    Good,
    /// It failed.
    Bad,
}

impl Call {
    /// As the response's `poll_head`; takes note of the head.
    pub(super) fn poll_head(
        &self,
        attempt: &Attempt,
        cx: &Context<'_>,
    ) -> Poll<Result<HeaderBlock, Fault>> {
        let polled = attempt.inbound.poll_head(cx);
        if let Poll::Ready(Ok(headers)) = &polled {
            match failed_status(headers) {
                Some(status) => self.note_failure_of(attempt, Failure::Status(status)),
                None => {
                    attempt.verdict.set(Verdict::Head);
                    let mut repute = attempt.state.repute.borrow_mut();
                    repute.head(attempt.begun, rt::now_us());
                }
            }
        }
        polled
    }

    /// The head goes to the caller. A body that is still on its way may last for hours: the head is what counts then.
    pub(super) fn note_streaming(&self, attempt: &Attempt) {
        if !attempt.inbound.has_ended() {
            self.note_success_of(attempt);
        }
    }

    /// The call is over.
    pub(super) fn note_end(&self, attempt: &Attempt) {
        self.note_success_of(attempt);
    }

    pub(super) fn note_timeout(&self, attempt: &Attempt) {
        self.note_failure_of(attempt, Failure::TimedOut);
    }

    /// The stream broke, before the response or within it.
    pub(super) fn note_fault(&self, attempt: &Attempt, fault: &Fault) {
        if attempt.verdict.get() == Verdict::Bad {
            return;
        }
        if *fault == Fault::Refused && self.request.services.is_through_relays() {
            // It reaches nobody that offers the name; of its own services that says nothing.
            return attempt.verdict.set(Verdict::Bad);
        }
        match blame(fault) {
            Some(failure) if counts(&attempt.state, attempt.link, failure) => {
                self.note_failure_of(attempt, failure);
            }
            // Known already, or nobody's fault: neither good nor bad.
            Some(_) => attempt.verdict.set(Verdict::Bad),
            None => {}
        }
    }

    /// The stream could not even be opened.
    pub(super) fn note_not_opened(&self, chosen: &Chosen, error: &CallError) {
        let failure = match error {
            CallError::Broken(fault) => blame(fault),
            CallError::Refused => Some(Failure::Refused),
            CallError::BadResponse(_) => Some(Failure::Malformed),
            CallError::TimedOut => Some(Failure::TimedOut),
            CallError::NoProvider
            | CallError::Saturated
            | CallError::OverBudget { .. }
            | CallError::ConnectionsInUse { .. }
            | CallError::Unsendable { .. }
            | CallError::HeadTooLarge { .. } => None,
        };
        let state = &chosen.state;
        if let Some(failure) = failure.filter(|&it| counts(state, chosen.through.link(), it)) {
            let now_us = rt::now_us();
            let change = state
                .repute
                .borrow_mut()
                .failed(chosen.begun, now_us, failure);
            if let Some(change) = change {
                self.shard.report_change(state, change);
            }
        }
    }

    /// The caller found that the response cannot be used: it breaks a rule that the call knows nothing of.
    pub fn blame_provider(&self) {
        if let Some(attempt) = &self.state.borrow().attempt {
            self.note_failure_of(attempt, Failure::Malformed);
        }
    }

    fn note_success_of(&self, attempt: &Attempt) {
        if attempt.verdict.get() == Verdict::Head {
            attempt.verdict.set(Verdict::Good);
            let now_us = rt::now_us();
            let change = attempt
                .state
                .repute
                .borrow_mut()
                .succeeded(attempt.begun, now_us);
            if let Some(change) = change {
                self.shard.report_change(&attempt.state, change);
            }
        }
    }

    fn note_failure_of(&self, attempt: &Attempt, failure: Failure) {
        if attempt.verdict.replace(Verdict::Bad) == Verdict::Bad {
            return;
        }
        let now_us = rt::now_us();
        let change = attempt
            .state
            .repute
            .borrow_mut()
            .failed(attempt.begun, now_us, failure);
        if let Some(change) = change {
            self.shard.report_change(&attempt.state, change);
        }
    }
}

/// Whether a failure is to be counted: a link that is lost breaks all requests on it at once, and is one failure.
fn counts(state: &ProviderState, link: Option<LinkRef>, failure: Failure) -> bool {
    match (failure, link) {
        (Failure::Lost, Some(link)) => state.is_first_loss(link),
        _ => true,
    }
}

/// The provider's failure in a fault, if it is one of its own.
fn blame(fault: &Fault) -> Option<Failure> {
    match fault {
        Fault::LinkLost { .. } | Fault::LinkBroken(_) => Some(Failure::Lost),
        Fault::Refused => Some(Failure::Refused),
        Fault::Malformed(_) => Some(Failure::Malformed),
        Fault::Reset(_) => Some(Failure::GaveUp),
        Fault::NotOpened(error) => match &**error {
            CallError::Broken(fault) => blame(fault),
            _ => None,
        },
        // Our own client does not read; we go.
        Fault::RequestBroken(_)
        | Fault::Stalled
        | Fault::ShuttingDown
        | Fault::DeadlinePassed
        | Fault::BodyDropped => None,
    }
}

/// The status of a response by which a provider says itself that it failed.
fn failed_status(headers: &HeaderBlock) -> Option<u16> {
    match headers.get(b":status")? {
        b"502" => Some(502),
        b"503" => Some(503),
        b"504" => Some(504),
        _ => None,
    }
}
