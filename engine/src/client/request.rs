//! What to ask of whom, and how long to wait: a request before it is sent. A value, `Send`, used on a shard and from other
//! threads alike. What cannot be sent is told when the request is.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flatend_codec::{HeaderBlock, Millis};
use serde::Serialize;

use crate::call::CallRequest;
use crate::error::CallError;
use crate::rt;
use crate::shard::ServiceSet;

/// A request to a service.
///
/// ```
/// use std::time::Duration;
/// use flatend::Request;
///
/// let request = Request::to("clock")
///     .query("zone", "UTC")
///     .timeout(Duration::from_secs(2))
///     .repeatable(true);
/// ```
#[derive(Clone, Debug)]
pub struct Request {
    names: Arc<[String]>,
    pub(crate) headers: HeaderBlock,
    pub(crate) body: Bytes,
    timeout: Option<Duration>,
    deadline: Option<Duration>,
    hold: Option<Duration>,
    repeatable: bool,
    max_in_flight: Option<u32>,
    pub(crate) through_relays: bool,
    /// Why it cannot be sent.
    unsendable: Option<String>,
}

impl Request {
    /// A request to whoever offers the service `name`.
    pub fn to(name: impl Into<String>) -> Request {
        Request::to_any([name])
    }

    /// A request to whoever offers one of `names`; a provider of several handles the first of them that it has.
    pub fn to_any(names: impl IntoIterator<Item = impl Into<String>>) -> Request {
        let names: Arc<[String]> = names.into_iter().map(Into::into).collect();
        let unsendable = match &*names {
            [] => Some("it names no service".to_owned()),
            all if all.len() > 255 => Some(format!(
                "it names {} services and at most 255 are possible",
                all.len()
            )),
            all => all
                .iter()
                .find(|name| name.is_empty() || name.len() > 255)
                .map(|name| {
                    format!(
                        "the name of a service has {} bytes; 1 to 255 are possible",
                        name.len()
                    )
                }),
        };
        Request {
            names,
            headers: HeaderBlock::new(),
            body: Bytes::new(),
            timeout: None,
            deadline: None,
            hold: None,
            repeatable: false,
            max_in_flight: None,
            through_relays: false,
            unsendable,
        }
    }

    /// Adds a header; its name travels in lower case. Names have 1 to 255 bytes, values at most 65,535.
    #[must_use]
    pub fn header(self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Request {
        self.push("", &name.as_ref().to_ascii_lowercase(), value.as_ref())
    }

    /// Adds several headers.
    #[must_use]
    pub fn headers<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        self,
        headers: impl IntoIterator<Item = (N, V)>,
    ) -> Request {
        headers
            .into_iter()
            .fold(self, |request, (name, value)| request.header(name, value))
    }

    /// A route's parameter, as a gateway passes it on: the header `params.NAME`.
    #[must_use]
    pub fn param(self, name: &str, value: impl AsRef<[u8]>) -> Request {
        self.push("params.", name.as_bytes(), value.as_ref())
    }

    /// A parameter of the query, as a gateway passes it on: the header `query.NAME`.
    #[must_use]
    pub fn query(self, name: &str, value: impl AsRef<[u8]>) -> Request {
        self.push("query.", name.as_bytes(), value.as_ref())
    }

    fn push(mut self, prefix: &str, name: &[u8], value: &[u8]) -> Request {
        let pushed = self
            .headers
            .push_parts(&[prefix.as_bytes(), name], &[value]);
        if pushed.is_err() {
            self.unsendable.get_or_insert_with(|| {
                format!(
                    "its header '{prefix}{}' does not fit: a name has 1 to 255 bytes, a value at most 65,535, and there are at most 65,535 headers",
                    name.get(..40).unwrap_or(name).escape_ascii()
                )
            });
        }
        self
    }

    /// The whole body. It is kept for a second try as far as [`REPLAY_BYTES_MAX`](crate::limits::REPLAY_BYTES_MAX) allows, and
    /// its length is told to the service as `content-length` where the head has room for it.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Request {
        self.body = body.into();
        self
    }

    /// `value` as the body, in JSON, with its content type.
    #[must_use]
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Request {
        match serde_json::to_vec(value) {
            Ok(body) => self.body(body).header("content-type", "application/json"),
            Err(error) => {
                self.unsendable
                    .get_or_insert_with(|| format!("its body cannot be written in JSON: {error}"));
                self
            }
        }
    }

    /// Longest wait for the head of the response, from the call on. For ever if not said; zero is a mistake that the call tells.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Request {
        self.refuse_zero("timeout", timeout.is_zero());
        self.timeout = Some(timeout);
        self
    }

    /// Longest time for all of it, the response's body included. For ever if not said; zero is a mistake that the call tells.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Request {
        self.refuse_zero("deadline", deadline.is_zero());
        self.deadline = Some(deadline);
        self
    }

    /// How long to wait for a provider if there is none. If not said: 1.5 s if there was one within the last minute or the node
    /// is younger than 5 s, else not at all.
    #[must_use]
    pub fn hold(mut self, hold: Duration) -> Request {
        self.hold = Some(hold);
        self
    }

    /// Whether the request may be sent to a second provider although the first may have seen it (default: no). Without it
    /// only a request that nobody can have seen goes elsewhere.
    #[must_use]
    pub fn repeatable(mut self, repeatable: bool) -> Request {
        self.repeatable = repeatable;
        self
    }

    /// Requests of one shard that one provider may have outstanding; one with as many is not asked. Zero is a mistake that the call
    /// tells.
    #[must_use]
    pub fn max_in_flight(mut self, requests: u32) -> Request {
        self.refuse_zero("max_in_flight", requests == 0);
        self.max_in_flight = Some(requests);
        self
    }

    fn refuse_zero(&mut self, what: &str, is_zero: bool) {
        if is_zero {
            self.unsendable.get_or_insert_with(|| {
                format!(
                    "its {what} is zero, with which nothing can be answered: leave it out for none"
                )
            });
        }
    }

    /// Whether it may go through nodes that relay, where nobody that this node is connected to offers the names (default: no).
    #[must_use]
    pub fn through_relays(mut self, through_relays: bool) -> Request {
        self.through_relays = through_relays;
        self
    }

    /// The services that it asks for, in order.
    pub fn names(&self) -> &Arc<[String]> {
        &self.names
    }

    /// The longest wait for the head, if there is one.
    pub(crate) fn longest_wait(&self) -> Option<Duration> {
        self.timeout.into_iter().chain(self.deadline).min()
    }

    /// When all of it must be over, if it must.
    pub(crate) fn until(&self) -> Option<Millis> {
        self.deadline
            .map(|deadline| Millis(rt::now().0.saturating_add(millis(deadline))))
    }

    /// The same after a part of its time has passed.
    pub(crate) fn waited(mut self, passed: Duration) -> Request {
        for wait in [&mut self.timeout, &mut self.deadline] {
            *wait = wait.map(|wait| wait.saturating_sub(passed));
        }
        self
    }

    /// For a request whose body is written: it has no other.
    pub(crate) fn refuse_body(&mut self) {
        if !self.body.is_empty() {
            self.unsendable.get_or_insert_with(|| {
                "its body is given whole and written too: write all of it".to_owned()
            });
        }
    }

    /// Why it cannot be sent, if so.
    pub(crate) fn check(&self) -> Result<(), CallError> {
        match &self.unsendable {
            // The program's own mistake.
            Some(why) => Err(CallError::Unsendable {
                status: 500,
                why: why.clone(),
            }),
            None => Ok(()),
        }
    }

    /// The call of this request.
    ///
    /// # Errors
    /// [`CallError::Unsendable`].
    pub(crate) fn into_call(
        self,
        services: Rc<ServiceSet>,
        body: Body,
    ) -> Result<CallRequest, CallError> {
        self.check()?;
        let mut extras = HeaderBlock::new();
        if let (Body::Whole(len), None) = (body, self.headers.get(b"content-length")) {
            // Nineteen digits at most.
            extras
                .push(b"content-length", len.to_string().as_bytes())
                .ok();
        }
        Ok(CallRequest {
            services,
            headers: self.headers,
            extras,
            has_body: body != Body::None,
            repeatable: self.repeatable,
            hold_ms: self.hold.map(millis),
            max_in_flight: self.max_in_flight,
            timeout_ms: self.timeout.map(millis),
            deadline: self
                .timeout
                .into_iter()
                .chain(self.deadline)
                .min()
                .map(|wait| Millis(rt::now().0.saturating_add(millis(wait)))),
        })
    }
}

/// The body of a request, as far as it is known when it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// There is none.
    None,
    /// So many bytes.
    Whole(usize),
    /// What is written until it is finished.
    Streamed,
}

/// Whole milliseconds, rounded up: a wait that was asked for is not no wait.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(request: &Request) -> String {
        request.check().expect_err("unsendable").to_string()
    }

    #[test]
    fn what_cannot_be_sent_says_why_and_the_last_that_fits_passes() {
        assert!(why(&Request::to("")).contains("0 bytes"));
        assert!(why(&Request::to("n".repeat(256))).contains("256 bytes"));
        assert!(Request::to("n".repeat(255)).check().is_ok());
        assert!(why(&Request::to_any(Vec::<String>::new())).contains("no service"));
        assert!(why(&Request::to_any(vec!["n"; 256])).contains("256 services"));
        let large = vec![b'v'; 65_536];
        assert!(Request::to("a").header("h", &large[1..]).check().is_ok());
        assert!(why(&Request::to("a").header("h", &large)).contains("'h'"));
        assert!(why(&Request::to("a").header("", "v")).contains("1 to 255"));
        let map = std::collections::HashMap::from([((1, 2), 3)]);
        assert!(why(&Request::to("a").json(&map)).contains("JSON"));
    }

    #[test]
    fn what_leaves_no_time_or_room_at_all_is_a_mistake() {
        let of = Request::to("a");
        assert!(why(&of.clone().timeout(Duration::ZERO)).contains("timeout is zero"));
        assert!(why(&of.clone().deadline(Duration::ZERO)).contains("deadline is zero"));
        assert!(why(&of.clone().max_in_flight(0)).contains("max_in_flight is zero"));
        let least = of.timeout(Duration::from_nanos(1)).max_in_flight(1);
        assert!(least.check().is_ok());
        // Time that has passed is no mistake.
        assert!(least.waited(Duration::from_secs(1)).check().is_ok());
    }

    #[test]
    fn names_of_headers_are_lowered_and_those_of_parameters_kept() {
        let request = Request::to("a")
            .header("X-A", "1")
            .query("Page", "2")
            .param("Id", "3")
            .json(&[1, 2]);
        let pairs: Vec<_> = request.headers.iter().collect();
        let expected: [(&[u8], &[u8]); 4] = [
            (b"x-a", b"1"),
            (b"query.Page", b"2"),
            (b"params.Id", b"3"),
            (b"content-type", b"application/json"),
        ];
        assert_eq!(pairs, expected);
        assert_eq!(request.body, "[1,2]");
    }

    #[test]
    fn a_wait_is_rounded_up_to_a_millisecond() {
        assert_eq!(millis(Duration::from_nanos(1)), 1);
        assert_eq!(millis(Duration::from_millis(7)), 7);
        assert_eq!(millis(Duration::ZERO), 0);
        assert_eq!(millis(Duration::MAX), u64::MAX);
    }
}
