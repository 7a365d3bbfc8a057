//! The names that a route or caller asks for, with their providers resolved for the current snapshot; or a fixed set of
//! outlets, which no snapshot changes.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use super::provider::{Candidate, Lead, ProviderState};
use super::Shard;
use crate::call::Outlet;
use crate::limits::{IDLE_PROVIDERS_MAX, NAMED_SETS_MAX};
use crate::routing::{Provider, ProviderKey, ProviderName};
use crate::rt;

/// Whom a call may ask: service names in order of preference, resolved once a snapshot ([`Shard::service_set`]), or outlets
/// ([`Shard::outlet_set`]). Kept by the asker.
pub struct ServiceSet {
    pub(crate) names: Arc<[String]>,
    /// Its candidates are outlets: known from the beginning, and there for ever.
    pub(crate) outlets: bool,
    /// Of all providers, this one alone.
    only: Option<ProviderKey>,
    generation: Cell<u64>,
    resolved: RefCell<Rc<[Candidate]>>,
}

impl Shard {
    /// Prepares calls to the first of `names` that a provider handles.
    pub fn service_set(
        &self,
        names: impl IntoIterator<Item = impl Into<String>>,
    ) -> Rc<ServiceSet> {
        ServiceSet::of(names.into_iter().map(Into::into).collect(), None)
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
        let set = ServiceSet::of(names.clone(), None);
        sets.insert(names.clone(), set.clone());
        set
    }

    /// Prepares calls to one provider, whatever others offer.
    pub(crate) fn set_at(&self, names: Arc<[String]>, provider: ProviderKey) -> Rc<ServiceSet> {
        ServiceSet::of(names, Some(provider))
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

    fn candidate(&self, provider: Provider) -> Candidate {
        Candidate {
            key: provider.key,
            near: provider.links.iter().any(|link| link.shard == self.index),
            state: self.provider_state(&provider),
            lead: Lead::Links(provider.links),
        }
    }
}

impl ServiceSet {
    fn of(names: Arc<[String]>, only: Option<ProviderKey>) -> Rc<ServiceSet> {
        Rc::new(ServiceSet {
            names,
            outlets: false,
            only,
            generation: Cell::new(u64::MAX),
            resolved: RefCell::new(Rc::new([])),
        })
    }

    /// The names of the services, in order; the labels of outlets.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.names.iter().map(String::as_str)
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
            let candidates = providers
                .into_iter()
                .map(|provider| shard.candidate(provider));
            *self.resolved.borrow_mut() = candidates.collect();
        }
        self.resolved.borrow().clone()
    }
}
