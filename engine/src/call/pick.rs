//! Finding a provider for a call: choice among those that were not tried, and the wait for one to come back.

use std::cell::Cell;
use std::rc::Rc;

use flatend_codec::Millis;

use super::Call;
use crate::error::CallError;
use crate::limits::{HOLD_DEFAULT_MS, SERVICE_MEMORY_MS, YOUNG_PROCESS_MS};
use crate::routing::{choose, LinkRef, Load, Provider, ProviderKey};
use crate::rt;
use crate::shard::Resolved;

/// What a call has tried already.
#[derive(Default)]
pub(super) struct Tried {
    pub(super) tries: u32,
    /// Links that were lost or could not open the stream.
    pub(super) links: Vec<LinkRef>,
    /// Providers that refused.
    pub(super) providers: Vec<ProviderKey>,
    /// Why the last try failed.
    pub(super) error: Option<CallError>,
    /// When waiting for a provider ends; set at the first wait.
    hold_until: Option<Millis>,
}

/// A provider to try, and the link that leads to it.
pub(super) struct Chosen {
    pub(super) provider: ProviderKey,
    pub(super) link: LinkRef,
    pub(super) outstanding: Rc<Cell<u32>>,
}

enum Choice {
    Link(Chosen),
    /// Nobody is left: a new snapshot may bring one.
    Nobody,
    /// Somebody is there but must not be asked now.
    Never(CallError),
}

impl Call {
    /// A provider that can be asked now.
    pub(super) fn choose_at_once(&self) -> Option<Chosen> {
        match self.choose_now() {
            Choice::Link(chosen) => Some(chosen),
            Choice::Nobody | Choice::Never(_) => None,
        }
    }

    /// The next provider and link to try; waits for one if the request may be held.
    pub(super) async fn choose(&self) -> Result<Chosen, CallError> {
        loop {
            // Read first: a snapshot that is published while we choose must not be slept through.
            let generation = self.shard.generation();
            match self.choose_now() {
                Choice::Link(chosen) => return Ok(chosen),
                Choice::Never(error) => return Err(error),
                Choice::Nobody => {}
            }
            let until = self.hold_until();
            let now = rt::now();
            if until <= now {
                let error = self.state.borrow_mut().tried.error.take();
                return Err(error.unwrap_or(CallError::NoProvider));
            }
            let republished = self
                .shard
                .republished
                .until(|| (self.shard.generation() != generation).then_some(()));
            rt::timeout(until.0 - now.0, republished).await.ok();
        }
    }

    fn choose_now(&self) -> Choice {
        let shard = &self.shard;
        let mut resolved = self.request.services.resolve(shard);
        let state = self.state.borrow();
        let tried = &state.tried;
        if !tried.links.is_empty() {
            resolved = Rc::new(without(&resolved, tried));
        }
        let Resolved {
            providers,
            outstanding,
        } = &*resolved;
        if providers.is_empty() {
            return match &tried.error {
                Some(error @ (CallError::Refused | CallError::HeadTooLarge { .. })) => {
                    Choice::Never(error.clone())
                }
                _ => Choice::Nobody,
            };
        }
        let load = |i: usize| Load {
            outstanding: outstanding[i].get(),
        };
        let chosen = choose(
            providers,
            shard.index,
            load,
            self.request.max_in_flight,
            &mut shard.rng.borrow_mut(),
        );
        let Some(i) = chosen else {
            return Choice::Never(CallError::Saturated);
        };
        let links = &providers[i].links;
        let own = links.iter().find(|link| link.shard == shard.index);
        match own.or(links.first()) {
            Some(link) => Choice::Link(Chosen {
                provider: providers[i].key,
                link: *link,
                outstanding: outstanding[i].clone(),
            }),
            None => Choice::Nobody,
        }
    }

    fn hold_until(&self) -> Millis {
        let mut state = self.state.borrow_mut();
        *state.tried.hold_until.get_or_insert_with(|| {
            let ms = self
                .request
                .hold_ms
                .unwrap_or_else(|| self.default_hold_ms());
            Millis(rt::now().0.saturating_add(ms))
        })
    }

    fn default_hold_ms(&self) -> u64 {
        let age_ms = self.shard.shared.registry.age_ms();
        let since = Millis(age_ms.saturating_sub(SERVICE_MEMORY_MS));
        let expected = age_ms < YOUNG_PROCESS_MS
            || self
                .shard
                .snapshot()
                .was_offered_since(self.request.services.names(), since);
        if expected {
            HOLD_DEFAULT_MS
        } else {
            0
        }
    }
}

fn without(all: &Resolved, tried: &Tried) -> Resolved {
    let mut left = Resolved::default();
    for (provider, outstanding) in all.providers.iter().zip(&all.outstanding) {
        let links: Vec<LinkRef> = provider
            .links
            .iter()
            .filter(|link| !tried.links.contains(link))
            .copied()
            .collect();
        if !links.is_empty() && !tried.providers.contains(&provider.key) {
            left.providers.push(Provider {
                links,
                ..provider.clone()
            });
            left.outstanding.push(outstanding.clone());
        }
    }
    left
}
