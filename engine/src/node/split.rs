//! A request taken apart, for handlers that read and answer at once: a proxy, say. Both halves may wait at the same time in one
//! task. What is left open when the handler returns is closed as for [`Context`].

use std::rc::Rc;

use bytes::Bytes;
use flatend_codec::HeaderBlock;

use super::body_error::{ReadError, WriteError};
use super::context::Context;
use super::reply::Reply;

impl Context {
    /// The request's headers, its body, and the way to answer.
    pub fn split(self) -> (HeaderBlock, RequestBody, Responder) {
        let (headers, reply) = self.into_parts();
        (headers, RequestBody(reply.clone()), Responder(reply))
    }
}

/// The body of a request.
pub struct RequestBody(Rc<Reply>);

impl RequestBody {
    /// As [`Context::read`].
    ///
    /// # Errors
    /// [`ReadError::Cut`].
    pub async fn read(&mut self) -> Result<Option<Bytes>, ReadError> {
        self.0.read().await
    }

    /// As [`Context::trailers`].
    pub fn trailers(&self) -> HeaderBlock {
        self.0.request_trailers()
    }

    /// Whether nothing is left to read and the body is whole, as far as is known now.
    pub fn is_finished(&self) -> bool {
        self.0.is_body_finished()
    }
}

/// The way to answer a request.
pub struct Responder(Rc<Reply>);

impl Responder {
    /// Sets all headers of the response, `:status` among them, in place of those that were set before. They travel with the
    /// first write.
    ///
    /// # Errors
    /// [`WriteError::HeadSent`] after it.
    pub fn set_headers(&mut self, headers: HeaderBlock) -> Result<(), WriteError> {
        self.0.set_headers(headers)
    }

    /// As [`Context::start`].
    ///
    /// # Errors
    /// As [`Responder::write`].
    pub fn start(&mut self) -> Result<(), WriteError> {
        self.0.start()
    }

    /// As [`Context::write`].
    ///
    /// # Errors
    /// [`WriteError::Gone`] when the caller has gone: stop.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.0.write(bytes).await
    }

    /// Sets all headers behind the response's body, as [`Context::add_trailer`] adds one.
    pub fn set_trailers(&mut self, trailers: HeaderBlock) {
        self.0.set_trailers(trailers);
    }

    /// Ends the response: it is whole.
    ///
    /// # Errors
    /// As [`Responder::write`].
    pub fn finish(self) -> Result<(), WriteError> {
        self.0.finish()
    }

    /// Says that this node does not handle the request, so that the caller asks another. Only if nothing was done for it, or
    /// if it may be done twice. Nothing happens after the first write.
    pub fn refuse(self) {
        self.0.refuse();
    }

    /// Waits until the caller's link is lost: nobody is left to answer.
    pub async fn caller_gone(&self) {
        self.0.caller_gone().await;
    }
}
