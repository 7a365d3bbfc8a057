//! Services as a node offers them and as a shard runs them. A service is made once on each shard, so its handler may keep what
//! belongs to one core; a handler's future need not be `Send`, and its panic costs its own request alone.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use flatend_codec::{HeaderBlock, Millis, NodeId, StreamId};
use futures_lite::FutureExt;

use super::context::Context;
use super::events::NodeEvent;
use super::handler_error::HandlerError;
use super::relaying;
use super::reply::Reply;
use crate::mesh::Link;
use crate::routing::ProviderKey;
use crate::rt;
use crate::shard::{HandlerRuns, Inbound, Shard};

pub(super) type HandlerFuture = Pin<Box<dyn Future<Output = Result<(), HandlerError>>>>;

/// A service's handler on one shard.
type Handler = Box<dyn Fn(Context) -> HandlerFuture>;

/// Makes a service's handler on a shard, or says why not.
type Maker = Arc<dyn Fn(Rc<Shard>) -> Result<Handler, String> + Send + Sync>;

/// A service of a node: its name, and how each shard makes its handler.
#[derive(Clone)]
pub(crate) struct Service {
    pub(super) name: Arc<str>,
    make: Maker,
}

impl Service {
    /// One handler for all shards.
    pub(super) fn shared<F, Fut>(name: &str, handler: F) -> Service
    where
        F: Fn(Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), HandlerError>> + 'static,
    {
        let handler = Arc::new(handler);
        Service::per_shard(name, move |_| {
            let handler = handler.clone();
            Ok::<_, String>(move |context| handler(context))
        })
    }

    /// A handler of its own for each shard.
    pub(super) fn per_shard<M, F, Fut, E>(name: &str, make: M) -> Service
    where
        M: Fn(Rc<Shard>) -> Result<F, E> + Send + Sync + 'static,
        F: Fn(Context) -> Fut + 'static,
        Fut: Future<Output = Result<(), HandlerError>> + 'static,
        E: std::fmt::Display,
    {
        let make = move |shard| match make(shard) {
            Ok(handler) => {
                Ok(
                    Box::new(move |context| -> HandlerFuture { Box::pin(handler(context)) })
                        as Handler,
                )
            }
            Err(error) => Err(error.to_string()),
        };
        Service {
            name: name.into(),
            make: Arc::new(make),
        }
    }

    /// Makes the handler for `shard`; a panic in it is an error.
    fn made(&self, shard: &Rc<Shard>) -> Result<Rc<Running>, String> {
        let made = std::panic::catch_unwind(AssertUnwindSafe(|| (self.make)(shard.clone())));
        let handler = made.unwrap_or_else(|panic| {
            Err(format!("it panicked: {}", rt::count_panic(panic.as_ref())))
        });
        let running = handler.map(|handler| Running {
            name: self.name.clone(),
            handler,
        });
        running.map(Rc::new).map_err(|why| {
            format!(
                "the service '{}' cannot be made on shard {}: {why}",
                self.name, shard.index
            )
        })
    }
}

/// A service on one shard.
pub(crate) struct Running {
    name: Arc<str>,
    handler: Handler,
}

/// What answers a request for names that this node does not offer, if it relays and they can be asked for.
pub(crate) fn find_relay<'a>(
    shard: &Shard,
    names: impl Iterator<Item = &'a [u8]>,
    asker: ProviderKey,
) -> Option<Rc<Running>> {
    let names = shard.shared.relays.then(|| relaying::names(names))??;
    Some(Rc::new(Running {
        name: relaying::label(&names),
        handler: Box::new(relaying::handler(names, asker)),
    }))
}

/// The services of one shard by name.
#[derive(Default)]
pub(crate) struct Handlers(RefCell<HashMap<Arc<str>, Rc<Running>>>);

impl Handlers {
    pub(crate) fn find(&self, name: &str) -> Option<Rc<Running>> {
        self.0.borrow().get(name).cloned()
    }

    /// Makes `service` on `shard` and answers its requests from now on.
    pub(crate) fn add(&self, shard: &Rc<Shard>, service: &Service) -> Result<(), String> {
        let running = service.made(shard)?;
        self.0.borrow_mut().insert(service.name.clone(), running);
        Ok(())
    }

    /// Forgets a service; requests that run keep what they need of it.
    pub(crate) fn remove(&self, name: &str) {
        let service = self.0.borrow_mut().remove(name);
        drop_caught(service);
    }

    /// Forgets all services, and with them what they keep.
    pub(crate) fn clear(&self) {
        // Dropped after the borrow has ended: a service may do anything when it goes.
        let services = self.0.take();
        services.into_values().for_each(drop_caught);
    }
}

/// Drops what a service keeps, if nobody uses it any more. It is the user's, and must not take the shard along.
fn drop_caught<T>(service: T) {
    if let Err(panic) = std::panic::catch_unwind(AssertUnwindSafe(|| drop(service))) {
        rt::report_panic(panic.as_ref());
    }
}

/// Who asks, and until when an answer is wanted.
pub(crate) struct Caller {
    pub(crate) id: Option<NodeId>,
    pub(crate) deadline: Option<Millis>,
}

/// Runs a handler for one request, as a task of its own.
pub(crate) fn start_handler(
    shard: &Rc<Shard>,
    link: &Rc<Link>,
    stream: StreamId,
    service: Rc<Running>,
    headers: HeaderBlock,
    body: Rc<Inbound>,
    caller: Caller,
) {
    let charge = Charge::new(link, headers.byte_len());
    let reply = Rc::new(Reply::new(link.clone(), stream, &headers, body));
    let context = Context::new(
        shard.clone(),
        service.name.clone(),
        headers,
        caller,
        reply.clone(),
    );
    let runs = HandlerRuns(shard.clone());
    let shard = shard.clone();
    rt::spawn(async move {
        let _running = (charge, runs);
        // The handler's own call may panic too, before it returns a future.
        let outcome = AssertUnwindSafe(rt::hear(async { (service.handler)(context).await }))
            .catch_unwind()
            .await;
        let result = outcome.unwrap_or_else(|panic| {
            shard.emit(NodeEvent::HandlerPanicked {
                shard: shard.index,
                service: service.name.to_string(),
                what: rt::count_panic(panic.as_ref()),
            });
            Err(HandlerError::new("the handler of this service panicked"))
        });
        if let Some(what) = reply.conclude(result).await {
            let name = &service.name;
            shard.emit(NodeEvent::Trouble(format!(
                "The response of '{name}' is not what its handler announced: {what}."
            )));
        }
    });
}

/// Charges a request and its head to its link while the handler runs.
struct Charge {
    link: Rc<Link>,
    bytes: usize,
}

impl Charge {
    fn new(link: &Rc<Link>, bytes: usize) -> Charge {
        link.handlers.set(link.handlers.get() + 1);
        link.handler_head_bytes
            .set(link.handler_head_bytes.get() + bytes);
        Charge {
            link: link.clone(),
            bytes,
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let link = &self.link;
        link.handlers.set(link.handlers.get() - 1);
        link.handler_head_bytes
            .set(link.handler_head_bytes.get() - self.bytes);
    }
}
