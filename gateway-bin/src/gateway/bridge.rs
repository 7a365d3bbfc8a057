//! The bridge: routes a request, calls the service, lets both bodies stream at once, and answers for what goes wrong.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use flatend::{
    header_block, recycle, Call, CallError, CallRequest, HeaderBlock, ServiceSet, Shard,
};
use flatend_http::h1::{BodyLength, Method, RequestHead};
use flatend_http::headers::{self, JoinScratch};
use flatend_http::router::{Outcome, RouteError, Router, RouterBuilder};
use flatend_http::server::{BodyError, BodyRules, Client, Exchange, Handler, OwnAnswer, Plan};

use super::ids::RequestIds;
use super::mapping::{self, MapError};
use super::reply::{self, Ended};
use super::statuses;
use crate::config::{Http, Retry, Route, Target};

/// The routes of one section: built once, shared by the shards.
pub struct RouteTable {
    router: Router<usize>,
    routes: Vec<Route>,
}

impl RouteTable {
    /// Builds the table of a checked section.
    ///
    /// # Errors
    /// Routes that clash; the configuration check finds them first.
    pub fn new(http: &Http) -> Result<RouteTable, Vec<RouteError>> {
        let mut builder = RouterBuilder::new();
        builder
            .redirect_trailing_slash(http.redirect_trailing_slash)
            .redirect_fixed_path(http.redirect_fixed_path);
        for (number, route) in http.routes.iter().enumerate() {
            builder
                .add(route.host.as_deref(), &route.pattern, number)
                .map_err(|error| vec![error])?;
        }
        Ok(RouteTable {
            router: builder.build()?,
            routes: http.routes.clone(),
        })
    }
}

/// The handler of one section on one shard.
pub struct Bridge {
    shard: Rc<Shard>,
    table: Arc<RouteTable>,
    /// One a route: names resolved for the current snapshot.
    services: Vec<Rc<ServiceSet>>,
    ids: RequestIds,
    scratch: RefCell<JoinScratch>,
    constant_extras: HeaderBlock,
}

/// What is kept of a request's head.
pub struct ServiceCall {
    route: usize,
    headers: HeaderBlock,
    extras: HeaderBlock,
    has_body: bool,
    idempotent: bool,
    request_id: String,
    json: bool,
}

impl Bridge {
    /// The handler for `table` on `shard`; `listener` numbers the section.
    pub fn new(shard: Rc<Shard>, table: Arc<RouteTable>, listener: usize) -> Bridge {
        let services = table.routes.iter().map(|route| match &route.target {
            Target::Services(names) => shard.service_set(names.iter().cloned()),
            // Refused before anything runs.
            _ => shard.service_set(Vec::<String>::new()),
        });
        let services = services.collect();
        Bridge {
            ids: RequestIds::new(shard.index(), listener),
            shard,
            table,
            services,
            scratch: RefCell::default(),
            constant_extras: mapping::constant_extras(),
        }
    }

    /// The names that a route asks for, for messages.
    fn names(&self, route: usize) -> String {
        let names: Vec<String> = self.services[route]
            .names()
            .map(|name| format!("'{}'", name.escape_debug()))
            .collect();
        names.join(" or ")
    }

    fn request_id(&self, head: &RequestHead<'_>) -> String {
        let own = head
            .fields
            .first("x-request-id")
            .filter(|id| headers::is_request_id(id));
        own.and_then(|id| std::str::from_utf8(id).ok())
            .map_or_else(|| self.ids.next(), str::to_owned)
    }

    fn find(
        &self,
        head: &RequestHead<'_>,
        client: &Client,
        request_id: &str,
    ) -> Result<ServiceCall, Own> {
        let router = &self.table.router;
        if matches!(head.method, Method::Connect | Method::Trace) {
            return Err(Own::with(
                405,
                format!("This gateway does not serve {}.", head.method.as_str()),
                "allow",
                router.allow_all(head.authority),
            ));
        }
        if head.target.path == "*" {
            return Err(Own::with(
                204,
                String::new(),
                "allow",
                router.allow_all(head.authority),
            ));
        }
        let matched = match router.lookup(
            head.method.as_str(),
            head.authority,
            head.target.path,
            head.target.query,
        ) {
            Outcome::Found(matched) => matched,
            Outcome::Redirect { status, location } => {
                return Err(Own::with(
                    status,
                    "The resource is at another path.".to_owned(),
                    "location",
                    location,
                ))
            }
            Outcome::MethodNotAllowed { allow } if head.method == Method::Options => {
                return Err(Own::with(204, String::new(), "allow", allow))
            }
            Outcome::MethodNotAllowed { allow } => {
                let method: String = head
                    .method
                    .as_str()
                    .chars()
                    .take(METHOD_SHOWN_MAX)
                    .collect();
                let sentence = format!("This path takes {allow}, not {method}.");
                return Err(Own::with(405, sentence, "allow", allow));
            }
            Outcome::NotFound => {
                return Err(Own::plain(
                    404,
                    "No route of this gateway takes this path.".to_owned(),
                ))
            }
        };
        let route = *matched.value;
        let (mut headers, mut extras) = (header_block(), header_block());
        mapping::headers(&mut headers, &mut self.scratch.borrow_mut(), head, &matched)?;
        mapping::extras(
            &mut extras,
            &self.constant_extras,
            head,
            &client.ip,
            request_id,
        )?;
        let retry = self.table.routes[route].retry;
        let safe = matches!(
            head.method,
            Method::Get | Method::Head | Method::Options | Method::Put | Method::Delete
        );
        Ok(ServiceCall {
            route,
            headers,
            extras,
            has_body: head.body != BodyLength::None && head.body != BodyLength::Length(0),
            idempotent: retry == Retry::Always || (retry == Retry::Auto && safe),
            request_id: String::new(),
            json: false,
        })
    }

    async fn answer(&self, exchange: &Exchange<'_>, plan: &Facts, error: &CallError) -> Ended {
        let refusal = statuses::of(error, &self.names(plan.route));
        let fields = refusal
            .retry_after
            .map(|after| ("retry-after", after.to_owned()))
            .into_iter()
            .collect();
        exchange.answer(&OwnAnswer {
            status: refusal.status,
            sentence: refusal.sentence,
            fields,
            request_id: plan.request_id.clone(),
            json: plan.json,
        });
        // Now, not when the rest of the request's body has come: the client may wait for it.
        match exchange.flush().await {
            Ok(()) => Ended::Complete,
            Err(_) => Ended::ClientGone,
        }
    }

    /// Waits for the response and sends it on.
    async fn respond(&self, exchange: &Exchange<'_>, call: &Call, plan: &Facts) -> Ended {
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
            Some(Err(error)) => self.answer(exchange, plan, &error).await,
            Some(Ok(headers)) => {
                let nocache = self.table.routes[plan.route].nocache;
                let ended = reply::send(exchange, call, &headers, &plan.request_id, nocache).await;
                recycle(headers);
                match ended {
                    Ended::Unusable(what) => {
                        self.answer(exchange, plan, &CallError::BadResponse(what))
                            .await
                    }
                    ended => ended,
                }
            }
        }
    }
}

/// What the answer needs of the plan while the call has the rest.
struct Facts {
    route: usize,
    request_id: String,
    json: bool,
}

/// Characters of a client's method in an answer.
const METHOD_SHOWN_MAX: usize = 20;

/// How the request's body ended.
enum Upload {
    Complete,
    /// The provider wants no more of it.
    Refused,
    /// The client broke it off, or broke a rule: it must never look whole.
    Cut,
}

async fn upload(exchange: &Exchange<'_>, call: &Call) -> Upload {
    loop {
        match exchange.recv_body().await {
            Ok(Some(bytes)) => {
                if call.send(bytes).await.is_err() {
                    return Upload::Refused;
                }
            }
            Ok(None) => {
                call.finish();
                return Upload::Complete;
            }
            Err(BodyError::Refused(_) | BodyError::Gone) => return Upload::Cut,
        }
    }
}

impl Handler for Bridge {
    type Plan = ServiceCall;

    fn accept(&self, head: &RequestHead<'_>, client: &Client) -> Plan<ServiceCall> {
        let request_id = self.request_id(head);
        let json = head
            .fields
            .first("accept")
            .is_some_and(headers::accepts_json);
        match self.find(head, client, &request_id) {
            Ok(call) => {
                let route = &self.table.routes[call.route];
                let limited = head.body != BodyLength::None || route.min_body.is_some();
                let body = limited.then(|| BodyRules {
                    bytes_min: route.min_body.unwrap_or(0),
                    bytes_max: route.max_body.unwrap_or(u64::MAX),
                    request_id: request_id.clone(),
                    json,
                });
                Plan::Run {
                    plan: ServiceCall {
                        request_id,
                        json,
                        ..call
                    },
                    body,
                }
            }
            Err(own) => Plan::Answer(OwnAnswer {
                status: own.status,
                sentence: own.sentence,
                fields: own.fields,
                request_id,
                json,
            }),
        }
    }

    fn new_request_id(&self) -> String {
        self.ids.next()
    }

    async fn run<'a>(&'a self, plan: ServiceCall, exchange: &'a Exchange<'a>) {
        let route = &self.table.routes[plan.route];
        let facts = Facts {
            route: plan.route,
            request_id: plan.request_id,
            json: plan.json,
        };
        let call = self.shard.call(CallRequest {
            services: self.services[plan.route].clone(),
            headers: plan.headers,
            extras: plan.extras,
            has_body: plan.has_body,
            repeatable: plan.idempotent,
            hold_ms: route.hold.map(|hold| hold.as_millis() as u64),
            max_in_flight: route.max_in_flight,
            timeout_ms: route.timeout.map(|timeout| timeout.as_millis() as u64),
        });
        let ended = if plan.has_body {
            Box::pin(self.run_with_body(exchange, &call, &facts)).await
        } else {
            Some(self.respond(exchange, &call, &facts).await)
        };
        match ended {
            // The server answers for the body's fault by itself, or the connection is gone.
            None | Some(Ended::Complete) => {}
            Some(Ended::Cut | Ended::ClientGone | Ended::Unusable(_)) => exchange.abort(),
        }
    }
}

impl Bridge {
    /// Both bodies at once. `None`: the request's body was cut before a response began.
    async fn run_with_body(
        &self,
        exchange: &Exchange<'_>,
        call: &Call,
        facts: &Facts,
    ) -> Option<Ended> {
        let mut uploading = std::pin::pin!(upload(exchange, call));
        let mut uploaded = None;
        let mut responding = std::pin::pin!(self.respond(exchange, call, facts));
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

/// An answer of the gateway's own, before ids are added.
struct Own {
    status: u16,
    sentence: String,
    fields: Vec<(&'static str, String)>,
}

impl Own {
    fn plain(status: u16, sentence: String) -> Own {
        Own {
            status,
            sentence,
            fields: Vec::new(),
        }
    }

    fn with(status: u16, sentence: String, name: &'static str, value: String) -> Own {
        Own {
            status,
            sentence,
            fields: vec![(name, value)],
        }
    }
}

impl From<MapError> for Own {
    fn from(error: MapError) -> Own {
        match error {
            MapError::Request(error) => Own::plain(error.status, error.to_string()),
            MapError::TooLarge { what } => {
                Own::plain(431, format!("The request cannot be passed on: {what}."))
            }
        }
    }
}
