//! A node that relays: it answers requests for names that it does not offer itself by asking those that it is connected to. So
//! nodes that only dialed in, and cannot be dialed, are reached by others. The names are not announced; that the node relays is,
//! by [`RELAY_SERVICE`](flatend_codec::RELAY_SERVICE). The invariant that a change is likeliest to break: a request that nobody
//! answers ends. It never goes back to whoever asked, is told how often it was relayed, and a relay asks one other relay at most.

use std::sync::Arc;

use flatend_codec::{HeaderBlock, HeaderTooLarge, RELAY_SERVICE};

use super::carry::{carry, Carried};
use super::context::Context;
use super::handler_error::HandlerError;
use crate::call::CallRequest;
use crate::limits::RELAY_HOPS_MAX;
use crate::routing::ProviderKey;

/// The header that counts the nodes which relayed a request.
pub(super) const HOPS: &str = "flatend-relay-hops";

/// The header of an error that a relay made itself, with its sentence: no service has answered.
pub const RELAY_ERROR: &str = "flatend-relay-error";

/// Answers a request of `asker` for `names`.
///
/// # Errors
/// What the asker is told; a response that has begun is cut.
pub(super) async fn serve(
    context: Context,
    names: Arc<[String]>,
    asker: ProviderKey,
) -> Result<(), HandlerError> {
    let shard = context.shard().clone();
    let hops = hops_before(context.headers()).saturating_add(1);
    let deadline = context.deadline();
    let (headers, body, mut responder) = context.split();
    if hops > RELAY_HOPS_MAX {
        // It has gone round, and nobody on its way knows a provider: nobody has seen it.
        responder.refuse();
        return Ok(());
    }
    let has_body = !body.is_finished();
    let request = CallRequest {
        services: shard.relay_set(names),
        headers: counted(&headers, hops).map_err(HandlerError::from)?,
        extras: HeaderBlock::new(),
        has_body,
        // Only its sender knows; what nobody can have seen is sent elsewhere all the same.
        repeatable: false,
        hold_ms: None,
        max_in_flight: None,
        timeout_ms: None,
        deadline,
    };
    let call = shard.call_but(request, asker);
    let carried = carry(&call, None, has_body.then_some(body), &mut responder).await;
    drop(call);
    match carried {
        Carried::Answered => Ok(responder.finish()?),
        Carried::CallerGone => Ok(()),
        Carried::Cut(fault) => Err(HandlerError::new(fault.to_string())),
        Carried::NoAnswer(error) if error.is_unseen() => {
            responder.refuse();
            Ok(())
        }
        Carried::NoAnswer(error) => Err(HandlerError::of_relay(error.status(), error.to_string())),
    }
}

/// The names of a request that may be relayed.
pub(super) fn names<'a>(asked: impl Iterator<Item = &'a [u8]>) -> Option<Arc<[String]>> {
    let texts = asked.filter_map(|name| std::str::from_utf8(name).ok());
    // That a node relays is no service to be had from another.
    let names: Arc<[String]> = texts
        .filter(|name| *name != RELAY_SERVICE)
        .map(str::to_owned)
        .collect();
    (!names.is_empty()).then_some(names)
}

/// How many nodes have relayed it; a count that cannot be read is one that is too high.
fn hops_before(headers: &HeaderBlock) -> u32 {
    match headers.get(HOPS.as_bytes()) {
        None => 0,
        Some(text) => std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(u32::MAX),
    }
}

/// The same headers in their order, with the new count as the last.
fn counted(headers: &HeaderBlock, hops: u32) -> Result<HeaderBlock, HeaderTooLarge> {
    let mut all = HeaderBlock::with_room(headers.byte_len() + 32);
    for (name, value) in headers.iter() {
        if name != HOPS.as_bytes() {
            all.push(name, value)?;
        }
    }
    all.push(HOPS.as_bytes(), hops.to_string().as_bytes())?;
    Ok(all)
}

/// Makes the handler of one such request.
pub(super) fn handler(
    names: Arc<[String]>,
    asker: ProviderKey,
) -> impl Fn(Context) -> super::handlers::HandlerFuture {
    move |context| Box::pin(serve(context, names.clone(), asker))
}

/// What it is called in the log.
pub(super) fn label(names: &[String]) -> Arc<str> {
    Arc::from(names.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> HeaderBlock {
        let mut block = HeaderBlock::new();
        for (name, value) in pairs {
            block
                .push(name.as_bytes(), value.as_bytes())
                .expect("it fits");
        }
        block
    }

    #[test]
    fn hops_are_counted_once_and_nonsense_counts_as_too_many() {
        assert_eq!(hops_before(&with(&[("a", "1")])), 0);
        assert_eq!(hops_before(&with(&[(HOPS, "7")])), 7);
        for text in ["", "-1", "x", "4294967296"] {
            assert_eq!(hops_before(&with(&[(HOPS, text)])), u32::MAX, "{text}");
        }
        let block = with(&[("a", "1"), (HOPS, "3"), ("a", "2"), (HOPS, "9")]);
        let counted = counted(&block, 4).expect("it fits");
        let expected: [(&[u8], &[u8]); 3] = [(b"a", b"1"), (b"a", b"2"), (HOPS.as_bytes(), b"4")];
        assert!(counted.iter().eq(expected));
    }

    #[test]
    fn the_mark_of_a_relay_is_never_asked_for() {
        let mark = RELAY_SERVICE.as_bytes();
        assert!(names([mark, b"\xff"].into_iter()).is_none());
        let left = names([mark, b"a"].into_iter()).expect("one is left");
        assert_eq!(*left, ["a"]);
    }
}
