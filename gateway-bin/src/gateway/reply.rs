//! From a service's response to HTTP: `:status` becomes the status, everything is validated, the body streams in bursts.

use flatend::{Call, HeaderBlock};
use flatend_http::headers::NOCACHE;
use flatend_http::server::{Exchange, SendError};
use flatend_http::ResponseError;
use futures_lite::FutureExt;

/// How a response ended.
pub(super) enum Ended {
    /// Whole.
    Complete,
    /// The head cannot be sent: nothing was, so another answer may be.
    Unusable(String),
    /// Cut on the service's side, or it broke its own content-length: the client must see a cut.
    Cut,
    /// The client is gone.
    ClientGone,
}

/// Sends the head, then the body as it comes. Flushes whenever there is no more to read.
pub(super) async fn send(
    exchange: &Exchange<'_>,
    call: &Call,
    headers: &HeaderBlock,
    request_id: &str,
    nocache: bool,
    takes_trailers: bool,
) -> Ended {
    let status = match status(headers) {
        Ok(status) => status,
        Err(what) => return Ended::Unusable(what),
    };
    // A body that is all here needs no chunks. The answer to HEAD says nothing of the length that GET would have.
    let declared = headers.get(b"content-length").is_some();
    // Trailers stand behind chunks alone.
    let chunked = takes_trailers && call.has_trailers();
    let body_bytes = call
        .rest()
        .filter(|_| !declared && !chunked && !exchange.facts().is_head)
        .map(|bytes| bytes as u64);
    if let Err(SendError::Invalid(error)) =
        exchange.send_head(status, body_bytes, request_id, fields(headers, nocache))
    {
        return Ended::Unusable(describe(&error));
    }
    if exchange.facts().is_head || matches!(status, 204 | 205 | 304) {
        // Nobody gets the body, so nobody waits for its end: dropping the call has it thrown away.
        return finish(exchange, None).await;
    }
    let trailers = takes_trailers.then_some(call);
    // Nearly every response is small and all here.
    if queue_ready(exchange, call).is_err() {
        return Ended::Cut;
    }
    if call.is_complete() {
        return finish(exchange, trailers).await;
    }
    // In memory of its own, so that the usual answer stays small.
    Box::pin(stream(exchange, call, trailers)).await
}

/// The fields of the response.
pub(super) fn fields(
    headers: &HeaderBlock,
    nocache: bool,
) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
    let ours = if nocache { &NOCACHE[..] } else { &[] };
    headers
        .iter()
        .filter(move |(name, _)| *name != b":status" && !(nocache && is_cache_field(name)))
        .chain(
            ours.iter()
                .map(|(name, value)| (name.as_bytes(), value.as_bytes())),
        )
}

/// Queues the pieces that are there, until enough wait for a flush.
fn queue_ready(exchange: &Exchange<'_>, call: &Call) -> Result<(), SendError> {
    while !exchange.wants_flush() {
        let Some(bytes) = call.try_data() else { break };
        exchange.queue_data(bytes)?;
    }
    Ok(())
}

/// Sends the rest of a body as it comes.
async fn stream(exchange: &Exchange<'_>, call: &Call, trailers: Option<&Call>) -> Ended {
    loop {
        match next(exchange, call).await {
            Ok(Some(bytes)) => {
                let queued = exchange.queue_data(bytes);
                if queued.and_then(|()| queue_ready(exchange, call)).is_err() {
                    return Ended::Cut;
                }
                if call.is_complete() {
                    return finish(exchange, trailers).await;
                }
                if exchange.flush().await.is_err() {
                    return Ended::ClientGone;
                }
            }
            Ok(None) => return finish(exchange, trailers).await,
            Err(Lost::Service) => {
                // What arrived is sent on, so that the client has what there is; then the cut.
                exchange.flush().await.ok();
                return Ended::Cut;
            }
            Err(Lost::Client) => return Ended::ClientGone,
        }
    }
}

/// Ends the response, with the trailers of the call if the client takes them.
async fn finish(exchange: &Exchange<'_>, trailers: Option<&Call>) -> Ended {
    let finished = match trailers.filter(|call| call.has_trailers()) {
        Some(call) => exchange.finish_with(call.trailers().iter()),
        None => exchange.finish(),
    };
    if finished.is_err() {
        exchange.flush().await.ok();
        return Ended::Cut;
    }
    match exchange.flush().await {
        Ok(()) => Ended::Complete,
        Err(_) => Ended::ClientGone,
    }
}

enum Lost {
    Service,
    Client,
}

/// The next piece. A head that waits alone is flushed first: a slow body must not hold it back.
async fn next(exchange: &Exchange<'_>, call: &Call) -> Result<Option<bytes::Bytes>, Lost> {
    if exchange.wants_flush() {
        exchange.flush().await.map_err(|_| Lost::Client)?;
    }
    if let Some(bytes) = call.try_data() {
        return Ok(Some(bytes));
    }
    if !call.has_ended() {
        exchange.flush().await.map_err(|_| Lost::Client)?;
    }
    let data = async { call.data().await.map_err(|_| Lost::Service) };
    data.or(async {
        exchange.left().await;
        Err(Lost::Client)
    })
    .await
}

/// The HTTP status that the service asked for; 200 if it did not.
pub(super) fn status(headers: &HeaderBlock) -> Result<u16, String> {
    let Some(value) = headers.get(b":status") else {
        return Ok(200);
    };
    let parsed = std::str::from_utf8(value)
        .ok()
        .filter(|text| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit()));
    match parsed.and_then(|text| text.parse().ok()) {
        Some(status @ 200..=599) => Ok(status),
        _ => Err(format!(
            "its :status is '{}', which is no number from 200 to 599",
            String::from_utf8_lossy(value).escape_debug()
        )),
    }
}

fn describe(error: &ResponseError) -> String {
    let text = error.to_string();
    text.trim_end_matches('.').to_owned()
}

fn is_cache_field(name: &[u8]) -> bool {
    [
        "cache-control",
        "pragma",
        "expires",
        "etag",
        "last-modified",
    ]
    .iter()
    .any(|field| name.eq_ignore_ascii_case(field.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(value: &[u8]) -> HeaderBlock {
        let mut headers = HeaderBlock::new();
        headers.push(b":status", value).expect("it fits");
        headers
    }

    #[test]
    fn statuses_are_three_digits_from_200_to_599() {
        assert_eq!(status(&HeaderBlock::new()), Ok(200));
        assert_eq!(status(&block(b"200")), Ok(200));
        assert_eq!(status(&block(b"599")), Ok(599));
        for bad in [
            &b"199"[..],
            b"600",
            b"2000",
            b"+20",
            b" 200",
            b"",
            b"20x",
            b"101",
            b"\xff00",
        ] {
            assert!(status(&block(bad)).is_err(), "{bad:?}");
        }
    }
}
