//! Services that come and go while the node runs. A service is answered on every shard before anybody is told of it, and told to be
//! gone before its handlers go.

use std::fmt;
use std::future::Future;
use std::rc::Rc;
use std::sync::{mpsc, Arc, PoisonError};

use flatend_codec::RELAY_SERVICE;

use super::check;
use super::context::Context;
use super::handler_error::HandlerError;
use super::handlers::Service;
use super::running::Node;
use crate::rt;
use crate::shard::{Message, Offered, Shard};

/// A service could not be offered or withdrawn; nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OfferError {
    /// The name, or all names together, cannot be offered; the sentence says why.
    Name(String),
    /// Its handler could not be made on a shard; the sentence says why.
    Make(String),
    /// The node shuts down, or has ended.
    ShuttingDown,
    /// This is a shard of a node: it must not wait for the others. Call it from another thread.
    OnShard,
}

impl fmt::Display for OfferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OfferError::Name(why) | OfferError::Make(why) => f.write_str(why),
            OfferError::ShuttingDown => f.write_str("the node shuts down and offers nothing new"),
            OfferError::OnShard => f.write_str(
                "services are offered and withdrawn from threads that are no shard, for all shards are waited for",
            ),
        }
    }
}

impl std::error::Error for OfferError {}

impl Node {
    /// Offers another service from now on, as [`NodeBuilder::service`](super::NodeBuilder::service) does from the start. Returns when
    /// every shard answers it; peers hear of it after that.
    ///
    /// ```
    /// let node = flatend::Node::builder().bind("127.0.0.1:0").start()?;
    /// node.offer("late", |context| async move { context.send("better than never").await })?;
    /// assert_eq!(node.state().offered(), ["late"]);
    /// assert_eq!(node.withdraw("late"), Ok(true));
    /// # node.shutdown()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`OfferError`].
    pub fn offer<F, Fut>(&self, name: impl AsRef<str>, handler: F) -> Result<(), OfferError>
    where
        F: Fn(Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), HandlerError>> + 'static,
    {
        self.add(&Service::shared(name.as_ref(), handler))
    }

    /// As [`Node::offer`] for a service that each shard makes for itself, as
    /// [`NodeBuilder::try_service_per_shard`](super::NodeBuilder::try_service_per_shard) does at the start.
    ///
    /// # Errors
    /// [`OfferError`].
    pub fn offer_per_shard<M, F, Fut, E>(
        &self,
        name: impl AsRef<str>,
        make: M,
    ) -> Result<(), OfferError>
    where
        M: Fn(Rc<Shard>) -> Result<F, E> + Send + Sync + 'static,
        F: Fn(Context) -> Fut + 'static,
        Fut: Future<Output = Result<(), HandlerError>> + 'static,
        E: fmt::Display,
    {
        self.add(&Service::per_shard(name.as_ref(), make))
    }

    /// Offers a service no more. Peers are told; a request that comes all the same is refused, so that its caller asks another
    /// node; requests that run are finished. False if there is no such service. Returns when no shard takes new requests.
    ///
    /// # Errors
    /// [`OfferError::ShuttingDown`], [`OfferError::OnShard`].
    pub fn withdraw(&self, name: &str) -> Result<bool, OfferError> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names = self.offered_names()?;
        let before = names.len();
        names.retain(|known| known != name || name == RELAY_SERVICE);
        if names.len() == before {
            return Ok(false);
        }
        self.publish(names);
        let name = name.to_owned();
        self.on_every_shard(move |shard| shard.handlers.remove(&name))?;
        Ok(true)
    }

    fn add(&self, service: &Service) -> Result<(), OfferError> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names = self.offered_names()?;
        check::not_reserved(&service.name).map_err(OfferError::Name)?;
        names.push(service.name.to_string());
        names.sort_unstable();
        let listed: Vec<&str> = names.iter().map(String::as_str).collect();
        let found = check::names_findings(&listed);
        if !found.is_empty() {
            return Err(OfferError::Name(found.join("\n")));
        }
        check::handshake_fits(&names, self.shared.identity.as_ref()).map_err(OfferError::Name)?;
        let made = service.clone();
        let results = self.on_every_shard(move |shard| shard.handlers.add(shard, &made))?;
        if let Some(why) = results.into_iter().find_map(Result::err) {
            let name = service.name.clone();
            self.on_every_shard(move |shard| shard.handlers.remove(&name))?;
            return Err(OfferError::Make(why));
        }
        self.publish(names);
        Ok(())
    }

    /// The names on offer, if this thread may change them.
    fn offered_names(&self) -> Result<Vec<String>, OfferError> {
        if rt::is_installed() {
            return Err(OfferError::OnShard);
        }
        Ok(self.shared.offered.load().names.clone())
    }

    /// Takes over a new list of names: links made from now on show it, and the peers on all others are told.
    fn publish(&self, names: Vec<String>) {
        // Nobody else changes it: `changing` is held.
        let epoch = self.shared.offered.load().epoch + 1;
        let offered = Offered { epoch, names };
        self.shared.offered.store(Arc::new(offered));
        // Whoever watches the state sees it.
        self.registry.touch();
        self.post_all(|| Message::Offers);
    }

    /// Runs `work` on each shard and gives the results.
    fn on_every_shard<T: Send + 'static>(
        &self,
        work: impl Fn(&Rc<Shard>) -> T + Clone + Send + 'static,
    ) -> Result<Vec<T>, OfferError> {
        let (done, results) = mpsc::channel();
        self.post_all(|| {
            let (done, work) = (done.clone(), work.clone());
            Message::Run(Box::new(move |shard| {
                // Nobody waits any more if another shard has ended.
                done.send(work(shard)).ok();
            }))
        });
        drop(done);
        let results: Vec<T> = results.into_iter().collect();
        if results.len() < self.mailboxes.len() {
            return Err(OfferError::ShuttingDown);
        }
        Ok(results)
    }
}
