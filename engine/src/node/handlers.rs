//! Handlers of services and the tasks that run them. A handler's future need not be `Send`; its panic costs its own
//! request alone.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use flatend_codec::{HeaderBlock, NodeId, StreamId};
use futures_lite::FutureExt;

use super::context::{Context, HandlerError};
use crate::mesh::Link;
use crate::rt;
use crate::shard::{Inbound, Shard};

type HandlerFuture = Pin<Box<dyn Future<Output = Result<(), HandlerError>>>>;

/// A service's handler: called once a request, on the shard that owns the link it came by.
pub(crate) type Handler = Arc<dyn Fn(Context) -> HandlerFuture + Send + Sync>;

/// The handlers of a node by name; one copy a shard.
#[derive(Clone, Default)]
pub(crate) struct Handlers(Arc<BTreeMap<String, Handler>>);

impl Handlers {
    pub(crate) fn new(handlers: BTreeMap<String, Handler>) -> Handlers {
        Handlers(Arc::new(handlers))
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Handler> {
        self.0.get(name)
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}

/// Boxes a handler.
pub(crate) fn boxed<F, Fut>(handler: F) -> Handler
where
    F: Fn(Context) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), HandlerError>> + 'static,
{
    Arc::new(move |context| Box::pin(handler(context)))
}

/// Runs a handler for one request, as a task of its own.
pub(crate) fn start_handler(
    shard: &Rc<Shard>,
    link: &Rc<Link>,
    stream: StreamId,
    handler: &Handler,
    headers: HeaderBlock,
    body: Rc<Inbound>,
    peer: Option<NodeId>,
) {
    let charge = HeadCharge::new(link, headers.byte_len());
    let context = Context::new(shard.clone(), link.clone(), stream, headers, body, peer);
    let reply = context.reply();
    let handler = handler.clone();
    rt::spawn(async move {
        let _charge = charge;
        // The handler's own call may panic too, before it returns a future.
        let outcome = AssertUnwindSafe(async move { handler(context).await })
            .catch_unwind()
            .await;
        let result = match outcome {
            Ok(result) => result,
            Err(panic) => {
                rt::report_panic(panic.as_ref());
                Err(HandlerError::new("the handler of this service panicked"))
            }
        };
        reply.conclude(result).await;
    });
}

/// Charges a request's head to its link while the handler runs.
struct HeadCharge {
    link: Rc<Link>,
    bytes: usize,
}

impl HeadCharge {
    fn new(link: &Rc<Link>, bytes: usize) -> HeadCharge {
        link.handler_head_bytes
            .set(link.handler_head_bytes.get() + bytes);
        HeadCharge {
            link: link.clone(),
            bytes,
        }
    }
}

impl Drop for HeadCharge {
    fn drop(&mut self) {
        self.link
            .handler_head_bytes
            .set(self.link.handler_head_bytes.get() - self.bytes);
    }
}
