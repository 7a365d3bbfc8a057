//! The names that a route or caller asks for, with their providers resolved for the current snapshot.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use super::Shard;
use crate::routing::{Provider, ProviderKey};

/// The providers of some names, and beside each the requests of this shard that it has outstanding.
#[derive(Clone, Default)]
pub(crate) struct Resolved {
    pub(crate) providers: Vec<Provider>,
    pub(crate) outstanding: Vec<Rc<Cell<u32>>>,
}

/// Service names in order of preference, resolved once a snapshot. Made by [`Shard::service_set`], kept by the asker.
pub struct ServiceSet {
    pub(crate) names: Arc<[String]>,
    generation: Cell<u64>,
    resolved: RefCell<Rc<Resolved>>,
}

/// Counters kept although nobody uses them; beyond it the idle ones are dropped.
const IDLE_COUNTERS_MAX: usize = 1_024;

impl Shard {
    /// Prepares calls to the first of `names` that a provider handles.
    pub fn service_set(
        &self,
        names: impl IntoIterator<Item = impl Into<String>>,
    ) -> Rc<ServiceSet> {
        Rc::new(ServiceSet {
            names: names.into_iter().map(Into::into).collect(),
            generation: Cell::new(u64::MAX),
            resolved: RefCell::default(),
        })
    }

    /// The counter of a provider's outstanding requests; it outlives snapshots.
    fn outstanding(&self, key: ProviderKey) -> Rc<Cell<u32>> {
        let mut loads = self.loads.borrow_mut();
        if loads.len() > IDLE_COUNTERS_MAX {
            loads.retain(|_, count| Rc::strong_count(count) > 1);
        }
        loads.entry(key).or_default().clone()
    }
}

impl ServiceSet {
    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.names.iter().map(String::as_str)
    }

    /// The providers as of this turn.
    pub(crate) fn resolve(&self, shard: &Shard) -> Rc<Resolved> {
        if self.generation.get() != shard.generation() {
            let snapshot = shard.snapshot();
            self.generation.set(snapshot.generation);
            let providers = snapshot.providers(self.names());
            let outstanding = providers
                .iter()
                .map(|provider| shard.outstanding(provider.key))
                .collect();
            *self.resolved.borrow_mut() = Rc::new(Resolved {
                providers,
                outstanding,
            });
        }
        self.resolved.borrow().clone()
    }
}
