//! What this shard knows of one provider, whatever snapshots come and go: how many requests it has outstanding, and its name.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::call::Outlet;
use crate::routing::{LinkRef, ProviderKey, ProviderName};

/// The state of one provider on one shard.
pub(crate) struct ProviderState {
    name: RefCell<ProviderName>,
    /// Requests of this shard that it has not answered in full.
    pub(crate) outstanding: Cell<u32>,
}

impl ProviderState {
    pub(crate) fn new(name: ProviderName) -> Rc<ProviderState> {
        Rc::new(ProviderState {
            name: RefCell::new(name),
            outstanding: Cell::new(0),
        })
    }

    pub(crate) fn name(&self) -> ProviderName {
        self.name.borrow().clone()
    }

    /// A peer can be dialed at another address than before.
    pub(super) fn rename(&self, name: ProviderName) {
        *self.name.borrow_mut() = name;
    }
}

/// How to reach a provider.
pub(crate) enum Lead {
    /// Links, at least one.
    Links(Vec<LinkRef>),
    Outlet(Rc<dyn Outlet>),
}

/// A provider that a call may choose.
pub(crate) struct Candidate {
    pub(crate) key: ProviderKey,
    pub(crate) lead: Lead,
    /// A link of this shard leads to it, or it is an outlet.
    pub(crate) near: bool,
    pub(crate) state: Rc<ProviderState>,
}
