//! A shard of a node: its links, its handlers, its calls, and its way to the other shards. Everything here belongs to one
//! core; only [`message`] travels.

mod drain;
mod inbound;
mod message;
mod pieces;
mod provider;
mod receive;
mod relay;
mod services;
mod submit;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::AtomicU64;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::call::RetryBudget;
use crate::client::Served;
use crate::control::Registry;
use crate::idmap::IdMap;
use crate::mesh::{self, Link};
use crate::node::{Credentials, Events, Handlers, Identity, NodeEvent, NodeLimits, NodeState};
use crate::routing::{Change, LinkRef, ProviderKey, Rng, Snapshot};
use crate::rt::{self, Flag, Outbox, WaitQueue};
use crate::trust::{Known, Trust};

pub(crate) use drain::{HandlerRuns, Stage, Stages, Work};
pub(crate) use inbound::{Inbound, Source};
pub(crate) use message::{CallId, Message, Open, Relay};
pub(crate) use provider::{Candidate, Lead, ProviderState, Way};
pub(crate) use receive::{ReceiveBudget, Room, Share};
pub(crate) use relay::{Relays, RemoteCall};
pub use services::ServiceSet;
pub(crate) use submit::run_caught;
pub use submit::SubmitError;
use submit::Submits;

/// What a node offers.
#[derive(Debug, Default)]
pub(crate) struct Offered {
    /// Rises with every change, over all links.
    pub(crate) epoch: u64,
    /// Sorted.
    pub(crate) names: Vec<String>,
}

/// What all shards of a node share, immutable but for the registry and the list of services.
pub(crate) struct Shared {
    pub(crate) registry: Arc<Registry>,
    pub(crate) identity: Option<Identity>,
    /// What is shown on flatend/2.
    pub(crate) credentials: Credentials,
    /// What this node offers; replaced whole when it changes.
    pub(crate) offered: ArcSwap<Offered>,
    pub(crate) events: Events,
    pub(crate) limits: NodeLimits,
    /// Of the links, if it is not the system's default.
    pub(crate) congestion: Option<rt::Congestion>,
    /// This node answers for those that it is connected to.
    pub(crate) relays: bool,
    /// Shards that have not come so far in their end.
    pub(crate) stages: Stages,
    /// The key that all nodes of the network share.
    pub(crate) network_key: Option<[u8; 32]>,
    /// Whom the node takes; replaced whole when that changes.
    pub(crate) trust: ArcSwap<Trust>,
    /// Keys that were seen on flatend/2.
    pub(crate) known: Arc<Known>,
    /// It speaks flatend/2 with those that do.
    pub(crate) flatend2: bool,
    /// When the log was last told of HTTP at the mesh's address; 0: never.
    pub(crate) http_hint_at: AtomicU64,
    pub(crate) shards: usize,
}

impl Shared {
    /// What is known now.
    pub(crate) fn state(&self) -> NodeState {
        NodeState::new(self.registry.snapshot(), self.offered.load_full())
    }
}

/// One shard of a running node, as code on that shard sees it. Not `Send`: it lives and dies on its core.
pub struct Shard {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) handlers: Handlers,
    pub(crate) outboxes: Vec<Rc<Outbox<Message>>>,
    pub(crate) links: RefCell<IdMap<u64, Rc<Link>>>,
    pub(crate) relays: Relays,
    submits: Submits,
    /// Requests of threads that are no shard.
    pub(crate) served: Served,
    next_link: Cell<u64>,
    snapshot: RefCell<Arc<Snapshot>>,
    /// Somebody waits for a new snapshot.
    pub(crate) republished: WaitQueue,
    /// The generation of which those who wait were told.
    told: Cell<u64>,
    provider_states: RefCell<HashMap<ProviderKey, Rc<ProviderState>>>,
    next_outlet: Cell<u64>,
    /// Those of the names that were called, resolved.
    named_sets: RefCell<HashMap<Arc<[String]>, Rc<ServiceSet>>>,
    pub(crate) rng: RefCell<Rng>,
    pub(crate) retry_budget: RetryBudget,
    /// What peers on flatend/2 may send before it is read here, over all links.
    pub(crate) receive: Rc<ReceiveBudget>,
    /// Every shard of the node is ready.
    started: Flag,
    draining: Flag,
    /// What all shards have come to in their end, by [`Stage`].
    over: [Flag; 2],
    /// What runs here and may ask others: see [`Work`].
    work: Cell<usize>,
    work_done: WaitQueue,
    /// Links whose task has not ended, those that wait for a FIN included.
    pub(crate) live_links: Cell<usize>,
    pub(crate) link_gone: WaitQueue,
}

impl Shard {
    pub(crate) fn new(
        index: usize,
        shared: Arc<Shared>,
        outboxes: Vec<Rc<Outbox<Message>>>,
    ) -> Rc<Shard> {
        let snapshot = shared.registry.snapshot();
        let receive = ReceiveBudget::new(shared.limits.receive_bytes_of(shared.shards) as u64);
        let mut seed = [0; 8];
        // Without the system's randomness the choice of providers falls back to a fixed, still uneven, sequence.
        getrandom::fill(&mut seed).ok();
        Rc::new(Shard {
            index,
            shared,
            handlers: Handlers::default(),
            outboxes,
            links: RefCell::default(),
            relays: Relays::default(),
            submits: Submits::default(),
            served: Served::default(),
            next_link: Cell::new(1),
            snapshot: RefCell::new(snapshot),
            republished: WaitQueue::default(),
            told: Cell::new(0),
            provider_states: RefCell::default(),
            next_outlet: Cell::new(0),
            named_sets: RefCell::default(),
            rng: RefCell::new(Rng::new(u64::from_ne_bytes(seed))),
            retry_budget: RetryBudget::new(),
            receive,
            started: Flag::default(),
            draining: Flag::default(),
            over: Default::default(),
            work: Cell::new(0),
            work_done: WaitQueue::default(),
            live_links: Cell::new(0),
            link_gone: WaitQueue::default(),
        })
    }

    /// This shard's number, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// How many shards the node has.
    pub fn count(&self) -> usize {
        self.shared.shards
    }

    pub(crate) fn started(&self) -> &Flag {
        &self.started
    }

    /// Becomes set when the node shuts down: stop accepting, finish what runs, return.
    pub fn draining(&self) -> &Flag {
        &self.draining
    }

    /// Links that this shard owns.
    pub fn link_count(&self) -> usize {
        self.links.borrow().len()
    }

    /// Of these, those over which nothing of a request has gone for a few seconds.
    pub fn links_at_rest(&self) -> usize {
        let links = self.links.borrow();
        let rests = |link: &&Rc<Link>| link.conn.borrow().is_at_rest();
        links.values().filter(rests).count()
    }

    /// Calls of this shard that went over another shard's link, through its mailbox.
    pub fn relayed_calls(&self) -> u64 {
        self.relays.made_in_all()
    }

    /// The routing snapshot as of this turn.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        let mut cached = self.snapshot.borrow_mut();
        if cached.generation != self.shared.registry.generation() {
            *cached = self.shared.registry.snapshot();
        }
        cached.clone()
    }

    /// What the node knows of its mesh now.
    pub fn state(&self) -> NodeState {
        self.shared.state()
    }

    /// The state, as soon as it is another than `seen`. Changes that come together are seen as one; the last one is always seen.
    pub async fn changed(&self, seen: &NodeState) -> NodeState {
        self.republished
            .until(|| (self.generation() != seen.generation()).then_some(()))
            .await;
        self.state()
    }

    /// The generation of the snapshot that [`Shard::snapshot`] would give.
    pub(crate) fn generation(&self) -> u64 {
        self.shared.registry.generation()
    }

    pub(crate) fn new_link_ref(&self) -> LinkRef {
        let id = self.next_link.get();
        self.next_link.set(id + 1);
        // Unique in the process: shards count in steps, each from its own number.
        LinkRef {
            shard: self.index,
            id: id * self.shared.shards as u64 + self.index as u64,
        }
    }

    pub(crate) fn link(&self, link: LinkRef) -> Option<Rc<Link>> {
        self.links.borrow().get(&link.id).cloned()
    }

    /// Requests in flight on a link of this shard; one that is gone is the last to be chosen.
    pub(crate) fn open_streams(&self, link: LinkRef) -> usize {
        self.link(link)
            .map_or(usize::MAX, |link| link.conn.borrow().open_streams())
    }

    pub(crate) fn emit(&self, event: NodeEvent) {
        (self.shared.events)(event);
    }

    /// Tells the log once that a request found no room in the receive budget.
    pub(crate) fn tell_over_budget(&self, service: Option<&str>) {
        if self.receive.is_news() {
            self.emit(NodeEvent::OverBudget {
                shard: self.index,
                service: service.map(str::to_owned),
                bytes_max: self.receive.max(),
            });
        }
    }

    /// Tells the log that a provider is set aside or back.
    pub(crate) fn report_change(&self, state: &ProviderState, change: Change) {
        let (shard, provider) = (self.index, state.name());
        self.emit(match change {
            Change::Aside { pause_ms, cause } => NodeEvent::SetAside {
                shard,
                provider,
                pause_ms,
                cause,
            },
            Change::Back => NodeEvent::Back { shard, provider },
        });
    }

    pub(crate) fn outbox(&self, shard: usize) -> &Rc<Outbox<Message>> {
        &self.outboxes[shard]
    }

    /// Takes one message of another shard or of the node's owner.
    pub(crate) fn deliver(self: &Rc<Self>, message: Message) {
        // Whatever comes: the message that tells of a new snapshot is dropped where the mailbox is full.
        let generation = self.generation();
        if self.told.replace(generation) != generation {
            self.republished.wake_all();
        }
        match message {
            Message::Republished => {}
            Message::Start => self.started.set(),
            Message::Drain => self.draining.set(),
            Message::Over(stage) => self.over[stage as usize].set(),
            Message::Offers => mesh::services_changed(self),
            Message::Trust => mesh::trust_changed(self),
            Message::Dial(dial) => mesh::dial(self, dial),
            Message::Handover(handover) => mesh::take_in(self, *handover),
            Message::Supersede { link } => {
                if let Some(link) = self.link(link) {
                    link.supersede();
                }
            }
            Message::Ask { link, target } => {
                if let Some(link) = self.link(link) {
                    mesh::ask(&link, target);
                }
            }
            Message::Relay(relay) => self.relay(relay),
            Message::Run(run) => run(self),
            Message::Poke(exchange) => self.served.poke(&exchange),
        }
    }
}

/// Runs a shard's mailbox until the node ends.
pub(crate) fn serve_inbox(shard: &Rc<Shard>, inbox: rt::Inbox<Message>) {
    let shard = shard.clone();
    rt::spawn(async move {
        if let Err(err) = inbox.serve(|message| shard.deliver(message)).await {
            shard.emit(NodeEvent::Trouble(format!(
                "shard {} cannot read its mailbox: {err}",
                shard.index
            )));
        }
    });
}
