//! What this shard knows of one provider, whatever snapshots come and go: its repute of load, latency and health, its name,
//! and the links that led to it last.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::call::Outlet;
use crate::routing::{Change, LinkRef, Openness, Provider, ProviderKey, ProviderName, Repute};

/// The state of one provider on one shard.
pub(crate) struct ProviderState {
    name: RefCell<ProviderName>,
    pub(crate) repute: RefCell<Repute>,
    /// The links of the last snapshot that was looked at.
    links: RefCell<Vec<LinkRef>>,
    /// Links whose loss was held against it, with those that led to it then: a process that dies loses all of them.
    lost: RefCell<Vec<LinkRef>>,
}

impl ProviderState {
    pub(crate) fn new(name: ProviderName) -> Rc<ProviderState> {
        Rc::new(ProviderState {
            name: RefCell::new(name),
            repute: RefCell::default(),
            links: RefCell::default(),
            lost: RefCell::default(),
        })
    }

    pub(crate) fn name(&self) -> ProviderName {
        self.name.borrow().clone()
    }

    /// Takes over what a new snapshot says. A provider that comes with new links only starts clean: whoever restarted or
    /// dialed again explains what went before. Tells if it was set aside until now.
    pub(super) fn update(&self, provider: &Provider, now_us: u64) -> Option<Change> {
        *self.name.borrow_mut() = ProviderName::of(provider);
        let before = self.links.replace(provider.links.clone());
        if before.is_empty() || before.iter().any(|link| provider.links.contains(link)) {
            return None;
        }
        self.repute.borrow_mut().renew(now_us)
    }

    /// Whether the loss of `link` is news: it breaks many requests at once, and is one failure; so is that of several links that
    /// led there at the same time.
    pub(crate) fn is_first_loss(&self, link: LinkRef) -> bool {
        let mut lost = self.lost.borrow_mut();
        if lost.contains(&link) {
            return false;
        }
        lost.clone_from(&self.links.borrow());
        if !lost.contains(&link) {
            lost.push(link);
        }
        true
    }
}

/// A link that leads to a provider.
pub(crate) struct Way {
    pub(crate) link: LinkRef,
    pub(crate) open: Arc<Openness>,
}

/// How to reach a provider.
pub(crate) enum Lead {
    /// Links, at least one.
    Links(Vec<Way>),
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
