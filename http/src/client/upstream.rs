//! An upstream: one handle for the process, one outlet a shard.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;

use flatend::rt;
use flatend::{CallError, Outlet, OutletRequest, OutletStream, ResponseSink, ServiceSet, Shard};

use super::connect::{self, Dialing};
use super::exchange::{Exchange, Job, Stream};
use super::pool::Pool;
use super::resolve::Resolver;
use super::{connection, health, HealthCheck, Origin, Report, UpstreamEvent};
use crate::h1::{wants_chunks, ClientConnection};
use crate::limits::{OUSTED_SILENT_MS, UPSTREAM_CONNECTIONS_MAX};
use crate::net::queue::OutQueue;

/// What the shards share of an upstream.
pub(super) struct Shared {
    id: u64,
    pub(super) origin: Origin,
    pub(super) health: Option<HealthCheck>,
    report: Report,
    /// The health check's word; true where there is none.
    pub(super) well: AtomicBool,
    /// A shard runs the health check.
    checked: AtomicBool,
    /// See [`UpstreamHandle::oust_silent`].
    ousts_silent: AtomicBool,
}

/// An upstream as the process knows it: cheap to copy, and the same for every route that names it.
#[derive(Clone)]
pub struct UpstreamHandle(Arc<Shared>);

impl fmt::Debug for UpstreamHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UpstreamHandle")
            .field(&self.0.origin)
            .finish()
    }
}

thread_local! {
    /// What this shard has of each upstream. Not owned here: it ends with the shard's tasks, not with its thread.
    static ON_SHARD: RefCell<HashMap<u64, OnShard>> = RefCell::default();
}

struct OnShard {
    outlet: Weak<Inner>,
    set: Weak<ServiceSet>,
}

impl UpstreamHandle {
    /// An upstream at `origin`. Nothing is dialed or checked before a shard asks for its outlet.
    pub fn new(origin: Origin, health: Option<HealthCheck>, report: Report) -> UpstreamHandle {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        UpstreamHandle(Arc::new(Shared {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            origin,
            health,
            report,
            well: AtomicBool::new(true),
            checked: AtomicBool::new(false),
            ousts_silent: AtomicBool::new(false),
        }))
    }

    /// `http://host:port`.
    pub fn label(&self) -> &str {
        self.0.origin.as_str()
    }

    /// Whether requests may be sent there, by the health check's last word.
    pub fn is_well(&self) -> bool {
        self.0.well.load(Ordering::Relaxed)
    }

    /// From now on a request for which there is no connection ends the one on which nothing has moved for longest, if that is
    /// [`OUSTED_SILENT_MS`] or more, instead of being refused. For callers who cannot always say that they have gone.
    pub fn oust_silent(&self) {
        self.0.ousts_silent.store(true, Ordering::Relaxed);
    }

    /// The outlet of the calling shard. The first shard that asks runs the health check.
    pub fn outlet(&self, shard: &Shard) -> Rc<Upstream> {
        Rc::new(Upstream(self.on_shard(shard).0))
    }

    /// Calls of the calling shard to this upstream alone.
    pub fn set(&self, shard: &Shard) -> Rc<ServiceSet> {
        self.on_shard(shard).1
    }

    pub(super) fn on_shard(&self, shard: &Shard) -> (Rc<Inner>, Rc<ServiceSet>) {
        let known = ON_SHARD.with(|all| {
            let all = all.borrow();
            let known = all.get(&self.0.id)?;
            Some((known.outlet.upgrade()?, known.set.upgrade()?))
        });
        if let Some(known) = known {
            return known;
        }
        let inner = Rc::new(Inner {
            shared: self.0.clone(),
            pool: Rc::default(),
            resolver: Rc::default(),
            dialing: Dialing::default(),
            http10: Cell::new(false),
        });
        let outlet: Rc<dyn Outlet> = Rc::new(Upstream(inner.clone()));
        let set = shard.outlet_set(vec![(self.label().to_owned(), outlet)]);
        let here = OnShard {
            outlet: Rc::downgrade(&inner),
            set: Rc::downgrade(&set),
        };
        ON_SHARD.with(|all| all.borrow_mut().insert(self.0.id, here));
        let kept = (inner.clone(), set.clone());
        // A task owns them, so that they are dropped on the shard, with the other tasks.
        rt::spawn(async move {
            let (inner, _set) = kept;
            match &inner.shared.health {
                Some(check) if !inner.shared.checked.swap(true, Ordering::Relaxed) => {
                    health::watch(&inner, check).await;
                }
                _ => std::future::pending().await,
            }
        });
        (inner, set)
    }
}

/// The outlet of one shard to one upstream.
pub struct Upstream(Rc<Inner>);

pub(super) struct Inner {
    pub(super) shared: Arc<Shared>,
    pub(super) pool: Rc<Pool>,
    pub(super) resolver: Rc<Resolver>,
    pub(super) dialing: Dialing,
    /// Its last response was HTTP/1.0.
    http10: Cell<bool>,
}

impl Inner {
    pub(super) fn origin(&self) -> &Origin {
        &self.shared.origin
    }

    pub(super) fn label(&self) -> String {
        self.shared.origin.as_str().to_owned()
    }

    pub(super) fn report(&self, event: UpstreamEvent) {
        (self.shared.report)(event);
    }

    /// Room for one connection more; the one that is ended for it closes in this turn.
    pub(super) fn make_room(
        &self,
        connections_max: usize,
        silent_ms: u64,
    ) -> Result<(), CallError> {
        if self.pool.connections() < connections_max {
            return Ok(());
        }
        let ousts = self.shared.ousts_silent.load(Ordering::Relaxed);
        let ousted = ousts.then(|| self.pool.oust_silent(silent_ms));
        let upstream = self.label();
        match ousted.flatten() {
            Some(silent_ms) => {
                self.report(UpstreamEvent::Ousted {
                    upstream,
                    silent_ms,
                    connections_max,
                });
                Ok(())
            }
            None => {
                self.report(UpstreamEvent::Crowded {
                    upstream,
                    connections_max,
                });
                Err(CallError::ConnectionsInUse { connections_max })
            }
        }
    }

    pub(super) fn note_version(&self, is_http10: bool) {
        self.http10.set(is_http10);
    }
}

impl Upstream {
    /// Connects once and closes again, so that the log says whether it can be reached. True if it can.
    pub async fn can_be_reached(&self) -> bool {
        connect::dial(&self.0).await.is_ok()
    }
}

impl Outlet for Upstream {
    fn open(
        &self,
        request: OutletRequest<'_>,
        response: ResponseSink,
    ) -> Result<Box<dyn OutletStream>, CallError> {
        let inner = &self.0;
        let fields = request.headers.iter().chain(request.extras.iter());
        // RFC 9112 6.1: no chunks for a server that is known not to read them.
        if !request.end && inner.http10.get() && wants_chunks(fields.clone()) {
            return Err(CallError::Unsendable {
                status: 411,
                why: "the upstream speaks HTTP/1.0, which takes no body of unknown length; send a content-length"
                    .to_owned(),
            });
        }
        let (mut http, mut output) = (ClientConnection::new(), OutQueue::default());
        http.send_request(
            output.tail(),
            fields,
            !request.end,
            inner.origin().authority(),
        )
        .map_err(|why| CallError::Unsendable {
            status: why.status(),
            why: why.to_string(),
        })?;
        output.appended(0);
        let again = (request.end && request.repeatable).then(|| output.tail().clone());
        let exchange = Exchange::new(request.end);
        let stream = Box::new(Stream(exchange.clone()));
        let job = Job {
            exchange,
            response,
            output,
            again,
            http,
        };
        if let Some(job) = inner.pool.hand_over(job) {
            inner.make_room(UPSTREAM_CONNECTIONS_MAX, OUSTED_SILENT_MS)?;
            rt::spawn(connection::run(inner.clone(), job));
        }
        Ok(stream)
    }

    fn is_well(&self) -> bool {
        self.0.shared.well.load(Ordering::Relaxed)
    }
}
