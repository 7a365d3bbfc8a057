//! Calls to services as programs make them: a request, a response, bodies that stream both ways. On a shard it is [`Client`],
//! from any other thread [`Handle`]. Owns no rule of choice, failover, retries or hold: all of that is
//! [`Shard::call`](crate::Shard::call)'s, as for the gateway. The invariant that a change is likeliest to break: dropping a
//! response or an unfinished body gives the stream up, and a cut body never looks whole.

mod handle;
mod head;
mod providers;
mod request;
mod response;
mod stream;
mod upload;
mod written;

use std::future::Future;
use std::rc::Rc;

pub(crate) use handle::{Doors, Exchange, Served};
pub use handle::{Handle, HandleBody, HandleResponse};
pub use head::ResponseHead;
pub use providers::ProviderInfo;
pub use request::Request;
pub use response::{Response, ResponseError};
pub use stream::BodyWriter;

use flatend_codec::Millis;

use crate::call::Call;
use crate::error::CallError;
use crate::shard::{ServiceSet, Shard};
use request::Body;
use upload::Upload;

/// Calls services from code that runs on a shard: a handler, or a task of
/// [`on_each_shard`](crate::NodeBuilder::on_each_shard). Cheap to clone; not `Send`. Elsewhere use a
/// [`Handle`].
#[derive(Clone)]
pub struct Client {
    shard: Rc<Shard>,
    /// When the caller of the handler that it belongs to wants its response.
    deadline: Option<Millis>,
}

impl Shard {
    /// The way to call services from this shard.
    pub fn client(self: &Rc<Self>) -> Client {
        Client {
            shard: self.clone(),
            deadline: None,
        }
    }
}

impl Client {
    /// Calls of which no head of a response is awaited longer than until `deadline`.
    pub(crate) fn until(mut self, deadline: Option<Millis>) -> Client {
        self.deadline = deadline;
        self
    }

    /// The shard that it calls from.
    pub fn shard(&self) -> &Rc<Shard> {
        &self.shard
    }

    /// Calls a service with a body that is given whole, and waits for the head of the response. A node is not connected to itself,
    /// so what it offers itself is not called: another node that offers it is, or nobody. The rest of the body goes
    /// on while the response is read. Dropping the future or the response gives the request up.
    ///
    /// # Errors
    /// [`CallError`]: nobody offers the service, the request was lost and may not be sent again, or
    /// [`timeout`](Request::timeout) or [`deadline`](Request::deadline) have passed.
    pub async fn call(&self, request: Request) -> Result<Response, CallError> {
        let set = self.set_for(&request);
        self.call_set(request, set).await
    }

    /// As [`Client::call`], but to this provider alone, whatever others offer.
    ///
    /// # Errors
    /// As [`Client::call`]; [`CallError::NoProvider`] if it has gone, or offers none of the request's names.
    pub async fn call_at(
        &self,
        provider: &ProviderInfo,
        request: Request,
    ) -> Result<Response, CallError> {
        let set = self.shard.set_at(request.names().clone(), provider.key);
        self.call_set(request, set).await
    }

    async fn call_set(
        &self,
        mut request: Request,
        set: Rc<ServiceSet>,
    ) -> Result<Response, CallError> {
        let mut upload = Upload::new(std::mem::take(&mut request.body));
        let until = request.until();
        let body = match upload.is_done() {
            true => Body::None,
            false => Body::Whole(upload.len()),
        };
        let call = Rc::new(self.start(request, set, body)?);
        let headers = {
            let mut answered = std::pin::pin!(call.response());
            let both = std::future::poll_fn(|cx| {
                // First, since it chooses the provider.
                let polled = answered.as_mut().poll(cx);
                if polled.is_pending() {
                    upload.poll(&call, cx);
                }
                polled
            });
            both.await?
        };
        let head = ResponseHead::new(headers).inspect_err(|_| call.blame_provider())?;
        Ok(Response::new(call, head, upload, until))
    }

    /// Calls a service with a body that is written piece by piece, while the response is awaited and read, or before. The
    /// request's own body, if it has one, goes first.
    ///
    /// The future is the head of the response; awaiting it is not needed for the body to go out.
    pub fn stream(
        &self,
        request: Request,
    ) -> (
        BodyWriter,
        impl Future<Output = Result<Response, CallError>> + 'static,
    ) {
        let set = self.set_for(&request);
        stream::start(self, request, set)
    }

    /// As [`Client::stream`], but to this provider alone.
    pub fn stream_at(
        &self,
        provider: &ProviderInfo,
        request: Request,
    ) -> (
        BodyWriter,
        impl Future<Output = Result<Response, CallError>> + 'static,
    ) {
        let set = self.shard.set_at(request.names().clone(), provider.key);
        stream::start(self, request, set)
    }

    /// Whom a request may reach.
    pub(crate) fn set_for(&self, request: &Request) -> Rc<ServiceSet> {
        match request.through_relays {
            false => self.shard.named_set(request.names()),
            true => self.shard.set_through_relays(request.names().clone()),
        }
    }

    /// Makes the call of a request, without its body.
    pub(crate) fn start(
        &self,
        request: Request,
        set: Rc<ServiceSet>,
        body: Body,
    ) -> Result<Call, CallError> {
        let mut request = request.into_call(set, body)?;
        request.deadline = request.deadline.into_iter().chain(self.deadline).min();
        Ok(self.shard.call(request))
    }
}
