//! A request of the mesh that is answered by a call: to another node, or through an outlet. Both bodies stream at once; what
//! breaks off at one side is broken off at the other.

use std::future::Future;
use std::task::Poll;

use bytes::Bytes;
use flatend_codec::HeaderBlock;

use super::split::{RequestBody, Responder};
use crate::call::Call;
use crate::error::{CallError, Fault};

/// How a request ended that was carried on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carried {
    /// The response has been passed on whole: [`Responder::finish`] ends it.
    Answered,
    /// Nobody is left to answer, or the caller broke its body off.
    CallerGone,
    /// The response broke off after its head.
    Cut(Fault),
    /// There was no response.
    NoAnswer(CallError),
}

/// Carries a request on with `call`, and the response back. `body` is the request's rest, after `first`; `None` if the call was
/// made without a body.
pub async fn carry(
    call: &Call,
    first: Option<Bytes>,
    body: Option<RequestBody>,
    responder: &mut Responder,
) -> Carried {
    let mut uploaded = body.is_none();
    let mut uploading = std::pin::pin!(async {
        match body {
            None => Ok(()),
            Some(body) => upload(call, first, body).await,
        }
    });
    let mut responding = std::pin::pin!(respond(call, responder));
    std::future::poll_fn(|cx| {
        if !uploaded {
            match uploading.as_mut().poll(cx) {
                // A body that is not whole: the call is dropped, so nobody ever takes it for whole.
                Poll::Ready(Err(())) => return Poll::Ready(Carried::CallerGone),
                Poll::Ready(Ok(())) => uploaded = true,
                Poll::Pending => {}
            }
        }
        responding.as_mut().poll(cx)
    })
    .await
}

/// Sends the body on.
///
/// # Errors
/// The caller broke it off.
async fn upload(call: &Call, first: Option<Bytes>, mut body: RequestBody) -> Result<(), ()> {
    let mut next = first;
    loop {
        let bytes = match next.take() {
            Some(bytes) => Some(bytes),
            None => body.read().await.map_err(drop)?,
        };
        match bytes {
            Some(bytes) => {
                if call.send(bytes).await.is_err() {
                    // No more is wanted; the answer counts.
                    return Ok(());
                }
            }
            None => {
                call.finish_with(body.trailers());
                return Ok(());
            }
        }
    }
}

async fn respond(call: &Call, responder: &mut Responder) -> Carried {
    match head(call, responder).await {
        None => return Carried::CallerGone,
        Some(Err(error)) => return Carried::NoAnswer(error),
        Some(Ok(headers)) => {
            if responder.set_headers(headers).is_err() {
                return Carried::CallerGone;
            }
        }
    }
    let mut first = call.try_data();
    // A body that is late does not hold its head up.
    if first.is_none() && !call.has_ended() && responder.start().is_err() {
        return Carried::CallerGone;
    }
    loop {
        let piece = match first.take() {
            Some(bytes) => Some(Ok(Some(bytes))),
            None => next(call, responder).await,
        };
        match piece {
            Some(Ok(Some(bytes))) => {
                if responder.write(&bytes).await.is_err() {
                    return Carried::CallerGone;
                }
            }
            Some(Ok(None)) => {
                responder.set_trailers(call.trailers());
                return Carried::Answered;
            }
            Some(Err(fault)) => return Carried::Cut(fault),
            None => return Carried::CallerGone,
        }
    }
}

/// The head of the response; `None` if the caller goes first.
async fn head(call: &Call, responder: &Responder) -> Option<Result<HeaderBlock, CallError>> {
    let mut response = std::pin::pin!(call.response());
    let mut gone = std::pin::pin!(responder.caller_gone());
    std::future::poll_fn(|cx| {
        if let Poll::Ready(result) = response.as_mut().poll(cx) {
            return Poll::Ready(Some(result));
        }
        gone.as_mut().poll(cx).map(|()| None)
    })
    .await
}

/// The next piece of the response; `None` if the caller goes first.
async fn next(call: &Call, responder: &Responder) -> Option<Result<Option<Bytes>, Fault>> {
    if let Some(bytes) = call.try_data() {
        return Some(Ok(Some(bytes)));
    }
    let mut gone = std::pin::pin!(responder.caller_gone());
    std::future::poll_fn(|cx| {
        if let Poll::Ready(result) = call.poll_data(cx) {
            return Poll::Ready(Some(result));
        }
        gone.as_mut().poll(cx).map(|()| None)
    })
    .await
}
