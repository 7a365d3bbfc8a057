//! What a handler gets: the request's headers and body, and the way to answer (`respond`). Nothing is copied but into the
//! link's output.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flatend_codec::{HeaderBlock, Millis, NodeId};
use serde::de::DeserializeOwned;

use super::body_error::ReadError;
use super::body_io::RequestReader;
use super::handlers::Caller;
use super::reply::Reply;
use crate::client::Client;
use crate::rt;
use crate::shard::Shard;

/// One request and its response. Belongs to the shard that received it; lives as long as its handler keeps it.
///
/// The head of the response travels with the first write, so status and headers come before it. When the handler returns,
/// what it left open is closed: without a write the response is empty, and what of the body was not read is thrown away as it
/// comes, which leaves the caller's link usable. A handler that hands its context to another task and returns has answered.
///
/// `read`, `write` and all that is made of them wait for the link, and so for the other side: a slow caller slows its handler
/// down, and nothing grows in memory.
///
/// ```
/// use flatend::{Context, HandlerError};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Deserialize)]
/// struct Order {
///     item: String,
///     count: u32,
/// }
///
/// #[derive(Serialize)]
/// struct Receipt {
///     text: String,
/// }
///
/// /// `POST /orders/:shop` at a gateway.
/// async fn order(mut context: Context) -> Result<(), HandlerError> {
///     let shop = context.param("shop").unwrap_or("the shop").to_owned();
///     // Over 16 KiB is a 413, what is no Order a 400.
///     let order: Order = context.json_body(16 * 1024).await?;
///     context.set_status(201)?;
///     context.add_header("set-cookie", "ordered=yes")?;
///     let text = format!("{} × {} from {shop}", order.count, order.item);
///     context.json(&Receipt { text }).await
/// }
/// # let _ = flatend::Node::builder().service("order", order);
/// ```
pub struct Context {
    shard: Rc<Shard>,
    service: Arc<str>,
    headers: HeaderBlock,
    caller: Caller,
    pub(super) reply: Rc<Reply>,
}

impl Context {
    pub(super) fn new(
        shard: Rc<Shard>,
        service: Arc<str>,
        headers: HeaderBlock,
        caller: Caller,
        reply: Rc<Reply>,
    ) -> Context {
        Context {
            shard,
            service,
            headers,
            caller,
            reply,
        }
    }

    pub(super) fn into_parts(self) -> (HeaderBlock, Rc<Reply>) {
        (self.headers, self.reply)
    }

    /// The shard that runs this handler.
    pub fn shard(&self) -> &Rc<Shard> {
        &self.shard
    }

    /// The way to call other services from this handler, no longer than its own caller waits ([`Context::time_left`]).
    pub fn client(&self) -> Client {
        self.shard.client().until(self.caller.deadline)
    }

    /// The name that the caller asked for: of the names in its request the first that this node offers.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The ID of the caller, the node at the other end of the link, if it showed one: a gateway, not its HTTP client. On a
    /// legacy link it proves nothing.
    pub fn id(&self) -> Option<&NodeId> {
        self.caller.id.as_ref()
    }

    /// When the caller wants the response.
    pub(super) fn deadline(&self) -> Option<Millis> {
        self.caller.deadline
    }

    /// How long the caller still waits for the response, if it has set a limit and said so: a caller on flatend/2 does. Calls by
    /// [`Context::client`] wait no longer either, so that nobody works for a caller that has gone.
    pub fn time_left(&self) -> Option<Duration> {
        let deadline = self.caller.deadline?;
        Some(Duration::from_millis(
            deadline.0.saturating_sub(rt::now().0),
        ))
    }

    /// Waits until the caller has gone: it gave the request up, or its link is lost. A caller on legacy cannot say that it gives
    /// up. Nothing ends by itself then but reading and writing: race the handler's work with it.
    ///
    /// ```
    /// # let _ = flatend::Node::builder().service("search", |context| async move {
    /// # async fn search() -> String { String::new() }
    /// let found = futures_lite::future::or(async { Some(search().await) }, async {
    ///     context.cancelled().await;
    ///     None
    /// });
    /// match found.await {
    ///     Some(found) => context.send(found).await,
    ///     None => Ok(()),
    /// }
    /// # });
    /// ```
    pub async fn cancelled(&self) {
        self.reply.caller_gone().await;
    }

    /// All request headers in the order in which they came. A gateway writes names in lower case; what it says itself, `:method`,
    /// `:path` and the like, begins with a colon.
    pub fn headers(&self) -> &HeaderBlock {
        &self.headers
    }

    /// The first header of that name in any case, if it is UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header_all(name).next()
    }

    /// Every header of that name in any case, in order; those that are not UTF-8 are passed over ([`Context::headers`] has
    /// them).
    pub fn header_all<'a, 'n>(
        &'a self,
        name: &'n str,
    ) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.all("", name)
    }

    /// A parameter of the gateway's route, `id` of `/todos/:id`, decoded, in any case. `None` if the route has none of that
    /// name, or if it is not UTF-8. It is the header `params.NAME`.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.all("params.", name).next()
    }

    /// The first parameter of that name in the URL's query, decoded, in any case; `None` also if it is not UTF-8. It is the
    /// header `query.NAME`.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.all("query.", name).next()
    }

    /// The values of the headers whose names are `prefix` and `name` together, in any case.
    fn all<'a, 'n>(
        &'a self,
        prefix: &'n str,
        name: &'n str,
    ) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.headers
            .iter()
            .filter(move |(have, _)| {
                have.len() == prefix.len() + name.len()
                    && have[..prefix.len()].eq_ignore_ascii_case(prefix.as_bytes())
                    && have[prefix.len()..].eq_ignore_ascii_case(name.as_bytes())
            })
            .filter_map(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// The next piece of the request's body, as it came; `None` at its end. Pieces are never empty.
    ///
    /// # Errors
    /// [`ReadError::Cut`]: the caller or its link went away; what was read is not the whole body.
    pub async fn read(&mut self) -> Result<Option<Bytes>, ReadError> {
        self.reply.read().await
    }

    /// The headers behind the request's body, once it was read to its end. None from a caller on legacy.
    pub fn trailers(&self) -> HeaderBlock {
        self.reply.request_trailers()
    }

    /// The whole body, up to `limit_bytes`.
    ///
    /// # Errors
    /// [`ReadError::TooLarge`], of which `?` makes a response of status 413; [`ReadError::Cut`].
    pub async fn read_all(&mut self, limit_bytes: usize) -> Result<Bytes, ReadError> {
        let mut all = BytesMut::new();
        while let Some(bytes) = self.read().await? {
            if bytes.len() > limit_bytes - all.len() {
                return Err(ReadError::TooLarge { limit_bytes });
            }
            if all.is_empty() && self.reply.is_body_finished() {
                return Ok(bytes);
            }
            all.extend_from_slice(&bytes);
        }
        Ok(all.freeze())
    }

    /// The whole body, up to `limit_bytes`, as JSON. Its `content-type` is not looked at.
    ///
    /// # Errors
    /// [`ReadError::Json`] when it is not JSON of the form of `T`, of which `?` makes a response of status 400; else as
    /// [`Context::read_all`].
    pub async fn json_body<T: DeserializeOwned>(
        &mut self,
        limit_bytes: usize,
    ) -> Result<T, ReadError> {
        let body = self.read_all(limit_bytes).await?;
        serde_json::from_slice(&body).map_err(|err| ReadError::Json(err.to_string()))
    }

    /// The rest of the body for code that reads from an [`AsyncRead`](futures_io::AsyncRead). It takes what
    /// [`Context::read`] would have; use one of them at a time.
    pub fn reader(&self) -> RequestReader {
        RequestReader::new(self.reply.clone())
    }
}
