//! Calls as a program makes them: body and response at once, everything read and checked.

use std::rc::Rc;

use flatend::rt;
use flatend::{Bytes, Call, CallError, CallRequest, Fault, HeaderBlock, Shard};

use super::body;
use super::node::TestNode;

/// How a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Without a response.
    Call(CallError),
    /// In the middle of the response.
    Cut(Fault),
}

/// A whole response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(have, _)| have == name);
        found.map(|(_, value)| &**value)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

/// A request without headers and body, that is not held.
pub(crate) fn request(shard: &Rc<Shard>, service: &str) -> CallRequest {
    CallRequest {
        services: shard.service_set([service]),
        headers: HeaderBlock::new(),
        extras: HeaderBlock::new(),
        has_body: false,
        repeatable: false,
        hold_ms: Some(0),
        max_in_flight: None,
        timeout_ms: Some(30_000),
        deadline: None,
    }
}

/// Text headers as a block.
pub(crate) fn headers(pairs: &[(&str, &str)]) -> HeaderBlock {
    let mut block = HeaderBlock::new();
    for (name, value) in pairs {
        block
            .push(name.as_bytes(), value.as_bytes())
            .expect("small headers");
    }
    block
}

/// A block as text pairs.
pub(crate) fn pairs(block: &HeaderBlock) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let pairs = block.iter().map(|(name, value)| (text(name), text(value)));
    pairs.collect()
}

/// Reads the rest of a response.
pub(crate) async fn rest(call: &Call) -> Result<Vec<u8>, Fault> {
    let mut all = Vec::new();
    while let Some(bytes) = call.data().await? {
        all.extend_from_slice(&bytes);
    }
    Ok(all)
}

/// Makes a call to its end.
pub(crate) async fn exchange(
    shard: &Rc<Shard>,
    request: CallRequest,
    body: &[u8],
) -> Result<Reply, Failure> {
    let call = shard.call(request);
    let send = async {
        for piece in body.chunks(64 * 1024) {
            if call.send(Bytes::copy_from_slice(piece)).await.is_err() {
                return;
            }
        }
        if !body.is_empty() {
            call.finish();
        }
    };
    let receive = async {
        let head = call.response().await.map_err(Failure::Call)?;
        let body = rest(&call).await.map_err(Failure::Cut)?;
        Ok(Reply {
            headers: pairs(&head),
            body,
        })
    };
    futures_lite::future::zip(send, receive).await.1
}

/// Calls a service without a body.
pub(crate) fn get(node: &TestNode, shard: usize, service: &'static str) -> Result<Reply, Failure> {
    node.run(shard, move |shard| async move {
        exchange(&shard, request(&shard, service), &[]).await
    })
}

/// Streams `len` pattern bytes through a service that sends them back, and checks each.
///
/// # Panics
/// When what comes back is not what was sent.
pub(crate) async fn stream_through(shard: &Rc<Shard>, service: &str, len: u64) {
    let call = shard.call(CallRequest {
        has_body: true,
        ..request(shard, service)
    });
    let send = async {
        let mut sent = 0;
        while sent < len {
            let piece = (len - sent).min(64 * 1024) as usize;
            call.send(body::bytes(sent, piece).into())
                .await
                .expect("the provider takes the body");
            sent += piece as u64;
            rt::yield_now().await;
        }
        call.finish();
    };
    let receive = async {
        call.response().await.expect("a response");
        let mut check = body::Checker::default();
        while let Some(bytes) = call.data().await.expect("a whole body") {
            check.take(&bytes);
        }
        assert_eq!(check.len, len);
        assert!(call.is_complete());
    };
    futures_lite::future::zip(send, receive).await;
}
