//! The names that a route or caller asks for, with their providers resolved for the current snapshot; or a fixed set of
//! outlets, which no snapshot changes.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use flatend_codec::RELAY_SERVICE;

use super::provider::{Candidate, Lead, ProviderState, Way};
use super::Shard;
use crate::call::Outlet;
use crate::limits::{IDLE_PROVIDERS_MAX, NAMED_SETS_MAX, TRIES_MAX};
use crate::routing::{Provider, ProviderKey, ProviderName, Snapshot};
use crate::rt;

/// Whom a call may ask: service names in order of preference, resolved once a snapshot ([`Shard::service_set`]), or outlets
/// ([`Shard::outlet_set`]). Kept by the asker.
pub struct ServiceSet {
    pub(crate) names: Arc<[String]>,
    /// Its candidates are outlets: known from the beginning, and there for ever.
    pub(crate) outlets: bool,
    /// Of all providers, this one alone.
    only: Option<ProviderKey>,
    relays: Relays,
    /// They were resolved to nodes that relay.
    through_relays: Cell<bool>,
    generation: Cell<u64>,
    resolved: RefCell<Rc<[Candidate]>>,
}

/// Whether nodes that relay may be asked where nobody that is connected offers the names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relays {
    No,
    Yes,
    /// One of them: this node relays itself, and a request for what nobody offers must not multiply.
    One,
}

impl Shard {
    /// Prepares calls to the first of `names` that a provider handles.
    pub fn service_set(
        &self,
        names: impl IntoIterator<Item = impl Into<String>>,
    ) -> Rc<ServiceSet> {
        ServiceSet::of(
            names.into_iter().map(Into::into).collect(),
            None,
            Relays::No,
        )
    }

    /// As [`Shard::service_set`], the same one for the same names as long as it is remembered.
    pub(crate) fn named_set(&self, names: &Arc<[String]>) -> Rc<ServiceSet> {
        let mut sets = self.named_sets.borrow_mut();
        if let Some(set) = sets.get(&**names) {
            return set.clone();
        }
        if sets.len() >= NAMED_SETS_MAX {
            sets.clear();
        }
        let set = ServiceSet::of(names.clone(), None, Relays::No);
        sets.insert(names.clone(), set.clone());
        set
    }

    /// Prepares calls to one provider, whatever others offer.
    pub(crate) fn set_at(&self, names: Arc<[String]>, provider: ProviderKey) -> Rc<ServiceSet> {
        ServiceSet::of(names, Some(provider), Relays::No)
    }

    /// As [`Shard::service_set`]; where nobody that is connected offers the names, nodes that relay are asked.
    pub(crate) fn set_through_relays(&self, names: Arc<[String]>) -> Rc<ServiceSet> {
        ServiceSet::of(names, None, Relays::Yes)
    }

    /// As [`Shard::set_through_relays`], for a node that relays itself.
    pub(crate) fn relay_set(&self, names: Arc<[String]>) -> Rc<ServiceSet> {
        ServiceSet::of(names, None, Relays::One)
    }

    /// Prepares calls to any of `outlets`, each with a label for logs and messages: the names of the set. A request is
    /// not held by default: outlets are known, and no snapshot brings another.
    pub fn outlet_set(&self, outlets: Vec<(String, Rc<dyn Outlet>)>) -> Rc<ServiceSet> {
        let (names, outlets): (Vec<String>, Vec<_>) = outlets.into_iter().unzip();
        let candidates = names.iter().zip(outlets).map(|(label, outlet)| {
            let number = self.next_outlet.get();
            self.next_outlet.set(number + 1);
            Candidate {
                key: ProviderKey::Outlet(number),
                lead: Lead::Outlet(outlet),
                near: true,
                state: ProviderState::new(ProviderName::Label(label.as_str().into())),
            }
        });
        Rc::new(ServiceSet {
            resolved: RefCell::new(candidates.collect()),
            names: names.into(),
            outlets: true,
            only: None,
            relays: Relays::No,
            through_relays: Cell::new(false),
            generation: Cell::new(0),
        })
    }

    /// What is known of a provider; it outlives snapshots.
    fn provider_state(&self, provider: &Provider) -> Rc<ProviderState> {
        let mut states = self.provider_states.borrow_mut();
        if states.len() > IDLE_PROVIDERS_MAX {
            states.retain(|_, state| Rc::strong_count(state) > 1);
        }
        let state = states
            .entry(provider.key)
            .or_insert_with(|| ProviderState::new(ProviderName::of(provider)))
            .clone();
        drop(states);
        if let Some(change) = state.update(provider, rt::now_us()) {
            self.report_change(&state, change);
        }
        state
    }

    fn candidate(&self, provider: Provider, snapshot: &Snapshot) -> Candidate {
        let ways = provider.links.iter().map(|&link| Way {
            link,
            open: snapshot.openness(link).cloned().unwrap_or_default(),
        });
        Candidate {
            key: provider.key,
            near: provider.links.iter().any(|link| link.shard == self.index),
            state: self.provider_state(&provider),
            lead: Lead::Links(ways.collect()),
        }
    }
}

impl ServiceSet {
    fn of(names: Arc<[String]>, only: Option<ProviderKey>, relays: Relays) -> Rc<ServiceSet> {
        Rc::new(ServiceSet {
            names,
            outlets: false,
            only,
            relays,
            through_relays: Cell::new(false),
            generation: Cell::new(u64::MAX),
            resolved: RefCell::new(Rc::new([])),
        })
    }

    /// The names of the services, in order; the labels of outlets.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.names.iter().map(String::as_str)
    }

    /// The nodes that relay, if nobody offers the names and they may be asked.
    fn or_relays(&self, providers: Vec<Provider>, snapshot: &Snapshot) -> Vec<Provider> {
        let through = self.relays != Relays::No && providers.is_empty();
        self.through_relays.set(through);
        if through {
            return snapshot.providers([RELAY_SERVICE]);
        }
        providers
    }

    /// Whether its candidates are nodes that relay: what they refuse says nothing about them.
    pub(crate) fn is_through_relays(&self) -> bool {
        self.through_relays.get()
    }

    /// How often one request may be tried.
    pub(crate) fn tries_max(&self) -> u32 {
        match self.relays {
            Relays::One if self.through_relays.get() => 1,
            _ => TRIES_MAX,
        }
    }

    /// The providers as of this turn.
    pub(crate) fn resolve(&self, shard: &Shard) -> Rc<[Candidate]> {
        if !self.outlets && self.generation.get() != shard.generation() {
            let snapshot = shard.snapshot();
            self.generation.set(snapshot.generation);
            let providers = match self.only {
                None => snapshot.providers(self.names()),
                Some(only) => {
                    let mut all = snapshot.all_providers(self.names());
                    all.retain(|provider| provider.key == only);
                    all
                }
            };
            let providers = self.or_relays(providers, &snapshot);
            let candidates = providers
                .into_iter()
                .map(|provider| shard.candidate(provider, &snapshot));
            *self.resolved.borrow_mut() = candidates.collect();
        }
        self.resolved.borrow().clone()
    }
}
