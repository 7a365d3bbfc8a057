//! One request of the mesh, answered by a local HTTP server. Both bodies stream at once; what breaks off at one side is broken
//! off at the other.

use flatend::{
    carry, Bytes, CallError, CallRequest, Carried, Context, Fault, HandlerError, HeaderBlock,
    RequestBody,
};
use flatend_http::client::UpstreamHandle;
use flatend_http::h1::Method;

/// Answers a request, whose response must begin within `timeout_ms`.
///
/// # Errors
/// What the caller is told; a response that has begun is cut.
pub(super) async fn serve(
    upstream: UpstreamHandle,
    timeout_ms: Option<u64>,
    context: Context,
) -> Result<(), HandlerError> {
    let shard = context.shard().clone();
    let (headers, mut body, mut responder) = context.split();
    if !upstream.is_well() {
        responder.refuse();
        return Ok(());
    }
    let Some(first) = first_piece(&headers, &mut body).await else {
        // The caller broke off.
        return Ok(());
    };
    let repeatable = is_repeatable(headers.get(b":method"));
    let call = shard.call(CallRequest {
        services: upstream.set(&shard),
        headers,
        extras: HeaderBlock::new(),
        has_body: !matches!(first, First::NoBody),
        repeatable,
        hold_ms: Some(0),
        max_in_flight: None,
        timeout_ms,
        deadline: None,
    });
    let (first, body) = match first {
        First::NoBody => (None, None),
        First::Body(first) => (first, Some(body)),
    };
    let carried = carry(&call, first, body, &mut responder).await;
    drop(call);
    match carried {
        Carried::Answered => Ok(responder.finish()?),
        Carried::CallerGone => Ok(()),
        Carried::Cut(fault) => Err(HandlerError::new(fault.to_string())),
        Carried::NoAnswer(error) => match refusal(&error, repeatable) {
            None => {
                responder.refuse();
                Ok(())
            }
            Some((status, sentence)) => Err(HandlerError::with_status(status, sentence)),
        },
    }
}

/// How much of the body is known before the request goes out: HTTP must be told whether there is one.
enum First {
    NoBody,
    /// There may be one; this much of it came.
    Body(Option<Bytes>),
}

/// Looks whether the request has a body. `None`: the caller broke off.
async fn first_piece(headers: &HeaderBlock, body: &mut RequestBody) -> Option<First> {
    if body.is_finished() {
        return Some(First::NoBody);
    }
    let usually_has_one = matches!(headers.get(b":method"), Some(b"POST" | b"PUT" | b"PATCH"));
    match headers.as_ref().content_length() {
        Some(1..) => return Some(First::Body(None)),
        None if usually_has_one => return Some(First::Body(None)),
        _ => {}
    }
    // Its end comes with the head or right after it, if it has none.
    match body.read().await {
        Ok(None) => Some(First::NoBody),
        Ok(Some(bytes)) => Some(First::Body(Some(bytes))),
        Err(_) => None,
    }
}

/// Whether a request with this method may be asked twice; without one it is a plain call, about which nothing is known.
fn is_repeatable(method: Option<&[u8]>) -> bool {
    let token = method.and_then(|method| std::str::from_utf8(method).ok());
    token.is_some_and(|token| Method::new(token).is_idempotent())
}

/// Status and sentence for a request that got no answer; `None` to refuse it, so that another node is asked.
fn refusal(error: &CallError, repeatable: bool) -> Option<(u16, String)> {
    let sentence = match error {
        CallError::NoProvider
        | CallError::Refused
        | CallError::Saturated
        | CallError::OverBudget { .. }
        | CallError::ConnectionsInUse { .. } => return None,
        CallError::Broken(Fault::LinkLost { left }) if repeatable || !left => return None,
        CallError::Broken(Fault::LinkLost { .. }) => {
            "The server behind this service closed the connection before its response was complete."
                .to_owned()
        }
        CallError::TimedOut => {
            "The server behind this service sent no response within the `timeout` of its agent."
                .to_owned()
        }
        // Whose fault it is counts: a 502 would be held against this node by its callers.
        CallError::Unsendable { why, .. } => {
            format!("The request cannot be sent to the server behind this service: {why}.")
        }
        CallError::BadResponse(what) => {
            format!("The response of the server behind this service cannot be used: {what}.")
        }
        other => format!("The server behind this service broke off: {other}."),
    };
    Some((error.status(), sentence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_saw_or_what_may_be_asked_twice_goes_elsewhere() {
        let lost = |left| CallError::Broken(Fault::LinkLost { left });
        assert!(refusal(&CallError::NoProvider, false).is_none());
        assert!(refusal(&lost(false), false).is_none());
        assert!(refusal(&lost(true), true).is_none());
        assert!(matches!(refusal(&lost(true), false), Some((502, _))));
        assert!(matches!(
            refusal(&CallError::TimedOut, true),
            Some((504, _))
        ));
        let unsendable = CallError::Unsendable {
            status: 411,
            why: "x".to_owned(),
        };
        assert!(matches!(refusal(&unsendable, true), Some((411, _))));
        assert!(matches!(
            refusal(&CallError::BadResponse("x".to_owned()), true),
            Some((502, _))
        ));
        assert!(
            is_repeatable(Some(b"PUT")) && !is_repeatable(Some(b"POST")) && !is_repeatable(None)
        );
    }
}
