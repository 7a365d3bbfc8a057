//! Routes to services and to plain HTTP upstreams: makes a call of a request, lets both bodies stream at once, and answers for what goes wrong.

use std::future::Future;
use std::rc::Rc;
use std::task::Poll;

use flatend::{recycle, Call, CallError, CallRequest, HeaderBlock, Outlet, ServiceSet, Shard};
use flatend_http::h1::{BodyLength, RequestHead};
use flatend_http::headers::{accepts_trailers, nominates_others};
use flatend_http::router::Match;
use flatend_http::server::{BodyError, Client, Exchange, Notes};

use super::bridge::Facts;
use super::mapping::{self, Mapper};
use super::own::Own;
use super::reply::{self, Ended};
use super::statuses;
use super::table::RouteTable;
use crate::config::{Retry, Route, Target};

/// The services and upstreams of a section's routes on one shard.
pub(super) struct Services {
    shard: Rc<Shard>,
    /// One a route: names resolved for the current snapshot, or outlets. Empty where the route has another target.
    sets: Vec<Rc<ServiceSet>>,
    mapper: Mapper,
}

/// What is kept of a request's head.
pub(super) struct ServiceCall {
    headers: HeaderBlock,
    extras: HeaderBlock,
    has_body: bool,
    repeatable: bool,
    trailing: Trailing,
}

/// Which headers behind bodies pass.
#[derive(Clone, Copy)]
struct Trailing {
    /// Those of a chunked request: its head names none of them as of one hop.
    to_service: bool,
    /// Those of the response: the client has said that it takes them.
    to_client: bool,
}

impl Trailing {
    fn of(head: &RequestHead<'_>) -> Trailing {
        let nominated = || head.fields.values("connection").any(nominates_others);
        Trailing {
            to_service: head.body == BodyLength::Chunked && !nominated(),
            to_client: head.fields.values("te").any(accepts_trailers),
        }
    }
}

impl Services {
    pub(super) fn new(shard: Rc<Shard>, table: &RouteTable) -> Services {
        let routes = table.routes.iter().zip(&table.upstreams);
        let sets = routes.map(|(route, upstreams)| match &route.target {
            Target::Services(names) => shard.service_set(names.iter().cloned()),
            Target::Proxy(_) => {
                let outlets = upstreams.iter().map(|upstream| {
                    let outlet: Rc<dyn Outlet> = upstream.outlet(&shard);
                    (upstream.label().to_owned(), outlet)
                });
                shard.outlet_set(outlets.collect())
            }
            _ => shard.service_set(Vec::<String>::new()),
        });
        Services {
            sets: sets.collect(),
            shard,
            mapper: Mapper::new(),
        }
    }

    /// Takes what the call needs of the head.
    ///
    /// # Errors
    /// The answer to a head that cannot be passed on.
    pub(super) fn take<T>(
        &self,
        route: &Route,
        head: &RequestHead<'_>,
        matched: &Match<'_, '_, T>,
        client: &Client,
        request_id: &str,
    ) -> Result<ServiceCall, Own> {
        // An upstream finds its parameters in the path.
        let parameters = matches!(route.target, Target::Services(_)).then_some(matched);
        let (headers, extras) = self.mapper.map(head, parameters, &client.ip, request_id)?;
        Ok(ServiceCall {
            headers,
            extras,
            has_body: head.body != BodyLength::None && head.body != BodyLength::Length(0),
            repeatable: match route.retry {
                Retry::Always => true,
                Retry::Auto => head.method.is_idempotent(),
                Retry::Never => false,
            },
            trailing: Trailing::of(head),
        })
    }

    /// Calls the service and answers with what it says.
    pub(super) async fn run(
        &self,
        route: &Route,
        request: ServiceCall,
        facts: &Facts,
        exchange: &Exchange<'_>,
    ) {
        let (has_body, trailing) = (request.has_body, request.trailing);
        let call = self.shard.call(CallRequest {
            services: self.sets[facts.route].clone(),
            headers: request.headers,
            extras: request.extras,
            has_body,
            repeatable: request.repeatable,
            hold_ms: route.hold.map(|hold| hold.as_millis() as u64),
            max_in_flight: route.max_in_flight,
            timeout_ms: route.timeout.map(|timeout| timeout.as_millis() as u64),
            deadline: None,
        });
        exchange.note(Notes::asked);
        let ended = if has_body {
            Box::pin(self.run_with_body(route, exchange, &call, facts, trailing)).await
        } else {
            Some(self.respond(route, exchange, &call, facts, trailing).await)
        };
        exchange.note(|notes| notes.provider(call.tries(), call.provider()));
        match ended {
            // The server answers for the body's fault by itself, or the connection is gone.
            None | Some(Ended::Complete) => {}
            Some(Ended::Cut | Ended::ClientGone | Ended::Unusable(_)) => exchange.abort(),
        }
    }

    /// The names that a route asks for, for messages.
    fn names(&self, route: usize) -> String {
        let names: Vec<String> = self.sets[route]
            .names()
            .map(|name| format!("'{}'", name.escape_debug()))
            .collect();
        names.join(" or ")
    }

    async fn answer(
        &self,
        route: &Route,
        exchange: &Exchange<'_>,
        facts: &Facts,
        error: &CallError,
    ) -> Ended {
        let names = self.names(facts.route);
        let refusal = match route.target {
            Target::Proxy(_) => statuses::of_upstreams(error, &names),
            _ => statuses::of(error, &names),
        };
        let fields = refusal
            .retry_after
            .map(|after| ("retry-after", after.to_owned()))
            .into_iter()
            .collect();
        exchange.answer(&facts.answer(Own {
            status: refusal.status,
            sentence: refusal.sentence,
            fields,
        }));
        // Now, not when the rest of the request's body has come: the client may wait for it.
        match exchange.flush().await {
            Ok(()) => Ended::Complete,
            Err(_) => Ended::ClientGone,
        }
    }

    /// Waits for the response and sends it on.
    async fn respond(
        &self,
        route: &Route,
        exchange: &Exchange<'_>,
        call: &Call,
        facts: &Facts,
        trailing: Trailing,
    ) -> Ended {
        let mut response = std::pin::pin!(call.response());
        let mut left = std::pin::pin!(exchange.left());
        let head = std::future::poll_fn(|cx| {
            if let Poll::Ready(result) = response.as_mut().poll(cx) {
                return Poll::Ready(Some(result));
            }
            left.as_mut().poll(cx).map(|()| None)
        });
        match head.await {
            None => Ended::ClientGone,
            Some(Err(error)) => self.answer(route, exchange, facts, &error).await,
            Some(Ok(headers)) => {
                exchange.note(Notes::responded);
                let nocache = route.nocache;
                let ended = reply::send(
                    exchange,
                    call,
                    &headers,
                    &facts.request_id,
                    nocache,
                    trailing.to_client,
                )
                .await;
                recycle(headers);
                match ended {
                    Ended::Unusable(what) => {
                        call.blame_provider();
                        self.answer(route, exchange, facts, &CallError::BadResponse(what))
                            .await
                    }
                    ended => ended,
                }
            }
        }
    }

    /// Both bodies at once. `None`: the request's body was cut before a response began.
    async fn run_with_body(
        &self,
        route: &Route,
        exchange: &Exchange<'_>,
        call: &Call,
        facts: &Facts,
        trailing: Trailing,
    ) -> Option<Ended> {
        let mut uploading = std::pin::pin!(upload(exchange, call, trailing));
        let mut uploaded = None;
        let mut responding = std::pin::pin!(self.respond(route, exchange, call, facts, trailing));
        let ended = std::future::poll_fn(|cx| {
            if uploaded.is_none() {
                if let Poll::Ready(result) = uploading.as_mut().poll(cx) {
                    uploaded = Some(result);
                }
            }
            if matches!(uploaded, Some(Upload::Cut)) {
                // A body that is not whole: the call is dropped, so the service's stream is given up, never ended.
                return Poll::Ready(None);
            }
            responding.as_mut().poll(cx).map(Some)
        })
        .await;
        match ended {
            None if exchange.is_response_begun() => Some(Ended::Cut),
            None => None,
            Some(ended) => {
                if matches!(ended, Ended::Complete) && uploaded.is_none() && exchange.is_draining()
                {
                    // An early answer: the rest of the body goes where it was meant to go, as far as the service takes it;
                    // npm services keep their stream until it is complete.
                    uploading.await;
                }
                Some(ended)
            }
        }
    }
}

/// How the request's body ended.
enum Upload {
    Complete,
    /// The provider wants no more of it.
    Refused,
    /// The client broke it off, or broke a rule: it must never look whole.
    Cut,
}

async fn upload(exchange: &Exchange<'_>, call: &Call, trailing: Trailing) -> Upload {
    loop {
        match exchange.recv_body().await {
            Ok(Some(bytes)) => {
                if call.send(bytes).await.is_err() {
                    return Upload::Refused;
                }
            }
            Ok(None) => {
                call.finish_with(match trailing.to_service {
                    true => mapping::trailers(&exchange.trailers()),
                    false => HeaderBlock::new(),
                });
                return Upload::Complete;
            }
            Err(BodyError::Refused(_) | BodyError::Gone) => return Upload::Cut,
        }
    }
}
