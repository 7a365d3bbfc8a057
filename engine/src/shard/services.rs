//! The names that a route or caller asks for, with their providers cached for the current snapshot.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use super::Shard;
use crate::routing::Provider;

/// Service names in order of preference, resolved once a snapshot. Made by [`Shard::service_set`], kept by the asker.
pub struct ServiceSet {
    pub(crate) names: Arc<[String]>,
    generation: Cell<u64>,
    providers: RefCell<Rc<[Provider]>>,
}

impl Shard {
    /// Prepares calls to the first of `names` that a provider handles.
    pub fn service_set(
        &self,
        names: impl IntoIterator<Item = impl Into<String>>,
    ) -> Rc<ServiceSet> {
        Rc::new(ServiceSet {
            names: names.into_iter().map(Into::into).collect(),
            generation: Cell::new(u64::MAX),
            providers: RefCell::new(Rc::new([])),
        })
    }
}

impl ServiceSet {
    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.names.iter().map(String::as_str)
    }

    /// The providers as of this turn.
    pub(crate) fn providers(&self, shard: &Shard) -> Rc<[Provider]> {
        if self.generation.get() != shard.generation() {
            let snapshot = shard.snapshot();
            self.generation.set(snapshot.generation);
            *self.providers.borrow_mut() = snapshot.providers(self.names()).into();
        }
        self.providers.borrow().clone()
    }
}
