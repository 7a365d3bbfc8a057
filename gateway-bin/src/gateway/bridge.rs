//! The bridge: finds the route of a request and hands it to what answers there. One module a kind of target; here is only
//! what all of them share.

use std::rc::Rc;
use std::sync::Arc;

use flatend::Shard;
use flatend_http::files::reader::Wanted;
use flatend_http::h1::{BodyLength, RequestHead};
use flatend_http::headers;
use flatend_http::server::{
    BodyRules, Client, Exchange, Handler, Notes, OwnAnswer, Plan, Record, RequestId,
};

use super::files::Files;
use super::ids::RequestIds;
use super::own::{self, Own, Unrouted};
use super::redirects;
use super::services::{ServiceCall, Services};
use super::table::RouteTable;
use crate::access::ShardLog;
use crate::config::Target;

/// The handler of one section on one shard.
pub struct Bridge {
    table: Arc<RouteTable>,
    services: Services,
    files: Files,
    ids: RequestIds,
    access: Option<Rc<ShardLog>>,
}

/// A request that was taken, and who answers it.
pub struct Planned {
    facts: Facts,
    work: Work,
}

/// What every kind of answer needs of the request.
pub(super) struct Facts {
    /// Number of the route.
    pub(super) route: usize,
    pub(super) request_id: RequestId,
    /// The client asked for JSON.
    pub(super) json: bool,
}

/// Who answers.
enum Work {
    Call(ServiceCall),
    File(Wanted),
}

impl Facts {
    /// An answer of the gateway's own to this request.
    pub(super) fn answer(&self, own: Own) -> OwnAnswer {
        OwnAnswer {
            status: own.status,
            sentence: own.sentence,
            fields: own.fields,
            request_id: self.request_id.clone(),
            json: self.json,
        }
    }
}

impl Bridge {
    /// The handler for `table` on `shard`; `listener` numbers the section. `access` takes a line a request.
    pub fn new(
        shard: Rc<Shard>,
        table: Arc<RouteTable>,
        listener: usize,
        access: Option<Rc<ShardLog>>,
    ) -> Bridge {
        Bridge {
            access,
            ids: RequestIds::new(shard.index(), listener),
            services: Services::new(shard, &table),
            files: Files::new(&table.routes),
            table,
        }
    }

    /// Finds the route and takes what its target needs of the head.
    fn take(
        &self,
        head: &RequestHead<'_>,
        client: &Client,
        facts: &mut Facts,
        notes: Option<&mut Notes>,
    ) -> Result<Work, Own> {
        let matched = match own::route(&self.table.router, head) {
            Ok(matched) => {
                facts.route = *matched.value;
                Some(matched)
            }
            Err(Unrouted::Answer(own)) => return Err(own),
            // A directory at `/` serves what no route takes.
            Err(Unrouted::Nowhere) => match self.table.root(head.authority) {
                Some(root) => {
                    facts.route = root;
                    None
                }
                None => return Err(Unrouted::Nowhere.into()),
            },
        };
        if let Some(notes) = notes {
            notes.route(facts.route);
        }
        let route = &self.table.routes[facts.route];
        // Whoever answers: not all of them decode.
        own::check_escapes(head)?;
        match (&route.target, &matched) {
            (Target::Services(_) | Target::Proxy(_), Some(matched)) => {
                let call = self
                    .services
                    .take(route, head, matched, client, &facts.request_id)?;
                Ok(Work::Call(call))
            }
            (Target::Static(_), matched) => {
                let wanted = self.files.take(facts.route, head, matched.as_ref())?;
                Ok(Work::File(wanted))
            }
            // The gateway itself; other targets are refused before anything runs.
            (_, matched) => Err(matched
                .as_ref()
                .and_then(|matched| redirects::answer(route, head, matched))
                .unwrap_or_else(|| Own::plain(501, "Nothing answers this route.".to_owned()))),
        }
    }
}

impl Handler for Bridge {
    type Plan = Planned;

    fn accept(
        &self,
        head: &RequestHead<'_>,
        client: &Client,
        mut notes: Option<&mut Notes>,
    ) -> Plan<Planned> {
        let json = head
            .fields
            .first("accept")
            .is_some_and(headers::accepts_json);
        let mut facts = Facts {
            route: 0,
            request_id: self.ids.of(head),
            json,
        };
        if let Some(notes) = notes.as_deref_mut() {
            notes.request_id(&facts.request_id);
        }
        let work = match self.take(head, client, &mut facts, notes) {
            Ok(work) => work,
            Err(own) => return Plan::Answer(facts.answer(own)),
        };
        let route = &self.table.routes[facts.route];
        let limited = head.body != BodyLength::None || route.min_body.is_some();
        let body = limited.then(|| BodyRules {
            bytes_min: route.min_body.unwrap_or(0),
            bytes_max: route.max_body.unwrap_or(u64::MAX),
            request_id: facts.request_id.clone(),
            json,
        });
        Plan::Run {
            plan: Planned { facts, work },
            body,
        }
    }

    fn new_request_id(&self) -> RequestId {
        self.ids.next()
    }

    fn wants_records(&self) -> bool {
        self.access.is_some()
    }

    fn ended(&self, record: &Record<'_>) {
        if let Some(access) = &self.access {
            let route = record.route.and_then(|route| self.table.routes.get(route));
            access.line(record, route.map(|route| route.pattern.as_str()));
        }
    }

    async fn run<'a>(&'a self, plan: Planned, exchange: &'a Exchange<'a>) {
        let route = &self.table.routes[plan.facts.route];
        match plan.work {
            Work::Call(call) => self.services.run(route, call, &plan.facts, exchange).await,
            Work::File(wanted) => self.files.run(wanted, &plan.facts, exchange).await,
        }
    }
}
