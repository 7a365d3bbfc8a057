//! The node from threads that are no shard: a tokio program, a thread pool, plain threads. Owns the ways in, one a shard, and the
//! bound on what may be under way through each. The invariant that a change is likeliest to break: a waker of a shard's task is
//! woken by its shard alone, which hears of everything through its mailbox.

mod alarm;
mod exchange;
mod open;
mod response;
mod serve;
mod submit;

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Instant;

pub(crate) use exchange::Exchange;
pub use response::{HandleBody, HandleResponse};
pub(crate) use serve::Served;

use super::providers::{all_at_once, providers_in};
use super::{ProviderInfo, Request};
use crate::control::Registry;
use crate::error::{CallError, Fault};
use crate::limits::HANDLE_CALLS_MAX;
use crate::routing::ProviderKey;
use crate::rt::{self, Address, Closed, Gate, Pass};
use crate::shard::Message;
use alarm::Alarm;
use exchange::Written;
use open::Open;
use response::ReaderEnd;
use serve::Starting;

/// A running node, from any thread that is none of its shards. Cheap to clone. Its futures are `Send` and need no runtime:
/// await them in tokio, or call `futures_lite::future::block_on`. Dropping one gives its request up.
///
/// At most [`HANDLE_CALLS_MAX`](crate::limits::HANDLE_CALLS_MAX) requests a shard are under way at a time; further ones wait in
/// line, as long as their [`timeout`](Request::timeout) and [`deadline`](Request::deadline) allow. After the node has begun to
/// shut down every new one is an error.
#[derive(Clone)]
pub struct Handle {
    doors: Arc<Doors>,
}

/// The ways into a node's shards.
pub(crate) struct Doors {
    registry: Arc<Registry>,
    all: Vec<Door>,
    next: AtomicUsize,
}

struct Door {
    address: Address<Message>,
    gate: Gate,
    open: Arc<Open>,
}

impl Doors {
    pub(crate) fn new(registry: Arc<Registry>, addresses: Vec<Address<Message>>) -> Arc<Doors> {
        let all = addresses.into_iter().map(|address| Door {
            address,
            gate: Gate::new(HANDLE_CALLS_MAX),
            open: Arc::default(),
        });
        Arc::new(Doors {
            registry,
            all: all.collect(),
            next: AtomicUsize::new(0),
        })
    }

    /// Lets nothing new in.
    pub(crate) fn close(&self) {
        self.all.iter().for_each(|door| door.gate.close());
    }

    /// The shard with this number has ended, well or not: who waits for it is told.
    pub(crate) fn end(&self, index: usize) {
        if let Some(door) = self.all.get(index) {
            door.gate.close();
            door.address.close();
            door.open.end();
        }
    }

    /// The shard to call from: one that owns a link to a provider, in turn, so that no second shard is needed; or any.
    fn choose(&self, request: &Request, at: Option<ProviderKey>) -> Option<&Door> {
        let snapshot = self.registry.snapshot();
        let providers = snapshot.all_providers(request.names().iter().map(String::as_str));
        let mut near: Vec<usize> = providers
            .iter()
            .filter(|provider| at.is_none_or(|at| provider.key == at))
            .flat_map(|provider| provider.links.iter().map(|link| link.shard))
            .collect();
        near.sort_unstable();
        near.dedup();
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let index = match near.len() {
            0 => turn % self.all.len().max(1),
            len => near[turn % len],
        };
        self.all.get(index)
    }

    /// Sends a request to a shard as soon as there is a place for it.
    async fn start(
        &self,
        request: Request,
        at: Option<ProviderKey>,
        streamed: bool,
    ) -> Result<Arc<Exchange>, CallError> {
        let begun = Instant::now();
        request.check()?;
        if rt::is_installed() {
            return Err(CallError::Unsendable {
                status: 500,
                why: "a Handle is for threads that are no shard: on a shard use Context::shard and its client".to_owned(),
            });
        }
        let over = || CallError::Broken(Fault::ShuttingDown);
        let door = self.choose(&request, at).ok_or_else(over)?;
        let pass = enter(door, &request).await?.map_err(|_| over())?;
        let written = match streamed {
            true => Written::Open,
            false => Written::Ended,
        };
        let exchange = Exchange::new(door.address.clone(), pass, written);
        door.open.add(exchange.clone());
        let starting = Starting {
            exchange: exchange.clone(),
            request: Some(request),
            at,
            begun,
            streamed,
        };
        let run = Message::Run(Box::new(move |shard| starting.start(shard)));
        // It has room: see HANDLE_MESSAGES_MAX. Dropped there, it tells the exchange that the shard has ended.
        door.address.post(run).ok();
        Ok(exchange)
    }
}

/// A pass of a door, for as long as the request may wait where others do.
async fn enter(door: &Door, request: &Request) -> Result<Result<Pass, Closed>, CallError> {
    let mut take = door.gate.take();
    if let Some(pass) = futures_lite::future::poll_once(&mut take).await {
        return Ok(pass);
    }
    let Some(alarm) = request.longest_wait().and_then(Alarm::after) else {
        return Ok(take.await);
    };
    let late = async {
        alarm.rung().await;
        Err(CallError::TimedOut)
    };
    futures_lite::future::or(async { Ok(take.await) }, late).await
}

type Called = Result<HandleResponse, CallError>;

impl Handle {
    pub(crate) fn new(doors: Arc<Doors>) -> Handle {
        Handle { doors }
    }

    /// How many shards the node has.
    pub fn shards(&self) -> usize {
        self.doors.all.len()
    }

    /// Calls a service with a body that is given whole, and waits for the head of the response. The rest of the body goes on
    /// meanwhile.
    ///
    /// # Errors
    /// [`CallError`]; [`Fault::ShuttingDown`] within it when the node has begun to shut down.
    pub fn call(&self, request: Request) -> impl Future<Output = Called> + Send + 'static {
        self.called(request, None)
    }

    /// As [`Handle::call`], but to this provider alone, whatever others offer.
    ///
    /// # Errors
    /// As [`Handle::call`]; [`CallError::NoProvider`] if it has gone, or offers none of the request's names.
    pub fn call_at(
        &self,
        provider: &ProviderInfo,
        request: Request,
    ) -> impl Future<Output = Called> + Send + 'static {
        self.called(request, Some(provider.key))
    }

    fn called(
        &self,
        request: Request,
        at: Option<ProviderKey>,
    ) -> impl Future<Output = Called> + Send + 'static {
        let doors = self.doors.clone();
        async move {
            let exchange = doors.start(request, at, false).await?;
            ReaderEnd(exchange).answered().await
        }
    }

    /// Calls a service with a body that is written piece by piece. Waits until there is a place for the request; the future that
    /// it gives is the head of the response, which need not be awaited for the body to go out.
    ///
    /// # Errors
    /// [`CallError`]: the request cannot be sent, or the node has begun to shut down.
    pub fn stream(
        &self,
        mut request: Request,
    ) -> impl Future<
        Output = Result<(HandleBody, impl Future<Output = Called> + Send + 'static), CallError>,
    > + Send
           + 'static {
        let doors = self.doors.clone();
        request.refuse_body();
        async move {
            let exchange = doors.start(request, None, true).await?;
            let body = HandleBody {
                exchange: exchange.clone(),
            };
            Ok((body, ReaderEnd(exchange).answered()))
        }
    }

    /// Those that offer any of `names`, each once.
    pub fn providers_for<S: AsRef<str>>(
        &self,
        names: impl IntoIterator<Item = S>,
    ) -> Vec<ProviderInfo> {
        let names: Vec<S> = names.into_iter().collect();
        let snapshot = self.doors.registry.snapshot();
        providers_in(&snapshot, names.iter().map(AsRef::as_ref))
    }

    /// As [`Client::broadcast`](crate::Client::broadcast).
    pub fn broadcast(
        &self,
        request: Request,
    ) -> impl Future<Output = Vec<(ProviderInfo, Called)>> + Send + 'static {
        let handle = self.clone();
        async move {
            let providers = handle.providers_for(request.names().iter());
            all_at_once(providers, |provider| {
                Box::pin(handle.call_at(provider, request.clone()))
            })
            .await
        }
    }
}
